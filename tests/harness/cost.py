"""What a request costs in exact figures: instructions, counted by callgrind, and system calls, listed by strace.

Both repeat from run to run where times do not, if each request finds the server at rest.
"""

import collections
import os
import re
import shutil
import subprocess
import tempfile

import pytest

from . import processes
from .client import read_response
from .httpd import Httpd
from .machine import machine
from .wait import wait_until

# One thread handles all connections, so that nothing depends on which of several is free.
ONE_THREAD = """
MaxKeepAliveRequests 0
ThreadsPerChild 1
MaxRequestWorkers 1
MinSpareThreads 1
MaxSpareThreads 1
"""

# Its request ends a section of the profile: callgrind writes one, and begins anew, where this function of libc is entered.
MARK = "getloadavg"
MARK_SCRIPT = f"""
import os

def application(environ, start_response):
    os.{MARK}()
    start_response("200 OK", [("Content-Length", "0")])
    return []
"""


def keep_asking(httpd, path, count, body=None):
    """So many requests over one connection, each of which finds the server at rest."""
    with httpd.connect(120) as connection:
        for _ in range(count):
            wait_until(lambda: processes.at_rest(httpd.pid), "every process of the server to rest", 60, 0.001)
            response = connection.request("GET" if body is None else "POST", path, body=body).response()
            assert response.status == 200, f"{path}: {response.status} {response.body!r}"


class Traced(Httpd):
    """A server of one process, and its daemon processes, below a program that looks on."""

    def __init__(self, config, tracer, **arguments):
        super().__init__(config + ONE_THREAD, run_as=machine.user, log_level="warn", debugger=tracer, **arguments)
        self.output = self.directory / "logs" / "trace"
        self.output.mkdir()
        self.output.chmod(0o777)
        (self.directory / "htdocs" / "hello.txt").write_bytes(b"Hello, world!")


class Callgrind:
    """Counts the instructions of httpd (not those of daemon processes) by the files they are in."""

    def __init__(self, config, environment=(), **arguments):
        if not shutil.which("valgrind"):
            pytest.skip("valgrind is not installed")
        # Hashes that are the same each time.
        environment = {"PYTHONHASHSEED": "0", **dict(environment)}
        config += 'WSGIScriptAlias /mark "${SCRIPTS}/mark.wsgi" process-group=%{GLOBAL} application-group=%{GLOBAL}\n'
        self.httpd = Traced(config, ["valgrind"], environment=environment, **arguments)
        self.httpd.script("mark.wsgi", MARK_SCRIPT)
        self.httpd.debugger += ["--tool=callgrind", f"--dump-before={MARK}", f"--callgrind-out-file={self.httpd.output}/%p"]

    def __enter__(self):
        self.httpd.start()
        return self

    def __exit__(self, *_):
        self.httpd.stop(60)

    def mark(self):
        """End a section; its file."""
        assert read_response(self.httpd.port, "GET", "/mark", seconds=120).status == 200
        # The file is written before the function goes on, so before the answer.
        return max(self.httpd.output.glob(f"{self.httpd.pid}.*"), key=lambda path: int(path.suffix[1:]))

    def measure(self, path, warm, count):
        """Instructions per request by the file they are in, when everything has been loaded."""
        keep_asking(self.httpd, path, warm)
        self.mark()
        keep_asking(self.httpd, path, count)
        return {name: total / count for name, total in by_object(self.mark()).items()}


def by_object(path):
    """Instructions by the program or library they are in, of one file of callgrind.

    See https://valgrind.org/docs/manual/cl-format.html: names are given once, with a number for later.
    """
    names, totals, current, inclusive = {}, collections.Counter(), "", False
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("ob="):
                number, _, name = line[3:].strip().partition(" ")
                current = names[number] = name or names[number]
            elif line.startswith("cob="):
                number, _, name = line[4:].strip().partition(" ")
                if name:
                    names[number] = name
            elif line.startswith("calls="):
                # The next line says what the called function cost with all it called.
                inclusive = True
            elif re.match(r"[\d+*-]", line):
                if not inclusive:
                    totals[current.rpartition("/")[2]] += int(line.split()[-1])
                inclusive = False
    return dict(totals)


def strace_works():
    """Whether this user may look on at a process that is not below strace."""
    if not shutil.which("strace"):
        return False
    with tempfile.NamedTemporaryFile() as output:
        subprocess.run(["strace", "-D", "-o", output.name, "true"], capture_output=True, check=False)
        return b"execve" in output.read()


class Strace:
    """Lists the system calls of httpd and of each daemon process."""

    def __init__(self, config, **arguments):
        if not strace_works():
            pytest.skip("strace is not installed, or may not look on at processes here")
        self.httpd = Traced(config, ["strace"], **arguments)
        # Not the parent of httpd, so that this is the process which was started.
        self.httpd.debugger += ["-D", "-f", "-qq", "-e", "signal=none", "-s", "40", "-o", str(self.httpd.output / "calls")]

    def __enter__(self):
        self.httpd.start()
        return self

    def __exit__(self, *_):
        self.httpd.stop(60)

    def lines(self):
        """Thread and call of each line so far."""
        text = (self.httpd.output / "calls").read_text("utf-8", "replace")
        return [line.split(None, 1) for line in text.splitlines()]

    def measure(self, path, warm, count, body=None):
        """System calls per request, by name, of httpd and of the daemon processes together."""
        keep_asking(self.httpd, path, warm, body)
        before = len(self.lines())
        keep_asking(self.httpd, path, count, body)
        wait_until(lambda: processes.at_rest(self.httpd.pid), "every process of the server to rest", 60, 0.001)
        threads = set(map(int, os.listdir(f"/proc/{self.httpd.pid}/task")))
        calls = {True: collections.Counter(), False: collections.Counter()}
        for thread, call in self.lines()[before:]:
            # A call that waited has a second line.
            if name := re.match(r"(\w+)\(", call):
                calls[int(thread) in threads][name[1]] += 1 / count
        return calls[True], calls[False]
