"""WSGIAccessScript, WSGIAuthUserScript and WSGIAuthGroupScript: nobody comes in whom a script did not clearly let in."""

import json
import os

import pytest
from harness import TRACEBACK, Httpd, authorization, machine, processes

pytestmark = pytest.mark.ours

DIGEST = machine.has_module("auth_digest")
BASIC = "AuthType Basic\nAuthName here\nAuthBasicProvider wsgi\n"
ASKED = "${APPLICATIONS}/asked.py"


def location(path, text):
    """A section."""
    return f"<Location {path}>\n{text}\n</Location>\n"


CONFIG = (
    """
WSGIScriptAlias /app ${APPLICATIONS} application-group=%{GLOBAL}
ErrorDocument 401 "asked for a password"
LimitRequestFieldSize 65536
"""
    + location("/app/hello.wsgi/access", f"WSGIAccessScript {ASKED}")
    + location("/app/hello.wsgi/access/missing", "WSGIAccessScript ${SCRIPTS}/none.py")
    + location("/app/hello.wsgi/access/syntax", "WSGIAccessScript ${APPLICATIONS}/syntax_error.wsgi")
    + location("/app/hello.wsgi/access/empty", "WSGIAccessScript ${APPLICATIONS}/hello.wsgi")
    + location("/app/hello.wsgi/access/named", f"WSGIAccessScript {ASKED} application-group=named")
    + location("/app/hello.wsgi/access/by-server", f"WSGIAccessScript {ASKED} application-group=%{{SERVER}}")
    + location("/app/hello.wsgi/access/denied", "Require all denied")
    + location("/app/hello.wsgi/access/changing", "WSGIAccessScript ${SCRIPTS}/changing.py")
    + location("/app/hello.wsgi/access/frozen", "WSGIAccessScript ${SCRIPTS}/frozen.py\nWSGIScriptReloading Off")
    + location("/app/environ.wsgi", f"{BASIC}WSGIAuthUserScript {ASKED}\nRequire valid-user")
    + location("/app/environ.wsgi/second", 'AuthBasicProvider wsgi file\nAuthUserFile "${DIRECTORY}/users"')
    + location("/app/environ.wsgi/none", f"{BASIC}WSGIAuthUserScript ${{APPLICATIONS}}/hello.wsgi")
    + location("/app/process.wsgi", f"{BASIC}Require valid-user")
    + location("/app/hello.wsgi/groups", f'{BASIC}WSGIAuthUserScript {ASKED}\nWSGIAuthGroupScript {ASKED}\nRequire wsgi-group staff "night shift"')
    + location("/app/hello.wsgi/groups/unset", f"{BASIC}WSGIAuthUserScript {ASKED}\nWSGIAuthGroupScript ${{APPLICATIONS}}/hello.wsgi\nRequire wsgi-group staff")
    + location("/app/hello.wsgi/groupless", f"{BASIC}WSGIAuthUserScript {ASKED}\nRequire wsgi-group staff")
    + location("/app/hello.wsgi/either", f"{BASIC}WSGIAuthUserScript {ASKED}\nWSGIAuthGroupScript {ASKED}\nRequire wsgi-group staff\nRequire user other")
)
DIGEST_CONFIG = location(
    "/app/hello.wsgi/digest", f"AuthType Digest\nAuthName here\nAuthDigestProvider wsgi\nWSGIAuthUserScript {ASKED}\nRequire valid-user"
)


def served(config, **options):
    """A server with all that the configuration names, but for one script."""
    httpd = Httpd(config, **options)
    for name in ("changing.py", "frozen.py"):
        httpd.script(name, "")
    httpd.error_log.always_allowed.append("WRS1051: .* there is no script '.*/none.py'")
    return httpd


@pytest.fixture(scope="module")
def server(mode):
    # Scripts that are asked run in httpd, also where no application may.
    config = mode.serve() + ("WSGIRestrictEmbedded On\n" if mode.is_daemon else "") + CONFIG + (DIGEST_CONFIG if DIGEST else "")
    httpd = served(config, modules=("auth_digest",) if DIGEST else ())
    (httpd.directory / "users").write_text("me:{SHA}bu9mSEBsMzpANc1eYNC/Ls8mBtc=\n")
    with httpd:
        yield httpd


