"""The environ of a request (PEP 3333 and mod_wsgi's own keys): types, values, what is kept out."""

import pytest
from harness import Httpd, machine

CONFIG = """
WSGIApplicationGroup %{GLOBAL}
ServerAdmin admin@example.com
WSGIScriptAlias /app ${APPLICATIONS}
WSGIScriptAlias /mounted/here ${APPLICATIONS}/environ.wsgi
WSGIScriptAlias /passed ${APPLICATIONS}/environ.wsgi pass-authorization=On
<Location /app/environ.wsgi/authorized>
    WSGIPassAuthorization On
</Location>
<Location /app/environ.wsgi/variables>
    SetEnv FROM_SETENV "set here"
    SetEnv HTTPS on
    SetEnvIf User-Agent (.*) AGENT=$1
</Location>
<Location /app/environ.wsgi/no-path-info>
    AcceptPathInfo Off
</Location>
WSGIScriptAlias / ${APPLICATIONS}/environ.wsgi
"""


@pytest.fixture(scope="module")
def server(mode):
    with Httpd(mode.serve(processes=1) + CONFIG) as httpd:
        yield httpd


def environ(server, target, headers=(), method="GET", body=None):
    """The environ which the application saw: each key with its type and value."""
    return server.request(method, target, headers, body).json["environ"]


def values(server, target, headers=(), method="GET", body=None):
    """Only the values."""
    return {key: value for key, (_, value) in environ(server, target, headers, method, body).items()}


class TestKeys:
    def test_cgi_keys_are_str_and_say_what_the_request_was(self, server):
        with server.connect() as connection:
            seen = connection.request("GET", "/app/environ.wsgi/one/two?a=1&b=%20", [("X-Name", "value")]).response().json
            port = connection.socket.getsockname()[1]
        cgi = {key: value for key, (kind, value) in seen["environ"].items() if kind == "str"}
        expected = {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "/app/environ.wsgi",
            "PATH_INFO": "/one/two",
            "QUERY_STRING": "a=1&b=%20",
            "REQUEST_URI": "/app/environ.wsgi/one/two?a=1&b=%20",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_ADDR": "127.0.0.1",
            "SERVER_PORT": str(server.port),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_ADMIN": "admin@example.com",
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_PORT": str(port),
            "REQUEST_SCHEME": "http",
            "DOCUMENT_ROOT": str(server.directory / "htdocs"),
            "SCRIPT_FILENAME": str(server.stage.applications / "environ.wsgi"),
            "HTTP_HOST": f"127.0.0.1:{server.port}",
            "HTTP_X_NAME": "value",
            "wsgi.url_scheme": "http",
            "CONTEXT_PREFIX": "",
            "CONTEXT_DOCUMENT_ROOT": str(server.directory / "htdocs"),
        }
        assert {key: cgi.get(key) for key in expected} == expected
        assert cgi["SERVER_SOFTWARE"].startswith("Apache/2.4")

    def test_environ_is_a_dict_of_its_own_for_each_request(self, server):
        for _ in range(3):
            seen = server.get("/app/environ.wsgi").json
            assert seen["exact_dict"]
            assert seen["environ"]["REQUEST_METHOD"] == ["str", "GET"]
            assert "left.behind" not in seen["environ"]

    def test_wsgi_keys_have_the_types_of_pep_3333(self, server, mode):
        seen = server.get("/app/environ.wsgi").json
        keys = seen["environ"]
        assert keys["wsgi.version"] == ["tuple", [1, 0]]
        assert keys["wsgi.multithread"] == ["bool", True]
        assert keys["wsgi.multiprocess"][0] == "bool"
        if mode.is_daemon:
            assert keys["wsgi.multiprocess"][1] is True, "processes= was written, be it 1"
        assert keys["wsgi.run_once"] == ["bool", False]
        assert keys["wsgi.input_terminated"] == ["bool", True]
        assert seen["errors_methods"] == ["write", "writelines", "flush"]
        assert seen["callable_file_wrapper"]

    def test_mod_wsgi_keys_tell_where_the_request_runs(self, server, mode):
        keys = environ(server, "/app/environ.wsgi")
        assert keys["mod_wsgi.process_group"] == ["str", "app" if mode.is_daemon else ""]
        assert keys["mod_wsgi.application_group"] == ["str", ""]
        assert keys["mod_wsgi.callable_object"] == ["str", "application"]
        assert keys["mod_wsgi.request_handler"] == ["str", "wsgi-script"]
        assert keys["mod_wsgi.listener_port"] == ["str", str(server.port)]
        assert keys["mod_wsgi.version"][0] == "tuple"
        assert len(keys["mod_wsgi.version"][1]) == 3
        assert keys["apache.version"][0] == "tuple"
        assert keys["apache.version"][1][:2] == [2, 4]
        assert keys["mod_wsgi.request_start"][0] == "float"
        assert keys["mod_wsgi.thread_id"][0] == "int"
        assert int(keys["mod_wsgi.server_pid"][1]) in server.children()

    def test_what_is_no_business_of_the_application_is_kept_out(self, server):
        keys = values(server, "/app/environ.wsgi", [("Proxy", "http://evil.example/"), ("Authorization", "Basic eDp5")])
        for absent in ("GATEWAY_INTERFACE", "PATH_TRANSLATED", "PATH", "HTTP_PROXY", "HTTP_AUTHORIZATION", "HTTPS"):
            assert absent not in keys
        assert not [key for key in keys if key.startswith("mod_wsgi.x-")]


