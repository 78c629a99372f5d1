"""What is said further in holds: main server, virtual host, section, section in a section, `.htaccess`.

Each directive that is said per request has two values, and a way to see which of them an answer was made with. One server says
the first one for all, and others further in; all directives at once, so that none disturbs another.
"""

import re

import pytest
from harness import Connection, Httpd

pytestmark = pytest.mark.ours

SCRIPT = """
import json

def answer(name, environ, start_response):
    status = "503 Service Unavailable" if environ["QUERY_STRING"] == "fail" else "200 OK"
    environ["wsgi.input"].read()
    seen = {key: value for key, value in environ.items() if isinstance(value, str)}
    start_response(status, [("Content-Type", "application/json"), ("X-Method", environ["REQUEST_METHOD"])])
    return [json.dumps({**seen, "callable": name, "script": __file__.rsplit("/", 1)[1]}).encode()]

def application(environ, start_response):
    return answer("application", environ, start_response)

def other(environ, start_response):
    return answer("other", environ, start_response)
"""

# The directive, its two values, and the place where it may stand at most.
DIRECTIVES = [
    ("WSGIProcessGroup", "one", "%{GLOBAL}", "section"),
    ("WSGIRestrictProcess", "one", "%{GLOBAL}", "section"),
    ("WSGIApplicationGroup", "first", "second", "section"),
    ("WSGICallableObject", "application", "other", ".htaccess"),
    ("WSGIPassAuthorization", "On", "Off", ".htaccess"),
    ("WSGIErrorOverride", "On", "Off", ".htaccess"),
    ("WSGIChunkedRequest", "On", "Off", ".htaccess"),
    ("WSGIMapHEADToGET", "On", "Off", ".htaccess"),
    ("WSGITrustedProxyHeaders", "X-Forwarded-For X-Forwarded-Host", "X-Forwarded-For X-Host", ".htaccess"),
    ("WSGITrustedProxies", "127.0.0.1 10.0.0.1", "127.0.0.1 10.0.0.2", ".htaccess"),
    ("WSGIScriptReloading", "On", "Off", ".htaccess"),
    # Without an answer in which they can be seen; they must only not disturb the others.
    ("WSGIEnableSendfile", "On", "Off", ".htaccess"),
    ("WSGIIgnoreActivity", "On", "Off", ".htaccess"),
]
HEADERS = {
    "Authorization": "Basic Zm9v",
    "X-Forwarded-For": "1.1.1.1, 10.0.0.2, 10.0.0.1",
    "X-Forwarded-Host": "first.example",
    "X-Host": "second.example",
}


def lines(value, most=("section", ".htaccess")):
    """All directives with their first or second value."""
    return "\n".join(f"{row[0]} {row[1 + value]}" for row in DIRECTIVES if row[3] in most)


CONFIG = f"""
WSGIDaemonProcess one threads=2
{lines(0)}
WSGIScriptAlias /app ${{SCRIPTS}}/merge.wsgi
WSGIScriptAlias /alias ${{SCRIPTS}}/merge.wsgi
WSGIScriptAlias /htaccess ${{SCRIPTS}}/inner/merge.wsgi
WSGIScriptAlias /reload ${{SCRIPTS}}/reload.wsgi
<Directory ${{SCRIPTS}}/inner>
    AllowOverride FileInfo
</Directory>
<VirtualHost *>
    ServerName inherits
</VirtualHost>
<VirtualHost *>
    ServerName own
    {lines(1)}
    WSGIScriptAlias /alias ${{SCRIPTS}}/inner/second.wsgi
    <Location /app/section>
        {lines(0)}
    </Location>
    <Location /app/section/nested>
        {lines(1)}
    </Location>
    <Location /app/section/silent>
        Options None
    </Location>
    <If "%{{QUERY_STRING}} == 'if'">
        {lines(0)}
    </If>
</VirtualHost>
"""

