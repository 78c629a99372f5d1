"""`wsgi.file_wrapper`: httpd sends the file itself, in both modes; what is no file is iterated over."""

import concurrent.futures
import hashlib
import os
from pathlib import Path

import pytest
from harness import Httpd, machine, processes, wait_until
from harness.cost import Strace

BODY = b"".join(hashlib.sha512(b"%d" % number).digest() for number in range(1 << 18))  # 16 MiB

CONFIG = """
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /app ${APPLICATIONS}
{sendfile}
Protocols h2c http/1.1
"""


WAYS = {
    "default": "",
    "sendfile": "WSGIEnableSendfile On",
    "read": "WSGIEnableSendfile Off",
    "map": "WSGIEnableSendfile Off\nEnableMMAP On",
}


@pytest.fixture(scope="module", params=WAYS.values(), ids=WAYS.keys())
def server(mode, request):
    config = CONFIG.replace("{sendfile}", request.param)
    with Httpd(mode.serve() + config, modules=("http2", "deflate")) as httpd:
        yield httpd


@pytest.fixture(scope="module")
def path(server):
    """A file of 16 MiB in a directory where applications may write."""
    directory = server.directory / "files"
    directory.mkdir()
    directory.chmod(0o777)
    path = directory / "large.bin"
    path.write_bytes(BODY)
    path.chmod(0o644)
    return path


EXPECTED = {
    "whole": BODY,
    "rest": BODY[-10:],
    "shared": BODY,
    "deleted": BODY,
}


@pytest.mark.parametrize("way", EXPECTED)
def test_a_file_arrives_with_its_length(server, path, way):
    response = server.get(f"/app/files.wsgi/{way}?{path}")
    assert response.header("Content-Length") == str(len(EXPECTED[way]))
    assert response.body == EXPECTED[way]


@pytest.mark.parametrize(("way", "body"), [("memory", b"in memory"), ("pipe", b"through a pipe"), ("empty", b"")])
def test_what_is_no_file_is_iterated_over(server, path, way, body):
    assert server.get(f"/app/files.wsgi/{way}?{path}").body == body


def test_a_part_is_the_applications_to_choose(server, path):
    with server.connect() as connection:
        response = connection.request("GET", f"/app/files.wsgi/part?{path}").response()
        assert (response.status, response.body) == (206, BODY[1000:3000])
        assert response.header("Content-Range") == f"bytes 1000-2999/{len(BODY)}"
        assert connection.request("GET", "/app/hello.wsgi").response().text == "Hello, world!\n"


def test_the_answer_to_head_has_the_length_only(server, path):
    with server.connect() as connection:
        response = connection.request("HEAD", f"/app/files.wsgi/whole?{path}").response("HEAD")
        assert response.header("Content-Length") == str(len(BODY))
        assert connection.request("GET", "/app/hello.wsgi").response().text == "Hello, world!\n"


def test_many_clients_get_one_open_file_at_the_same_time(server, path):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        bodies = pool.map(lambda _: server.get(f"/app/files.wsgi/shared?{path}").body, range(16))
        assert all(body == BODY for body in bodies)


def test_a_file_over_http_2(server, path):
    with server.connect_http2() as connection:
        stream = connection.request("GET", f"/app/files.wsgi/whole?{path}")
        response = connection.response(stream)
        assert (response.header("content-length"), response.body) == (str(len(BODY)), BODY)


def test_no_descriptor_is_left_open(server, path):
    def open_copies():
        files = [name for pid in server.descendants() for name in processes.open_files(pid).values()]
        return sum(name.startswith(str(path)) for name in files)

    server.get(f"/app/files.wsgi/shared?{path}")
    before = open_copies()
    for _ in range(20):
        server.get(f"/app/files.wsgi/whole?{path}")
        server.get(f"/app/files.wsgi/shared?{path}")
    with server.connect() as connection:
        # The client goes away in the middle.
        connection.request("GET", f"/app/files.wsgi/whole?{path}").head()
    server.get("/app/hello.wsgi")
    wait_until(lambda: open_copies() <= before, "the files to be closed")


@pytest.mark.ours
def test_the_bytes_do_not_go_through_a_daemon(server, path, mode):
    if not mode.is_daemon:
        pytest.skip("there is none")
    worker = server.get("/app/process.wsgi").json["pid"]

    def moved():
        lines = Path(f"/proc/{worker}/io").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines[:2])

    server.get(f"/app/files.wsgi/whole?{path}")
    before = moved()
    assert server.get(f"/app/files.wsgi/whole?{path}").body == BODY
    assert moved() - before < 64 * 1024


@pytest.mark.ours
@pytest.mark.root
def test_a_file_that_only_the_daemon_may_read(mode):
    if not mode.is_daemon:
        pytest.skip("there is none")
    user = machine.other_user
    with Httpd(mode.serve(user=user.pw_name) + CONFIG.replace("{sendfile}", WAYS["sendfile"]), modules=("http2",)) as httpd:
        path = httpd.directory / "htdocs" / "secret"
        path.write_bytes(b"the daemon's own")
        path.chmod(0o600)
        processes.give(path, user)
        assert httpd.get(f"/app/files.wsgi/whole?{path}").body == b"the daemon's own"


@pytest.mark.ours
@pytest.mark.parametrize("way", ["default", "sendfile", "read"])
def test_the_kernel_sends_large_files_unless_it_is_told_not_to(way):
    config = CONFIG.replace("{sendfile}", WAYS[way]).replace("Protocols h2c http/1.1", "")
    with Strace(config) as strace:
        path = strace.httpd.directory / "htdocs" / "large"
        path.write_bytes(BODY[: 1 << 20])
        path.chmod(0o644)
        calls, _ = strace.measure(f"/app/files.wsgi/whole?{path}", 1, 2)
    assert (calls["sendfile"] >= 1) == (way != "read")


@pytest.mark.ours
@pytest.mark.parametrize("way", ["default", "sendfile"])
def test_a_file_that_is_truncated_while_the_kernel_sends_it_is_broken_off(mode, way):
    with Httpd(mode.serve() + CONFIG.replace("{sendfile}", WAYS[way]), modules=("http2",)) as httpd:
        path = httpd.directory / "htdocs" / "large"
        path.write_bytes(BODY)
        path.chmod(0o644)
        with httpd.connect() as connection:
            connection.request("GET", f"/app/files.wsgi/whole?{path}")
            connection.head()
            os.truncate(path, 1 << 20)
            assert len(connection.rest()) < len(BODY)
        assert httpd.get("/app/hello.wsgi").status == 200
