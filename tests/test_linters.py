"""The four linters of WSGI have no complaint about the server, whatever the request and the response are."""

import pytest
from harness import Httpd

LINTERS = ["wsgiref", "webtest", "paste", "werkzeug"]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
CHUNKED = b"8\r\nreceived\r\n3\r\n in\r\n7\r\n chunks\r\n0\r\n\r\n"

CONFIG = """
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /mounted ${APPLICATIONS}/linted.wsgi
WSGIScriptAlias / ${APPLICATIONS}/linted.wsgi
"""


@pytest.fixture(scope="module")
def server(mode):
    with Httpd(mode.serve() + CONFIG) as httpd:
        yield httpd


pytestmark = pytest.mark.parametrize("linter", LINTERS)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["whole", "parts", "written", "by_lines"])
@pytest.mark.parametrize("body", [None, b"", b"received"], ids=["none", "empty", "body"])
def test_no_complaint_about_methods_and_bodies(server, linter, method, name, body):
    status = {"whole": 200, "parts": 201, "written": 202, "by_lines": 200}[name]
    headers = [] if body is None else [("Content-Type", "application/octet-stream")]
    response = server.request(method, f"/{linter}/{name}?a=b", headers, body)
    assert response.status == status
    if method != "HEAD":
        assert response.body == name.replace("_", " ").encode() + b": " + (body or b"")
    if name == "whole":
        assert response.all("Set-Cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize("name", ["whole", "parts", "written", "by_lines"])
def test_no_complaint_about_a_chunked_body(server, linter, name):
    with server.connect() as connection:
        headers = [("Transfer-Encoding", "chunked"), ("Content-Type", "text/plain")]
        response = connection.request("POST", f"/{linter}/{name}", headers).send(CHUNKED).response()
    assert response.body == name.replace("_", " ").encode() + b": received in chunks"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("nothing", 204, b""),
        ("unchanged", 304, b""),
        ("missing", 404, b"missing"),
        ("replaced", 500, b"replaced"),
    ],
)
def test_no_complaint_about_other_responses(server, linter, method, name, status, body):
    response = server.request(method, f"/{linter}/{name}", (), b"" if method == "POST" else None)
    assert (response.status, response.body) == (status, b"" if method == "HEAD" else body)


@pytest.mark.parametrize("prefix", ["", "/mounted"])
@pytest.mark.parametrize(
    "headers",
    [
        [("Cookie", "a=b"), ("Cookie", "c=d"), ("Accept", "*/*"), ("Accept", "text/html")],
        [("X-Latin", "caf\u00e9"), ("X-Empty", ""), ("X-Long", "x" * 4000)],
        [("Content-Type", "text/plain; charset=utf-8"), ("If-None-Match", '"tag"'), ("Accept-Language", "de")],
    ],
    ids=["repeated", "values", "kinds"],
)
def test_no_complaint_about_mounts_and_headers(server, linter, prefix, headers):
    assert server.get(f"{prefix}/{linter}/whole", headers).body == b"whole: "


def test_no_complaint_about_the_log(server, linter):
    response = server.get(f"/{linter}/logged")
    server.error_log.expect("written by a linted application$", "lines of a linted application$")
    assert response.body == b"logged"
