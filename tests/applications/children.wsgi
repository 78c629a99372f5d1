"""Starts other Pythons, as the path asks, and tells what came of it."""

import json
import math
import multiprocessing
import subprocess
import sys

SAY = "import sys, json; print(json.dumps([sys.prefix, sys.base_prefix, list(sys.version_info[:2]), sys._xoptions]))"


def spawned():
    """What a process computes that multiprocessing starts anew."""
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        return pool.map(math.factorial, [3, 4, 5])


def executed():
    """What the same Python says of itself as a program."""
    answer = subprocess.run([sys.executable, "-c", SAY], capture_output=True, text=True, timeout=60)
    return json.loads(answer.stdout) if answer.returncode == 0 else answer.stderr


def application(environ, start_response):
    facts = {"spawned": spawned, "executed": executed}[environ["PATH_INFO"].strip("/")]()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(facts).encode()]
