"""Tells who serves it, prints, waits for the test, and eats memory."""

import json
import os
import sys
import time
from pathlib import Path


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/wait":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return wait()
    if path == "/print":
        print("a line of the application", file=sys.stderr)
    if path == "/eat":
        eaten = b"x" * (1 << 30)
        assert eaten
    body = json.dumps({"uid": os.getuid(), "pid": os.getpid(), "parent": os.getppid(), "group": environ["mod_wsgi.process_group"]}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def wait():
    """Begins, and ends when the test has made the file."""
    yield b"begun\n"
    deadline = time.monotonic() + 60
    while not Path("/app/meet/go").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    yield b"done\n"
