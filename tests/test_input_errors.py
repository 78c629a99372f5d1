"""Request bodies that cannot be read: what the application is told, what the client gets, and `100 Continue`."""

import json
import threading

import pytest
from harness import TRACEBACK, Httpd

CONFIG = """
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /app ${APPLICATIONS}
Protocols h2c http/1.1
RequestReadTimeout body=0
<Location /app/input_errors.wsgi>
    LimitRequestBody 100000
</Location>
"""

AGAIN = ["OSError", "mod_wsgi request data: the input is already in an error state"]

CHUNK = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"

pytestmark = pytest.mark.ours


@pytest.fixture(scope="module")
def server(mode):
    with Httpd(mode.serve() + CONFIG, modules=("http2",)) as httpd:
        yield httpd


@pytest.fixture(scope="module")
def impatient(mode):
    with Httpd(mode.serve() + CONFIG + "Timeout 1\n") as httpd:
        yield httpd


def errors_of(errors, kind, text):
    """The first error is of that kind, and after it every call says that there was one."""
    first, *others = errors
    assert first[0] == kind
    assert first[1].startswith("mod_wsgi request data read error: ")
    assert text in first[1]
    assert others == [AGAIN] * 6


def is_closed(connection):
    """The server ended the connection."""
    return connection.rest() == b""


@pytest.mark.parametrize("sent", [b"", b"only this", b"x" * 50_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_went_away_is_a_connection_reset_error(server, rendezvous, sent, chunked):
    with server.connect() as connection:
        coding = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", "60000")
        connection.request("POST", f"/app/input_errors.wsgi/told{rendezvous.query}", [coding])
        connection.send(b"%x\r\n%s" % (len(sent) + 1, sent) if chunked else sent)
    rendezvous.wait_for("errors")
    errors = json.loads((rendezvous.path / "errors").read_bytes())
    if not errors[0] or errors[0][0] == "ConnectionResetError":
        errors_of(errors, "ConnectionResetError", "terminated")
    else:
        # A chunk that is cut can look like one that is wrong.
        assert chunked
        errors_of(errors, "OSError", "")


@pytest.mark.parametrize("headers", [[("content-length", "1000")], []], ids=["with-length", "without-length"])
def test_a_stream_that_was_reset_is_a_connection_reset_error(server, rendezvous, headers):
    with server.connect_http2() as connection:
        path = f"/app/input_errors.wsgi/told{rendezvous.query}"
        stream = connection.request("POST", path, headers, end=False)
        connection.send(stream, b"only this")
        rendezvous.wait_for("begun")
        connection.h2.reset_stream(stream, 8)
        connection.flush()
        rendezvous.wait_for("errors")
        errors_of(json.loads((rendezvous.path / "errors").read_bytes()), "ConnectionResetError", "terminated")


def test_a_client_that_is_too_slow_is_a_timeout_error(impatient):
    with impatient.connect() as connection:
        connection.request("POST", "/app/input_errors.wsgi/told", [("Content-Length", "1000")], b"only this")
        errors_of(connection.response().json, "TimeoutError", "too long")
        assert is_closed(connection)


def test_a_client_that_is_too_slow_gets_408_if_the_application_fails(impatient):
    with impatient.connect() as connection:
        connection.request("POST", "/app/input_errors.wsgi/raised", [("Content-Length", "1000")], b"only this")
        assert connection.response().status == 408
        assert is_closed(connection)
    impatient.error_log.expect("TimeoutError: ")
    impatient.error_log.allow(TRACEBACK, "WRS4001")


class TestAnsweredByHttpd:
    """httpd's own filter answers a body that is too large or no body at all; the application is told."""

    def refused(self, server, rendezvous, path, body):
        """The status of the one response, and what the application saw."""
        with server.connect() as connection:
            connection.request("POST", f"{path}{rendezvous.query}", [("Transfer-Encoding", "chunked")])
            response = connection.send(body).response()
            assert connection.buffer == b""
            assert is_closed(connection)
        assert b"OSError" not in response.body
        return response.status

    def test_a_chunked_body_beyond_the_limit_is_an_os_error_and_413(self, server, rendezvous):
        path = "/app/input_errors.wsgi/told"
        assert self.refused(server, rendezvous, path, 4 * CHUNK + b"0\r\n\r\n") == 413
        rendezvous.wait_for("errors")
        errors_of(json.loads((rendezvous.path / "errors").read_bytes()), "OSError", "LimitRequestBody")
        server.error_log.allow("larger than the configured limit")

    def test_the_same_if_the_application_fails(self, server, rendezvous):
        path = "/app/input_errors.wsgi/raised"
        assert self.refused(server, rendezvous, path, 4 * CHUNK + b"0\r\n\r\n") == 413
        server.error_log.expect("OSError: .*LimitRequestBody")
        server.error_log.allow(TRACEBACK, "WRS4001", "larger than the configured limit")

    def test_a_body_that_is_no_chunked_one_is_an_os_error_and_400(self, server, rendezvous):
        assert self.refused(server, rendezvous, "/app/input_errors.wsgi/told", b"no number\r\n") == 400
        rendezvous.wait_for("errors")
        errors_of(json.loads((rendezvous.path / "errors").read_bytes()), "OSError", "")
        server.error_log.allow("AH0")


EXPECT = [("Expect", "100-continue"), ("Content-Length", "4")]


def test_to_read_nothing_tells_the_client_to_go_on(server):
    with server.connect() as connection:
        connection.request("POST", "/app/input_errors.wsgi/announced", EXPECT)
        assert connection.head().status == 100
        connection.send(b"body")
        assert connection.response().body == b"body"


def test_a_client_whose_body_nobody_reads_is_not_told_to_go_on(server):
    with server.connect() as connection:
        connection.request("POST", "/app/input_errors.wsgi/refused", EXPECT)
        response = connection.head()
        assert response.status == 417
        assert connection.exactly(2) == b"no"


def test_an_http_2_client_is_told_to_go_on(server):
    with server.connect_http2() as connection:
        headers = [(name.lower(), value) for name, value in EXPECT]
        stream = connection.request("POST", "/app/input_errors.wsgi/announced", headers, end=False)
        connection.until(stream, lambda stream: stream.interim)
        connection.send(stream, b"body", end=True)
        assert connection.response(stream).body == b"body"


def test_uploads_that_break_cost_no_other_request(server):
    statuses = {"broken": set(), "whole": set()}

    def break_off():
        for _ in range(150):
            statuses["broken"].add(server.request("POST", "/app/input_errors.wsgi/told", [("Transfer-Encoding", "chunked")], b"no chunk\r\n").status)

    def ask():
        for _ in range(200):
            statuses["whole"].add(server.get("/app/hello.wsgi").status)

    threads = [threading.Thread(target=target, daemon=True) for target in (break_off, ask, break_off, ask, ask)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert statuses == {"broken": {400}, "whole": {200}}
