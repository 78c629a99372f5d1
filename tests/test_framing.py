"""What an application may not say of its response: how it is framed, or that it is no answer."""

import pytest
from harness import TRACEBACK, Httpd


@pytest.fixture(scope="module")
def server(mode):
    with Httpd(mode.serve() + "WSGIScriptAlias /scripts ${SCRIPTS}\n") as httpd:
        yield httpd


def test_how_the_body_is_framed_is_not_for_the_application_to_say(server):
    server.script("framing.wsgi", """
def application(environ, start_response):
    start_response("200 OK", [("Transfer-Encoding", "chunked"), ("Content-Length", "2")])
    return [b"ok"]
""")
    response = server.get("/scripts/framing.wsgi")
    assert (response.text, response.header("Transfer-Encoding")) == ("ok", None)


def test_an_interim_status_is_no_answer(server):
    server.script("interim.wsgi", """
def application(environ, start_response):
    start_response("100 Continue", [])
    return []
""")
    response = server.get("/scripts/interim.wsgi")
    server.error_log.allow(TRACEBACK, "ValueError: ")
    server.error_log.expect("WRS4001.*ValueError")
    assert response.status == 500
