"""`processes=MIN..MAX`: a group grows while requests wait and shrinks when its processes are not needed, and loses nothing by it."""

import os
import signal
import threading
import time

import pytest
from harness import Httpd, processes
from harness.wait import wait_until

pytestmark = pytest.mark.ours

SCRIPT = """
import json, os, time, mod_wsgi

def application(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"] or 0))
    facts = {
        "pid": os.getpid(),
        "leader": os.getppid(),
        "multiprocess": environ["wsgi.multiprocess"],
        "maximum_processes": mod_wsgi.maximum_processes,
        "threads": mod_wsgi.threads_per_process,
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(facts).encode()]
"""


def started(options, script=SCRIPT):
    """A server of one group, not entered yet."""
    httpd = Httpd(
        f"""
        WSGIDaemonProcess app {options}
        WSGIScriptAlias / ${{SCRIPTS}}/app.wsgi process-group=app application-group=%{{GLOBAL}}
        """
    )
    httpd.script("app.wsgi", script)
    return httpd


class Burst:
    """Requests at the same time, each on a thread of its own."""

    def __init__(self, server, count, path):
        self.answers = []
        self.threads = [threading.Thread(target=self.ask, args=(server, path), daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def ask(self, server, path):
        self.answers.append(server.get(path, seconds=20))

    def finish(self):
        """The answers, when there are all."""
        for thread in self.threads:
            thread.join(20)
        assert len(self.answers) == len(self.threads)
        assert {answer.status for answer in self.answers} == {200}
        return self.answers


def test_a_group_grows_at_once_while_requests_wait_and_never_above_its_most():
    with started("processes=1..3 threads=1 shrink-timeout=0") as httpd:
        first = httpd.get("/").json
        assert (first["multiprocess"], first["maximum_processes"], first["threads"]) == (True, 3, 1)
        leader = first["leader"]
        assert processes.children(leader) == [first["pid"]]
        begun = time.monotonic()
        burst = Burst(httpd, 4, "/?2")
        wait_until(lambda: len(processes.children(leader)) == 3, "the most processes", 5)
        # Before any of the requests is done.
        assert time.monotonic() - begun < 1.5
        answers = burst.finish()
        assert len({answer.json["pid"] for answer in answers}) == 3
        assert len(processes.children(leader)) == 3
        httpd.error_log.expect(r"process group 'app' has \d requests that wait, and gets [23] processes")
        # One that dies is replaced, and a wait that is over at once is no reason for another.
        os.kill(first["pid"], signal.SIGKILL)
        httpd.error_log.expect(rf"WRS5005: worker process {first['pid']} ")
        wait_until(lambda: len(processes.children(leader)) == 3, "three processes again")


def test_a_process_that_is_not_needed_any_more_answers_what_it_has_and_ends():
    with started("processes=1..3 threads=2 shrink-timeout=1") as httpd:
        leader = httpd.get("/").json["leader"]
        Burst(httpd, 6, "/?1").finish()
        assert len(processes.children(leader)) == 3
        # Two of six threads are busy: one process with a quarter to spare is not enough, two are.
        slow = Burst(httpd, 2, "/?2.5")
        wait_until(lambda: len(processes.children(leader)) == 2, "one process to end")
        slow.finish()
        wait_until(lambda: len(processes.children(leader)) == 1, "the group to be as small as it may")
        httpd.error_log.expect("finishes its requests and ends: shrink-timeout", "needs no more than 1 of its 2 processes")
        assert httpd.get("/").status == 200
        # And it grows again, in the places that were given up.
        assert len({answer.json["pid"] for answer in Burst(httpd, 6, "/?1").finish()}) >= 2


def test_a_request_that_runs_when_its_process_is_given_up_is_answered():
    with started("processes=1..2 threads=8 shrink-timeout=1") as httpd:
        leader = httpd.get("/").json["leader"]
        before = set(processes.children(leader))
        Burst(httpd, 16, "/?1").finish()
        assert len(processes.children(leader)) == 2
        # Three of them run: few enough for one process, and one of them is in the one that ends.
        slow = Burst(httpd, 3, "/?4")
        httpd.error_log.expect("needs no more than 1 of its 2 processes")
        # What comes meanwhile is for the others.
        wait_until(lambda: {httpd.get("/").json["pid"] for _ in range(4)} == before, "requests to go to the other one")
        assert {answer.json["pid"] for answer in slow.finish()} > before
        wait_until(lambda: set(processes.children(leader)) == before, "the other process to be alone")


def test_a_leader_that_dies_is_replaced_by_one_that_fills_every_place():
    with started("processes=1..3 threads=1 shrink-timeout=0") as httpd:
        leader = httpd.get("/").json["leader"]
        Burst(httpd, 4, "/?1").finish()
        old = [processes.identity(pid) for pid in processes.children(leader)]
        assert len(old) == 3
        os.kill(leader, signal.SIGKILL)
        wait_until(lambda: not processes.alive(old), "the workers of the dead leader to end")
        Burst(httpd, 12, "/?0.05").finish()
        new = httpd.get("/").json["leader"]
        assert new != leader
        assert len(processes.children(new)) == 3
        httpd.error_log.expect(rf"WRS3004.*{leader}")


@pytest.mark.parametrize("value", ["0..2", "3..2", "2..", "..2", "1..two", "1-2"])
def test_nonsense_is_told_by_configtest(value):
    code, said = started(f"processes={value}").configtest()
    assert code != 0
    assert f"invalid value in 'processes={value}': expected a whole number from 1 on, or the least and the most" in said


def test_a_shrink_timeout_of_a_group_that_does_not_shrink_is_told():
    code, said = started("processes=2 shrink-timeout=5").configtest()
    assert code == 0
    assert "WRS1067" in said and "is for processes=MIN..MAX" in said


def test_a_group_without_threads_has_no_demand():
    code, said = started("processes=1..2 threads=0").configtest()
    assert code != 0
    assert "WRS1012" in said