# A virtual host and a path, and which of the values holds there.
PLACES = {
    "in a virtual host that says nothing": ("inherits", "/app", 0),
    "in a virtual host": ("own", "/app", 1),
    "in a section": ("own", "/app/section", 0),
    "in a section in it": ("own", "/app/section/nested", 1),
    "in a section in it that says nothing": ("own", "/app/section/silent", 0),
}


@pytest.fixture(scope="module")
def server():
    httpd = Httpd(CONFIG)
    (httpd.scripts / "inner").mkdir()
    for name in ("merge.wsgi", "inner/merge.wsgi", "inner/second.wsgi", "reload.wsgi"):
        (httpd.scripts / name).write_text(SCRIPT)
    (httpd.scripts / "inner" / ".htaccess").write_text(lines(1, ".htaccess"))
    with httpd:
        yield httpd


def ask(server, host, path, method="GET", headers=None, body=b""):
    """One request to a virtual host."""
    head = {"Host": host, **HEADERS, **(headers or {})}
    with Connection(server.port) as connection:
        fields = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        connection.send(f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode() + body)
        return connection.response(method)


def see(server, host, path):
    """For each directive which of its values an answer was made with."""
    seen = ask(server, host, path).json
    chunked = ask(server, host, path, "POST", {"Transfer-Encoding": "chunked"}, b"1\r\nx\r\n0\r\n\r\n")
    server.error_log.allow("WRS2013")
    error = ask(server, host, f"{path}?fail")
    assert (chunked.status, error.status) in [(200, 503), (411, 503)]
    return {
        "WSGIProcessGroup": ["one", ""].index(seen["mod_wsgi.process_group"]),
        "WSGIRestrictProcess": ["one", ""].index(seen["mod_wsgi.process_group"]),
        "WSGIApplicationGroup": ["first", "second"].index(seen["mod_wsgi.application_group"]),
        "WSGICallableObject": ["application", "other"].index(seen["callable"]),
        "WSGIPassAuthorization": int("HTTP_AUTHORIZATION" not in seen),
        "WSGIErrorOverride": int(b"callable" in error.body),
        "WSGIChunkedRequest": int(chunked.status == 411),
        "WSGIMapHEADToGET": ["GET", "HEAD"].index(ask(server, host, path, "HEAD").header("X-Method")),
        "WSGITrustedProxyHeaders": ["first.example", "second.example"].index(seen["HTTP_HOST"]),
        "WSGITrustedProxies": ["10.0.0.2", "10.0.0.1"].index(seen["REMOTE_ADDR"]),
    }


@pytest.mark.parametrize("place", PLACES)
def test_every_directive_holds_where_it_is_said_last(server, place):
    host, path, value = PLACES[place]
    seen = see(server, host, path)
    assert seen == dict.fromkeys(seen, value)


def test_what_htaccess_may_say_holds_over_what_stands_outside(server):
    seen = see(server, "inherits", "/htaccess")
    expected = {name: int(most == ".htaccess") for name, _, _, most in DIRECTIVES}
    assert seen == {name: expected[name] for name in seen}


def test_a_condition_holds_over_sections_and_virtual_hosts(server):
    seen = ask(server, "own", "/app?if").json
    assert (seen["mod_wsgi.process_group"], seen["mod_wsgi.application_group"], seen["callable"]) == ("one", "first", "application")


def test_aliases_of_a_virtual_host_come_before_those_of_the_main_server(server):
    assert ask(server, "inherits", "/alias").json["script"] == "merge.wsgi"
    assert ask(server, "own", "/alias").json["script"] == "second.wsgi"
    assert ask(server, "own", "/htaccess").json["script"] == "merge.wsgi", "those of the main server are there too"


def test_script_reloading_holds_where_it_is_said_last(server):
    assert {ask(server, host, "/reload").json["callable"] for host in ("inherits", "own")} == {"application", "other"}
    server.script("reload.wsgi", SCRIPT.replace('"callable": name', '"callable": "changed"'))
    assert ask(server, "own", "/reload").json["callable"] == "other", "Off"
    assert ask(server, "inherits", "/reload").json["callable"] == "changed", "On"


