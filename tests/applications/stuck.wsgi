"""Does what the query says where others can watch: waits, keeps the GIL, forks, ends its process."""

import ctypes
import os
import sys
import time
from urllib.parse import parse_qs

KEPT = []


def waits_here(seconds):
    time.sleep(seconds)


def keeps_the_gil_here(seconds):
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))


def fork(seconds):
    """A child that lives on; its process id."""
    pid = os.fork()
    if pid == 0:
        time.sleep(seconds)
        os._exit(0)
    return pid


def application(environ, start_response):
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    answer = [os.getpid()]
    if "fork" in query:
        answer.append(fork(float(query["fork"])))
    if query.get("child") == "returns" and os.fork():
        # The child answers too, and must not be heard.
        time.sleep(0.5)
    if "wait" in query:
        waits_here(float(query["wait"]))
    for _ in range(int(float(query.get("naps", 0)) * 50)):
        time.sleep(0.02)
    if "hold" in query:
        keeps_the_gil_here(float(query["hold"]))
    if "grow" in query:
        KEPT.append(b"x" * (int(query["grow"]) << 20))
    if "spin" in query:
        deadline = time.thread_time() + float(query["spin"])
        while time.thread_time() < deadline:
            pass
    ending = query.get("end")
    if ending == "exit":
        sys.exit(3)
    if ending == "os-exit":
        os._exit(3)
    if ending == "segv":
        ctypes.string_at(0)
    if ending == "abort":
        os.abort()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(map(str, answer)).encode()]
