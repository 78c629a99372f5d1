"""A response which is broken off does not look whole, over every protocol, and the server goes on."""

import os
import signal

import pytest
from harness import TRACEBACK, Httpd, StreamReset, Truncated

CONFIG = """
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /app ${APPLICATIONS}
Protocols h2c http/1.1
"""

PART = b"the first part"

IDENTIFIED = r"\bWRS\d{4}\b"

pytestmark = pytest.mark.ours


@pytest.fixture(scope="module")
def server(mode):
    with Httpd(mode.serve() + CONFIG, modules=("http2",)) as httpd:
        yield httpd


@pytest.fixture(autouse=True)
def next_request_is_served(server):
    """Whatever happened, the server answers."""
    yield
    assert server.get("/app/hello.wsgi").text == "Hello, world!\n"


WAYS = {
    "by-exception": "RuntimeError: in the middle",
    "by-exception-with-length": "RuntimeError: in the middle",
    "by-exception-after-head": "RuntimeError: behind the head",
    "too-short": "WRS4007",
    "too-short-in-parts": "WRS4007",
    "short-file": "WRS4007",
}


@pytest.fixture
def told(server):
    """The log says what happened."""

    def told(way):
        server.error_log.allow(TRACEBACK, IDENTIFIED)
        server.error_log.expect(WAYS[way])

    return told


@pytest.mark.parametrize("way", WAYS)
def test_over_http_1_1_the_connection_ends_before_the_response(server, told, way):
    with server.connect() as connection:
        connection.request("GET", f"/app/broken.wsgi/{way}")
        response = connection.head()
        assert response.status == 200
        part = b"" if way == "by-exception-after-head" else PART
        rest = connection.rest()
        if response.header("Content-Length"):
            assert (response.header("Content-Length"), rest) == ("100", part)
        else:
            assert response.header("Transfer-Encoding") == "chunked"
            assert rest == (b"%x\r\n%s\r\n" % (len(part), part) if part else b"")
    told(way)


@pytest.mark.parametrize("way", WAYS)
def test_over_http_2_the_stream_is_reset_and_the_connection_kept(server, told, way):
    with server.connect_http2() as connection:
        stream = connection.request("GET", f"/app/broken.wsgi/{way}")
        # mod_http2 may do so before it has sent the head.
        with pytest.raises(StreamReset):
            connection.response(stream)
        other = connection.request("GET", "/app/hello.wsgi")
        assert connection.response(other).body == b"Hello, world!\n"
    told(way)


class TestWorkerIsKilled:
    @pytest.fixture(autouse=True)
    def only_daemon(self, mode, server):
        if not mode.is_daemon:
            pytest.skip("in embedded mode this would be httpd's own child")
        yield
        server.error_log.allow(IDENTIFIED)

    def kill(self, rendezvous):
        os.kill(int(rendezvous.wait_for("begun")[0].split("-")[1]), signal.SIGKILL)

    def test_over_http_1_1_the_connection_ends_before_the_response(self, server, rendezvous):
        with server.connect() as connection:
            connection.request("GET", f"/app/slow.wsgi/head-first{rendezvous.query}")
            assert connection.head().status == 200
            assert connection.chunk() == b"first\n"
            self.kill(rendezvous)
            with pytest.raises(Truncated):
                connection.chunk()
        server.error_log.expect("WRS3017")

    def test_over_http_2_the_stream_is_reset_and_the_connection_kept(self, server, rendezvous):
        with server.connect_http2() as connection:
            stream = connection.request("GET", f"/app/slow.wsgi/head-first{rendezvous.query}")
            assert connection.head(stream).status == 200
            assert connection.exactly(stream, 6) == b"first\n"
            self.kill(rendezvous)
            with pytest.raises(StreamReset):
                connection.response(stream)
            other = connection.request("GET", "/app/hello.wsgi")
            assert connection.response(other).body == b"Hello, world!\n"
        server.error_log.expect("WRS3017")

    def test_before_the_head_an_http_2_client_gets_502(self, server, rendezvous):
        with server.connect_http2() as connection:
            stream = connection.request("GET", f"/app/slow.wsgi{rendezvous.query}")
            self.kill(rendezvous)
            assert connection.response(stream).status == 502
        server.error_log.expect("WRS3017")