class TestAllowOverride:
    """`.htaccess` may say only what the class of the directive allows."""

    @pytest.fixture(scope="class")
    @classmethod
    def documents(cls):
        config = """
<Directory ${DIRECTORY}/htdocs/FileInfo>
    AllowOverride FileInfo
</Directory>
<Directory ${DIRECTORY}/htdocs/AuthConfig>
    AllowOverride AuthConfig
</Directory>
"""
        with Httpd(config) as httpd:
            yield httpd

    @pytest.mark.parametrize("allowed", ["FileInfo", "AuthConfig", "None"])
    @pytest.mark.parametrize("name", [*(row[0] for row in DIRECTIVES if row[3] == ".htaccess"), "WSGIGroupAuthoritative"])
    def test_of_its_class(self, documents, name, allowed):
        value = dict((row[0], row[1]) for row in DIRECTIVES).get(name, "On")
        directory = documents.directory / "htdocs" / allowed / name
        directory.mkdir(parents=True)
        (directory / "file").write_text("x")
        (directory / ".htaccess").write_text(f"{name} {value}\n")
        needed = "AuthConfig" if name == "WSGIGroupAuthoritative" else "FileInfo"
        # What may say nothing is not read.
        status = 200 if allowed in (needed, "None") else 500
        if status == 500:
            documents.error_log.allow(f"{re.escape(name)} not allowed here")
        assert documents.get(f"/{allowed}/{name}/file").status == status


def test_a_group_of_another_virtual_host_is_refused_and_one_of_the_same_name_is_shared():
    config = """
<VirtualHost *>
    ServerName owner
    WSGIDaemonProcess site threads=1
</VirtualHost>
<VirtualHost *:8081>
    ServerName owner
    WSGIScriptAlias / ${APPLICATIONS}/hello.wsgi process-group=site
</VirtualHost>
<VirtualHost *>
    ServerName stranger
    WSGIScriptAlias / ${APPLICATIONS}/hello.wsgi process-group=site
</VirtualHost>
"""
    httpd = Httpd(config)
    httpd.error_log.always_allowed += ["WRS1046", "WRS3010"]
    with httpd:
        assert ask(httpd, "stranger", "/").status == 500
        assert httpd.error_log.count("WRS3010") == 1
    shared = config.replace("*:8081", "*").replace("    WSGIDaemonProcess site threads=1\n", "    ServerAlias alias\n", 1)
    shared = shared.replace("    ServerName owner\n    WSGIScriptAlias", "    ServerName owner\n    ServerAlias other\n    WSGIScriptAlias")
    shared = shared.replace("    ServerAlias alias\n", "    ServerAlias alias\n    WSGIDaemonProcess site threads=1\n")
    httpd = Httpd(shared)
    httpd.error_log.always_allowed += ["WRS1046"]
    with httpd:
        assert ask(httpd, "other", "/").text == "Hello, world!\n"


def test_embedded_mode_that_is_off_answers_nothing():
    config = "WSGIRestrictEmbedded On\nWSGIDaemonProcess app threads=1\n"
    config += "WSGIScriptAlias /daemon ${APPLICATIONS}/hello.wsgi process-group=app\nWSGIScriptAlias /embedded ${APPLICATIONS}/hello.wsgi\n"
    httpd = Httpd(config)
    httpd.error_log.always_allowed += ["WRS1048", "WRS2008"]
    with httpd:
        assert httpd.get("/daemon").status == 200
        assert httpd.get("/embedded").status == 500
        maps = [open(f"/proc/{pid}/maps").read() for pid in httpd.children()]
        assert [text for text in maps if "libpython" in text] == []


def test_sockets_are_named_after_their_prefix():
    config = "WSGISocketPrefix run/special\nWSGIDaemonProcess app threads=1\nWSGIScriptAlias / ${APPLICATIONS}/hello.wsgi process-group=app\n"
    with Httpd(config) as httpd:
        assert httpd.get("/").status == 200
        assert list((httpd.directory / "run").glob("special*")), "relative to ServerRoot"
    assert list((httpd.directory / "run").glob("special*")) == []
