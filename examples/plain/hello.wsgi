"""WSGI without a framework: all there is to it."""

import sys


def application(environ, start_response):
    group = environ.get("mod_wsgi.process_group")
    where = f"in the daemon process group {group!r}" if group else "embedded in httpd"
    body = f"Hello from Python {sys.version.split()[0]}, {where}.\n".encode()
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]
