"""`preload=On`: one process loads the scripts of a group, and the workers are forked from it, share its memory, and start at once."""

import contextlib
import os
import signal

import pytest
from harness import TRACEBACK, Httpd, processes
from harness.wait import wait_until

pytestmark = pytest.mark.ours

# Each load adds a line to the file `loads` beside the script.
SCRIPT = """
import gc, json, os, pathlib, random, threading, time
with pathlib.Path(__file__).with_name("loads").open("a") as file:
    file.write("%d {version}\\n" % os.getpid())
LOADER = os.getpid()
FORKED = []
os.register_at_fork(before=lambda: FORKED.append("before"), after_in_child=lambda: FORKED.append("child"))
{more}

def application(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"] or 0))
    facts = {{
        "version": {version},
        "pid": os.getpid(),
        "leader": os.getppid(),
        "loader": LOADER,
        "frozen": gc.get_freeze_count(),
        "forked": FORKED,
        "random": random.random(),
        "main": threading.current_thread() is not threading.main_thread() and threading.main_thread().is_alive(),
        "threads": [thread.name for thread in threading.enumerate()],
        "group": environ["mod_wsgi.application_group"],
    }}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(facts).encode()]
"""

MAIN = "process-group=app application-group=%{GLOBAL}"


def started(options="processes=2 threads=2", alias=MAIN, more="", extra=""):
    """A server of one group, not entered yet."""
    httpd = Httpd(
        f"""
        WSGIDaemonProcess app preload=On {options}
        {extra}
        WSGIScriptAlias / ${{SCRIPTS}}/app.wsgi {alias}
        """
    )
    httpd.scripts.chmod(0o777)
    change(httpd, 1, more)
    return httpd


def change(httpd, version, more=""):
    """Write the script anew."""
    httpd.script("app.wsgi", SCRIPT.format(version=version, more=more))


def loads(httpd):
    """Which process loaded which version, in order."""
    return [tuple(map(int, line.split())) for line in (httpd.scripts / "loads").read_text().splitlines()]


def facts(httpd):
    """What a worker says."""
    return httpd.get("/", seconds=20).json


def all_facts(httpd, count):
    """What each of so many workers says."""

    def ask():
        # At the same time: each goes to the worker that has the least to do.
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(httpd.connect()) for _ in range(count)]
            for connection in connections:
                connection.request("GET", "/?0.1")
            answers = [connection.response().json for connection in connections]
        found = {answer["pid"]: answer for answer in answers}
        return len(found) == count and list(found.values())

    return wait_until(ask, f"answers of {count} workers")


def preloader(httpd):
    """The process that has loaded the scripts."""
    leader = facts(httpd)["leader"]
    return [pid for pid in processes.children(leader) if processes.command_line(pid).endswith("preload")]


def test_the_script_is_loaded_once_and_the_workers_are_forked_from_it():
    with started("processes=3 threads=1") as httpd:
        workers = all_facts(httpd, 3)
        assert len(loads(httpd)) == 1
        assert {worker["loader"] for worker in workers} == {loads(httpd)[0][0]} == set(preloader(httpd))
        # As os.fork() does it: hooks are run, chance is not shared, the main thread is the main thread.
        for worker in workers:
            assert worker["frozen"] > 1000
            assert worker["forked"][-2:] == ["before", "child"] and worker["forked"].count("child") == 1
            assert worker["main"]
        assert len({worker["random"] for worker in workers}) == 3
        # They are the leader's own children, which replaces one that dies.
        leader = workers[0]["leader"]
        assert set(processes.children(leader)) == {worker["pid"] for worker in workers} | set(preloader(httpd))
        os.kill(workers[0]["pid"], signal.SIGKILL)
        httpd.error_log.expect(rf"WRS5005: worker process {workers[0]['pid']} ")
        wait_until(lambda: len(processes.children(leader)) == 4, "another worker")
        assert len(loads(httpd)) == 1


def test_the_only_script_of_a_group_needs_no_application_group():
    with started(alias="process-group=app") as httpd:
        assert facts(httpd)["group"] == ""
        assert facts(httpd)["loader"] in preloader(httpd)


def test_the_request_after_a_change_gets_the_new_script_which_another_process_has_loaded():
    with started() as httpd:
        workers = all_facts(httpd, 2)
        old = [processes.identity(pid) for pid in (workers[0]["loader"], *(worker["pid"] for worker in workers))]
        for version in (2, 3):
            change(httpd, version)
            assert facts(httpd)["version"] == version
        wait_until(lambda: not processes.alive(old), "all old processes to end")
        assert {worker["loader"] for worker in all_facts(httpd, 2)} == set(preloader(httpd))
        assert [version for _, version in loads(httpd)] == [1, 2, 3]


def test_sigusr1_to_the_leader_loads_the_scripts_anew():
    with started() as httpd:
        before = all_facts(httpd, 2)
        os.kill(before[0]["leader"], signal.SIGUSR1)
        wait_until(lambda: len(loads(httpd)) == 2, "another load")
        after = all_facts(httpd, 2)
        assert {worker["loader"] for worker in after} == {loads(httpd)[1][0]}
        assert not {worker["pid"] for worker in before} & {worker["pid"] for worker in after}


