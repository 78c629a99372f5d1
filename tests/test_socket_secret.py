"""Who may have scripts run over the socket of a daemon process: httpd, and whoever could run them anyway."""

import contextlib
import os
import socket
import struct

import pytest
from harness import Httpd, machine

pytestmark = pytest.mark.ours

SCRIPT = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"".join(sorted(key.encode() + b"\\n" for key in environ if "x-" in key)) + b"done"]
"""


def record(kind, content):
    """A FastCGI record of request 1."""
    return struct.pack(">BBHHBx", 1, kind, 1, len(content), 0) + content


def pair(name, value):
    """A name and a value, as parameters are written."""
    return b"".join(struct.pack(">I", len(part) | 1 << 31) for part in (name, value)) + name + value


def ask(path, parameters):
    """Everything a worker answers to a FastCGI request."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        content = b"".join(pair(name, value) for name, value in parameters.items())
        connection.sendall(record(1, b"\0\1\0\0\0\0\0\0") + record(4, content) + record(4, b"") + record(5, b""))
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
        return answer


@contextlib.contextmanager
def acting_as(user):
    """What is opened meanwhile is opened by another user."""
    os.seteuid(user.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


@contextlib.contextmanager
def served(group):
    """A server, the socket of its one daemon process, and the parameters of a request for its script."""
    httpd = Httpd(f"WSGIDaemonProcess app processes=1 threads=2 {group}\nWSGIScriptAlias / ${{SCRIPTS}}/app.wsgi process-group=app application-group=%{{GLOBAL}}\n")
    script = httpd.script("app.wsgi", SCRIPT)
    with httpd:
        assert httpd.get("/").text == "done"
        (path,) = (httpd.directory / "run").glob("*.sock")
        yield httpd, path, {b"REQUEST_METHOD": b"GET", b"SCRIPT_FILENAME": str(script).encode()}
        assert httpd.get("/").text == "done"


@pytest.mark.root
@pytest.mark.parametrize("secret", [None, b"", b"x" * 16, b"x" * 17], ids=["none", "empty", "wrong", "too long"])
def test_another_program_of_the_user_of_httpd_has_no_script_run_by_the_user_of_a_group(secret):
    with served(f"user={machine.other_user.pw_name}") as (httpd, path, parameters):
        if secret is not None:
            parameters[b"mod_wsgi.x-secret"] = secret
        with acting_as(machine.user):
            assert ask(path, parameters) == b""
        httpd.error_log.expect("WRS5032: a request for process group 'app' that is not httpd's is refused")


def test_any_fastcgi_front_end_of_the_superuser_or_the_user_of_the_group_gets_an_answer():
    with served("") as (_, path, parameters):
        answer = ask(path, parameters)
        assert b"Status: 200 OK" in answer
        assert b"done" in answer
        assert b"x-secret" not in answer


@pytest.mark.root
def test_a_front_end_of_the_user_of_the_group_gets_an_answer():
    with served("") as (_, path, parameters), acting_as(machine.user):
        assert b"done" in ask(path, parameters)