def told(rendezvous, function):
    """What a function was called with."""
    return json.loads((rendezvous.path / function).read_text())


def known(user, password):
    """The headers of a request with a password."""
    return [authorization.basic(user, password)]


class TestAccess:
    def ask(self, server, path, *expected):
        """The status, and the lines that are expected in the log."""
        server.error_log.allow("asked for 127.0.0.1", *expected)
        status = server.get(f"/app/hello.wsgi/access{path}").status
        if expected:
            server.error_log.expect(expected[0])
        return status

    @pytest.mark.parametrize("answer", ["True", "None"])
    def test_who_is_let_in(self, server, answer):
        assert self.ask(server, f"?answer={answer}") == 200

    def test_who_is_denied(self, server):
        assert self.ask(server, "?answer=False", r"WRS2034: the client is denied '/app/hello.wsgi/access' by the script '.*/asked.py'") == 403

    @pytest.mark.parametrize("answer", ["one", "zero", "name", "empty", "bytes"])
    def test_what_is_no_answer_lets_nobody_in(self, server, answer):
        assert self.ask(server, f"?answer={answer}", r"WRS2032: allow_access\(\) of the script .*: expected True, False or None") == 403

    @pytest.mark.parametrize("answer", ["raise", "exit"])
    def test_an_exception_lets_nobody_in(self, server, answer):
        assert self.ask(server, f"?answer={answer}", r"WRS4033: exception in allow_access\(\)", TRACEBACK, "Reason: the reason|SystemExit: 3") == 403

    @pytest.mark.parametrize(
        ("path", "lines"),
        [
            ("/missing", ["WRS4005: the script .*/none.py cannot be read"]),
            ("/syntax", ["WRS4002: the script .*/syntax_error.wsgi", TRACEBACK, r"syntax_error.wsgi\", line|SyntaxError"]),
            ("/empty", [r"WRS2031: the script .*/hello.wsgi' \(WSGIAccessScript\) has no function allow_access\(\)"]),
        ],
    )
    def test_a_script_that_cannot_be_asked_lets_nobody_in(self, server, path, lines):
        assert self.ask(server, path, *lines) == 403

    def test_who_is_let_in_by_the_script_must_be_let_in_by_require_too(self, server):
        assert self.ask(server, "/denied?answer=True", "AH01630") == 403

    def test_it_runs_in_httpds_own_process_in_the_main_interpreter(self, server, rendezvous, mode):
        headers = [("X-At", str(rendezvous.path))]
        found = {}
        for path in ("", "/named", "/by-server"):
            server.error_log.allow("asked for 127.0.0.1")
            assert server.get(f"/app/hello.wsgi/access{path}", headers).status == 200
            facts = told(rendezvous, "allow_access")
            assert facts["pid"] in server.children()
            assert facts["arguments"] == ["127.0.0.1"]
            assert facts["environ"]["mod_wsgi.process_group"] == ""
            found[path] = facts["environ"]["mod_wsgi.application_group"]
        assert found == {"": "", "/named": "named", "/by-server": f"127.0.0.1:{server.port}"}

    def test_what_the_script_is_told_of_the_request(self, server, rendezvous):
        headers = [("X-At", str(rendezvous.path)), ("Proxy", "evil"), ("Proxy-Authorization", "x"), ("X_Bad", "x"), ("Cookie", "a=b")]
        server.error_log.allow("asked for 127.0.0.1")
        assert server.get("/app/hello.wsgi/access/a//b?answer=True&c", [*headers, *known("me", "secret")]).status == 200
        facts = told(rendezvous, "allow_access")
        environ = facts["environ"]
        assert (facts["https"], facts["protocol"]) == (0, None)
        expected = {
            "REQUEST_METHOD": "GET",
            "REQUEST_URI": "/app/hello.wsgi/access/a//b?answer=True&c",
            "QUERY_STRING": "answer=True&c",
            "SCRIPT_NAME": "/app/hello.wsgi",
            "PATH_INFO": "/access/a/b",
            "REMOTE_ADDR": "127.0.0.1",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_SIGNATURE": "",
            "HTTP_COOKIE": "a=b",
        }
        assert {name: environ.get(name) for name in expected} == expected
        # A proxy of the application's is nothing that a client may set (httpoxy), and passwords are not for everybody.
        assert not {"HTTP_PROXY", "HTTP_AUTHORIZATION", "HTTP_PROXY_AUTHORIZATION", "HTTP_X_BAD"} & environ.keys()
        assert [name for name in environ if name.startswith("wsgi.")] == ["wsgi.errors"]

    @pytest.mark.parametrize(("name", "reloads"), [("changing", True), ("frozen", False)])
    def test_a_script_that_changed_is_loaded_again_unless_reloading_is_off(self, server, name, reloads):
        for time, answer in ((1, "True"), (2, "False")):
            path = server.script(f"{name}.py", f"def allow_access(environ, host):\n    return {answer}\n")
            os.utime(path, (time, time))
            server.error_log.allow("WRS2034")
            status = server.get(f"/app/hello.wsgi/access/{name}").status
        assert status == (403 if reloads else 200)


