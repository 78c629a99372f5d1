"""Answers as a handler: says what was asked for, and how."""

import json
import os

COUNTER = [0]


def handle_request(environ, start_response):
    COUNTER[0] += 1
    length = int(environ.get("CONTENT_LENGTH") or 0)
    facts = {
        "pid": os.getpid(),
        "module": __name__,
        "file": __file__,
        "counter": COUNTER[0],
        "body": environ["wsgi.input"].read(length).decode(),
        "environ": {key: value for key, value in environ.items() if isinstance(value, str)},
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(facts).encode()]


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"the application"]


def other(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"the other callable"]
