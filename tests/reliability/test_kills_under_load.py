"""What is killed costs the requests that run in it, and nothing else: workers, leaders, children of httpd."""

import contextlib
import os
import random
import signal
import threading
import time

import pytest
from harness import processes
from harness.load import Load
from harness.wait import wait_until

from .servers import often, started

pytestmark = pytest.mark.ours


def workers(httpd):
    """The leader of the only group, and its workers."""
    pid = int(httpd.get("/", seconds=20).text.split()[0])
    leader = int(processes.status(pid)["PPid"])
    return leader, processes.children(leader)


class Requests:
    """Requests that begin now, each on a thread."""

    def __init__(self, httpd, count, path):
        self.answers = []
        self.threads = [threading.Thread(target=lambda: self.answers.append(httpd.get(path, seconds=30)), daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def statuses(self):
        """Their statuses, when all are answered."""
        for thread in self.threads:
            thread.join(40)
            assert not thread.is_alive()
        return [answer.status for answer in self.answers]


def test_a_killed_worker_costs_only_the_requests_that_run_in_it():
    threads, seconds = 2, often(8, 60)
    with started(f"processes=3 threads={threads}") as httpd:
        with Load(httpd, clients=6, path="/?0.01") as load:
            leader, _ = workers(httpd)
            for _ in range(seconds):
                begun = time.monotonic()
                living = wait_until(lambda: processes.children(leader), "a worker", 30)
                os.kill(random.choice(living), signal.SIGKILL)
                load.more(20)
                time.sleep(max(0.0, begun + 1 - time.monotonic()))
        assert not load.failures
        statuses = load.statuses()
        assert set(statuses) <= {200, 502}
        assert statuses[502] <= seconds * threads
        lines = [line.raw for line in httpd.error_log.lines() if "WRS3017" in line.raw]
        assert len(lines) == statuses[502]
        assert all("was killed by signal 9 (SIGKILL) while it answered this request" in line for line in lines)
        # Nobody waited for a process that was not there: the others answered.
        assert max(answer.taken for answer in load.answers) < 5
        httpd.error_log.allow("WRS3017", "WRS5005")


def test_a_group_that_is_told_to_end_as_a_whole_loses_no_request():
    # As by `pkill`, which is how the processes of mod_wsgi are restarted.
    with started("processes=2 threads=2") as httpd:
        with Load(httpd, clients=4, path="/?0.01") as load:
            for _ in range(often(3, 20)):
                before = processes.named(httpd, "(wsgi:app)")
                for pid in before:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGTERM)

                def others(before=before):
                    now = processes.named(httpd, "(wsgi:app)")
                    return len(now) == 3 and not set(now) & set(before)

                wait_until(others, "a new leader and its workers", 20)
                # One that ends as soon as it has started is not started again at once.
                time.sleep(0.8)
                load.more(20)
        load.assert_nothing_failed()
        httpd.error_log.allow("WRS3004")


def test_a_worker_that_has_answered_is_replaced_at_once_however_often_it_is_killed():
    with started("threads=1") as httpd:
        for _ in range(8):
            begun = time.monotonic()
            os.kill(int(httpd.get("/").text.split()[0]), signal.SIGKILL)
            assert httpd.get("/", seconds=20).status == 200
            assert time.monotonic() - begun < 1.5
        httpd.error_log.allow("WRS5005")


def test_killed_children_of_httpd_leave_no_slot_taken():
    with started("processes=2 threads=2") as httpd:
        httpd.error_log.always_allowed.append("AH00051|AH00052|exit signal|scoreboard|child process")
        for _ in range(often(8, 50)):
            before = httpd.children()
            waiting = [httpd.connect().request("GET", "/?0.4") for _ in range(4)]
            time.sleep(0.1)
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            for connection in waiting:
                connection.close()
            wait_until(lambda before=before: set(httpd.children()) - set(before), "another child", 20)
        # All four slots: as many requests run at once as there are threads.
        begun = time.monotonic()
        assert Requests(httpd, 4, "/?0.5").statuses() == [200] * 4
        assert time.monotonic() - begun < 1.4


def test_a_killed_leader_is_replaced_and_running_requests_finish():
    with started("processes=2 threads=2") as httpd:
        for _ in range(often(2, 20)):
            leader, living = workers(httpd)
            known = [processes.identity(pid) for pid in living]
            slow = Requests(httpd, 3, "/?1.5")
            time.sleep(0.3)
            os.kill(leader, signal.SIGKILL)
            assert slow.statuses() == [200] * 3
            # No request has to be refused meanwhile: it waits for the new workers.
            answer = httpd.get("/", seconds=20)
            assert answer.status == 200
            assert int(answer.text.split()[0]) not in living
            wait_until(lambda known=known: not processes.alive(known), "the workers of the dead leader to end")
            assert workers(httpd)[0] != leader
            httpd.error_log.expect(rf"WRS3004.*{leader}")
