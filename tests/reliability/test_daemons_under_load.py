"""A process group loses no request but those that run in a process which is killed, and says of what they died.

Bounded work, no benchmark: clients ask in a loop while workers, leaders and children of httpd are killed or replaced.
"""

import itertools
import os
import random
import re
import signal
import threading
import time

import pytest
from harness import Httpd, processes
from harness.wait import wait_until

pytestmark = pytest.mark.ours

COUNTING = """
import os, time

def application(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"] or 0))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d {generation}" % os.getpid()]
"""


def configuration(options):
    """One group that serves everything by one script."""
    return f"""
        WSGIDaemonProcess app {options}
        WSGIProcessGroup app
        WSGIApplicationGroup %{{GLOBAL}}
        WSGIScriptAlias / ${{SCRIPTS}}/app.wsgi
    """


def started(options, **arguments):
    """A server that is not entered yet, with its script."""
    httpd = Httpd(configuration(options), **arguments)
    httpd.script("app.wsgi", COUNTING.replace("{generation}", "0"))
    return httpd


class Load:
    """Clients that ask in a loop, each on a thread, from `with` to its end."""

    def __init__(self, server, clients=6, path="/?0.003"):
        self.server = server
        self.path = path
        self.answers = []
        self.failures = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.ask, daemon=True) for _ in range(clients)]

    def ask(self):
        while not self.over.is_set():
            try:
                self.answers.append(self.server.get(self.path, seconds=20))
            except OSError as error:
                self.failures.append(error)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.more(10)
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()

    def more(self, count):
        """Wait for that many more answers."""
        goal = len(self.answers) + count
        wait_until(lambda: len(self.answers) >= goal, f"{count} more answers", 30)

    def statuses(self):
        """How often each status came."""
        return {status: sum(1 for it in self.answers if it.status == status) for status in {it.status for it in self.answers}}


def workers(httpd):
    """The workers of the only group, and their leader."""
    pid = int(httpd.get("/").text.split()[0])
    leader = int(processes.status(pid)["PPid"])
    return leader, processes.children(leader)


def test_a_killed_worker_costs_only_the_requests_that_run_in_it():
    with started("processes=3 threads=2") as httpd:
        with Load(httpd) as load:
            for _ in range(8):
                _, living = workers(httpd)
                os.kill(random.choice(living), signal.SIGKILL)
                load.more(30)
        # The pauses after several deaths may outlast nobody's patience: the other workers answer.
        assert not load.failures
        statuses = load.statuses()
        assert set(statuses) <= {200, 502}
        # Two threads in each of eight workers.
        assert statuses.get(502, 0) <= 16
        lines = [line.raw for line in httpd.error_log.lines() if "WRS3017" in line.raw]
        assert len(lines) == statuses.get(502, 0)
        assert all("was killed by signal 9 (SIGKILL) while it answered this request" in line for line in lines)
        httpd.error_log.allow("WRS3017", "WRS5005")


def test_a_script_that_changes_under_load_fails_no_request_and_the_next_one_sees_it():
    with started("processes=2 threads=3") as httpd:
        with Load(httpd) as load:
            for generation in range(1, 21):
                httpd.script("app.wsgi", COUNTING.replace("{generation}", str(generation)))
                assert httpd.get("/").text.split()[1] == str(generation)
        assert not load.failures
        assert set(load.statuses()) == {200}


def test_maximum_requests_fails_no_request():
    with started("processes=2 threads=2 maximum-requests=10") as httpd:
        with Load(httpd, clients=4, path="/") as load:
            load.more(500)
        assert not load.failures
        assert set(load.statuses()) == {200}
        seen = {answer.text.split()[0] for answer in load.answers}
        assert len(seen) >= len(load.answers) / 10 / 2


def test_killed_children_of_httpd_leave_no_slot_taken():
    with started("processes=2 threads=2") as httpd:
        httpd.error_log.always_allowed.append("AH00051|AH00052|exit signal|scoreboard|child process")
        for _ in range(6):
            before = httpd.children()
            waiting = []
            for _ in range(4):
                connection = httpd.connect()
                waiting.append(connection.request("GET", "/?0.4"))
            time.sleep(0.1)
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            for connection in waiting:
                connection.close()
            wait_until(lambda before=before: set(httpd.children()) - set(before), "another child", 20)
        # All four slots: as many requests run at once as there are threads.
        begun = time.monotonic()
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(httpd.get("/?0.5")), daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert [answer.status for answer in answers] == [200] * 4
        assert time.monotonic() - begun < 1.4


def test_a_killed_leader_is_replaced_and_running_requests_finish():
    with started("processes=2 threads=2") as httpd:
        leader, living = workers(httpd)
        known = [processes.identity(pid) for pid in living]
        slow = []
        threads = [threading.Thread(target=lambda: slow.append(httpd.get("/?1.5")), daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        os.kill(leader, signal.SIGKILL)
        for thread in threads:
            thread.join(20)
        assert [answer.status for answer in slow] == [200] * 3
        # No request has to be refused meanwhile: it waits for the new workers.
        answer = httpd.get("/", seconds=20)
        assert answer.status == 200
        assert int(answer.text.split()[0]) not in living
        wait_until(lambda: not processes.alive(known), "the workers of the dead leader to end")
        assert workers(httpd)[0] != leader
        httpd.error_log.expect(rf"WRS3004.*{leader}")


def test_graceful_restarts_under_load_fail_no_request():
    with started("processes=2 threads=3") as httpd:
        with Load(httpd, clients=4) as load:
            for number in itertools.count(1):
                httpd.graceful()
                load.more(20)
                if number == 5:
                    break
        assert not load.failures
        assert set(load.statuses()) == {200}
        children = [pid for pid in httpd.descendants() if re.search("wsgi:app", processes.command_line(pid))]
        # One leader and its workers, and what still ends.
        wait_until(lambda: len([pid for pid in children if processes.identity(pid)]) <= 3, "old groups to end", 20)
