"""The module `mod_wsgi` that applications import, and the process they find themselves in."""

from ..scenario import Scenario, Write, get, shown


def shown_inside(*expressions, imports="import sys, os, mod_wsgi", before="pass"):
    """An application that shows what these are in its process."""
    return shown(*expressions, imports=imports, before=before)


CONNECTS = """
import mod_wsgi
def event(name, **payload):
    if name == "request_started":
        payload["request_data"]["seen"] = [payload[key] for key in ("daemon_connects", "daemon_restarts")]
mod_wsgi.subscribe_events(event)
def application(environ, start_response):
    start_response("200 OK", [])
    return [repr(mod_wsgi.request_data()["seen"]).encode()]
"""

SCENARIOS = [
    Scenario("groups", shown_inside("mod_wsgi.process_group", "mod_wsgi.application_group", "mod_wsgi.maximum_processes", "mod_wsgi.threads_per_process"), (get(),), modes_differ=True),
    Scenario("version", shown_inside("type(mod_wsgi.version)", "len(mod_wsgi.version)", "mod_wsgi.version == environ['mod_wsgi.version']"), (get(),)),
    Scenario("names", shown_inside("sorted(name for name in dir(mod_wsgi) if not name.startswith('_'))"), (get(),)),
    Scenario("request-data", shown_inside("mod_wsgi.request_data()", "mod_wsgi.request_data() is mod_wsgi.request_data()", "environ['mod_wsgi.request_id'] in mod_wsgi.active_requests"), (get(),)),
    Scenario("file-wrapper", shown_inside("mod_wsgi.FileWrapper is environ['wsgi.file_wrapper']", "mod_wsgi.FileWrapper"), (get(),)),
    Scenario("request-timeout", shown_inside("mod_wsgi.RequestTimeout.__mro__", "mod_wsgi.RequestTimeout.__module__"), (get(),)),
    Scenario("subscribe", shown_inside("mod_wsgi.subscribe_shutdown(len) is len", "mod_wsgi.shutdown_callbacks.remove(len)", "mod_wsgi.subscribe_events()"), (get(),)),
    Scenario("signal", shown_inside("signal.signal(signal.SIGUSR2, signal.SIG_IGN)", "signal.getsignal(signal.SIGUSR2) is signal.SIG_IGN", imports="import signal"), (get(),)),
    Scenario("process", shown_inside("os.getcwd()", "sys.argv", "sys.stdin is None", "os.environ.get('HOME') is not None", "oct(os.umask(os.umask(0)))"), (get(),), modes_differ=True),
    Scenario("threads", shown_inside("threading.current_thread() is threading.main_thread()", "threading.current_thread().daemon", imports="import threading"), (get(),), modes_differ=True),
    Scenario("thread-local-data-stays", """
import threading
local = threading.local()
seen = set()
def application(environ, start_response):
    thread = threading.get_ident()
    kept = getattr(local, "thread", thread) == thread
    first = not hasattr(local, "thread")
    local.thread = thread
    result = kept and first != (thread in seen)
    seen.add(thread)
    start_response("200 OK", [])
    return [repr(result).encode()]
""", (get(), get(), get())),
    Scenario("apache-module", shown_inside("apache.version", "apache.mpm_name", "apache.maximum_processes", "apache.threads_per_process", imports="import apache"), (get(),), modes_differ=True),
    Scenario("connects", CONNECTS, (get(), get(), Write(CONNECTS + "# changed"), get(), get()), modes_differ=True),
    Scenario("server-metrics", shown_inside(
        "[[type(value) for value in metrics.values()] for metrics in (metrics, *metrics['processes'], *metrics['processes'][0]['workers'])]",
        "[sorted(metrics) for metrics in (metrics, *metrics['processes'], *metrics['processes'][0]['workers'])]",
        "[metrics[key] for key in ('server_limit', 'thread_limit', 'running_generation', 'running_time')][:3]",
        "[worker['request'] for process in metrics['processes'] for worker in process['workers'] if worker['status'] == 'W']",
        "[(process['pid'], process['workers'][0]['status']) for process in metrics['processes'][-1:]]",
        imports="import mod_wsgi\ndef scoreboard(): return mod_wsgi.server_metrics()\nmetrics = None",
        before="global metrics; metrics = scoreboard()",
    ), (get("?a=\xe9"),), config="WSGIServerMetrics On\nExtendedStatus On\n"),
    Scenario("asyncio", """
import asyncio
async def work():
    await asyncio.sleep(0)
    return b"awaited"
def application(environ, start_response):
    start_response("200 OK", [])
    return [asyncio.run(work())]
""", (get(), get())),
    Scenario("subprocess", """
import subprocess
def application(environ, start_response):
    start_response("200 OK", [])
    return [subprocess.run(["echo", "hello"], capture_output=True).stdout]
""", (get(),)),
    Scenario("events", """
import mod_wsgi
seen = []
def event(name, **payload):
    if payload.get("request_data", {}).get("mine") or name == "request_started" and "inside-events" in payload["request_environ"]["SCRIPT_NAME"]:
        payload["request_data"]["mine"] = True
        # Times of the CPU are there or not in mod_wsgi, as it happens.
        seen.append(name + " " + " ".join(sorted(key for key in payload if not key.startswith("cpu_"))))
mod_wsgi.subscribe_events(event)
def application(environ, start_response):
    start_response("200 OK", [])
    shown, seen[:] = list(seen), []
    return ["\\n".join(shown).encode()]
""", (get(), get())),
]
