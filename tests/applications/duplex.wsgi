"""Reads and answers in every order, by PATH_INFO."""

BLOCK = 64 * 1024


def answer_first(stream):
    yield b"answered"
    size = 0
    while data := stream.read(BLOCK):
        size += len(data)
    yield b" and read %d" % size


def echo(stream):
    while data := stream.read(BLOCK):
        yield data


def echo_lines(stream):
    for line in stream:
        yield line


def never_read(stream):
    yield b"did not look"


def read_some(stream):
    yield b"read %d" % len(stream.read(10))


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return globals()[environ["PATH_INFO"][1:].replace("-", "_")](environ["wsgi.input"])
