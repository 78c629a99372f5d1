"""10 MB up and down: byte-exact, and never held whole in httpd's memory."""

import hashlib

import pytest
from harness import Httpd, machine
from harness.processes import no_process_grows

BLOCK = 64 * 1024
BLOCKS = 160  # 10 MiB


def block(number):
    """The same as in applications/large.wsgi."""
    return hashlib.sha256(b"%d" % number).digest() * (BLOCK // 32)


BODY = b"".join(map(block, range(BLOCKS)))


@pytest.fixture(scope="module", autouse=True)
def warm(server):
    """What is allocated once is allocated before anything is measured."""
    for _ in range(2):
        server.post("/app/large.wsgi/upload", BODY[: BLOCK * 16])
        server.get("/app/large.wsgi/download?16")
        server.get("/app/large.wsgi/chunked?16")


def test_an_upload_is_byte_exact(server):
    with no_process_grows(server):
        response = server.post("/app/large.wsgi/upload", BODY)
    assert response.text == f"{len(BODY)} {hashlib.sha256(BODY).hexdigest()}"


@pytest.mark.parametrize("way", ["download", "chunked"])
def test_a_download_is_byte_exact(server, way):
    with no_process_grows(server):
        response = server.get(f"/app/large.wsgi/{way}?{BLOCKS}")
    assert (response.header("Content-Length") == str(len(BODY))) is (way == "download")
    assert response.body == BODY


def test_a_slow_client_does_not_fill_the_servers_memory(server):
    with no_process_grows(server), server.connect() as connection:
        connection.request("GET", f"/app/large.wsgi/download?{BLOCKS}")
        assert connection.head().status == 200
        assert connection.exactly(BLOCK) == block(0)
        assert connection.is_silent() is False
        assert connection.exactly(len(BODY) - BLOCK) == BODY[BLOCK:]


def test_a_file_through_the_file_wrapper_is_byte_exact(server):
    path = server.directory / "htdocs" / "large.bin"
    path.write_bytes(BODY)
    path.chmod(0o644)
    # httpd maps a file in windows of 4 MiB, which count as memory while they are sent.
    with no_process_grows(server, kib=8 * 1024):
        response = server.get(f"/app/large.wsgi/file?{path}")
    assert response.header("Content-Length") == str(len(BODY))
    assert response.body == BODY


@pytest.fixture(scope="module", params=["plain", "tls"])
def pipelined(mode, request):
    """A server for requests that are sent without waiting for the answers."""
    tls = request.param == "tls"
    if tls and not machine.has_module("ssl"):
        pytest.skip("there is no mod_ssl")
    config = "WSGIScriptAlias /app ${APPLICATIONS}\nWSGIChunkedRequest On\n"
    httpd = Httpd(mode.serve() + config, modules=("ssl",) if tls else ())
    httpd.config += httpd.certificate() if tls else ""
    with httpd:
        yield httpd


def message(path, size, chunk=0):
    """A request with a body of that size; in chunks, if a size for them is given."""
    body, head = BODY[:size], f"POST {path} HTTP/1.1\r\nHost: localhost\r\n"
    if not chunk:
        return f"{head}Content-Length: {size}\r\n\r\n".encode() + body
    parts = [body[at : at + chunk] for at in range(0, size, chunk)]
    coded = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])
    return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + coded


@pytest.mark.parametrize("chunk", [0, 1000, 100_000], ids=["declared", "small-chunks", "large-chunks"])
def test_what_is_read_along_with_a_large_body_is_the_next_request(pipelined, chunk):
    sizes = [7_900, 65_537, 300_000, 64_000, 20, 131_072, 1]
    with pipelined.connect() as connection:
        connection.send(b"".join(message("/app/large.wsgi/upload", size, chunk) for size in sizes))
        for size in sizes:
            assert connection.response().text == f"{size} {hashlib.sha256(BODY[:size]).hexdigest()}"


@pytest.mark.parametrize("chunk", [0, 100_000], ids=["declared", "chunks"])
def test_a_large_body_that_is_read_in_part_is_not_the_next_request(pipelined, chunk):
    with pipelined.connect() as connection:
        connection.send(message("/app/large.wsgi/begin", 300_000, chunk) + message("/app/large.wsgi/upload", 5))
        assert connection.response().text == f"70000 {hashlib.sha256(BODY[:70000]).hexdigest()}"
        assert connection.response().text == f"5 {hashlib.sha256(BODY[:5]).hexdigest()}"


def test_a_large_body_that_comes_in_pieces_is_byte_exact(pipelined):
    size = 200_000
    with pipelined.connect() as connection:
        data = message("/app/large.wsgi/upload", size)
        # Each piece is less than httpd would take at once, some are less than it takes of a small body.
        while data:
            step = 1 + len(data) % 9_001
            connection.send(data[:step])
            data = data[step:]
        assert connection.response().text == f"{size} {hashlib.sha256(BODY[:size]).hexdigest()}"
