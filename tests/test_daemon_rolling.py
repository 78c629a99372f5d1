"""`reload=rolling`: a changed script is loaded by new processes, which take over when they are ready; nobody waits for them."""

import os
import signal
import time

import pytest
from harness import TRACEBACK, Httpd, processes
from harness.wait import wait_until

pytestmark = pytest.mark.ours

SCRIPT = """
import os, pathlib, time
time.sleep({slow})
{more}

def application(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"] or 0))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d {version} %d" % (os.getpid(), os.getppid())]
"""


def started(options="processes=2 threads=2", groups="application-group=%{GLOBAL}", slow=0.0):
    """A server with two scripts, not entered yet."""
    httpd = Httpd(
        f"""
        WSGIDaemonProcess app reload=rolling {options}
        WSGIScriptAlias /other ${{SCRIPTS}}/other.wsgi process-group=app {groups}
        WSGIScriptAlias / ${{SCRIPTS}}/app.wsgi process-group=app {groups}
        """
    )
    change(httpd, 1, slow=slow)
    change(httpd, 1, name="other.wsgi")
    return httpd


def change(httpd, version, more="", name="app.wsgi", slow=0.0):
    """Write the script anew."""
    httpd.script(name, SCRIPT.format(version=version, more=more, slow=slow))


def loaded(httpd, count):
    """Wait until so many processes have loaded their scripts; some do so when they start, the others now."""
    wait_until(lambda: httpd.get("/", seconds=20).status == 200 and httpd.error_log.count("is ready for requests") >= count, "processes to be ready")


def version(httpd, path="/"):
    """Which script answers, as a number, and that it does at once."""
    begun = time.monotonic()
    answer = httpd.get(path)
    assert answer.status == 200
    assert time.monotonic() - begun < 1
    return int(answer.text.split()[1])


def workers(httpd):
    """The processes of the group."""
    return processes.children(int(httpd.get("/").text.split()[2]))


def test_the_old_script_answers_until_a_process_has_loaded_the_new_one():
    with started() as httpd:
        loaded(httpd, 2)
        before = workers(httpd)
        change(httpd, 2, slow=1.5)
        begun = time.monotonic()
        seen = {version(httpd)}
        while time.monotonic() - begun < 1.2:
            seen.add(version(httpd))
        assert seen == {1}
        wait_until(lambda: version(httpd) == 2, "the new script")
        wait_until(lambda: not set(before) & set(workers(httpd)), "all processes to be new")
        assert len(workers(httpd)) == 2
        assert {version(httpd) for _ in range(4)} == {2}
        httpd.error_log.expect("reload=rolling", "finishes its requests and ends: a change of its script")


def test_a_request_that_runs_is_finished_by_the_old_process():
    with started("processes=1 threads=2") as httpd:
        old = httpd.get("/").text
        loaded(httpd, 1)
        with httpd.connect() as slow:
            slow.request("GET", "/?1.5")
            change(httpd, 2)
            wait_until(lambda: version(httpd) == 2, "the new script")
            assert slow.response().text == old
        wait_until(lambda: len(workers(httpd)) == 1, "the old process to end")


@pytest.mark.parametrize("groups", ["application-group=tenant", ""])
def test_what_the_old_process_had_loaded_is_loaded_before_the_new_one_takes_over(groups):
    with started("processes=1 threads=2", groups, slow=1.2) as httpd:
        loaded(httpd, 1)
        assert (version(httpd), version(httpd, "/other")) == (1, 1)
        # Both load slowly, and only one of them has changed.
        change(httpd, 2, name="other.wsgi", slow=1.2)
        wait_until(lambda: version(httpd, "/other") == 2, "the new script")
        assert version(httpd) == 1
        # What is started later loads it too, before its first request.
        os.kill(workers(httpd)[0], 15)
        wait_until(lambda: httpd.error_log.count("is ready for requests") == 3, "another process")
        assert version(httpd) == 1


def test_a_script_that_cannot_be_loaded_is_told_once_and_the_old_processes_go_on():
    with started() as httpd:
        loaded(httpd, 2)
        before = sorted(workers(httpd))
        change(httpd, 2, "raise RuntimeError('not this one')")
        httpd.get("/")
        httpd.error_log.expect("WRS4002", "RuntimeError: not this one", "WRS5026.*cannot load them")
        for _ in range(20):
            assert version(httpd) == 1
        assert sorted(workers(httpd)) == before
        assert httpd.error_log.count("WRS4002") == 1
        # Another fault is another change, and so is what works.
        change(httpd, 3, "import os; os._exit(7)")
        httpd.get("/")
        httpd.error_log.expect("WRS5026.*ended with exit status 7")
        assert version(httpd) == 1
        change(httpd, 4)
        wait_until(lambda: version(httpd) == 4, "the script that works")
        wait_until(lambda: not set(before) & set(workers(httpd)), "all processes to be new")
        httpd.error_log.allow(TRACEBACK)


def test_a_script_that_does_not_load_within_startup_timeout_is_given_up():
    with started("processes=1 threads=2 startup-timeout=1") as httpd:
        assert version(httpd) == 1
        change(httpd, 2, slow=30)
        httpd.get("/")
        httpd.error_log.expect("WRS5027", "WRS5026.*killed by signal 9")
        assert version(httpd) == 1
        change(httpd, 3)
        wait_until(lambda: version(httpd) == 3, "the script that loads")


def test_reload_required_is_heard_once():
    more = """
asked = pathlib.Path(__file__).with_name("again")
def reload_required(filename):
    return asked.exists()
"""
    with started("processes=1 threads=2") as httpd:
        change(httpd, 1, more)
        assert version(httpd) == 1
        before = workers(httpd)
        (httpd.scripts / "again").write_text("")
        # Removed when it was heard, so that the next process does not say it again.
        httpd.get("/")
        (httpd.scripts / "again").unlink()
        wait_until(lambda: workers(httpd) != before and len(workers(httpd)) == 1, "another process")


def test_sigusr1_to_the_leader_is_a_rolling_restart():
    more = "import sys; sys.path.insert(0, os.path.dirname(__file__)); import part_of_it"
    httpd = started()
    part = httpd.scripts / "part_of_it.py"
    part.write_text("")
    change(httpd, 1, more)
    with httpd:
        loaded(httpd, 2)
        leader, before = int(httpd.get("/").text.split()[2]), workers(httpd)
        part.write_text("raise RuntimeError('not this one')")
        os.kill(leader, signal.SIGUSR1)
        httpd.error_log.expect("WRS4002", "WRS5026.*cannot load them", "RuntimeError: not this one")
        assert version(httpd) == 1 and workers(httpd) == before
        part.write_text("import time; time.sleep(1.2)")
        os.kill(leader, signal.SIGUSR1)
        # None of them waits.
        wait_until(lambda: version(httpd) == 1 and not set(before) & set(workers(httpd)), "all processes to be new")
        httpd.error_log.allow(TRACEBACK)


def test_it_is_for_processes_with_threads():
    code, said = started("threads=0").configtest()
    assert code != 0
    assert "WRS1012" in said and "reload=rolling" in said
