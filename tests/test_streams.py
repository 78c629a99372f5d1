"""A stream is a stream: a chunk reaches the client before the next one is made."""

import pytest


@pytest.mark.parametrize("path", ["", "/write"])
def test_each_chunk_arrives_before_the_next_is_made(server, rendezvous, path):
    with server.connect() as connection:
        response = connection.request("GET", f"/app/stream.wsgi{path}{rendezvous.query}").head()
        assert (response.status, response.header("Transfer-Encoding")) == (200, "chunked")
        assert connection.chunk() == b"first"
        rendezvous.announce("first-seen")
        assert connection.chunk() == b"second"
        rendezvous.announce("second-seen")
        assert connection.chunk() == b"third"
        assert connection.chunk() == b""
    if not path:
        rendezvous.wait_for("closed")


def test_a_stream_to_an_http_1_0_client(server, rendezvous):
    with server.connect() as connection:
        connection.send(f"GET /app/stream.wsgi{rendezvous.query} HTTP/1.0\r\n\r\n".encode())
        assert connection.head().status == 200
        assert connection.exactly(5) == b"first"
        rendezvous.announce("first-seen")
        assert connection.exactly(6) == b"second"
        rendezvous.announce("second-seen")
        assert connection.rest() == b"third"
    rendezvous.wait_for("closed")


def test_a_body_is_read_while_the_client_still_sends_it(server):
    block = b"x" * 65536
    with server.connect() as connection:
        connection.request("POST", "/app/large.wsgi/upload", [("Content-Length", str(3 * len(block)))], block)
        assert connection.is_silent()
        connection.send(block + block)
        assert connection.response().text.startswith(f"{3 * len(block)} ")


@pytest.mark.ours
def test_an_application_answers_before_it_has_read_the_body(server):
    block = b"echo" * 16384
    with server.connect() as connection:
        connection.request("POST", "/app/large.wsgi/echo", [("Content-Length", str(20 * len(block)))])
        connection.send(block)
        assert connection.head().status == 200
        for number in range(20):
            assert b"".join(read_chunks(connection, len(block))) == block
            if number < 19:
                connection.send(block)
        assert connection.chunk() == b""


def read_chunks(connection, size):
    """Chunks which together have that size."""
    while size > 0:
        data = connection.chunk()
        assert data, "the response ended early"
        size -= len(data)
        yield data
