"""10 MB up and down: byte-exact, and never held whole in httpd's memory."""

import hashlib

import pytest
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
