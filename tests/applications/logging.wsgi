"""Writes to every stream that ends in the error log."""

import sys


def application(environ, start_response):
    errors = environ["wsgi.errors"]
    errors.write("to wsgi.errors\n")
    errors.writelines(["in two ", "parts\n", "without an end"])
    errors.flush()
    print("to stdout")
    print("to stderr", file=sys.stderr)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"logged"]
