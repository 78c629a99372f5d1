"""The linters of WSGI around one application, chosen by the first part of PATH_INFO; what the application does by the second.

A linter complains by raising, so a complaint is a 500, a broken response, or a line in the error log.
"""

import sys
import warnings
from wsgiref.util import shift_path_info
from wsgiref.validate import validator

import paste.lint
import webtest.lint
from werkzeug.middleware.lint import LintMiddleware

# Three of the four warn of what they only dislike. PATCH is younger than one of them.
warnings.simplefilter("error")
warnings.filterwarnings("ignore", "Unknown REQUEST_METHOD: 'PATCH'")

PLAIN = ("Content-Type", "text/plain")


def whole(environ, start_response):
    body = b"whole: " + read(environ)
    start_response("200 OK", [PLAIN, ("Content-Length", str(len(body))), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    return [body]


def parts(environ, start_response):
    received = read(environ)
    start_response("201 Created", [PLAIN, ("X-Latin", "caf\u00e9"), ("ETag", '"tag"')])
    yield b"parts: "
    yield received


def written(environ, start_response):
    write = start_response("202 Accepted", [PLAIN])
    write(b"written: ")
    return [read(environ)]


def by_lines(environ, start_response):
    stream = environ["wsgi.input"]
    # werkzeug's linter has no readlines() and dislikes every readline().
    lines = [stream.readline(8), *stream.readlines(1000)] if hasattr(stream, "readlines") else []
    lines += stream
    start_response("200 OK", [PLAIN])
    return [b"by lines: ", *lines] if any(lines) else [b"by lines: "]


def nothing(environ, start_response):
    start_response("204 No Content", [("Content-Length", "0")])
    return []


def unchanged(environ, start_response):
    start_response("304 Not Modified", [("Expires", "Thu, 01 Jan 2099 00:00:00 GMT")])
    return []


def missing(environ, start_response):
    start_response("404 Not Found", [PLAIN, ("Content-Length", "7")])
    return [b"missing"]


def replaced(environ, start_response):
    start_response("200 OK", [PLAIN])
    try:
        raise ValueError("found too late")
    except ValueError:
        start_response("500 Internal Server Error", [PLAIN], sys.exc_info())
    return [b"replaced"]


def logged(environ, start_response):
    environ["wsgi.errors"].write("written by a linted application\n")
    environ["wsgi.errors"].writelines(["lines of a ", "linted application\n"])
    environ["wsgi.errors"].flush()
    start_response("200 OK", [PLAIN])
    return [b"logged"]


def read(environ):
    return environ["wsgi.input"].read(1000)


def plain(environ, start_response):
    return globals()[environ["PATH_INFO"].strip("/")](environ, start_response)


LINTERS = {
    "wsgiref": validator(plain),
    "webtest": webtest.lint.middleware(plain),
    "paste": paste.lint.middleware(plain),
    "werkzeug": LintMiddleware(plain),
}


def application(environ, start_response):
    return LINTERS[shift_path_info(environ)](environ, start_response)
