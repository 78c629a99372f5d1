"""WSGIDispatchScript: a script chooses for each request where it runs; if it does not answer, it runs nowhere."""

import json
import os

import pytest
from harness import TRACEBACK, Httpd

pytestmark = pytest.mark.ours

CONFIG = """
WSGIApplicationGroup configured
WSGIScriptAlias /app ${APPLICATIONS}/dispatching.py
WSGIScriptAlias /option ${APPLICATIONS}/dispatching.py application-group=option callable-object=option
<Location />
    SetEnv GROUP OTHER
    SetEnv CALLABLE other
    WSGIDispatchScript ${APPLICATIONS}/dispatching.py
</Location>
<Location /app/missing>
    WSGIDispatchScript ${SCRIPTS}/none.py
</Location>
<Location /app/syntax>
    WSGIDispatchScript ${APPLICATIONS}/syntax_error.wsgi
</Location>
<Location /app/silent>
    WSGIDispatchScript ${APPLICATIONS}/hello.wsgi
</Location>
<Location /app/named>
    WSGIDispatchScript ${APPLICATIONS}/dispatching.py application-group=named
</Location>
<Location /app/restricted>
    WSGIRestrictProcess CONFIGURED
</Location>
<Location /app/changing>
    WSGIDispatchScript ${SCRIPTS}/changing.py
</Location>
"""


@pytest.fixture(scope="module")
def server(mode):
    # Embedded, there is another group all the same: a request can be sent out of httpd, and into it.
    config = mode.serve() + "WSGIDaemonProcess other threads=2\n" + CONFIG.replace("OTHER", "other").replace("CONFIGURED", mode.process_group())
    httpd = Httpd(config)
    httpd.script("changing.py", "")
    httpd.error_log.always_allowed.append("WRS1051: .* there is no script '.*/none.py'")
    with httpd:
        yield httpd


def ask(server, query="", path="/app", headers=()):
    """Who answered, and where; or the status."""
    response = server.get(f"{path}?{query}", headers)
    return response.json if response.status == 200 else response.status


def test_a_script_that_chooses_nothing_changes_nothing(server, mode):
    for path in ("/app", "/app/silent"):
        found = ask(server, path=path)
        assert found["answered"] == "application"
        assert found["process_group"] == ("app" if mode.is_daemon else "")
        assert (found["application_group"], found["callable_object"]) == ("configured", "application")
    assert ask(server, "process_group=None&callable_object=None")["answered"] == "application"


@pytest.mark.parametrize("name", ["other", "bytes:other", "%25{ENV:GROUP}"])
def test_it_chooses_the_process_group(server, name):
    found = ask(server, f"process_group={name}")
    assert found["process_group"] == "other"
    assert found["pid"] not in server.children()


@pytest.mark.parametrize("name", ["", "%25{GLOBAL}"])
def test_it_chooses_embedded_mode(server, name):
    found = ask(server, f"process_group={name}")
    assert found["process_group"] == ""
    assert found["pid"] in server.children()


@pytest.mark.parametrize(("name", "group"), [("chosen", "chosen"), ("%25{GLOBAL}", ""), ("", ""), ("%25{RESOURCE}", "127.0.0.1:PORT|/app")])
def test_it_chooses_the_application_group(server, name, group):
    assert ask(server, f"application_group={name}")["application_group"] == group.replace("PORT", str(server.port))


@pytest.mark.parametrize("name", ["other", "%25{ENV:CALLABLE}"])
def test_it_chooses_the_callable(server, name):
    found = ask(server, f"callable_object={name}")
    assert (found["answered"], found["callable_object"]) == ("other", "other")


def test_it_wins_over_the_options_of_the_alias(server):
    found = ask(server, "application_group=chosen&callable_object=other", "/option")
    assert (found["answered"], found["application_group"]) == ("other", "chosen")


def test_a_group_that_does_not_exist_or_is_not_allowed_is_refused(server):
    assert ask(server, "process_group=nowhere") == 500
    server.error_log.expect("WRS3009")
    assert ask(server, "process_group=other", "/app/restricted") == 500
    server.error_log.expect("WRS2017")


@pytest.mark.parametrize("function", ["process_group", "application_group", "callable_object"])
@pytest.mark.parametrize("answer", ["one", "True", "nul"])
def test_what_is_no_answer_ends_the_request(server, function, answer):
    assert ask(server, f"{function}={answer}") == 500
    what = "callable" if function == "callable_object" else "group"
    server.error_log.expect(rf"WRS2032: {function}\(\) of the script .*dispatching.py' .WSGIDispatchScript. answered .*: expected None, or the name of a {what} as str")