class TestPassword:
    def user(self, server, user, password, path=""):
        """Who the application sees."""
        response = server.get(f"/app/environ.wsgi{path}", known(user, password))
        return response.json["environ"]["REMOTE_USER"][1] if response.status == 200 else response.status

    def test_the_right_one_lets_in(self, server):
        assert self.user(server, "me", "me") == "me"
        assert self.user(server, "me", "True") == "me"

    def test_a_str_is_another_name(self, server):
        assert self.user(server, "me", "name") == "another"
        assert self.user(server, "me", "wide") == "中".encode().decode("latin-1")

    def test_a_wrong_one_or_none_is_asked_for_again(self, server):
        server.error_log.allow("AH01617")
        assert self.user(server, "me", "False") == 401
        response = server.get("/app/environ.wsgi")
        assert (response.status, response.header("WWW-Authenticate")) == (401, 'Basic realm="here"')

    def test_an_unknown_user_is_asked_for_again_or_looked_for_elsewhere(self, server):
        server.error_log.allow("AH01618")
        assert self.user(server, "stranger", "None") == 401
        assert self.user(server, "stranger", "None", "/second") == 401
        assert self.user(server, "me", "None", "/second") == "me"

    @pytest.mark.parametrize("answer", ["one", "zero", "empty", "bytes", "nul"])
    def test_what_is_no_answer_lets_nobody_in(self, server, answer):
        assert self.user(server, "me", answer) == 500
        server.error_log.expect(r"WRS2032: check_password\(\) of the script .*: expected True, False, None, or the user's name as str")

    @pytest.mark.parametrize("answer", ["raise", "exit", "surrogate"])
    def test_an_exception_lets_nobody_in(self, server, answer):
        assert self.user(server, "me", answer) == 500
        server.error_log.expect(r"WRS4033: exception in check_password\(\)")
        server.error_log.allow(TRACEBACK, "Reason: the reason|SystemExit: 3|UnicodeEncodeError")

    def test_without_the_function_or_the_script_nobody_comes_in(self, server):
        assert self.user(server, "me", "me", "/none") == 500
        server.error_log.expect(r"WRS2031: .*hello.wsgi' \(WSGIAuthUserScript\) has no function check_password\(\)")
        assert server.get("/app/process.wsgi", known("me", "me")).status == 500
        server.error_log.expect("WRS2033: the authentication provider wsgi needs a script, and none is named here: add WSGIAuthUserScript")

    @pytest.mark.parametrize(
        "text",
        [b"caf\xe9", "中".encode(), bytes(range(1, 58)) + bytes(range(59, 256)), b"\xff\xfe", b"x" * 20000, b""],
        ids=["latin-1", "UTF-8", "all", "no text", "long", "none"],
    )
    def test_any_bytes_are_a_user_and_a_password(self, server, text, rendezvous):
        headers = [authorization.basic(text, text), ("X-At", str(rendezvous.path))]
        # httpd escapes what it logs of the name of a user it does not know.
        response = server.get("/app/environ.wsgi", headers)
        assert response.json["environ"]["REMOTE_USER"][1] == text.decode("latin-1")
        assert told(rendezvous, "check_password")["arguments"] == [text.decode("latin-1")] * 2

    def test_the_password_is_in_no_log(self, server):
        server.error_log.allow("AH01617")
        assert self.user(server, "me", "quite-secret") == 401
        assert server.error_log.count("quite-secret") == 0

    def test_one_that_waits_does_not_keep_others_waiting(self, server, rendezvous):
        waits = [*known("me", "me"), ("X-At", str(rendezvous.path)), ("X-Wait", "check_password"), ("Connection", "close")]
        with server.connect() as first, server.connect() as second:
            for connection in (first, second):
                connection.request("GET", "/app/environ.wsgi", waits)
            rendezvous.wait_for("check_password")
            assert self.user(server, "another", "another") == "another"
            rendezvous.announce("go")
            assert [first.response().status, second.response().status] == [200, 200]


