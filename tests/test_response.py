"""What an application answers is what the client gets."""

import pytest
from harness import Httpd

CONFIG = """
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /app ${APPLICATIONS}
ErrorDocument 503 "httpd's page"
"""


@pytest.fixture(scope="module")
def server(mode):
    with Httpd(mode.serve() + CONFIG) as httpd:
        yield httpd


def get(server, name, method="GET"):
    return server.request(method, f"/app/response.wsgi/{name}")


def test_set_cookie_headers_stay_apart(server):
    assert get(server, "cookies").all("Set-Cookie") == ["a=1; Path=/", "b=2; Expires=Thu, 01 Jan 2099 00:00:00 GMT"]


def test_www_authenticate_headers_stay_apart(server):
    response = get(server, "challenges")
    assert (response.status, response.body) == (401, b"who are you")
    assert response.all("WWW-Authenticate") == ["Basic realm=a", "Bearer"]


def test_head_has_the_headers_and_no_body(server):
    with server.connect() as connection:
        response = connection.request("HEAD", "/app/hello.wsgi").response("HEAD")
        assert (response.status, response.header("Content-Length")) == (200, "14")
        assert connection.request("GET", "/app/hello.wsgi").response().text == "Hello, world!\n"


@pytest.mark.parametrize(("name", "status"), [("no_content", 204), ("not_modified", 304)])
def test_a_status_without_a_body(server, name, status):
    with server.connect() as connection:
        response = connection.request("GET", f"/app/response.wsgi/{name}").response()
        assert response.status == status
        assert response.header("Transfer-Encoding") is None
        if status == 304:
            assert response.header("ETag") == '"tag"'
        else:
            assert response.header("X-Kept") == "yes"
        assert connection.request("GET", "/app/hello.wsgi").response().status == 200


def test_status_text_and_latin_1_header_values_arrive(server):
    response = get(server, "reason")
    assert (response.status, response.reason) == (299, "Quite Alright")
    assert response.header("X-Latin") == "café"


def test_a_redirection_to_elsewhere(server):
    response = get(server, "redirect")
    assert (response.status, response.header("Location")) == (302, "http://elsewhere.example/")


def test_the_applications_own_error_page_is_kept(server):
    response = get(server, "error")
    assert (response.status, response.body) == (503, b"the application's own page")
    assert response.header("Retry-After") == "7"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("parts", b"one,two,three"),
        ("by_tuple", b"ab"),
        ("by_generator", b"late"),
        ("write", b"written,again,returned"),
        ("empty", b""),
        ("too_long", b"12345"),
    ],
)
def test_iterables_of_every_kind(server, name, body):
    with server.connect() as connection:
        response = connection.request("GET", f"/app/response.wsgi/{name}").response()
        assert (response.status, response.body) == (200, body)
        assert connection.request("GET", "/app/hello.wsgi").response().status == 200


def test_start_response_may_be_called_in_the_iteration(server):
    response = get(server, "late_start")
    assert (response.status, response.body) == (201, b"started late")


def test_exc_info_replaces_a_head_that_was_not_sent(server):
    response = get(server, "replaced")
    assert (response.status, response.body) == (500, b"replaced")
    assert response.header("X-First") is None
    assert response.header("X-Second") == "2"


def test_wsgiref_validate_has_no_complaint(server):
    response = server.post("/app/validated.wsgi", b"x" * 20)
    server.error_log.expect("validated")
    assert (response.status, response.body) == (200, b"written received 20")


@pytest.mark.parametrize("text", ["to wsgi.errors", "in two parts", "without an end", "to stdout", "to stderr"])
def test_every_stream_of_an_application_is_logged_with_its_client(server, text):
    server.error_log.allow(r"to wsgi.errors$|in two parts$|without an end$|to stdout$|to stderr$")
    with server.connect() as connection:
        connection.request("GET", "/app/logging.wsgi").response()
        port = connection.socket.getsockname()[1]
    (line,) = server.error_log.expect(rf"\[(client|remote) 127\.0\.0\.1:{port}\].*{text}$")
    assert line.module == "wsgi"


def test_a_connection_is_kept_for_many_requests(server):
    with server.connect() as connection:
        for _ in range(50):
            assert connection.request("GET", "/app/hello.wsgi").response().text == "Hello, world!\n"


def test_pipelined_requests_are_answered_in_order(server):
    with server.connect() as connection:
        for name in ("parts", "by_tuple", "write"):
            connection.request("GET", f"/app/response.wsgi/{name}")
        assert [connection.response().body for _ in range(3)] == [b"one,two,three", b"ab", b"written,again,returned"]


def test_a_response_without_length_to_an_http_1_0_client(server):
    with server.connect() as connection:
        connection.send(b"GET /app/response.wsgi/parts HTTP/1.0\r\n\r\n")
        response = connection.response()
    assert response.header("Transfer-Encoding") is None
    assert response.body == b"one,two,three"