class TestHeaders:
    def test_names_with_other_characters_than_letters_digits_and_hyphens_are_dropped(self, server):
        with server.connect() as connection:
            connection.send(
                b"GET /app/environ.wsgi HTTP/1.1\r\nHost: x\r\nX_Forged: 1\r\nX-Good: 2\r\nX.Dotted: 3\r\n\r\n"
            )
            keys = connection.response().json["environ"]
        assert keys["HTTP_X_GOOD"] == ["str", "2"]
        assert "HTTP_X_FORGED" not in keys
        assert "HTTP_X_DOTTED" not in keys

    def test_repeated_headers_are_joined(self, server):
        headers = [("X-Many", "a"), ("X-Many", "b"), ("Cookie", "c=1"), ("Cookie", "d=2")]
        keys = values(server, "/app/environ.wsgi", headers)
        assert keys["HTTP_X_MANY"] == "a, b"
        assert keys["HTTP_COOKIE"] in ("c=1; d=2", "c=1, d=2")

    def test_content_type_and_length_have_no_prefix(self, server):
        keys = values(server, "/app/environ.wsgi", [("Content-Type", "text/x-test")], "POST", b"12345")
        assert (keys["CONTENT_TYPE"], keys["CONTENT_LENGTH"]) == ("text/x-test", "5")
        assert "HTTP_CONTENT_TYPE" not in keys
        assert "HTTP_CONTENT_LENGTH" not in keys
        assert "CONTENT_LENGTH" not in values(server, "/app/environ.wsgi")

    def test_bytes_beyond_ascii_arrive_as_latin_1(self, server):
        keys = values(server, "/app/environ.wsgi/caf%C3%A9", [("X-Bytes", "\xc3\xa9")])
        assert keys["PATH_INFO"].encode("latin-1").decode() == "/café"
        assert keys["HTTP_X_BYTES"].encode("latin-1").decode() == "é"

    def test_many_and_long_headers_arrive_whole(self, server):
        headers = [(f"X-Header-{number}", "v" * 1000 + str(number)) for number in range(60)]
        keys = values(server, "/app/environ.wsgi", headers)
        assert {keys[f"HTTP_X_HEADER_{number}"] for number in range(60)} == {value for _, value in headers}

    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "BREW"])
    def test_every_method_reaches_the_application(self, server, method):
        assert values(server, "/app/environ.wsgi", method=method)["REQUEST_METHOD"] == method

    def test_http_1_0_without_a_host(self, server):
        with server.connect() as connection:
            connection.send(b"GET /app/environ.wsgi HTTP/1.0\r\n\r\n")
            keys = connection.response().json["environ"]
        assert keys["SERVER_PROTOCOL"] == ["str", "HTTP/1.0"]
        assert "HTTP_HOST" not in keys


class TestPaths:
    @pytest.mark.parametrize(
        ("target", "script_name", "path_info"),
        [
            ("/app/environ.wsgi", "/app/environ.wsgi", ""),
            ("/app/environ.wsgi/", "/app/environ.wsgi", "/"),
            ("/app/environ.wsgi/a/b/", "/app/environ.wsgi", "/a/b/"),
            ("/app/environ.wsgi/a%20b%2Bc", "/app/environ.wsgi", "/a b+c"),
            ("/app/environ.wsgi//a///b", "/app/environ.wsgi", "/a/b"),
            ("/app/environ.wsgi/a/../b/./c", "/app/environ.wsgi", "/b/c"),
            ("/mounted/here", "/mounted/here", ""),
            ("/mounted/here/", "/mounted/here", "/"),
            ("/mounted/here/deep?x", "/mounted/here", "/deep"),
            ("/", "", "/"),
            ("/anything/else", "", "/anything/else"),
            ("/mounted/hereafter", "", "/mounted/hereafter"),
        ],
    )
    def test_script_name_and_path_info_part_the_path(self, server, target, script_name, path_info):
        keys = values(server, target)
        assert (keys["SCRIPT_NAME"], keys["PATH_INFO"]) == (script_name, path_info)
        assert (keys["mod_wsgi.script_name"], keys["mod_wsgi.path_info"]) == (script_name, path_info)
        assert keys["REQUEST_URI"] == target

    def test_accept_path_info_off_refuses_a_path_behind_the_script(self, server):
        response = server.get("/app/environ.wsgi/no-path-info")
        server.error_log.expect("environ.wsgi")
        assert response.status == 404


