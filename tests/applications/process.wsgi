"""Tells about the process it runs in, as JSON."""

import json
import locale
import os
import signal
import sys
import threading

COUNTER = [0]


def umask():
    for line in open("/proc/self/status"):
        if line.startswith("Umask:"):
            return line.split()[1]


def become_root():
    """Try every way back to root; the answer must be empty."""
    ways = []
    for name, arguments in (
        ("setuid", (0,)),
        ("seteuid", (0,)),
        ("setreuid", (0, 0)),
        ("setresuid", (0, 0, 0)),
        ("setgid", (0,)),
        ("setgroups", ([0],)),
    ):
        try:
            getattr(os, name)(*arguments)
        except OSError:
            continue
        ways.append(name)
    return ways


def application(environ, start_response):
    COUNTER[0] += 1
    facts = {
        "pid": os.getpid(),
        "ppid": os.getppid(),
        "uids": os.getresuid(),
        "gids": os.getresgid(),
        "groups": os.getgroups(),
        "cwd": os.getcwd(),
        "umask": umask(),
        "environ": dict(os.environ),
        "locale": locale.setlocale(locale.LC_ALL),
        "preferred_encoding": locale.getpreferredencoding(False),
        "main": sorted(name for name in vars(sys.modules["__main__"]) if not name.startswith("__")),
        "path": sys.path,
        "prefix": sys.prefix,
        "executable": sys.executable,
        "version": sys.version_info[:2],
        "module_name": __name__,
        "file": __file__,
        "counter": COUNTER[0],
        "preloaded": getattr(sys, "preloaded_by_import_script", None),
        "thread": threading.current_thread().name,
        "process_group": environ["mod_wsgi.process_group"],
        "application_group": environ["mod_wsgi.application_group"],
        "multithread": environ["wsgi.multithread"],
        "multiprocess": environ["wsgi.multiprocess"],
        "module_mod_wsgi": sorted(name for name in dir(__import__("mod_wsgi")) if not name.startswith("_")),
        "sigint": str(signal.getsignal(signal.SIGINT)),
    }
    if environ["PATH_INFO"] == "/become-root":
        facts["ways_to_root"] = become_root()
    body = json.dumps(facts).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def other(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"the other callable"]

