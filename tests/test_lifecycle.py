"""Restarts and stops: nothing grows, nothing is left behind, no request is lost."""

import signal
import threading
import time

import pytest
from harness import Httpd, processes, wait_until

CONFIG = """
WSGIDaemonProcess app processes=2 threads=2
WSGIDaemonProcess other threads=1
WSGIScriptAlias /embedded ${APPLICATIONS}/process.wsgi application-group=%{GLOBAL}
WSGIScriptAlias /daemon ${APPLICATIONS}/process.wsgi process-group=app application-group=%{GLOBAL}
WSGIScriptAlias /other ${APPLICATIONS}/process.wsgi process-group=other
WSGIScriptAlias /slow ${APPLICATIONS}/slow.wsgi process-group=app
"""


def answer(httpd):
    """Every application answers; the pids which did."""
    return {path: httpd.get(path).json["pid"] for path in ("/embedded", "/daemon", "/other")}


@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_after_100_graceful_restarts_the_parent_has_not_grown(mpm):
    with Httpd(CONFIG, mpm=mpm, log_level="notice") as httpd:
        first = answer(httpd)
        at_first = len(httpd.descendants())
        measured = {}
        for number in range(1, 101):
            httpd.graceful()
            if number % 10 == 0:
                answer(httpd)
            if number in (10, 100):
                measured[number] = (processes.memory(httpd.pid), len(processes.open_files(httpd.pid)))
        last = answer(httpd)
        (memory_10, files_10), (memory_100, files_100) = measured[10], measured[100]
        assert memory_100 - memory_10 < 2048, f"the parent grew by {memory_100 - memory_10} KiB in 90 restarts"
        assert files_100 <= files_10, "the parent holds more files open than before"
        wait_until(lambda: len(httpd.descendants()) <= at_first + 2, "old generations to be gone", 30)
        assert not set(first.values()) & set(httpd.descendants())
        assert len(set(last.values())) == 3
        leftovers = [path.name for path in (httpd.directory / "run").iterdir()]
        assert len(leftovers) < 12, leftovers


def test_stop_and_start_ten_times_leaves_nothing():
    httpd = Httpd(CONFIG)
    for _ in range(10):
        with httpd:
            answer(httpd)
    assert not [path for path in (httpd.directory / "run").iterdir() if path.suffix == ".sock"]


def test_a_hard_restart_brings_new_processes():
    with Httpd(CONFIG) as httpd:
        before = answer(httpd)
        for _ in range(3):
            httpd.restart()
            after = answer(httpd)
            assert not set(before.values()) & set(after.values())
            before = after
        httpd.error_log.allow("AH00045")


@pytest.fixture(scope="module")
def server():
    with Httpd(CONFIG) as httpd:
        yield httpd


@pytest.mark.ours
class TestGraceful:
    """A graceful restart loses nothing."""

    def test_a_request_that_runs_in_a_daemon_is_finished(self, server, rendezvous):
        with server.connect() as connection:
            connection.request("GET", f"/slow{rendezvous.query}")
            pid = int(rendezvous.wait_for("begun")[0].split("-")[1])
            server.graceful()
            assert server.get("/daemon").json["pid"] != pid
            rendezvous.announce("go")
            response = connection.response()
        assert (response.status, response.text) == (200, f"{pid}\n")
        wait_until(lambda: processes.identity(pid) is None, "the worker of the old generation to end", 20)

    def test_requests_under_way_during_restarts_are_all_answered(self, server):
        statuses, stop = [], threading.Event()

        def ask(path):
            for _ in range(2000):
                if stop.is_set():
                    return
                statuses.append(server.get(path).status)

        threads = [threading.Thread(target=ask, args=(path,), daemon=True) for path in ("/daemon", "/embedded")]
        for thread in threads:
            thread.start()
        for _ in range(60):
            server.graceful()
            if len(statuses) > 20:
                break
        stop.set()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
        assert set(statuses) == {200}
        assert len(statuses) > 20


STUCK = """
GracefulShutdownTimeout 1
WSGIDaemonProcess app threads=1 shutdown-timeout=1
WSGIScriptAlias /slow ${APPLICATIONS}/slow.wsgi process-group=app
"""


@pytest.mark.ours
@pytest.mark.parametrize("how", [signal.SIGWINCH, signal.SIGTERM], ids=lambda how: how.name)
@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_httpd_stops_in_its_time_whatever_a_request_does(rendezvous, mpm, how):
    with Httpd(STUCK, mpm=mpm) as httpd, httpd.connect() as running, httpd.connect() as waiting:
        for connection in (running, waiting):
            connection.request("GET", f"/slow{rendezvous.query}")
            rendezvous.wait_for("begun")
        left = [processes.identity(pid) for pid in httpd.descendants()]
        begun = time.monotonic()
        httpd.process.send_signal(how)
        httpd.process.wait(20)
        # One second for the requests, one for the group to end, two for clients that do not close, and httpd looks once a second. It
        # kills children after nine.
        assert time.monotonic() - begun < 7
        assert not processes.alive(left)
        # Otherwise httpd closes the connections at once.
        if (mpm, how) == ("event", signal.SIGWINCH):
            assert [connection.response().status for connection in (running, waiting)] == [502, 503]
        httpd.error_log.allow("WRS3017", "WRS3015", "WRS4021", "AH00045")


@pytest.mark.ours
def test_when_httpd_is_killed_its_daemons_end_by_themselves():
    httpd = Httpd(CONFIG).start()
    answer(httpd)
    daemons = httpd.kill()
    wait_until(lambda: not processes.alive(daemons), "the daemon processes to see that httpd is gone", 20)


def test_httpd_of_one_process_keeps_its_groups_and_ends_with_them():
    with Httpd(CONFIG, debugger=()) as httpd:
        pids = answer(httpd)
        assert pids["/embedded"] == httpd.pid
        assert not httpd.error_log.count("is retired")
        assert pids["/daemon"] in httpd.descendants()
    assert httpd.process.returncode == 0
