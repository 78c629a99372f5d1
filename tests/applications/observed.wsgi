"""Everything of the module `mod_wsgi` in one request, and how much memory the process has in use. By PATH_INFO."""

import gc
import json
import logging
import os
import sys
import traceback

import mod_wsgi

PLAIN = ("Content-Type", "text/plain")
mod_wsgi.start_recording_metrics()

logger = logging.getLogger("observed.wsgi")
logger.propagate = False
logger.addHandler(mod_wsgi.LogHandler())


@mod_wsgi.subscribe_events
def event(name, **payload):
    if "request_data" in payload:
        payload["request_data"].setdefault("events", []).append(name)


def memory(environ):
    """How many blocks Python has."""
    gc.collect()
    return {"pid": os.getpid(), "dev_mode": sys.flags.dev_mode, "blocks": sys.getallocatedblocks()}


def module(environ):
    """Every function, and every way to write to the log."""
    metrics = [mod_wsgi.request_metrics(), mod_wsgi.process_metrics(), mod_wsgi.server_metrics()]
    logger.warning("a record of logging\nin two lines")
    print("on stdout", end="")
    print("on stderr", file=sys.stderr)
    environ["wsgi.errors"].writelines(["on wsgi.errors", " in one line\n", "without an end"])
    try:
        raise ValueError("caught")
    except ValueError:
        traceback.print_exc(file=environ["wsgi.errors"])
    assert environ["mod_wsgi.request_id"] in mod_wsgi.active_requests
    return [mod_wsgi.request_data()["events"], len(metrics)]


def timeout(environ):
    raise mod_wsgi.RequestTimeout("too long")


def application(environ, start_response):
    answer = globals()[environ["PATH_INFO"][1:]](environ)
    body = json.dumps(answer).encode()
    start_response("200 OK", [PLAIN, ("Content-Length", str(len(body)))])
    return [body]