@pytest.mark.skipif(not DIGEST, reason="there is no mod_auth_digest")
class TestDigest:
    PATH = "/app/hello.wsgi/digest"

    def ask(self, server, user, password="secret"):
        """The status for a user who answers the challenge."""
        challenge = server.get(self.PATH)
        assert challenge.status == 401
        header = authorization.digest(challenge.header("WWW-Authenticate"), "GET", self.PATH, user, password)
        return server.get(self.PATH, [header]).status

    @pytest.mark.parametrize("user", ["me", "bytes"])
    def test_who_knows_the_password_is_let_in(self, server, user, rendezvous):
        assert self.ask(server, user) == 200

    def test_who_does_not_is_asked_again(self, server):
        server.error_log.allow("AH01794|AH01790")
        assert self.ask(server, "me", "other") == 401
        assert self.ask(server, "None") == 401

    @pytest.mark.parametrize("user", ["one", "empty", "nul"])
    def test_what_is_no_answer_lets_nobody_in(self, server, user):
        assert self.ask(server, user) == 500
        server.error_log.expect(r"WRS2032: get_realm_hash\(\) of the script .*: expected None, or the MD5 digest")

    def test_an_exception_lets_nobody_in(self, server):
        assert self.ask(server, "raise") == 500
        server.error_log.expect(r"WRS4033: exception in get_realm_hash\(\)")
        server.error_log.allow(TRACEBACK, "Reason: the reason")


class TestGroups:
    def ask(self, server, user, path="groups"):
        """The status for a user."""
        server.error_log.allow("AH01631")
        return server.get(f"/app/hello.wsgi/{path}", known(user, "True")).status

    @pytest.mark.parametrize("user", ["list", "bytes", "blank"])
    def test_who_is_of_a_group_is_let_in(self, server, user):
        assert self.ask(server, user) == 200

    @pytest.mark.parametrize("user", ["other", "none", "nul"])
    def test_who_is_of_none_is_not(self, server, user):
        assert self.ask(server, user) == 401
        server.error_log.expect(f"WRS2035: user '{user}' is of none of the groups")

    @pytest.mark.parametrize("user", ["string", "nothing", "wrong"])
    def test_what_is_no_answer_lets_nobody_in(self, server, user):
        assert self.ask(server, user) == 401
        server.error_log.expect(r"WRS2032: groups_for_user\(\) of the script .*: expected an iterable of str or bytes")

    @pytest.mark.parametrize("user", ["raise", "wide", "unheard-of"])
    def test_an_exception_lets_nobody_in(self, server, user):
        assert self.ask(server, user) == 401
        server.error_log.expect(r"WRS4033: exception in groups_for_user\(\)")
        server.error_log.allow(TRACEBACK, "Reason: the reason|KeyError|UnicodeEncodeError")

    def test_without_the_function_or_the_script_nobody_comes_in(self, server):
        assert self.ask(server, "list", "groups/unset") == 401
        server.error_log.expect(r"WRS2031: .*hello.wsgi' \(WSGIAuthGroupScript\) has no function groups_for_user\(\)")
        assert self.ask(server, "list", "groupless") == 401
        server.error_log.expect("WRS2033: Require wsgi-group needs a script, and none is named here: add WSGIAuthGroupScript")

    def test_who_is_let_in_by_another_line_makes_no_noise(self, server):
        with_noise = server.error_log.count("AH01631")
        assert server.get("/app/hello.wsgi/either", known("other", "True")).status == 200
        assert server.error_log.count("AH01631") == with_noise

    def test_nobody_is_asked_before_the_user_is_known(self, server):
        response = server.get("/app/hello.wsgi/groups")
        assert (response.status, response.header("WWW-Authenticate")) == (401, 'Basic realm="here"')


