"""`reload=rolling` under load: no request fails, and none waits for a process to load its script.

Bounded work, no benchmark: quiet times and times in which processes are replaced take turns, so that whatever else the machine
does is in both.
"""

import threading
import time

import pytest
from harness import Httpd, processes
from harness.wait import wait_until

pytestmark = pytest.mark.ours

# Whoever waits for this to be loaded is told from whoever does not.
LOADING = 0.5

SCRIPT = """
import os, time
time.sleep({loading})

def application(environ, start_response):
    time.sleep(0.005)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d {version} %d" % (os.getpid(), os.getppid())]
"""

# A tick of the machine more or less is no wait: what is measured in a few milliseconds counts as this many.
LEAST = 0.05


class Clients:
    """Clients that ask in a loop and note how long each answer took, in the times of `phase`."""

    def __init__(self, server, count):
        self.server = server
        self.phase = "quiet"
        self.times = {"quiet": [], "rolling": []}
        self.failures = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.ask, daemon=True) for _ in range(count)]

    def ask(self):
        while not self.over.is_set():
            phase, begun = self.phase, time.monotonic()
            try:
                answer = self.server.get("/", seconds=20)
            except OSError as error:
                self.failures.append(error)
                continue
            if answer.status != 200:
                self.failures.append(answer)
            self.times[phase].append(time.monotonic() - begun)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()

    def p99(self, phase):
        """The time that one of a hundred answers of the phase took at least."""
        times = sorted(self.times[phase])
        assert len(times) > 100
        return times[len(times) * 99 // 100]


def started(options):
    """A server of one group, not entered yet."""
    httpd = Httpd(
        f"""
        WSGIDaemonProcess app processes=2 threads=4 {options}
        WSGIScriptAlias / ${{SCRIPTS}}/app.wsgi process-group=app application-group=%{{GLOBAL}}
        """
    )
    httpd.script("app.wsgi", SCRIPT.format(version=0, loading=LOADING))
    return httpd


def workers(leader):
    """The processes that answer."""
    return {pid for pid in processes.children(leader) if not processes.command_line(pid).endswith("preload")}


def test_scripts_that_are_preloaded_and_change_under_load_fail_no_request_and_the_next_one_sees_them():
    with started("preload=On") as httpd:
        with Clients(httpd, 4) as clients:
            for version in range(1, 5):
                httpd.script("app.wsgi", SCRIPT.format(version=version, loading=0.1))
                assert httpd.get("/", seconds=20).text.split()[1] == str(version)
        assert not clients.failures


@pytest.mark.parametrize("preload", ["Off", "On"])
def test_a_script_that_is_touched_under_load_fails_and_delays_no_request(preload):
    with started(f"reload=rolling preload={preload}") as httpd:
        wait_until(lambda: httpd.error_log.count("is ready for requests") == 2, "both processes", 20)
        leader = int(httpd.get("/").text.split()[2])
        with Clients(httpd, 4) as clients:
            for version in range(1, 4):
                time.sleep(0.6)
                before = workers(leader)
                httpd.script("app.wsgi", SCRIPT.format(version=version, loading=LOADING))
                clients.phase = "rolling"
                wait_until(
                    lambda before=before: len(now := workers(leader)) == 2 and not before & now,
                    "both processes to be new and the old ones to have ended",
                    30,
                    0.05,
                )
                clients.phase = "quiet"
                assert httpd.get("/").text.split()[1] == str(version)
        assert not clients.failures
        assert clients.p99("rolling") < 3 * max(clients.p99("quiet"), LEAST)
