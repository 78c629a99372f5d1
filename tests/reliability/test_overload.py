"""More than a group can do: who waits too long is told so in time, and others are not held up."""

import re
import socket
import threading
import time

import pytest
from harness import processes
from harness.load import Load, percentile

from .servers import allow_many_connections, often, started

pytestmark = pytest.mark.ours

# What the machine does besides is no wait.
TICK = 0.02


def logged(httpd):
    """Status and seconds of each request, as httpd counts them."""
    lines = (httpd.directory / "logs" / "times").read_text().splitlines()
    return [(int(status), int(microseconds) / 1e6) for status, microseconds in map(str.split, lines)]


def test_every_request_is_answered_or_told_in_time_that_it_waited_too_long():
    # Twenty answers per second, and two hundred that would like one.
    extra = 'CustomLog "${DIRECTORY}/logs/times" "%>s %D"'
    with started("threads=2 queue-timeout=1", extra, workers=256) as httpd:
        with Load(httpd, clients=200, path="/?0.1") as load:
            time.sleep(often(5, 30))
        ended = time.monotonic()
        assert httpd.get("/").status == 200
        assert time.monotonic() - ended < 1
        assert not load.failures
        assert set(load.statuses()) == {200, 504}
        times = {status: [taken for found, taken in logged(httpd) if found == status] for status in (200, 504)}
        assert len(times[200]) > often(5, 30) * 10
        assert 0.99 < min(times[504]) and max(times[504]) < 1.1
        # Who got a thread waited for it less than the rest did.
        assert max(times[200]) < 1.3
        httpd.error_log.allow("WRS3013", "AH00484")


def test_slow_requests_in_one_worker_do_not_hold_up_those_of_another():
    with started("processes=2 threads=1") as httpd:
        count = often(300, 2000)

        def measured():
            begun = []
            for _ in range(count):
                start = time.monotonic()
                assert httpd.get("/").status == 200
                begun.append(time.monotonic() - start)
            return percentile(begun, 0.99)

        quiet = measured()
        over = threading.Event()

        def slow():
            while not over.is_set():
                assert httpd.get("/?5", seconds=20).status == 200

        thread = threading.Thread(target=slow, daemon=True)
        thread.start()
        time.sleep(0.2)
        busy = measured()
        over.set()
        thread.join(20)
        assert busy < max(3 * quiet, TICK), f"p99 {busy:.4f} s, quiet {quiet:.4f} s"


def test_connections_that_rest_hold_no_thread_and_no_slot():
    allow_many_connections()
    count = 1000
    extra = "KeepAliveTimeout 60\nAsyncRequestWorkerFactor 64\nMaxKeepAliveRequests 0"
    with started("processes=2 threads=2", extra, workers=256) as httpd:
        pids = {int(httpd.get("/").text.split()[0])}
        resting = []
        try:
            for _ in range(count):
                connection = httpd.connect()
                resting.append(connection)
                answer = connection.request("GET", "/").response()
                assert answer.status == 200
                pids.add(int(answer.text.split()[0]))
            threads = {pid: processes.status(pid)["Threads"] for pid in pids}
            # A listener, a connection for each request that ran at once, and what a process has anyway.
            assert all(len(processes.open_files(pid)) < 40 for pid in pids)
            begun = time.monotonic()
            answers = []
            asking = [threading.Thread(target=lambda: answers.append(httpd.get("/?0.5").status), daemon=True) for _ in range(4)]
            for thread in asking:
                thread.start()
            for thread in asking:
                thread.join(20)
            assert answers == [200] * 4
            assert time.monotonic() - begun < 1.4
            # One that rested is as good as new.
            for connection in resting[:: count // 20]:
                assert connection.request("GET", "/").response().status == 200
            assert {pid: processes.status(pid)["Threads"] for pid in pids} == threads
        finally:
            for connection in resting:
                connection.close()


def test_connections_to_a_worker_that_rest_hold_no_thread():
    allow_many_connections()
    with started("threads=2") as httpd:
        pid = int(httpd.get("/").text.split()[0])
        threads = processes.status(pid)["Threads"]
        (path,) = processes.listening_unix(pid)
        resting = []
        try:
            for _ in range(1000):
                # Waits where the queue of those that were not accepted yet is full.
                client = socket.socket(socket.AF_UNIX)
                resting.append(client)
                client.connect(path)
            begun = time.monotonic()
            assert httpd.get("/").status == 200
            assert time.monotonic() - begun < 2
            assert processes.status(pid)["Threads"] == threads
        finally:
            for client in resting:
                client.close()
        assert re.match(r"\d+ 0", httpd.get("/").text)
