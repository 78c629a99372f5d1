"""Tells how its Python runs threads, and keeps one busy."""

import json
import sys
import sysconfig
import time


def busy(rounds):
    """Work that is Python code only."""
    total = 0
    for number in range(rounds):
        total += number * number % 7
    return total


def now():
    """Seconds in which this thread did not just wait for a processor that others had."""
    with open("/proc/thread-self/schedstat") as file:
        _, delayed, _ = file.read().split()
    return time.monotonic() - int(delayed) / 1e9


def application(environ, start_response):
    began = now()
    rounds = int(environ["QUERY_STRING"] or 0)
    facts = {
        "version": sys.version_info[:2],
        "built_for_none": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "interval": sys.getswitchinterval(),
        "total": busy(rounds),
        "seconds": now() - began,
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(facts).encode()]
