"""Bad input gets its answer: the right status, a clear line in the log, no hang, and the next request is served."""

import os
import re
import signal

import pytest
from harness import TRACEBACK, Httpd, Truncated, machine, processes

CONFIG = """
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /app ${APPLICATIONS}
WSGIScriptAlias /scripts ${SCRIPTS}
WSGIScriptAlias /missing /there/is/no/such/script.wsgi
WSGIScriptAlias /directory ${APPLICATIONS}/lib
<Location /no-such-group>
    WSGIProcessGroup no-such-group
</Location>
WSGIScriptAlias /no-such-group ${APPLICATIONS}/hello.wsgi
"""

# The stable id of this module, or of mod_wsgi when the tests are run with it.
IDENTIFIED = r"\b(WRS|WSGI)\d{4}\b"


@pytest.fixture(scope="module")
def server(mode):
    with Httpd(mode.serve() + CONFIG) as httpd:
        # What can be known at the start is told there.
        httpd.error_log.allow("/there/is/no/such/script.wsgi", "no-such-group")
        httpd.error_log.check()
        yield httpd


@pytest.fixture(autouse=True)
def next_request_is_served(server):
    """Whatever happened, the server answers."""
    yield
    assert server.get("/app/hello.wsgi").text == "Hello, world!\n"


def explained(server, *words):
    """There is one line with a stable id which has these words, and the traceback, if any, is allowed."""
    server.error_log.allow(TRACEBACK)
    pattern = "^" + "".join(f"(?=.*{word})" for word in (IDENTIFIED, *words))
    (line,) = server.error_log.expect(pattern)
    return line


class TestScripts:
    def test_a_script_that_is_missing_is_404(self, server):
        assert server.get("/app/there-is-none.wsgi").status == 404
        explained(server, r"there-is-none\.wsgi")

    def test_an_alias_to_nowhere_is_404(self, server):
        # httpd itself refuses a path outside every permitted directory; both are an answer.
        assert server.get("/missing").status in (403, 404)
        server.error_log.allow(r"/there")

    def test_a_directory_is_403(self, server):
        assert server.get("/directory/").status in (403, 404)
        server.error_log.allow(r"applications/lib")

    def test_a_script_that_cannot_be_read_is_refused(self, server):
        path = server.script("unreadable.wsgi", "def application(environ, start_response): pass\n")
        path.chmod(0)
        if machine.readable_by(server.user, path):
            pytest.skip("this user reads everything")
        assert server.get("/scripts/unreadable.wsgi").status in (403, 500)
        server.error_log.expect("unreadable.wsgi")
        server.error_log.allow(TRACEBACK, "PermissionError|Permission denied")

    @pytest.mark.parametrize(
        ("script", "said"),
        [
            ("syntax_error.wsgi", "SyntaxError"),
            ("import_error.wsgi", "there_is_no_such_module"),
            ("not_callable.wsgi", "'int' object is not callable"),
        ],
    )
    def test_a_script_that_does_not_work_is_500_and_the_log_says_why(self, server, script, said):
        for _ in range(2):
            assert server.get(f"/app/{script}").status == 500
        server.error_log.allow(r"\] *\^+$|\] *~*\^+~*$|def application\(environ, start_response\)$", "import there_is")
        explained(server, re.escape(script))
        server.error_log.expect(said)

    def test_a_script_without_application_says_so(self, server, mode):
        response = server.get("/app/no_application.wsgi")
        assert response.status == (500 if mode.is_daemon else 404)
        explained(server, r"no_application\.wsgi", "application")

    def test_a_script_that_is_mended_works(self, server):
        server.script("mended.wsgi", "this is no python\n")
        assert server.get("/scripts/mended.wsgi").status == 500
        server.error_log.allow(r"\^+$|this is no python")
        explained(server, r"mended\.wsgi")
        server.error_log.expect("SyntaxError")
        server.script("mended.wsgi", (machine.root / "tests/applications/hello.wsgi").read_text())
        assert server.get("/scripts/mended.wsgi").text == "Hello, world!\n"


