"""Reads the request body in the way that PATH_INFO names and answers with what each call returned, as JSON."""

import json


def read_all(stream):
    return [stream.read(), stream.read(), stream.read(5)]


def read_negative(stream):
    return [stream.read(-1), stream.read()]


def read_pieces(stream):
    parts = [stream.read(0)]
    while part := stream.read(3):
        parts.append(part)
    return parts


def read_lines_one_by_one(stream):
    parts = []
    while part := stream.readline():
        parts.append(part)
    return [*parts, stream.readline()]


def read_lines_limited(stream):
    parts = [stream.readline(0)]
    while part := stream.readline(3):
        parts.append(part)
    return parts


def read_mixed(stream):
    return [stream.read(2), stream.readline(), stream.read(1), stream.readline(2), *stream.readlines(), stream.read()]


WAYS = {
    "/read": read_all,
    "/read-negative": read_negative,
    "/read-n": read_pieces,
    "/readline": read_lines_one_by_one,
    "/readline-n": read_lines_limited,
    "/readlines": lambda stream: stream.readlines(),
    "/readlines-hint": lambda stream: [*stream.readlines(4), b"|", stream.read()],
    "/iterate": list,
    "/mixed": read_mixed,
    "/nothing": lambda stream: [],
}


def application(environ, start_response):
    parts = WAYS[environ["PATH_INFO"]](environ["wsgi.input"])
    body = json.dumps([part.decode("latin-1") for part in parts]).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
