"""Open files: many process groups need more of them than httpd is mostly started with."""

import threading

import pytest
from harness import Httpd

pytestmark = pytest.mark.ours

HELLO = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["mod_wsgi.process_group"].encode()]
"""

# As many requests at once as it takes, each with a connection of its own to the group.
TOGETHER = """
import threading
barrier = threading.Barrier(16)

def application(environ, start_response):
    barrier.wait(10)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"together"]
"""


class LimitedHttpd(Httpd):
    """A server that is started with so many open files at most, which it may raise to `hard`."""

    def __init__(self, config, soft, hard, **more):
        super().__init__(config, **more)
        self.limits = (soft, hard)

    def command(self, *arguments):
        command = super().command(*arguments)
        soft, hard = self.limits
        return {**command, "args": ["sh", "-c", f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$@"', "sh", *command["args"]]}


def groups(count, script, options="threads=2 processes=2"):
    """So many groups, each with a path of its own."""
    return "".join(
        f"WSGIDaemonProcess group-{number} {options}\n"
        f"WSGIScriptAlias /{number} ${{SCRIPTS}}/{script} process-group=group-{number} application-group=%{{GLOBAL}}\n"
        for number in range(count)
    )


def test_the_limit_is_raised_for_what_the_groups_need():
    httpd = LimitedHttpd(groups(30, "hello.wsgi"), 128, 4096)
    httpd.script("hello.wsgi", HELLO)
    with httpd:
        for _ in range(2):
            answers = [httpd.get(f"/{number}") for number in range(30)]
            assert [answer.body.decode() for answer in answers] == [f"group-{number}" for number in range(30)]
            httpd.graceful()


def test_a_group_for_which_there_are_none_left_is_told_and_does_not_disturb_the_others():
    httpd = LimitedHttpd(groups(30, "hello.wsgi"), 160, 160)
    httpd.script("hello.wsgi", HELLO)
    with httpd:
        assert httpd.get("/0").body == b"group-0"
        assert httpd.get("/29").status == 500
        httpd.error_log.expect("WRS3001.*'group-29' cannot be started: it needs 12 open files and httpd may have 160 in all")
        httpd.error_log.expect("WRS3009.*group-29")
        httpd.error_log.allow("WRS3001.*open files")


def test_connections_that_rest_leave_files_for_others():
    httpd = LimitedHttpd(groups(6, "together.wsgi", "threads=16"), 130, 130)
    httpd.script("together.wsgi", TOGETHER)
    with httpd:
        statuses = []
        for number in range(6):
            threads = [threading.Thread(target=lambda path=f"/{number}": statuses.append(httpd.get(path).status)) for _ in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert statuses == [200] * 96
