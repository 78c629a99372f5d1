"""The module `mod_wsgi` at work: events, data of the request, time-outs, metrics, its log handler. By PATH_INFO."""

import json
import logging
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))

import apache
import mod_wsgi
import rendezvous

PLAIN = ("Content-Type", "text/plain")
events = []
signals = []
mod_wsgi.start_recording_metrics()

logger = logging.getLogger("module.wsgi")
logger.setLevel(logging.DEBUG)
logger.propagate = False
logger.addHandler(mod_wsgi.LogHandler())


@mod_wsgi.subscribe_events
def event(name, **payload):
    data = payload.get("request_data")
    if data is not None:
        data.setdefault("events", []).append(name)
    if name == "request_finished":
        events.append({key: value for key, value in payload.items() if key != "request_data"} | {"events": data["events"]})
    if name == "request_started" and payload["request_environ"]["PATH_INFO"] == "/replaced":
        return {"application_object": replacement}
    if name == "process_stopping":
        print(f"stopping because of {payload['shutdown_reason']!r}")


@mod_wsgi.subscribe_shutdown
def shutdown(name, shutdown_reason):
    print(f"{name}: {shutdown_reason!r}")


@mod_wsgi.subscribe_signals
def signalled(name, signame, signum):
    print(f"{name}: {signame} {signum} on {threading.current_thread() is threading.main_thread()}")


def replacement(environ, start_response):
    start_response("200 OK", [PLAIN])
    return [b"replaced"]


def facts(environ):
    return {
        "version": mod_wsgi.version,
        "process_group": mod_wsgi.process_group,
        "application_group": mod_wsgi.application_group,
        "maximum_processes": mod_wsgi.maximum_processes,
        "threads_per_process": mod_wsgi.threads_per_process,
        "server_metrics": mod_wsgi.server_metrics(),
        "active": {name: data is mod_wsgi.request_data() for name, data in mod_wsgi.active_requests.items()},
        "request_id": environ["mod_wsgi.request_id"],
        "apache": {name: getattr(apache, name) for name in ("version", "description", "mpm_name", "build_date")},
        "pid": os.getpid(),
        "run_once": environ["wsgi.run_once"],
        "switch_interval": sys.getswitchinterval(),
        "python_eggs": os.environ.get("PYTHON_EGG_CACHE"),
    }


def last_event(environ):
    return events[-1]


def metrics(environ):
    return {"request": mod_wsgi.request_metrics(), "process": mod_wsgi.process_metrics()}


def levels(environ):
    for level in (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG):
        logger.log(level, "logged at %s", logging.getLevelName(level))
    return "logged"


def elsewhere(environ):
    thread = threading.Thread(target=logger.warning, args=("logged by no request",))
    thread.start()
    thread.join()
    return "logged"


def timeout(environ):
    raise mod_wsgi.RequestTimeout("too long")


def application(environ, start_response):
    environ["wsgi.input"].read()
    path = environ["PATH_INFO"][1:]
    if path == "late_timeout":
        start_response("200 OK", [PLAIN])(b"begun")
        raise mod_wsgi.RequestTimeout
    if path == "wait":
        place = rendezvous.directory(environ)
        rendezvous.announce(place, "waiting")
        rendezvous.wait_for(place, "go-on")
    answer = globals()[path](environ) if path in ("facts", "last_event", "metrics", "levels", "elsewhere", "timeout") else path
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
