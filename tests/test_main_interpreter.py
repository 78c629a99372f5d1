"""The interpreter of an application for which nobody chose one: the main one if it is alone in its processes, else one of its own."""

import pytest
from harness import Httpd

pytestmark = pytest.mark.ours

SCRIPT = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["mod_wsgi.application_group"].encode()]
"""

ONE = "WSGIScriptAlias /one ${SCRIPTS}/one.wsgi\n"
TWO = "WSGIScriptAlias /two ${SCRIPTS}/two.wsgi\n"


def host(name, lines, port="*"):
    """A virtual host."""
    return f"<VirtualHost *:{port}>\nServerName {name}\n{lines}</VirtualHost>\n"


# For each configuration the host and path of requests, and the interpreters that answer them; the usual port is never said.
CASES = {
    "one application": (ONE, {("a.example", "/one"): ""}),
    "two applications": (ONE + TWO, {("127.0.0.1", "/one"): "127.0.0.1|/one", ("127.0.0.1", "/two"): "127.0.0.1|/two"}),
    "one script at two places": (
        ONE + "WSGIScriptAlias /other ${SCRIPTS}/one.wsgi\n",
        {("127.0.0.1", "/one"): "127.0.0.1|/one", ("127.0.0.1", "/other"): "127.0.0.1|/other"},
    ),
    "one that is chosen": (ONE + "WSGIApplicationGroup mine\n", {("127.0.0.1", "/one"): "mine"}),
    "one that a section may send elsewhere": (
        ONE + "<Location /nowhere>\nWSGIProcessGroup %{GLOBAL}\n</Location>\n",
        {("127.0.0.1", "/one"): "127.0.0.1|/one"},
    ),
    # As sites mostly are: the same for http and https.
    "one application in two virtual hosts of one name": (
        host("a.example", ONE, "8081") + host("a.example", ONE),
        {("a.example", "/one"): ""},
    ),
    "applications of two virtual hosts": (
        host("a.example", ONE) + host("b.example", ONE),
        {("a.example", "/one"): "a.example|/one", ("b.example", "/one"): "b.example|/one"},
    ),
    "a directory of scripts": ("WSGIScriptAlias /all ${SCRIPTS}\n", {("127.0.0.1", "/all/one.wsgi"): "127.0.0.1|/all/one.wsgi"}),
}


@pytest.mark.parametrize("case", CASES)
def test_an_application_that_is_alone_runs_in_the_main_interpreter(mode, case):
    config, expected = CASES[case]
    httpd = Httpd(mode.serve() + config)
    httpd.script("one.wsgi", SCRIPT)
    httpd.script("two.wsgi", SCRIPT)
    with httpd:
        found = {}
        for name, path in expected:
            with httpd.connect() as connection:
                request = f"GET {path} HTTP/1.1\r\nHost: {name}:80\r\nConnection: close\r\n\r\n"
                found[name, path] = connection.send(request.encode()).response().text
    assert found == expected
