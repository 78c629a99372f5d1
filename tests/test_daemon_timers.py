"""The timers of WSGIDaemonProcess: each works alone, says why it fired, and costs no other request.

The requests of a test are for a group of its own on one server, so the tests need not wait for one another's timers.
"""

import os
import re
import signal
import time

import pytest
from harness import Httpd, machine, processes
from harness.asked import Asked
from harness.wait import wait_until

# `deadlock-timeout=0` everywhere else: no timer may need it.
GROUPS = {
    "startup": "startup-timeout=1 shutdown-timeout=1 graceful-timeout=1",
    "deadlock": "deadlock-timeout=1 shutdown-timeout=1",
    "inactivity": "inactivity-timeout=1",
    "ignored": "inactivity-timeout=1",
    "request": "threads=1 request-timeout=1 graceful-timeout=1",
    "patient": "threads=5 request-timeout=1 graceful-timeout=1",
    "interrupt": "threads=1 request-timeout=1 interrupt-timeout=1 graceful-timeout=1",
    "deaf": "threads=1 request-timeout=1 interrupt-timeout=1 graceful-timeout=1 shutdown-timeout=1",
    "restart": "restart-interval=1",
    "graceful": "graceful-timeout=20",
    "evict": "eviction-timeout=1 graceful-timeout=20 shutdown-timeout=1",
    "memory": "memory-restart=150M",
}


def configuration():
    """A group and a mount for each."""
    lines = []
    for name, options in GROUPS.items():
        defaults = "" if "threads=" in options else "threads=2 "
        defaults += "" if "deadlock-timeout" in options else "deadlock-timeout=0 "
        script = "never_loads.wsgi" if name == "startup" else "limits.wsgi"
        lines.append(f"WSGIDaemonProcess {name} {defaults}{options}")
        lines.append(f"WSGIScriptAlias /{name} ${{APPLICATIONS}}/{script} process-group={name}")
    # Not in the alias, which would load the scripts before the first request.
    lines.append("WSGIApplicationGroup %{GLOBAL}")
    lines.append("<Location /ignored/health>\nWSGIIgnoreActivity On\n</Location>")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def server():
    with Httpd(configuration()) as httpd:
        yield httpd


def lost(server, reason, since):
    """The line of a request that was lost with its worker, which says of what."""
    return server.error_log.expect(rf"WRS3017.*was ended by {re.escape(reason)} while it answered", since=since)


def replaced(server, path, pid):
    """Wait for another process."""
    wait_until(lambda: server.get(path).json["pid"] != pid, "another process")


def test_startup_timeout(server):
    since = server.error_log.size()
    begun = time.monotonic()
    assert server.get("/startup").status == 502
    assert 0.9 < time.monotonic() - begun < 5
    lost(server, "startup-timeout", since)
    server.error_log.expect("WRS5022.*startup-timeout", "never_loads.wsgi.*line 5", since=since)
    server.error_log.allow("WRS4021", "WRS5007")


@pytest.mark.skipif(machine.without_gil and machine.python_tag.endswith("t"), reason="there is no GIL that could be kept")
def test_deadlock_timeout_sees_a_gil_that_is_kept(server):
    since = server.error_log.size()
    pid = server.get("/deadlock").json["pid"]
    assert server.get("/deadlock?hold=25").status == 502
    lost(server, "deadlock-timeout", since)
    server.error_log.expect("WRS5022.*deadlock-timeout", r"limits.wsgi.*line \d+ in application", since=since)
    replaced(server, "/deadlock", pid)


def test_a_gil_that_is_free_now_and_then_is_no_deadlock(server):
    first = server.get("/deadlock").json["pid"]
    assert server.get("/deadlock?spin=2.5").json["pid"] == first


def test_inactivity_timeout(server):
    since = server.error_log.size()
    first = server.get("/inactivity").json["pid"]
    assert server.get("/inactivity?sleep=1.5").json["pid"] == first
    server.error_log.expect("finishes its requests and ends: inactivity-timeout", since=since)
    assert server.get("/inactivity").json["pid"] != first


def test_requests_whose_activity_is_ignored_do_not_keep_a_process(server):
    since = server.error_log.size()
    first = server.get("/ignored").json["pid"]
    replaced(server, "/ignored/health", first)
    server.error_log.expect("finishes its requests and ends: inactivity-timeout", since=since)
    # Nobody but the monitor asks: there is nothing that could be over.
    second = server.get("/ignored/health").json["pid"]
    assert server.get("/ignored/health?sleep=1.5").json["pid"] == second
    assert server.get("/ignored/health").json["pid"] == second


def test_request_timeout(server):
    since = server.error_log.size()
    pid = server.get("/request").json["pid"]
    begun = time.monotonic()
    assert server.get("/request?sleep=25").status == 502
    assert 0.9 < time.monotonic() - begun < 5
    lost(server, "request-timeout", since)
    server.error_log.expect("WRS5022.*request-timeout", r"limits.wsgi.*line \d+ in application", since=since)
    server.error_log.allow("WRS4021")
    replaced(server, "/request", pid)