def test_in_prefork_httpd_the_scripts_are_asked_too():
    with served(CONFIG, mpm="prefork") as httpd:
        assert httpd.get("/app/environ.wsgi", known("me", "me")).status == 200
        assert httpd.get("/app/environ.wsgi").status == 401
        httpd.error_log.allow("asked for 127.0.0.1", "WRS2034")
        assert [httpd.get(f"/app/hello.wsgi/access?answer={answer}").status for answer in ("True", "False")] == [200, 403]


PLACES = (
    """
DocumentRoot "${DIRECTORY}/htdocs"
<Directory "${DIRECTORY}/htdocs">
    AllowOverride AuthConfig
</Directory>
"""
    + location("/inner", "WSGIAccessScript ${SCRIPTS}/no.py")
    + location("/inner/most", "WSGIAccessScript ${SCRIPTS}/yes.py")
    + location("/open", "DirectoryIndex /inner/page.txt")
    + "RewriteEngine On\nRewriteRule ^/rewritten /inner/page.txt [PT]\n"
    + "<VirtualHost *>\nServerName first.example\nRewriteEngine On\nRewriteOptions Inherit\n</VirtualHost>\n"
    + "<VirtualHost *>\nServerName second.example\n<Location /inner>\nWSGIAccessScript ${SCRIPTS}/yes.py\n</Location>\n</VirtualHost>\n"
)


@pytest.fixture(scope="module")
def places(stage):
    httpd = Httpd(PLACES)
    for name, answer in (("yes", "True"), ("no", "False")):
        httpd.script(f"{name}.py", f"def allow_access(environ, host):\n    return {answer}\n")
    for name in ("inner/most", "overridden"):
        directory = httpd.directory / "htdocs" / name
        directory.mkdir(parents=True)
        (directory / "page.txt").write_text("page")
    (httpd.directory / "htdocs" / "inner" / "page.txt").write_text("page")
    (httpd.directory / "htdocs" / "overridden" / ".htaccess").write_text('WSGIAccessScript "${SCRIPTS}/no.py"\n')
    with httpd:
        httpd.error_log.always_allowed.append("WRS2034")
        yield httpd


class TestPlaces:
    """Where the directives may stand, and what wins."""

    def ask(self, places, path, host):
        """The status in a virtual host."""
        with places.connect() as connection:
            connection.send(f"GET {path} HTTP/1.1\r\nHost: {host}.example\r\n\r\n".encode())
            return connection.response().status

    def test_what_is_said_further_in_wins(self, places):
        assert self.ask(places, "/inner/page.txt", "first") == 403
        assert self.ask(places, "/inner/most/page.txt", "first") == 200
        # The section of the virtual host comes behind those of the main server.
        assert self.ask(places, "/inner/page.txt", "second") == 200

    def test_an_htaccess_file_may_name_a_script(self, places):
        assert self.ask(places, "/overridden/page.txt", "first") == 403

    def test_a_restriction_to_daemon_processes_does_not_let_anybody_in(self):
        httpd = Httpd("WSGIRestrictEmbedded On\n" + PLACES.split("<Location /inner>")[0])
        directory = httpd.directory / "htdocs" / "x"
        directory.mkdir()
        (directory / "page.txt").write_text("page")
        httpd.script("yes.py", "def allow_access(environ, host):\n    return True\n")
        (directory / ".htaccess").write_text('WSGIAccessScript "${SCRIPTS}/yes.py"\n')
        with httpd:
            assert httpd.get("/x/page.txt").status == 403
            httpd.error_log.expect("WRS2030: .*yes.py' .WSGIAccessScript. cannot be asked.*outside of .htaccess files no script is named")

    def test_an_htaccess_file_may_ask_for_a_password_and_a_group(self, places):
        directory = places.directory / "htdocs" / "guarded"
        directory.mkdir()
        (directory / "page.txt").write_text("page")
        (directory / ".htaccess").write_text(
            f"{BASIC}WSGIAuthUserScript {ASKED}\nWSGIAuthGroupScript {ASKED}\nRequire wsgi-group staff\n"
        )
        places.error_log.allow("AH01631")
        assert [places.get("/guarded/page.txt", known(user, "True")).status for user in ("list", "other")] == [200, 401]

    def test_what_a_request_is_redirected_to_inside_is_asked_for_too(self, places):
        (places.directory / "htdocs" / "open").mkdir()
        assert places.get("/open/").status == 403
        assert places.get("/rewritten").status == 403


