"""Servers of the reliability tests, and how long these go on."""

import os
import resource

from harness import Httpd

LONG = os.environ.get("RELIABILITY") == "long"

APPLICATION = """
import os, time

def application(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"] or 0))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d {generation}" % os.getpid()]
"""


def often(usual, in_full):
    """The number for every day, or the one for `make test-long`."""
    return in_full if LONG else usual


def write_application(httpd, generation):
    """Write the script of the server anew: it answers with its process id and this number."""
    httpd.script("app.wsgi", APPLICATION.format(generation=generation))


def started(options, extra="", **arguments):
    """A server that is not entered yet, whose one group serves everything by one script."""
    httpd = Httpd(
        f"""
        WSGIDaemonProcess app {options}
        WSGIProcessGroup app
        WSGIApplicationGroup %{{GLOBAL}}
        WSGIScriptAlias / ${{SCRIPTS}}/app.wsgi
        {extra}
        """,
        **arguments,
    )
    write_application(httpd, 0)
    return httpd


def allow_many_connections():
    """Thousands of connections are opened on both ends; httpd inherits the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
