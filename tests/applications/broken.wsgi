"""Responses which end before they should, by PATH_INFO."""


def by_exception(environ, start):
    start([])
    yield b"the first part"
    raise RuntimeError("in the middle")


def by_exception_with_length(environ, start):
    start([("Content-Length", "100")])
    yield b"the first part"
    raise RuntimeError("in the middle")


def by_exception_after_head(environ, start):
    start([])(b"")
    raise RuntimeError("behind the head")


def too_short(environ, start):
    start([("Content-Length", "100")])
    return [b"the first part"]


def too_short_in_parts(environ, start):
    start([("Content-Length", "100")])
    yield b"the first "
    yield b"part"


def short_file(environ, start):
    opened = open(__file__, "rb")
    opened.seek(-14, 2)
    start([("Content-Length", "100")])
    return environ["wsgi.file_wrapper"](opened)


def application(environ, start_response):
    def start(headers):
        return start_response("200 OK", [("Content-Type", "text/plain"), *headers])

    return globals()[environ["PATH_INFO"][1:].replace("-", "_")](environ, start)


# the first part