def test_request_timeout_is_longer_where_there_are_threads_and_others_finish(server):
    since = server.error_log.size()
    pid = server.get("/patient").json["pid"]
    # 1 s x (1 + ln 5) = 2.6 s
    slow, other = Asked(server, "/patient?sleep=25"), Asked(server, "/patient?sleep=2.2")
    assert other.status(20) == 200
    late = Asked(server, "/patient?sleep=0.9")
    assert slow.status(20) == 502
    assert late.status(20) == 200
    lost(server, "request-timeout", since)
    server.error_log.allow("WRS5022", "WRS4021")
    replaced(server, "/patient", pid)


def test_interrupt_timeout_ends_the_request_and_not_the_process(server):
    since = server.error_log.size()
    pid = server.get("/interrupt").json["pid"]
    assert server.get("/interrupt?pause=25").status == 504
    server.error_log.expect("WRS5023", "WRS4022", r"limits.wsgi.*line \d+ in pause", since=since)
    for _ in range(20):
        answer = server.get("/interrupt")
        assert answer.json["pid"] == pid
    assert not [line for line in server.error_log.lines(since) if "WRS5022" in line.raw]


def test_a_request_that_does_not_hear_of_its_interruption_is_ended_with_its_process(server):
    since = server.error_log.size()
    pid = server.get("/deaf").json["pid"]
    assert server.get("/deaf?hold=25").status == 502
    lost(server, "request-timeout", since)
    server.error_log.expect("WRS5023", "WRS5022.*request-timeout", r"limits.wsgi.*line \d+ in application", since=since)
    server.error_log.allow("WRS4021", "WRS5007", "WRS5003")
    replaced(server, "/deaf", pid)


def test_restart_interval(server):
    since = server.error_log.size()
    first = server.get("/restart").json["pid"]
    assert server.get("/restart?sleep=1.5").status == 200
    server.error_log.expect("finishes its requests and ends: restart-interval", since=since)
    replaced(server, "/restart", first)


def test_sigusr1_lets_requests_finish(server):
    since = server.error_log.size()
    pid = server.get("/graceful").json["pid"]
    slow = Asked(server, "/graceful?sleep=1.5")
    time.sleep(0.2)
    os.kill(pid, signal.SIGUSR1)
    replaced(server, "/graceful", pid)
    assert slow.status(20) == 200
    server.error_log.expect("ends: SIGUSR1$", since=since)


def test_eviction_timeout_is_the_patience_after_sigusr1(server):
    since = server.error_log.size()
    pid = server.get("/evict").json["pid"]
    short, long = Asked(server, "/evict?sleep=0.6"), Asked(server, "/evict?sleep=25")
    time.sleep(0.2)
    os.kill(pid, signal.SIGUSR1)
    assert short.status(20) == 200
    assert long.status(20) == 502
    lost(server, "SIGUSR1 (eviction-timeout)", since)
    server.error_log.allow("WRS4021", "WRS5007", "WRS5003")


@pytest.mark.ours
def test_a_worker_that_loads_a_script_shows_its_stacks_and_does_not_outlive_its_leader():
    config = "WSGIDaemonProcess app shutdown-timeout=1\n"
    # An alias with both groups is loaded before the first request.
    config += "WSGIScriptAlias / ${SCRIPTS}/app.wsgi process-group=app application-group=%{GLOBAL}\n"
    httpd = Httpd(config)
    httpd.script("app.wsgi", "import time\ntime.sleep(60)\n")
    with httpd:
        leader, worker = wait_until(lambda: len(found := sorted(processes.named(httpd, "(wsgi:app)"))) == 2 and found, "a worker")

        def shown():
            os.kill(leader, signal.SIGQUIT)
            return httpd.error_log.count(r"wsgi:notice.*app.wsgi.*line 2 in <module>")

        wait_until(shown, "the stacks of the worker", pause=0.3)
        known = processes.identity(worker)
        os.kill(leader, signal.SIGKILL)
        wait_until(lambda: not processes.alive([known]), "the worker to end", 10)
        httpd.error_log.expect("WRS3004", "WRS5031")
        httpd.error_log.allow("WRS5003", "WRS5031")


@pytest.mark.ours
def test_memory_restart(server):
    since = server.error_log.size()
    first = server.get("/memory?keep=1").json["pid"]
    assert server.get("/memory?sleep=1.2").json["pid"] == first
    assert server.get("/memory?keep=160").json["pid"] == first
    server.error_log.expect("finishes its requests and ends: memory-restart", since=since)
    replaced(server, "/memory", first)


@pytest.mark.ours
def test_a_kill_of_the_administrator_is_told_as_such(server):
    since = server.error_log.size()
    pid = server.get("/graceful").json["pid"]
    slow = Asked(server, "/graceful?sleep=20")
    time.sleep(0.2)
    os.kill(pid, signal.SIGKILL)
    assert slow.status(20) == 502
    server.error_log.expect(r"WRS3017.*was killed by signal 9 \(SIGKILL\)", "WRS5005", since=since)
