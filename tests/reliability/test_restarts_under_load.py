"""Restarts, changed scripts and processes that have answered enough: no request fails, nothing grows."""

import re

import pytest
from harness import processes
from harness.load import Load
from harness.wait import wait_until

from .servers import often, started, write_application

pytestmark = pytest.mark.ours


def processes_of_groups(httpd):
    """Leaders and workers, of every generation."""
    return [pid for pid in httpd.descendants() if re.search("wsgi:app", processes.command_line(pid))]


def test_graceful_restarts_fail_no_request_and_nothing_grows():
    restarts = often(12, 100)
    with started("processes=2 threads=4", log_level="notice") as httpd:
        with Load(httpd, clients=16, path="/?0.003") as load:
            for number in range(1, restarts + 1):
                httpd.graceful()
                load.more(32)
                if number == restarts // 4:
                    before = processes.memory(httpd.pid), len(processes.open_files(httpd.pid))
        load.assert_nothing_failed()
        # One leader and its workers.
        wait_until(lambda: len(processes_of_groups(httpd)) == 3, "old groups to end", 30)
        memory, files = processes.memory(httpd.pid), len(processes.open_files(httpd.pid))
        assert memory - before[0] < 2048, f"the parent grew by {memory - before[0]} KiB"
        assert files <= before[1]
        assert len(list((httpd.directory / "run").glob("*.sock"))) == 2


def test_a_script_that_changes_fails_no_request_and_the_next_one_sees_it():
    with started("processes=2 threads=3") as httpd:
        with Load(httpd, clients=6, path="/?0.003") as load:
            for generation in range(1, often(20, 100) + 1):
                write_application(httpd, generation)
                assert httpd.get("/").text.split()[1] == str(generation)
        load.assert_nothing_failed()


def test_maximum_requests_fails_no_request():
    with started("processes=2 threads=2 maximum-requests=10") as httpd:
        with Load(httpd, clients=4) as load:
            load.more(often(500, 10_000), seconds=600)
        load.assert_nothing_failed()
        seen = {answer.text.split()[0] for answer in load.answers}
        # Each answers ten; those that run when it has them are answered too.
        assert len(seen) >= len(load.answers) / 10 / 2
