"""Runs programs, as applications do, and says what they find."""

import json
import os
import signal
import subprocess
import sys
import time


def run():
    return subprocess.run([sys.executable, "-c", "print('from a program')"], capture_output=True, text=True, check=True).stdout


def end():
    """Starts a program and ends it politely: how it ended, and which signals it had blocked."""
    sleeper = subprocess.Popen(["sleep", "30"])
    with open(f"/proc/{sleeper.pid}/status") as file:
        blocked = [line.split()[1] for line in file if line.startswith("SigBlk")]
    sleeper.terminate()
    return [sleeper.wait(), blocked]


def fork():
    """Forks without executing another program, as multiprocessing does, and ends the child by a signal."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        print("a line of a process that serves no request", flush=True)
        os.write(writer, b"x")
        time.sleep(30)
        os._exit(0)
    os.read(reader, 1)
    os.kill(child, signal.SIGTERM)
    return os.waitpid(child, 0)[1]


def return_twice():
    """The child of a fork goes on where its parent does."""
    child = os.fork()
    return 0 if child == 0 else os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


WAYS = {"": run, "/end": end, "/fork": fork, "/return-twice": return_twice}


def application(environ, start_response):
    said = WAYS[environ["PATH_INFO"]]()
    body = json.dumps({"pid": os.getpid(), "said": said}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
