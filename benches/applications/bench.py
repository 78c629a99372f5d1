"""The WSGI application that every contender serves; the path says the workload.

Bodies are made once, so that a request costs what the server does, and a handful of Python's instructions.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

LINE = b"0123456789abcde\n"
TEXT = ("Content-Type", "text/plain")
FILE = os.path.join(HERE, "file-10m")


def whole(body):
    """Answers with these bytes and their length."""
    headers = [TEXT, ("Content-Length", str(len(body)))]

    def handler(environ, start_response):
        start_response("200 OK", headers[:])
        return [body]

    return handler


def stream(environ, start_response):
    """100 pieces of 10 KB without a length."""
    start_response("200 OK", [TEXT])
    return (PIECE for _ in range(100))


def upload(environ, start_response):
    """Reads the body in pieces of 64 KB; answers with its length."""
    read, total = environ["wsgi.input"].read, 0
    left = int(environ.get("CONTENT_LENGTH") or 0)
    while left and (data := read(min(65536, left))):
        total += len(data)
        left -= len(data)
    return whole(b"%d" % total)(environ, start_response)


def send_file(environ, start_response):
    """A file, through `wsgi.file_wrapper` where there is one."""
    file = open(FILE, "rb")
    start_response("200 OK", [TEXT, ("Content-Length", str(os.fstat(file.fileno()).st_size))])
    if wrapper := environ.get("wsgi.file_wrapper"):
        return wrapper(file, 65536)
    return iter(lambda: file.read(65536), b"")


def size(environ, start_response):
    """As many bytes as the query says; the last such body is kept."""
    count = int(environ["QUERY_STRING"])
    if len(SIZED.get(count, b"")) != count:
        SIZED.clear()
        SIZED[count] = b"x" * count
    return whole(SIZED[count])(environ, start_response)


def django(environ, start_response):
    """Loaded when it is asked for, so that the memory of the others is without it."""
    import django_page

    HANDLERS["/django"] = django_page.application
    return django_page.application(environ, start_response)


def flask(environ, start_response):
    """As Django."""
    import flask_page

    HANDLERS["/flask"] = flask_page.application
    return flask_page.application(environ, start_response)


PIECE = LINE * 640
SIZED = {}
HANDLERS = {
    "/hello": whole(b"Hello, world!"),
    "/body-10k": whole(PIECE),
    "/body-1m": whole(LINE * 65536),
    "/stream": stream,
    "/upload": upload,
    "/file": send_file,
    "/size": size,
    "/django": django,
    "/flask": flask,
}


def application(environ, start_response):
    """WSGI."""
    handler = HANDLERS.get(environ["PATH_INFO"])
    if handler is None:
        start_response("404 Not Found", [TEXT, ("Content-Length", "0")])
        return []
    return handler(environ, start_response)
