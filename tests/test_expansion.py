"""`%{...}` in the names of process groups, application groups and callables, wherever it is expanded and where it is not."""

import pytest
from harness import Connection, Httpd

pytestmark = pytest.mark.ours

SCRIPT = """
import json

def application(environ, start_response, name="application"):
    keys = ("process_group", "application_group", "callable_object")
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([environ["mod_wsgi." + key] for key in keys] + [name]).encode()]

def other(environ, start_response):
    return application(environ, start_response, "other")

globals()["%{ENV:CALLABLE}"] = lambda environ, start_response: application(environ, start_response, "literal")
"""

# Where a value comes from that `%{ENV:NAME}` stands for.
SOURCES = """
SetEnv SET blue
SetEnvIf X-If (.+) IF=$1
RewriteEngine On
RewriteRule ^ - [E=REWRITE:green]
SetEnv GLOBALLY %{GLOBAL}
SetEnv SERVERLY %{SERVER}
SetEnv TWICE %{ENV:SET}
SetEnv ODD %{odd}
SetEnv CALLABLE other
SetEnv PROCESS app
"""

# The port is the one that the client asks for.
SERVER, HOST = "server.example:99", "asked.example:99"
# The value of an application group, and what it is for a request to `asked.example` below `/mount`.
APPLICATION_GROUPS = {
    "%{GLOBAL}": "",
    "%{RESOURCE}": SERVER + "|/mount",
    "%{SERVER}": SERVER,
    "%{HOST}": HOST,
    "%{ENV:SET}": "blue",
    "%{ENV:IF}": "red",
    "%{ENV:REWRITE}": "green",
    "%{ENV:LANG}": "C",
    "%{ENV:GLOBALLY}": "",
    "%{ENV:SERVERLY}": SERVER,
    "%{ENV:TWICE}": "%{ENV:SET}",
    "%{ENV:ODD}": "%{odd}",
    "%{ENV:NOWHERE}": "%{ENV:NOWHERE}",
    "%{global}": "%{global}",
    "x%{GLOBAL}": "x%{GLOBAL}",
}
CALLABLES = {
    "other": ("other", "other"),
    "%{ENV:CALLABLE}": ("other", "other"),
    "%{ENV:NOWHERE}": ("application", "application"),
    "%{GLOBAL}": ("application", "application"),
}
PROCESS_GROUPS = {"app": "app", "%{GLOBAL}": "", "%{ENV:PROCESS}": "app", "%{ENV:GLOBALLY}": ""}
LOST_GROUPS = ["%{ENV:NOWHERE}", "%{ENV:SET}", "%{RESOURCE}", "%{SERVER}", "%{HOST}", "%{nothing}"]


def config():
    """Each value once in a directive of a section and once in an option of an alias."""
    text = f"WSGIDaemonProcess app threads=2\n{SOURCES}"
    number = 0
    for directive, option, values in [
        ("WSGIApplicationGroup", "application-group", APPLICATION_GROUPS),
        ("WSGICallableObject", "callable-object", CALLABLES),
        ("WSGIProcessGroup", "process-group", [*PROCESS_GROUPS, *LOST_GROUPS]),
    ]:
        for value in values:
            text += f'WSGIScriptAlias /{option}/{number}/mount ${{SCRIPTS}}/names.wsgi\n<Location /{option}/{number}>\n{directive} "{value}"\n</Location>\n'
            text += f'WSGIScriptAlias /by/{option}/{number}/mount ${{SCRIPTS}}/names.wsgi {option}="{value}"\n'
            number += 1
        number = 0
    return f"ServerName server.example\n{text}"


@pytest.fixture(scope="module")
def server():
    httpd = Httpd(config())
    httpd.script("names.wsgi", SCRIPT)
    httpd.error_log.always_allowed += ["WRS1047", "WRS1066"]
    with httpd:
        yield httpd


def ask(server, path, host="asked.example:99"):
    """What the application sees of its names."""
    with Connection(server.port) as connection:
        connection.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nX-If: red\r\n\r\n".encode())
        return connection.response()


@pytest.mark.parametrize("value", APPLICATION_GROUPS)
def test_application_groups(server, value):
    place = list(APPLICATION_GROUPS).index(value)
    for prefix in ("", "/by"):
        path = f"{prefix}/application-group/{place}/mount"
        expected = APPLICATION_GROUPS[value].replace("|/mount", f"|{path}")
        assert ask(server, path).json[1] == expected, prefix


def test_the_host_is_that_of_the_server_if_the_client_names_none(server):
    place = list(APPLICATION_GROUPS).index("%{HOST}")
    with Connection(server.port) as connection:
        connection.send(f"GET /application-group/{place}/mount HTTP/1.0\r\n\r\n".encode())
        assert connection.response().json[1] == "server.example"


@pytest.mark.parametrize("port", [80, 443])
def test_the_usual_ports_are_left_out(server, port):
    for value, expected in [("%{HOST}", "asked.example"), ("%{SERVER}", "server.example")]:
        place = list(APPLICATION_GROUPS).index(value)
        assert ask(server, f"/application-group/{place}/mount", f"asked.example:{port}").json[1] == expected


@pytest.mark.parametrize("value", CALLABLES)
def test_callables_of_the_directive(server, value):
    place = list(CALLABLES).index(value)
    assert ask(server, f"/callable-object/{place}/mount").json[2:] == list(CALLABLES[value])


def test_the_callable_of_an_alias_is_taken_as_it_is(server):
    place = list(CALLABLES).index("%{ENV:CALLABLE}")
    assert ask(server, f"/by/callable-object/{place}/mount").json[2:] == ["%{ENV:CALLABLE}", "literal"]
    assert ask(server, "/by/callable-object/0/mount").json[2:] == ["other", "other"]


@pytest.mark.parametrize("value", PROCESS_GROUPS)
def test_process_groups(server, value):
    place = list(PROCESS_GROUPS).index(value)
    for prefix in ("", "/by"):
        assert ask(server, f"{prefix}/process-group/{place}/mount").json[0] == PROCESS_GROUPS[value]


@pytest.mark.parametrize("value", LOST_GROUPS)
def test_a_process_group_that_is_none_in_the_end_is_an_error(server, value):
    place = len(PROCESS_GROUPS) + LOST_GROUPS.index(value)
    for prefix in ("", "/by"):
        server.error_log.allow("WRS3009")
        assert ask(server, f"{prefix}/process-group/{place}/mount").status == 500
