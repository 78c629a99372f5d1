"""Makes its second chunk only when the test has seen the first."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))

import rendezvous


def generate(place):
    yield b"first"
    rendezvous.wait_for(place, "first-seen")
    yield b""
    yield b"second"
    rendezvous.wait_for(place, "second-seen")
    yield b"third"


def write_all(place, write):
    write(b"first")
    rendezvous.wait_for(place, "first-seen")
    write(b"second")
    rendezvous.wait_for(place, "second-seen")
    return [b"third"]


class Closing:
    """A response which tells when it is closed."""

    def __init__(self, place, parts):
        self.place = place
        self.parts = parts

    def __iter__(self):
        return self.parts

    def close(self):
        rendezvous.announce(self.place, "closed")


def endless(place):
    rendezvous.announce(place, "started")
    for _ in range(100_000):
        yield b"x" * 8192


def application(environ, start_response):
    place = rendezvous.directory(environ)
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/write":
        return write_all(place, write)
    return Closing(place, endless(place) if environ["PATH_INFO"] == "/endless" else generate(place))
