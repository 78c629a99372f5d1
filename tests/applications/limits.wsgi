"""Uses up what a process group may have, as the query says, and tells what it has."""

import ctypes
import json
import os
import resource
import socket
import sys
import time
from urllib.parse import parse_qs


def socket_buffers(option):
    """The buffers of the connected sockets of this process."""
    sizes = []
    for entry in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{entry}").startswith("socket:"):
                with socket.socket(fileno=os.dup(int(entry))) as copy:
                    if not copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                        sizes.append(copy.getsockopt(socket.SOL_SOCKET, option))
        except OSError:
            continue
    return sizes


def allocate(megabytes):
    """Whether that much memory can be had."""
    try:
        return len(bytearray(megabytes << 20)) > 0
    except MemoryError:
        return False


KEPT = []


def pause(seconds):
    """Wait so that an exception raised from outside is met."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.02)


def application(environ, start_response):
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    # CPU time, not time: the machine may have other work.
    deadline = time.thread_time() + float(query.get("spin", 0))
    while time.thread_time() < deadline:
        pass
    time.sleep(float(query.get("sleep", 0)))
    pause(float(query.get("pause", 0)))
    # A C function that keeps the GIL.
    ctypes.PyDLL(None).usleep(int(float(query.get("hold", 0)) * 1e6))
    KEPT.append(b"x" * (int(query.get("keep", 0)) << 20))
    facts = {
        "pid": os.getpid(),
        "nice": os.nice(0),
        "switch_interval": sys.getswitchinterval(),
        "environ": dict(os.environ),
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in ("RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_AS")},
        "send_buffers": socket_buffers(socket.SO_SNDBUF),
        "receive_buffers": socket_buffers(socket.SO_RCVBUF),
        "allocated": allocate(int(query.get("allocate", 0))),
    }
    body = json.dumps(facts).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
