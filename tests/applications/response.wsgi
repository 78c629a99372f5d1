"""Responses of every shape, by PATH_INFO."""

import sys

PLAIN = ("Content-Type", "text/plain")


def cookies(start_response):
    start_response("200 OK", [PLAIN, ("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Expires=Thu, 01 Jan 2099 00:00:00 GMT")])
    return [b"cookies"]


def challenges(start_response):
    start_response("401 Unauthorized", [PLAIN, ("WWW-Authenticate", "Basic realm=a"), ("WWW-Authenticate", "Bearer")])
    return [b"who are you"]


def no_content(start_response):
    start_response("204 No Content", [("X-Kept", "yes")])
    return []


def not_modified(start_response):
    start_response("304 Not Modified", [("ETag", '"tag"'), ("X-Kept", "yes")])
    return []


def reason(start_response):
    start_response("299 Quite Alright", [PLAIN, ("X-Latin", "caf\u00e9")])
    return [b"reason"]


def redirect(start_response):
    start_response("302 Found", [PLAIN, ("Location", "http://elsewhere.example/")])
    return [b""]


def error(start_response):
    start_response("503 Service Unavailable", [PLAIN, ("Retry-After", "7")])
    return [b"the application's own page"]


def parts(start_response):
    start_response("200 OK", [PLAIN])
    return [b"one,", b"", b"two,", b"three"]


def by_tuple(start_response):
    start_response("200 OK", [PLAIN])
    return (b"a", b"b")


def by_generator(start_response):
    start_response("200 OK", [PLAIN])
    yield b"late"


def late_start(start_response):
    yield b""
    start_response("201 Created", [PLAIN])
    yield b"started late"


def write(start_response):
    put = start_response("200 OK", [PLAIN])
    put(b"written,")
    put(b"again,")
    return [b"returned"]


def empty(start_response):
    start_response("200 OK", [PLAIN, ("Content-Length", "0")])
    return []


def too_long(start_response):
    start_response("200 OK", [PLAIN, ("Content-Length", "5")])
    return [b"12345", b"6789"]


def replaced(start_response):
    start_response("200 OK", [PLAIN, ("X-First", "1")])
    try:
        raise ValueError("handled by the application")
    except ValueError:
        start_response("500 Oops", [PLAIN, ("X-Second", "2")], sys.exc_info())
    return [b"replaced"]


def application(environ, start_response):
    return globals()[environ["PATH_INFO"][1:]](start_response)