class TestApplications:
    @pytest.mark.parametrize(
        ("fault", "said"),
        [
            ("raise_before", "RuntimeError: raised before the first byte"),
            ("raise_in_iteration", "RuntimeError: raised in the iteration, before the first byte"),
            ("returns_none", "TypeError"),
            ("returns_str", "TypeError"),
            ("yields_str", "TypeError"),
            ("no_start_response", "RuntimeError"),
            ("bad_status", "ValueError"),
            ("bad_header", "ValueError"),
            ("headers_no_list", "TypeError"),
            ("exits", "SystemExit"),
        ],
    )
    def test_a_fault_before_the_first_byte_is_500(self, server, fault, said):
        response = server.get(f"/app/faults.wsgi/{fault}")
        assert response.status == 500
        assert b"Internal Server Error" in response.body
        assert b"faults.wsgi" not in response.body, "what the log says is not the client's business"
        explained(server, r"faults\.wsgi")
        server.error_log.expect(said)

    def test_both_tracebacks_of_a_chained_exception_are_logged(self, server):
        assert server.get("/app/faults.wsgi/chained").status == 500
        server.error_log.allow(TRACEBACK, IDENTIFIED)
        server.error_log.expect("KeyError: 'the cause'", "RuntimeError: raised from another")

    def test_a_fault_in_close_does_not_hurt_the_response(self, server):
        response = server.get("/app/faults.wsgi/close_raises")
        assert (response.status, response.body) == (200, b"whole")
        server.error_log.allow(TRACEBACK, IDENTIFIED)
        server.error_log.expect("RuntimeError: raised in close")


@pytest.mark.ours
class TestBrokenResponses:
    """What is broken off must not look complete (mod_wsgi: it does in a daemon, and hangs embedded)."""

    def test_a_chunked_response_has_no_last_chunk(self, server):
        with server.connect() as connection:
            connection.request("GET", "/app/faults.wsgi/raise_after")
            assert connection.head().status == 200
            assert connection.chunk() == b"the first chunk"
            with pytest.raises(Truncated):
                connection.chunk()
        explained(server, r"faults\.wsgi")
        server.error_log.expect("RuntimeError: raised after the first byte")

    def test_a_response_with_a_length_is_cut(self, server):
        with server.connect() as connection:
            connection.request("GET", "/app/faults.wsgi/raise_after_length")
            with pytest.raises(Truncated):
                connection.response()
        explained(server, r"faults\.wsgi")
        server.error_log.expect("RuntimeError: raised before the promised length")


def test_a_process_group_that_does_not_exist_is_500(server):
    assert server.get("/no-such-group").status == 500
    explained(server, "no-such-group")


class TestWorkerDies:
    @pytest.fixture(autouse=True)
    def only_daemon(self, mode):
        if not mode.is_daemon:
            pytest.skip("in embedded mode this would be httpd's own child")

    def begin(self, server, connection, rendezvous, path=""):
        """A request which is now in the application; the worker's pid."""
        connection.request("GET", f"/app/slow.wsgi{path}{rendezvous.query}")
        return int(rendezvous.wait_for("begun")[0].split("-")[1])

    def test_before_the_first_byte_is_502(self, server, rendezvous):
        with server.connect() as connection:
            pid = self.begin(server, connection, rendezvous)
            os.kill(pid, signal.SIGKILL)
            assert connection.response().status == 502
        explained(server)
        assert server.get("/app/hello.wsgi").status == 200
        server.error_log.allow(IDENTIFIED)

    @pytest.mark.ours
    def test_in_the_middle_of_a_response_the_client_sees_it_broken(self, server, rendezvous):
        with server.connect() as connection:
            pid = self.begin(server, connection, rendezvous, "/head-first")
            assert connection.head().status == 200
            assert connection.chunk() == b"first\n"
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(Truncated):
                connection.chunk()
        explained(server)
        server.error_log.allow(IDENTIFIED)

    def test_by_its_own_hand_is_502(self, server):
        assert server.get("/app/faults.wsgi/dies").status == 502
        explained(server)
        server.error_log.allow(IDENTIFIED)

    def test_it_is_replaced_by_another_process(self, server):
        first = server.get("/app/process.wsgi").json["pid"]
        os.kill(first, signal.SIGKILL)
        second = server.get("/app/process.wsgi").json["pid"]
        assert second != first
        assert processes.identity(first) is None
        server.error_log.allow(IDENTIFIED)

    @pytest.mark.ours
    def test_the_log_line_names_the_signal(self, server, rendezvous):
        with server.connect() as connection:
            pid = self.begin(server, connection, rendezvous)
            os.kill(pid, signal.SIGKILL)
            assert connection.response().status == 502
        server.error_log.expect(rf"{IDENTIFIED}.*(signal 9|SIGKILL|killed)")
        server.error_log.allow(IDENTIFIED)