def test_python_is_in_httpds_processes_only_where_a_script_needs_it():
    guarded = location("/guarded", f"WSGIAccessScript {ASKED}")
    for config, needed in (("", False), (guarded, True)):
        with Httpd(f"WSGIRestrictEmbedded On\nWSGIDaemonProcess app threads=2\n{config}") as httpd:
            # It is there before a request needs it: what takes time is done when a process starts.
            assert httpd.get("/elsewhere").status == 404
            libraries = [processes.libraries(pid) for pid in httpd.children()]
            assert [any("libpython" in path for path in each) for each in libraries] == [needed] * len(libraries)


def test_a_script_can_be_loaded_beforehand():
    config = f"WSGIImportScript {ASKED} process-group=%{{GLOBAL}} application-group=%{{GLOBAL}}\n" + location("/", f"WSGIAccessScript {ASKED}")
    with Httpd(config) as httpd:
        httpd.error_log.expect("WRS4008: the script .*/asked.py was loaded")
        httpd.error_log.allow("asked for 127.0.0.1")
        assert httpd.get("/").status in (403, 404)
        assert httpd.error_log.count("WRS4008") == len(httpd.children())


@pytest.mark.skipif(not machine.has_module("ssl"), reason="there is no mod_ssl")
def test_a_script_learns_of_the_encryption(rendezvous):
    httpd = Httpd("", modules=("ssl",))
    httpd.config = httpd.certificate() + "WSGIScriptAlias / ${APPLICATIONS}/hello.wsgi\n" + location("/", f"WSGIAccessScript {ASKED}")
    with httpd, httpd.connect() as connection:
        httpd.error_log.allow("asked for 127.0.0.1")
        assert connection.request("GET", "/", [("X-At", str(rendezvous.path))]).response().status == 200
    facts = told(rendezvous, "allow_access")
    assert facts["https"] == 1
    assert facts["protocol"].startswith("TLSv1")


@pytest.mark.skipif(not machine.has_module("access_compat"), reason="there is no mod_access_compat")
def test_with_satisfy_any_a_password_makes_up_for_the_wrong_address():
    config = "WSGIScriptAlias / ${APPLICATIONS}/hello.wsgi\n" + location(
        "/", f"{BASIC}WSGIAuthUserScript {ASKED}\nWSGIAccessScript {ASKED}\nRequire valid-user\nSatisfy Any"
    )
    with Httpd(config, modules=("access_compat",)) as httpd:
        httpd.error_log.allow("asked for 127.0.0.1")
        statuses = [httpd.get(f"/?answer={answer}", headers).status for answer, headers in (("True", []), ("False", known("me", "me")), ("False", []))]
        assert statuses == [200, 200, 401]
        assert httpd.error_log.count("WRS2034") == 0


INSIDE = """
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /app ${SCRIPTS}/app.wsgi
<Directory "${SCRIPTS}">
    WSGIAccessScript ${SCRIPTS}/access.py
    RewriteEngine On
    RewriteRule ^app.wsgi/go/(.*) /app/$1
</Directory>
ErrorDocument 403 /app/secret/page
"""
# Nobody comes in to what is secret.
ACCESS = """
def allow_access(environ, host):
    return not environ["REQUEST_URI"].startswith("/app/secret") and not environ["PATH_INFO"].startswith("/secret")
"""
TELL = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]
"""


def test_a_script_in_a_section_of_its_directory_is_asked_for_each_path_inside(mode):
    """Also for an internal redirection from one path of an application to another, in which httpd finds the same file again."""
    httpd = Httpd(mode.serve() + INSIDE)
    httpd.script("access.py", ACCESS)
    httpd.script("app.wsgi", TELL)
    with httpd:
        assert httpd.get("/app/page").text == "/page"
        assert httpd.get("/app/go/page").text == "/page"
        for path in ("/app/go/secret/page", "/app/secret/page"):
            response = httpd.get(path)
            # httpd's own page: who may not come in does not get the document for that from there either.
            assert (response.status, "/secret" in response.text) == (403, False), path
            httpd.error_log.expect("WRS2034")