class TestServerConfiguration:
    def test_setenv_and_setenvif_reach_the_environ(self, server):
        keys = values(server, "/app/environ.wsgi/variables", [("User-Agent", "pytest")])
        assert (keys["FROM_SETENV"], keys["AGENT"]) == ("set here", "pytest")
        assert "FROM_SETENV" not in values(server, "/app/environ.wsgi")

    def test_setenv_https_makes_the_scheme_and_is_used_up(self, server):
        keys = values(server, "/app/environ.wsgi/variables")
        assert keys["wsgi.url_scheme"] == "https"
        assert "HTTPS" not in keys

    def test_pass_authorization_by_directive_and_by_option(self, server):
        headers = [("Authorization", "Bearer of-news")]
        assert values(server, "/app/environ.wsgi/authorized", headers)["HTTP_AUTHORIZATION"] == "Bearer of-news"
        assert values(server, "/passed", headers)["HTTP_AUTHORIZATION"] == "Bearer of-news"
        assert "HTTP_AUTHORIZATION" not in values(server, "/app/environ.wsgi", headers)

    def test_one_answer_does_not_leak_into_the_next_on_a_connection(self, server):
        with server.connect() as connection:
            connection.request("POST", "/app/environ.wsgi/variables?x=1", [("X-Secret", "s")], b"body")
            first = connection.response().json["environ"]
            second = connection.request("GET", "/app/environ.wsgi").response().json["environ"]
        assert first["HTTP_X_SECRET"] == ["str", "s"]
        assert {"HTTP_X_SECRET", "CONTENT_LENGTH", "FROM_SETENV"}.isdisjoint(second)
        assert second["QUERY_STRING"] == ["str", ""]


class TestOtherModules:
    """What httpd's other modules do with a request before the application gets it."""

    @pytest.fixture(scope="class")
    @staticmethod
    def server(mode):
        config = """
            WSGIScriptAlias /app ${APPLICATIONS}/environ.wsgi
            <Location /app/current>
                CGIVar REQUEST_URI current-uri
            </Location>
            <Location /app/whole>
                QualifyRedirectURL On
            </Location>
            ErrorDocument 404 /app/page
            ErrorDocument 403 /app/whole/page
            <Location /denied>
                Require all denied
            </Location>
            <Directory ${DIRECTORY}/htdocs>
                Options +Includes
                AddOutputFilter INCLUDES .shtml
            </Directory>
        """
        with Httpd(mode.serve() + config, modules=("include",)) as httpd:
            (httpd.directory / "htdocs" / "page.shtml").write_text('<!--#include virtual="/app/a/part?x=1" -->')
            yield httpd

    def test_a_part_of_a_page_has_its_path_info_and_the_interpreter_of_the_application(self, server):
        alone, part = values(server, "/app/a/part"), values(server, "/page.shtml?y=2")
        assert (part["SCRIPT_NAME"], part["PATH_INFO"], part["QUERY_STRING"]) == ("/app/a/part", "/a/part", "x=1")
        assert (part["SERVER_PROTOCOL"], part["REQUEST_URI"]) == ("INCLUDED", "/page.shtml?y=2")
        assert part["mod_wsgi.application_group"] == alone["mod_wsgi.application_group"]

    def test_the_uri_is_the_one_that_cgivar_says(self, server):
        assert values(server, "/app/other/a%20b?x")["REQUEST_URI"] == "/app/other/a%20b?x"
        assert values(server, "/app/current/a%20b?x")["REQUEST_URI"] == "/app/current/a b"

    def test_what_a_request_was_redirected_from_is_told(self, server):
        keys = values(server, "/missing?x=1")
        assert (keys["REDIRECT_URL"], keys["REDIRECT_QUERY_STRING"], keys["REDIRECT_STATUS"]) == ("/missing", "x=1", "404")
        keys = values(server, "/denied?x=1")
        server.error_log.expect("client denied by server configuration")
        assert (keys["REDIRECT_URL"], keys["REDIRECT_STATUS"]) == (f"http://127.0.0.1:{server.port}/denied?x=1", "403")


def test_the_python_of_the_virtual_environment_runs(server):
    assert "cp%d%d" % tuple(server.get("/app/environ.wsgi").json["version"]) == machine.python_tag[:5]
