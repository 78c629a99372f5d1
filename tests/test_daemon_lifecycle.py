"""The life of a process group: signals to its leader, processes that cannot start, what is told of each end."""

import os
import signal
import time

import pytest
from harness import Httpd, processes
from harness.asked import Asked
from harness.wait import wait_until

pytestmark = pytest.mark.ours

CONFIG = """
WSGIDaemonProcess app processes=2 threads=2 graceful-timeout=10
WSGIScriptAlias /app ${APPLICATIONS}/stuck.wsgi process-group=app application-group=%{GLOBAL}
"""

# The process ends before it can take a request.
BAD = """
WSGIDaemonProcess bad threads=1 connect-timeout=1
WSGIImportScript ${SCRIPTS}/bad.py process-group=bad application-group=%{GLOBAL}
WSGIScriptAlias /bad ${APPLICATIONS}/hello.wsgi process-group=bad
"""


@pytest.fixture(scope="module")
def server():
    with Httpd(CONFIG) as httpd:
        yield httpd


def family(server):
    """The leader of the group and its workers."""
    pid = int(server.get("/app").text)
    leader = int(processes.status(pid)["PPid"])
    return leader, wait_until(lambda: len(found := processes.children(leader)) == 2 and sorted(found), "two workers")


def test_sigusr1_to_the_leader_replaces_its_workers_and_lets_requests_finish(server):
    leader, before = family(server)
    since = server.error_log.size()
    slow = Asked(server, "/app?wait=1")
    time.sleep(0.3)
    os.kill(leader, signal.SIGUSR1)
    wait_until(lambda: not set(processes.children(leader)) & set(before), "the old workers to end")
    assert slow.result().status == 200
    assert int(slow.result().text) in before
    after = family(server)
    assert after[0] == leader
    # Each end is told once, with its reason.
    for pid in before:
        told = [line.raw for line in server.error_log.lines(since) if f"worker process {pid} " in line.raw]
        assert len(told) == 1
        assert told[0].endswith("was ended by SIGUSR1")


def test_workers_that_are_slow_to_hear_sigusr1_are_not_followed_by_others_before(server):
    leader, before = family(server)
    since = server.error_log.size()
    for pid in before:
        os.kill(pid, signal.SIGSTOP)
    os.kill(leader, signal.SIGUSR1)
    time.sleep(1)
    meanwhile = sorted(processes.children(leader))
    for pid in before:
        os.kill(pid, signal.SIGCONT)
    assert meanwhile == before
    wait_until(lambda: not set(processes.children(leader)) & set(before), "the old workers to end")
    for pid in before:
        server.error_log.expect(rf"worker process {pid} .* was ended by SIGUSR1", since=since)
    assert family(server)[0] == leader


def test_sigterm_to_the_leader_ends_the_group_which_is_started_again(server):
    leader, before = family(server)
    short = Asked(server, "/app?wait=1")
    time.sleep(0.3)
    os.kill(leader, signal.SIGTERM)
    assert short.result().status == 200
    # Meanwhile requests wait for the next leader.
    after = family(server)
    assert after[0] != leader
    assert not set(before) & set(after[1])
    server.error_log.expect(rf"WRS3004.*leader {leader} .* ended with exit status 0")


def test_sigterm_to_a_worker_lets_its_requests_finish_and_tells_who_ended_it(server):
    slow = Asked(server, "/app?wait=1")
    time.sleep(0.3)
    _, workers = family(server)
    for pid in workers:
        os.kill(pid, signal.SIGTERM)
    assert slow.result().status == 200
    server.error_log.expect(*(rf"worker process {pid} .* was ended by SIGTERM" for pid in workers))
    assert not set(workers) & set(family(server)[1])


def test_a_group_whose_processes_cannot_start_pauses_and_disturbs_no_other():
    httpd = Httpd(CONFIG + BAD)
    httpd.script("bad.py", "import os\nos._exit(1)\n")
    with httpd:
        httpd.error_log.always_allowed.append("WRS5005.*'bad' ended with exit status 1")
        (first, second) = httpd.error_log.expect("the next one starts in 250ms", "the next one starts in 500ms")
        assert "it could not stay up" in first.raw and "it could not stay up" in second.raw
        begun = time.monotonic()
        assert httpd.get("/bad").status == 503
        assert 0.9 < time.monotonic() - begun < 3
        httpd.error_log.expect("WRS3014.*'bad'")
        for _ in range(50):
            begun = time.monotonic()
            assert httpd.get("/app").status == 200
            assert time.monotonic() - begun < 1
        # A group that can start again does so by itself.
        httpd.script("bad.py", "")
        wait_until(lambda: httpd.get("/bad").status == 200, "the group to start", 30)
        httpd.error_log.allow("WRS3014.*'bad'")
