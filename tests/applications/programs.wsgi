"""Runs programs, as applications do, and says what they find."""

import json
import os
import subprocess
import sys


def run():
    return subprocess.run([sys.executable, "-c", "print('from a program')"], capture_output=True, text=True, check=True).stdout


def end():
    """Starts a program and ends it politely: how it ended, and which signals it had blocked."""
    sleeper = subprocess.Popen(["sleep", "30"])
    with open(f"/proc/{sleeper.pid}/status") as file:
        blocked = [line.split()[1] for line in file if line.startswith("SigBlk")]
    sleeper.terminate()
    return [sleeper.wait(), blocked]


def application(environ, start_response):
    said = end() if environ["PATH_INFO"] == "/end" else run()
    body = json.dumps({"pid": os.getpid(), "said": said}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
