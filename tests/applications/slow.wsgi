"""Says that it has begun, with its process id, and ends when the test says so."""

import itertools
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))

import rendezvous

numbers = itertools.count(1)


def application(environ, start_response):
    place = rendezvous.directory(environ)
    rendezvous.announce(place, f"begun-{os.getpid()}-{next(numbers)}")
    if environ["PATH_INFO"] == "/head-first":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Transfer-Style", "slow")])(b"first\n")
    if environ["PATH_INFO"] == "/read":
        environ["wsgi.input"].read()
    rendezvous.wait_for(place, "go")
    if environ["PATH_INFO"] != "/head-first":
        start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()}\n".encode()]
