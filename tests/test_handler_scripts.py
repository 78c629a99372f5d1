"""WSGIHandlerScript: a script answers for what httpd gives to its handler, in both modes."""

import os
import subprocess

import pytest
from harness import Httpd, machine

pytestmark = pytest.mark.ours

HANDLER = "${APPLICATIONS}/handling.py"
CONFIG = f"""
WSGIApplicationGroup handlers
WSGIHandlerScript script {HANDLER}
WSGIHandlerScript Global {HANDLER} application-group=%{{GLOBAL}} pass-authorization=On
WSGIHandlerScript here {HANDLER} process-group=%{{GLOBAL}}
WSGIHandlerScript changing ${{SCRIPTS}}/changing.py
WSGIHandlerScript asking ${{SCRIPTS}}/asking.py
WSGIHandlerScript missing ${{SCRIPTS}}/none.py
WSGIHandlerScript empty ${{APPLICATIONS}}/environ.wsgi
DocumentRoot "${{DIRECTORY}}/htdocs"
<Location /by-name>
    SetHandler script
</Location>
<Location /by-name/global>
    SetHandler GLOBAL
</Location>
<Location /by-name/callable>
    WSGICallableObject other
</Location>
<Location /by-name/no-path>
    AcceptPathInfo Off
</Location>
<Location /by-name/chosen>
    WSGIDispatchScript ${{APPLICATIONS}}/dispatching.py
</Location>
<Location /here>
    SetHandler here
</Location>
<Location /changing>
    SetHandler changing
</Location>
<Location /asking>
    SetHandler asking
</Location>
<Location /missing>
    SetHandler missing
</Location>
<Location /empty>
    SetHandler empty
</Location>
<Location /by-type>
    AddHandler script .shown
</Location>
<Location /unknown>
    SetHandler nobodys-handler
</Location>
<Location /replaced>
    SetHandler script
    WSGIHandlerScript SCRIPT ${{SCRIPTS}}/changing.py
</Location>
"""


@pytest.fixture(scope="module")
def server(mode):
    httpd = Httpd(mode.serve() + CONFIG)
    htdocs = httpd.directory / "htdocs"
    (htdocs / "by-type").mkdir()
    for name in ("by-type/a.shown", "by-type/a.txt"):
        (htdocs / name).write_text("the file itself")
    httpd.script("changing.py", VERSION % 0)
    httpd.script("asking.py", "")
    httpd.error_log.always_allowed.append("WRS1051: .* there is no script '.*/none.py'")
    with httpd:
        yield httpd


VERSION = """
def handle_request(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"version %d"]
"""


def test_it_answers_for_what_need_not_be_there(server, mode):
    facts = server.post("/by-name/page.html/x//y?q", b"the body").json
    environ = facts["environ"]
    expected = {
        "SCRIPT_NAME": "/by-name",
        "PATH_INFO": "/page.html/x/y",
        "QUERY_STRING": "q",
        "SCRIPT_FILENAME": f"{server.directory}/htdocs/by-name",
        "mod_wsgi.handler_script": f"{server.stage.applications}/handling.py",
        "mod_wsgi.request_handler": "script",
        "mod_wsgi.callable_object": "handle_request",
        "mod_wsgi.application_group": "handlers",
        "mod_wsgi.process_group": mode.process_group().replace("%{GLOBAL}", ""),
    }
    assert {name: environ.get(name) for name in expected} == expected
    assert (facts["body"], facts["file"]) == ("the body", f"{server.stage.applications}/handling.py")
    assert (facts["pid"] in server.children()) is not mode.is_daemon


def test_a_file_is_the_resource_and_not_the_script(server):
    environ = server.get("/by-type/a.shown/more").json["environ"]
    assert environ["SCRIPT_FILENAME"] == f"{server.directory}/htdocs/by-type/a.shown"
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/by-type/a.shown", "/more")
    assert server.get("/by-type/a.txt").text == "the file itself"


