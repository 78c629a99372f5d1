"""The sockets of daemon processes are for httpd: another program of httpd's user must not have scripts run by theirs."""

import socket
import struct

import pytest
from harness import Httpd

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


@pytest.mark.parametrize("secret", [None, b"", b"x" * 16, b"x" * 17], ids=["none", "empty", "wrong", "too long"])
def test_only_httpd_can_have_a_script_run(secret):
    config = "WSGIDaemonProcess app threads=2\nWSGIScriptAlias / ${SCRIPTS}/app.wsgi process-group=app application-group=%{GLOBAL}\n"
    httpd = Httpd(config)
    script = httpd.script("app.wsgi", SCRIPT)
    with httpd:
        assert httpd.get("/").text == "done"
        (path,) = (httpd.directory / "run").glob("*.sock")
        parameters = {b"REQUEST_METHOD": b"GET", b"SCRIPT_FILENAME": str(script).encode()}
        if secret is not None:
            parameters[b"mod_wsgi.x-secret"] = secret
        assert ask(path, parameters) == b""
        httpd.error_log.expect("WRS5032: a request for process group 'app' that is not httpd's is refused")
        assert httpd.get("/").text == "done"