def test_with_rolling_reload_nobody_waits_and_a_broken_script_changes_nothing():
    with started("processes=2 threads=2 reload=rolling") as httpd:
        first = all_facts(httpd, 2)[0]
        change(httpd, 2, "raise RuntimeError('not this one')")
        assert facts(httpd)["version"] == 1
        httpd.error_log.expect("WRS5026.*cannot load them", "RuntimeError: not this one")
        assert httpd.error_log.count("WRS4002") == 1
        # Even one that dies now is followed by one with the script that works.
        os.kill(first["pid"], signal.SIGKILL)
        httpd.error_log.expect("WRS5005")
        assert {worker["version"] for worker in all_facts(httpd, 2)} == {1}
        change(httpd, 3)
        wait_until(lambda: facts(httpd)["version"] == 3, "the script that works")
        wait_until(lambda: {facts(httpd)["version"] for _ in range(6)} == {3}, "all workers to have it")
        assert {worker["loader"] for worker in all_facts(httpd, 2)} == set(preloader(httpd)) != {first["loader"]}
        assert [version for _, version in loads(httpd)] == [1, 2, 3]
        httpd.error_log.allow(TRACEBACK)


def test_a_script_that_cannot_be_loaded_is_told_and_preloaded_when_it_can():
    with started(more="raise RuntimeError('not yet')") as httpd:
        httpd.error_log.expect("WRS5030.*cannot load them", "RuntimeError: not yet")
        httpd.error_log.allow("WRS4002", TRACEBACK, "WRS5030")
        assert httpd.get("/").status == 500
        change(httpd, 2)
        assert facts(httpd)["version"] == 2
        # It is tried again after a pause, and workers that have loaded it themselves are followed by forked ones.
        wait_until(lambda: all(worker["loader"] != worker["pid"] for worker in all_facts(httpd, 2)), "workers to be forked")
        assert {worker["loader"] for worker in all_facts(httpd, 2)} == set(preloader(httpd))


def test_a_script_that_starts_threads_is_loaded_by_each_worker_and_told():
    more = "threading.Thread(target=threading.Event().wait, name='poller', daemon=True).start()"
    with started(more=more) as httpd:
        httpd.error_log.expect(r"WRS5029.*preload=On has no effect .*start 1 threads .*\(poller\).*os.register_at_fork")
        for worker in all_facts(httpd, 2):
            assert worker["loader"] == worker["pid"] and "poller" in worker["threads"]
        change(httpd, 2)
        assert facts(httpd)["version"] == 2
        wait_until(lambda: preloader(httpd), "it to be tried again with the script that changed")
        httpd.error_log.allow("WRS5029")


def test_other_interpreters_are_made_by_the_workers():
    extra = "WSGIScriptAlias /own ${SCRIPTS}/app.wsgi process-group=app application-group=own"
    with started(extra=extra) as httpd:
        code, said = httpd.configtest()
        assert code == 0
        assert "WRS1071" in said and "application group 'own'" in said
        assert httpd.get("/own").json["group"] == "own"
        assert facts(httpd)["group"] == ""
        assert facts(httpd)["loader"] in preloader(httpd)
        httpd.error_log.allow("WRS1071")


def test_no_process_is_left_behind_by_a_leader_that_dies_and_no_request_is_lost():
    with started() as httpd:
        first = facts(httpd)
        old = [processes.identity(pid) for pid in processes.children(first["leader"])]
        os.kill(first["leader"], signal.SIGKILL)
        httpd.error_log.expect("WRS3004")
        wait_until(lambda: not processes.alive(old), "its processes to end")
        now = facts(httpd)
        assert now["leader"] != first["leader"] and now["loader"] != first["loader"]


def test_a_process_that_preloads_and_dies_is_replaced_while_the_workers_go_on():
    with started() as httpd:
        before = all_facts(httpd, 2)
        os.kill(before[0]["loader"], signal.SIGKILL)
        httpd.error_log.expect("WRS5030.*has preloaded.*killed by signal 9")
        wait_until(lambda: set(preloader(httpd)) - {before[0]["loader"]}, "another one")
        assert {worker["pid"] for worker in all_facts(httpd, 2)} == {worker["pid"] for worker in before}
        os.kill(before[0]["pid"], signal.SIGKILL)
        httpd.error_log.expect("WRS5005")
        wait_until(lambda: any(worker["loader"] in preloader(httpd) for worker in all_facts(httpd, 2)), "a worker of the new one")


def test_a_group_that_grows_forks_what_is_loaded():
    with started("processes=1..3 threads=1 reload=rolling", more="time.sleep(0.5)") as httpd:
        assert facts(httpd)["version"] == 1
        leader = facts(httpd)["leader"]
        connections = [httpd.connect() for _ in range(12)]
        for _ in range(20):
            for connection in connections:
                connection.request("GET", "/")
            for connection in connections:
                assert connection.response().status == 200
            if len(processes.children(leader)) > 2:
                break
        for connection in connections:
            connection.close()
        assert len(loads(httpd)) == 1


def test_what_cannot_work_is_told_by_configtest():
    code, said = started(alias="process-group=app application-group=%{RESOURCE}").configtest()
    assert code == 0
    assert "WRS1070" in said and "has nothing to load" in said
    code, said = started("threads=0").configtest()
    assert code != 0
    assert "WRS1012" in said and "preload=On" in said