def test_the_options_win_and_names_have_no_case(server):
    environ = server.get("/by-name/global", [("Authorization", "Basic x")]).json["environ"]
    assert (environ["mod_wsgi.application_group"], environ["HTTP_AUTHORIZATION"]) == ("", "Basic x")
    assert "HTTP_AUTHORIZATION" not in server.get("/by-name", [("Authorization", "Basic x")]).json["environ"]
    facts = server.get("/here").json
    assert (facts["pid"] in server.children(), facts["environ"]["mod_wsgi.process_group"]) == (True, "")


def test_the_callable_is_always_the_same_unless_it_is_dispatched(server):
    assert server.get("/by-name/callable").json["environ"]["mod_wsgi.callable_object"] == "handle_request"
    assert server.get("/by-name/chosen?callable_object=other").text == "the other callable"
    assert server.get("/by-name/chosen").json["environ"]["mod_wsgi.callable_object"] == "handle_request"


def test_a_section_replaces_the_script_of_a_name(server):
    assert server.get("/replaced").text.startswith("version ")


def test_path_info_can_be_refused(server):
    server.error_log.allow("WRS2004")
    assert server.get("/by-name/no-path/x/y").status == 404


def test_a_handler_that_nobody_named_is_not_ours(server):
    server.error_log.allow("AH00128", "File does not exist")
    assert server.get("/unknown/x").status == 404


def test_a_script_that_does_not_work_is_an_error(server, mode):
    server.error_log.allow("WRS4005: .*/none.py", "WRS4004: .* no callable 'handle_request'")
    assert server.get("/missing").status == 500
    assert server.get("/empty").status == (500 if mode.is_daemon else 404)


def test_a_script_that_changed_is_loaded_again(server):
    for version in (1, 2):
        path = server.script("changing.py", VERSION % version)
        os.utime(path, (version, version))
        for _ in range(2):
            assert server.get("/changing").text == f"version {version}"


def test_reload_required_is_asked_of_the_resource(server):
    server.script(
        "asking.py",
        """
import json
def reload_required(resource):
    global asked
    asked = resource
    return False
asked = None
def handle_request(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr(asked == environ["SCRIPT_FILENAME"]).encode()]
""",
    )
    server.get("/asking/a")
    assert server.get("/asking/b").text == "True"


def test_embedded_mode_can_be_forbidden():
    with Httpd(f"WSGIRestrictEmbedded On\nWSGIHandlerScript script {HANDLER}\n<Location />\nSetHandler script\n</Location>\n") as httpd:
        assert httpd.get("/x").status == 500
        httpd.error_log.expect("WRS1048: .*WSGIHandlerScript", "WRS2008: WSGIRestrictEmbedded is On", since=0)


@pytest.mark.root
def test_whose_script_it_is_counts_and_not_whose_resource():
    config = f"""WSGIDaemonProcess app script-user={machine.user.pw_name} threads=2
WSGIApplicationGroup %{{GLOBAL}}
WSGIHandlerScript script ${{SCRIPTS}}/own.py process-group=app
<Location />
    SetHandler script
</Location>
"""
    httpd = Httpd(config)
    path = httpd.script("own.py", VERSION % 1)
    for owned in (path, path.parent):
        os.chown(owned, machine.user.pw_uid, machine.user.pw_gid)
    with httpd:
        assert httpd.get("/x").text == "version 1"
        os.chown(path, 0, 0)
        httpd.error_log.allow("WRS2018")
        assert httpd.get("/x").status == 403


def test_the_map_shows_handlers_and_scripts_that_are_asked(stage):
    httpd = Httpd("WSGIDaemonProcess docs\nWSGIHandlerScript md /srv/md.py process-group=docs\n<Location />\nWSGIAccessScript /srv/access.py\n</Location>\n")
    httpd.configtest()
    done = subprocess.run(**httpd.command("-D", "DUMP_WSGI", "-t"), capture_output=True, text=True, timeout=30, check=False)
    assert "    handler md -> /srv/md.py: process group docs, callable handle_request (" in done.stdout
    assert "    WSGIAccessScript /srv/access.py: embedded, Python " in done.stdout
