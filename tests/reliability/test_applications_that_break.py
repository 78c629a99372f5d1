"""Applications that end, crash, eat memory or time: it is told, the process is replaced, httpd is not touched."""

import pytest
from harness import TRACEBACK, Httpd, processes
from harness.wait import wait_until

pytestmark = pytest.mark.ours

GROUPS = {
    "ends": "",
    "cpu": "cpu-time-limit=1 graceful-timeout=20 shutdown-timeout=1",
    "grows": "memory-restart=150M",
    "limited": "memory-limit=300000000",
}


@pytest.fixture(scope="module")
def server():
    lines = []
    for name, options in GROUPS.items():
        lines.append(f"WSGIDaemonProcess {name} threads=2 {options}")
        lines.append(f"WSGIScriptAlias /{name} ${{APPLICATIONS}}/stuck.wsgi process-group={name} application-group=%{{GLOBAL}}")
    with Httpd("\n".join(lines) + "\n") as httpd:
        yield httpd


@pytest.fixture(autouse=True)
def httpd_is_untouched(server):
    """The same children of httpd before and after, and no connection of theirs is lost."""
    before = {processes.identity(pid) for pid in server.children()}
    yield
    assert {processes.identity(pid) for pid in server.children()} == before


def pid_of(server, name):
    return int(server.get(f"/{name}").text)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("end=os-exit", "ended with exit status 3"),
        ("end=segv", "was killed by signal 11 (SIGSEGV)"),
        ("end=abort", "was killed by signal 6 (SIGABRT)"),
    ],
)
def test_a_process_that_ends_in_a_request_is_told_in_its_line_and_replaced(server, query, told):
    before = pid_of(server, "ends")
    assert server.get(f"/ends?{query}").status == 502
    (line,) = server.error_log.expect("WRS3017")
    assert f"{told} while it answered this request" in line.raw
    server.error_log.expect(f"WRS5005.*{before}")
    assert pid_of(server, "ends") != before


def test_sys_exit_ends_the_request_and_not_the_process(server):
    before = pid_of(server, "ends")
    assert server.get("/ends?end=exit").status == 500
    server.error_log.expect("SystemExit")
    server.error_log.allow(TRACEBACK, "WRS40")
    assert pid_of(server, "ends") == before


def test_a_child_that_the_application_forks_and_leaves_is_not_in_the_way(server):
    before, child = map(int, server.get("/ends?fork=2").text.split())
    assert pid_of(server, "ends") == before
    wait_until(lambda: processes.identity(child) is None, "the child to end", 10)
    assert pid_of(server, "ends") == before


def test_a_process_that_uses_too_much_time_is_told_and_replaced(server):
    before = pid_of(server, "cpu")
    assert server.get("/cpu?spin=1.2").status == 200
    server.error_log.expect("WRS5022.*cpu-time-limit")
    wait_until(lambda: pid_of(server, "cpu") != before, "another process")


def test_a_process_that_grows_is_told_and_replaced(server):
    before = pid_of(server, "grows")
    assert server.get("/grows?grow=160").status == 200
    server.error_log.expect("'grows' finishes its requests and ends: memory-restart")
    wait_until(lambda: pid_of(server, "grows") != before, "another process")


def test_memory_beyond_the_limit_is_refused_to_the_application_only(server):
    before = pid_of(server, "limited")
    assert server.get("/limited?grow=400").status == 500
    server.error_log.expect("MemoryError")
    server.error_log.allow(TRACEBACK, "WRS40")
    assert pid_of(server, "limited") == before
