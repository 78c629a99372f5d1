"""`wsgi.input`: every way to read it, and bodies that come in pieces or not at all."""

import pytest
from harness import TRACEBACK, Httpd, Rendezvous

BODY = b"first line\nsecond\n\nlast without an end"

CONFIG = """
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /app ${APPLICATIONS}
WSGIScriptAlias /chunked ${APPLICATIONS}/body.wsgi
<Location /chunked>
    WSGIChunkedRequest On
</Location>
WSGIScriptAlias /unchunked ${APPLICATIONS}/body.wsgi
<Location /unchunked>
    WSGIChunkedRequest Off
</Location>
<Location /app/body.wsgi/limited>
    LimitRequestBody 100
</Location>
"""


@pytest.fixture(scope="module")
def server(mode):
    with Httpd(mode.serve() + CONFIG) as httpd:
        yield httpd


WAYS = {
    "read": [BODY, b"", b""],
    "read-negative": [BODY, b""],
    "read-n": [b"", *(BODY[at : at + 3] for at in range(0, len(BODY), 3))],
    "readline": [b"first line\n", b"second\n", b"\n", b"last without an end", b""],
    "readline-n": [
        *(b"", b"fir", b"st ", b"lin", b"e\n", b"sec", b"ond", b"\n", b"\n"),
        *(b"las", b"t w", b"ith", b"out", b" an", b" en", b"d"),
    ],
    "readlines": [b"first line\n", b"second\n", b"\n", b"last without an end"],
    "readlines-hint": [b"first line\n", b"|", b"second\n\nlast without an end"],
    "iterate": [b"first line\n", b"second\n", b"\n", b"last without an end"],
    "mixed": [b"fi", b"rst line\n", b"s", b"ec", b"ond\n", b"\n", b"last without an end", b""],
}


def as_bytes(parts):
    return [part.encode("latin-1") for part in parts]


@pytest.mark.parametrize("way", WAYS)
def test_a_body_is_read_in_every_way(server, way):
    response = server.post(f"/app/body.wsgi/{way}", BODY)
    assert as_bytes(response.json) == WAYS[way]


@pytest.mark.parametrize("way", WAYS)
def test_a_chunked_body_is_read_in_every_way(server, way):
    with server.connect() as connection:
        connection.request("POST", f"/chunked/{way}", [("Transfer-Encoding", "chunked")])
        for at in range(0, len(BODY), 7):
            part = BODY[at : at + 7]
            connection.send(b"%x\r\n%s\r\n" % (len(part), part))
        connection.send(b"0\r\n\r\n")
        assert as_bytes(connection.response().json) == WAYS[way]


@pytest.mark.parametrize("way", WAYS)
def test_a_body_that_comes_byte_by_byte_is_read_in_every_way(server, way):
    with server.connect() as connection:
        connection.request("POST", f"/app/body.wsgi/{way}", [("Content-Length", str(len(BODY)))])
        for at in range(len(BODY)):
            connection.send(BODY[at : at + 1])
        assert as_bytes(connection.response().json) == WAYS[way]


@pytest.mark.parametrize("way", WAYS)
def test_without_a_body_every_way_reads_nothing(server, way):
    response = server.get(f"/app/body.wsgi/{way}")
    assert b"".join(as_bytes(response.json)).strip(b"|") == b""


def test_a_body_left_unread_does_not_become_the_next_request(server):
    with server.connect() as connection:
        connection.request("POST", "/app/body.wsgi/nothing", body=b"GET /app/hello.wsgi HTTP/1.1\r\n\r\n" * 10)
        assert connection.response().json == []
        assert connection.request("GET", "/app/hello.wsgi").response().text == "Hello, world!\n"


def test_a_chunked_body_is_refused_where_it_is_not_permitted(server):
    with server.connect() as connection:
        connection.request("POST", "/unchunked/read", [("Transfer-Encoding", "chunked")]).send(b"0\r\n\r\n")
        response = connection.response()
    assert response.status == 411
    server.error_log.expect(r"(WRS|WSGI)\d{4}.*[Cc]hunked")


def test_another_transfer_coding_is_not_implemented(server):
    with server.connect() as connection:
        connection.request("POST", "/app/body.wsgi/read", [("Transfer-Encoding", "gzip")])
        response = connection.response()
    server.error_log.allow("body.wsgi", "Transfer-Encoding")
    assert response.status in (400, 501)


def test_a_body_beyond_the_limit_is_413_and_the_application_is_not_called(server):
    response = server.post("/app/body.wsgi/limited", b"x" * 101)
    server.error_log.allow("LimitRequestBody|larger than", "body.wsgi")
    assert response.status == 413


def test_the_client_is_told_to_continue(server):
    with server.connect() as connection:
        connection.request("POST", "/app/body.wsgi/read", [("Expect", "100-continue"), ("Content-Length", "4")])
        assert connection.head().status == 100
        connection.send(b"body")
        assert connection.response().json == ["body", "", ""]


def test_binary_bodies_are_unchanged(server):
    body = bytes(range(256)) * 300
    assert as_bytes(server.post("/app/body.wsgi/read", body).json)[0] == body


class TestClientGoesAway:
    """The client leaves while its request is under way; the next request is served."""

    def test_in_the_middle_of_its_body(self, server, rendezvous: Rendezvous):
        with server.connect() as connection:
            path = f"/app/slow.wsgi/read{rendezvous.query}"
            connection.request("POST", path, [("Content-Length", "1000")], b"only this")
            rendezvous.wait_for("begun")
        server.error_log.allow(TRACEBACK)
        server.error_log.expect(r"(WRS|WSGI)\d{4}.*Error|OSError: |ConnectionResetError")
        assert server.get("/app/hello.wsgi").status == 200

    @pytest.mark.parametrize("path", ["/app/stream.wsgi/endless"])
    def test_in_the_middle_of_the_response_and_the_iterable_is_closed(self, server, path, rendezvous: Rendezvous):
        with server.connect() as connection:
            connection.request("GET", path + rendezvous.query)
            assert connection.head().status == 200
            assert connection.chunk().startswith(b"xxx")
        rendezvous.wait_for("closed")
        assert server.get("/app/hello.wsgi").status == 200