def test_a_callable_without_a_name_ends_the_request(server):
    assert ask(server, "callable_object=") == 500
    server.error_log.expect(r"WRS2032: callable_object\(\) .* answered an empty string")


@pytest.mark.parametrize("answer", ["raise", "wide"])
def test_an_exception_ends_the_request_and_asks_no_more(server, answer, rendezvous):
    assert ask(server, f"application_group={answer}", headers=[("X-At", str(rendezvous.path))]) == 500
    server.error_log.expect(r"WRS4033: exception in application_group\(\)")
    server.error_log.allow(TRACEBACK, "ValueError: the reason|UnicodeEncodeError")
    assert rendezvous.files("") == ["application_group", "process_group"]


@pytest.mark.parametrize(
    ("path", "lines"),
    [("/missing", ["WRS4005: .*/none.py"]), ("/syntax", ["WRS4002: .*/syntax_error.wsgi", TRACEBACK, r"syntax_error.wsgi\", line|SyntaxError"])],
)
def test_a_script_that_cannot_be_asked_ends_the_request(server, path, lines):
    server.error_log.allow(*lines)
    assert ask(server, path=f"/app{path}") == 500
    server.error_log.expect(lines[0])


def test_what_the_script_is_told_and_where_it_runs(server, rendezvous):
    headers = [("X-At", str(rendezvous.path)), ("Proxy", "evil"), ("Authorization", "Basic x")]
    for path, group in (("/app", ""), ("/app/named", "named")):
        assert ask(server, "x=y", path, headers)["answered"] == "application"
        first, last = (json.loads((rendezvous.path / name).read_text()) for name in ("process_group", "callable_object"))
        assert first["pid"] in server.children()
        environ = first["environ"]
        assert environ["mod_wsgi.application_group"] == group
        assert environ["mod_wsgi.process_group"] == ""
    expected = {"QUERY_STRING": "x=y", "GROUP": "other", "SCRIPT_NAME": "/app", "PATH_INFO": "/named", "mod_wsgi.request_handler": "wsgi-script"}
    assert {name: environ.get(name) for name in expected} == expected
    assert environ["SCRIPT_FILENAME"].endswith("/dispatching.py")
    assert not {"HTTP_PROXY", "HTTP_AUTHORIZATION", "mod_wsgi.callable_object", "wsgi.input", "wsgi.version"} & environ.keys()
    assert environ["asked"] == "['process_group']"
    assert last["environ"]["asked"] == "['process_group', 'application_group', 'callable_object']"


def test_a_script_that_changed_is_loaded_again(server):
    for time, name in ((1, "one"), (2, "two")):
        path = server.script("changing.py", f"def application_group(environ):\n    return {name!r}\n")
        os.utime(path, (time, time))
        assert ask(server, path="/app/changing")["application_group"] == name


def test_an_application_to_which_others_may_be_sent_has_an_interpreter_of_its_own(mode):
    script = "WSGIScriptAlias /app ${APPLICATIONS}/dispatching.py\n"
    for config, own in ((script, False), (script + "WSGIDispatchScript ${APPLICATIONS}/hello.wsgi\n", True)):
        with Httpd(mode.serve(processes=1) + config) as httpd:
            assert httpd.get("/app").json["application_group"] == (f"127.0.0.1:{httpd.port}|/app" if own else "")


def test_the_innermost_place_wins_and_a_virtual_host_inherits(mode):
    name = "def application_group(environ):\n    return {!r}\n"
    config = f"""{mode.serve(processes=1)}
WSGIScriptAlias /app ${{APPLICATIONS}}/dispatching.py
WSGIDispatchScript ${{SCRIPTS}}/main.py
<VirtualHost *>
    ServerName inherits.example
</VirtualHost>
<VirtualHost *>
    ServerName differs.example
    WSGIDispatchScript ${{SCRIPTS}}/host.py
    <Location /app/section>
        WSGIDispatchScript ${{SCRIPTS}}/section.py
    </Location>
</VirtualHost>
"""
    httpd = Httpd(config)
    for script in ("main", "host", "section"):
        httpd.script(f"{script}.py", name.format(script))
    with httpd, httpd.connect() as connection:
        for host, path, group in (("inherits", "", "main"), ("differs", "", "host"), ("differs", "/section", "section")):
            connection.send(f"GET /app{path} HTTP/1.1\r\nHost: {host}.example\r\n\r\n".encode())
            assert connection.response().json["application_group"] == group
