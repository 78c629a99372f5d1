"""Applications which do not do what they should, by PATH_INFO."""

import os


def raise_before(start_response):
    raise RuntimeError("raised before the first byte")


def raise_in_iteration(start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    raise RuntimeError("raised in the iteration, before the first byte")
    yield b"never"


def raise_after(start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"the first chunk"
    raise RuntimeError("raised after the first byte")


def raise_after_length(start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "100")])
    yield b"the first chunk"
    raise RuntimeError("raised before the promised length")


def returns_none(start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])


def returns_str(start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return "a str is no iterable of bytes"


def yields_str(start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["a str"]


def no_start_response(start_response):
    return [b"no head"]


def bad_status(start_response):
    start_response("OK", [])
    return [b""]


def bad_header(start_response):
    start_response("200 OK", [("X-Split", "a\r\nSet-Cookie: stolen=1")])
    return [b""]


def headers_no_list(start_response):
    start_response("200 OK", (("Content-Type", "text/plain"),))
    return [b""]


def exits(start_response):
    raise SystemExit(3)


def chained(start_response):
    try:
        raise KeyError("the cause")
    except KeyError as error:
        raise RuntimeError("raised from another") from error


class CloseRaises:
    def __iter__(self):
        return iter([b"whole"])

    def close(self):
        raise RuntimeError("raised in close")


def close_raises(start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return CloseRaises()


def dies(start_response):
    os._exit(9)


def application(environ, start_response):
    return globals()[environ["PATH_INFO"][1:]](start_response)
