"""Reads a body that cannot be read, in the way that PATH_INFO names, and tells what it saw."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))

import rendezvous


def calls(stream):
    """Every way to read, after one of them failed."""
    return [
        lambda: stream.read(),
        lambda: stream.read(5),
        lambda: stream.read(0),
        lambda: stream.readline(),
        lambda: stream.readlines(),
        lambda: next(stream),
    ]


def name(call):
    try:
        return ["nothing", repr(call())]
    except (OSError, StopIteration) as error:
        return [type(error).__name__, str(error)]


def told(environ, start_response):
    """Answers with every error."""
    stream = environ["wsgi.input"]
    place = rendezvous.directory(environ) if environ["QUERY_STRING"] else None
    if place:
        rendezvous.announce(place, "begun")
    body = json.dumps([name(call) for call in [stream.read, *calls(stream)]]).encode()
    if place:
        with open(os.path.join(place, "new"), "wb") as file:
            file.write(body)
        os.rename(file.name, os.path.join(place, "errors"))
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def raised(environ, start_response):
    """Does not handle the error."""
    environ["wsgi.input"].read()


def announced(environ, start_response):
    """Reads nothing, but lets the client know that it will."""
    environ["wsgi.input"].read(0)
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield environ["wsgi.input"].read()


def refused(environ, start_response):
    """Does not want the body."""
    start_response("417 Expectation Failed", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"no"]


def application(environ, start_response):
    return globals()[environ["PATH_INFO"][1:]](environ, start_response)
