"""The timers of WSGIDaemonProcess, stacks and forks, by every CPython of this machine; all of one Python at the same time."""

import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import Httpd, machine, processes
from harness.asked import Asked
from harness.pythons import pythons, usable
from harness.wait import wait_until

pytestmark = pytest.mark.ours

GROUPS = {
    "startup": "startup-timeout=1 shutdown-timeout=1",
    "deadlock": "deadlock-timeout=1 shutdown-timeout=1",
    "inactivity": "inactivity-timeout=1",
    "request": "threads=1 request-timeout=1 graceful-timeout=1",
    "interrupt": "threads=1 request-timeout=1 interrupt-timeout=2",
    "deaf": "threads=1 request-timeout=1 interrupt-timeout=1 graceful-timeout=1 shutdown-timeout=1",
    "restart": "restart-interval=1",
    "evict": "eviction-timeout=1 graceful-timeout=20 shutdown-timeout=1",
    "cpu": "cpu-time-limit=1 graceful-timeout=20 shutdown-timeout=1",
    "memory": "memory-restart=150M",
    "stacks": "deadlock-timeout=0",
    "held": "deadlock-timeout=0",
    "named": "deadlock-timeout=0",
    "forks": "",
}


def configuration(python):
    """A group and a mount for each."""
    lines = []
    for name, options in GROUPS.items():
        threads = "" if "threads=" in options else "threads=2 "
        script = "never_loads.wsgi" if name == "startup" else "stuck.wsgi"
        lines.append(f'WSGIDaemonProcess {name} python-home="{python.home}" {threads}{options}')
        lines.append(f"WSGIScriptAlias /{name} ${{APPLICATIONS}}/{script} process-group={name}")
    # Not in the alias, which would load the scripts before the first request.
    lines.append("WSGIApplicationGroup %{GLOBAL}")
    lines.append("<Location /named>\nWSGIApplicationGroup another\n</Location>")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module", params=pythons())
def server(request, stage):
    python = usable(request.param, stage)
    with Httpd(configuration(python), python_home=False, environment=python.environment) as httpd:
        httpd.without_gil = machine.without_gil and python.abi.endswith("t")
        yield httpd


def pid_of(server, name):
    """The process that answers now."""
    return int(server.get(f"/{name}", seconds=30).text)


def lost(server, name, query, reason):
    """A request is lost with its process, says of what, and another process takes the place."""
    before = pid_of(server, name) if name != "startup" else None
    begun = time.monotonic()
    assert server.get(f"/{name}?{query}", seconds=30).status == 502
    assert time.monotonic() - begun > 0.9
    server.error_log.expect(rf"WRS3017.*'{name}' was ended by {re.escape(reason)} while", rf"WRS5022.*'{name}'.*{reason}")
    if before:
        assert pid_of(server, name) != before


def replaced(server, name, query, reason):
    """A request is answered, and the process is replaced after it."""
    before = pid_of(server, name)
    assert server.get(f"/{name}?{query}", seconds=30).status == 200
    server.error_log.expect(rf"'{name}' finishes.*: {reason}")
    wait_until(lambda: pid_of(server, name) != before, f"another process of {name}", 20)


def shows_stacks(server, name, query, frame):
    """SIGQUIT to the leader: its worker shows its stacks and goes on."""
    before = pid_of(server, name)
    slow = Asked(server, f"/{name}?{query}")
    time.sleep(0.5)
    since = server.error_log.size()
    os.kill(int(processes.status(before)["PPid"]), signal.SIGQUIT)
    server.error_log.expect(rf"wsgi:notice.*pid {before}\] what the Python threads of process group '{name}' do", since=since)
    server.error_log.expect(rf"wsgi:notice.*pid {before}\].*stuck.wsgi\\?\".*line \d+ in {frame}", since=since)
    assert slow.status() == 200
    assert pid_of(server, name) == before


def evict(server):
    """SIGUSR1 with an eviction-timeout."""
    before = pid_of(server, "evict")
    short, long = Asked(server, "/evict?wait=0.7"), Asked(server, "/evict?wait=25")
    time.sleep(0.3)
    os.kill(before, signal.SIGUSR1)
    assert (short.status(), long.status()) == (200, 502)
    server.error_log.expect(r"WRS3017.*'evict' was ended by SIGUSR1 \(eviction-timeout\) while")


def interrupt(server):
    """RequestTimeout ends the request and not its process."""
    before = pid_of(server, "interrupt")
    # Naps: an exception is raised between two lines of Python only.
    assert server.get("/interrupt?naps=25", seconds=30).status == 504
    assert pid_of(server, "interrupt") == before


def fork(server):
    """A child of the application neither answers nor keeps the connections of its process."""
    assert server.get("/forks?child=returns").status == 200
    parent, child = map(int, server.get("/forks?fork=25").text.split())
    slow = Asked(server, "/forks?wait=20")
    time.sleep(0.3)
    os.kill(parent, signal.SIGKILL)
    begun = time.monotonic()
    assert slow.status() == 502
    assert time.monotonic() - begun < 3
    assert processes.identity(child)
    os.kill(child, signal.SIGKILL)
    assert pid_of(server, "forks") != parent


TRIALS = {
    "startup": lambda server: lost(server, "startup", "", "startup-timeout"),
    "deadlock": lambda server: lost(server, "deadlock", "hold=25", "deadlock-timeout"),
    "request": lambda server: lost(server, "request", "wait=25", "request-timeout"),
    "deaf": lambda server: lost(server, "deaf", "hold=25", "request-timeout"),
    "inactivity": lambda server: replaced(server, "inactivity", "wait=0.1", "inactivity-timeout"),
    "restart": lambda server: replaced(server, "restart", "wait=0.1", "restart-interval"),
    "memory": lambda server: replaced(server, "memory", "grow=160", "memory-restart"),
    "cpu": lambda server: replaced_for_cpu(server),
    "evict": evict,
    "interrupt": interrupt,
    "stacks": lambda server: shows_stacks(server, "stacks", "wait=3", "waits_here"),
    "held": lambda server: shows_stacks(server, "held", "hold=4", "keeps_the_gil_here"),
    "named": lambda server: shows_stacks(server, "named", "wait=3", "waits_here"),
    "forks": fork,
}


def replaced_for_cpu(server):
    """SIGXCPU lets the request finish."""
    before = pid_of(server, "cpu")
    assert server.get("/cpu?spin=1.2", seconds=30).status == 200
    server.error_log.expect(r"WRS5022.*'cpu'.*cpu-time-limit")
    wait_until(lambda: pid_of(server, "cpu") != before, "another process", 20)


def test_timers_stacks_and_forks(server):
    server.error_log.always_allowed += ["WRS5022", "WRS5023", "WRS4021", "WRS4022", "WRS5007", "WRS5003", "WRS3017", "WRS5005", "DeprecationWarning", "os.fork"]
    failures = {}
    with ThreadPoolExecutor(len(TRIALS)) as pool:
        # Where there is no GIL nobody can keep it.
        trials = {name: trial for name, trial in TRIALS.items() if name != "deadlock" or not server.without_gil}
        running = {name: pool.submit(trial, server) for name, trial in trials.items()}
        for name, trial in running.items():
            if error := trial.exception(timeout=60):
                failures[name] = repr(error)
    assert failures == {}
