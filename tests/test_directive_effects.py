"""What the directives that are said per request do, embedded and in daemon processes alike."""

import pytest
from harness import Httpd, machine

pytestmark = pytest.mark.ours

DEFLATE = machine.has_module("deflate")

CONFIG = """
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /app ${APPLICATIONS}
ErrorDocument 503 "httpd's own page"
ErrorDocument 404 "httpd found nothing"
<Location /app/response.wsgi>
    WSGIErrorOverride On
</Location>
WSGIScriptAlias /own ${APPLICATIONS}/response.wsgi
<Location /own>
    WSGIErrorOverride On
</Location>
<Location /own/error>
    WSGIErrorOverride Off
</Location>
<Location /app/environ.wsgi/always>
    WSGIMapHEADToGET On
</Location>
<Location /app/environ.wsgi/never>
    WSGIMapHEADToGET Off
</Location>
<Location /app/environ.wsgi/proxied>
    WSGITrustedProxyHeaders X-Forwarded-For X-Forwarded-Proto
    WSGITrustedProxyHeaders X-Forwarded-Host X-Forwarded-Port X-Script-Name
</Location>
<Location /app/environ.wsgi/proxied/known>
    WSGITrustedProxies 127.0.0.1 10.0.0.0/8
</Location>
<Location /app/environ.wsgi/proxied/unknown>
    WSGITrustedProxies 10.0.0.0/8
</Location>
<Location /app/environ.wsgi/proxied/other>
    WSGITrustedProxyHeaders X-Real-IP
    SetEnv HTTPS on
</Location>
<Location /app/hello.wsgi/nowhere>
    WSGIRestrictProcess other
</Location>
<Location /app/hello.wsgi/here>
    WSGIRestrictProcess other app %{GLOBAL}
</Location>
<Location /app/hello.wsgi/replaced>
    WSGIRestrictProcess app %{GLOBAL}
    WSGIRestrictProcess other
</Location>
"""

METHOD = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Method", environ["REQUEST_METHOD"])])
    return [b"x" * 1000]
"""


FILE = """
def application(environ, start_response):
    status = environ["QUERY_STRING"] or "200 OK"
    start_response(status.replace("+", " "), [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](open(__file__, "rb"))
"""


@pytest.fixture(scope="module")
def server(mode, stage):
    config = mode.serve(processes=1) + CONFIG + "WSGIScriptAlias /method ${SCRIPTS}/method.wsgi\n"
    if DEFLATE:
        config += "<Location /method/small>\nSetOutputFilter DEFLATE\n</Location>\n"
        config += "<Location /method/small/never>\nWSGIMapHEADToGET Off\n</Location>\n"
    config += "<Location /method/always>\nWSGIMapHEADToGET On\n</Location>\n"
    config += "WSGIScriptAlias /file ${SCRIPTS}/file.wsgi\n<Location /file>\nWSGIErrorOverride On\n</Location>\n"
    httpd = Httpd(config, modules=("deflate", "filter") if DEFLATE else ())
    # No group of the name that WSGIRestrictProcess allows.
    httpd.error_log.always_allowed.append("WRS1064")
    httpd.script("method.wsgi", METHOD)
    httpd.script("file.wsgi", FILE)
    with httpd:
        yield httpd


class TestErrorOverride:
    def test_an_error_is_replaced_by_httpds_page(self, server):
        response = server.get("/app/response.wsgi/error")
        assert (response.status, response.text) == (503, "httpd's own page")
        assert response.header("Retry-After") is None, "the head goes with the page"

    def test_what_belongs_to_the_status_is_kept(self, server):
        response = server.get("/app/response.wsgi/challenges")
        assert response.status == 401
        assert response.all("WWW-Authenticate") == ["Basic realm=a", "Bearer"]
        assert "who are you" not in response.text

    def test_other_responses_are_not_touched(self, server):
        assert server.get("/app/response.wsgi/redirect").status == 302
        assert server.get("/app/response.wsgi/parts").text == "one,two,three"

    def test_a_file_is_replaced_too(self, server):
        for _ in range(2):
            response = server.get("/file?404+Not+Found")
            assert (response.status, response.text) == (404, "httpd found nothing")
            assert "def application" in server.get("/file").text

    def test_it_can_be_switched_off_further_down(self, server):
        assert "who are you" not in server.get("/own/challenges").text
        response = server.get("/own/error")
        assert (response.status, response.text) == (503, "the application's own page")

    def test_the_connection_is_still_good(self, server):
        with server.connect() as connection:
            for _ in range(3):
                assert connection.request("GET", "/app/response.wsgi/challenges").response().status == 401
                assert connection.request("GET", "/app/response.wsgi/parts").response().text == "one,two,three"


class TestMapHead:
    def method(self, server, path):
        """The method that the application saw for HEAD, and the response."""
        response = server.request("HEAD", path)
        assert (response.status, response.body) == (200, b"")
        return response.header("X-Method")

    def test_without_a_filter_it_is_head(self, server):
        assert self.method(server, "/method/plain") == "HEAD"

    def test_on_is_always_get(self, server):
        assert self.method(server, "/method/always") == "GET"

    @pytest.mark.skipif(not DEFLATE, reason="there is no mod_deflate")
    def test_a_filter_of_the_body_makes_it_get(self, server):
        assert self.method(server, "/method/small") == "GET"

    @pytest.mark.skipif(not DEFLATE, reason="there is no mod_deflate")
    def test_off_is_never_get(self, server):
        assert self.method(server, "/method/small/never") == "HEAD"

    def test_other_methods_stay(self, server):
        assert server.post("/method/always", b"x").header("X-Method") == "POST"


class TestTrustedProxies:
    HEADERS = [
        ("X-Forwarded-For", "6.6.6.6, 1.1.1.1, 10.0.0.2"),
        ("X-Client-IP", "6.6.6.6"),
        ("X-Real-IP", "2.2.2.2"),
        ("X-Forwarded-Proto", "https"),
        ("X-HTTPS", "off"),
        ("X-Forwarded-Host", "outer.example"),
        ("X-Forwarded-Port", "8443"),
        ("X-Script-Name", "/mounted"),
    ]

    def environ(self, server, path, headers=None):
        """The environ of a request that seems to come from a proxy."""
        answer = server.get(f"/app/environ.wsgi{path}", self.HEADERS if headers is None else headers).json
        return {key: value for key, (_, value) in answer["environ"].items()}

    def test_without_the_directive_nothing_is_believed_or_removed(self, server):
        environ = self.environ(server, "/plain")
        assert environ["REMOTE_ADDR"] == "127.0.0.1"
        assert environ["wsgi.url_scheme"] == "http"
        assert environ["HTTP_X_CLIENT_IP"] == "6.6.6.6"

    def test_from_a_known_proxy(self, server):
        environ = self.environ(server, "/proxied/known")
        expected = {
            "REMOTE_ADDR": "1.1.1.1",
            "HTTP_X_FORWARDED_FOR": "1.1.1.1, 10.0.0.2",
            "HTTP_HOST": "outer.example",
            "SERVER_PORT": "8443",
            "SCRIPT_NAME": "/mounted",
            "mod_wsgi.mount_point": "/mounted",
            "wsgi.url_scheme": "https",
            "HTTP_X_FORWARDED_PROTO": "https",
        }
        assert {key: environ.get(key) for key in expected} == expected
        assert [key for key in ("HTTP_X_CLIENT_IP", "HTTP_X_REAL_IP", "HTTP_X_HTTPS", "HTTPS") if key in environ] == []

    def test_with_no_list_of_proxies_everybody_is_believed(self, server):
        environ = self.environ(server, "/proxied")
        assert environ["REMOTE_ADDR"] == "6.6.6.6"
        assert environ["HTTP_X_FORWARDED_FOR"] == "6.6.6.6, 1.1.1.1, 10.0.0.2"

    def test_from_a_stranger_they_are_all_removed(self, server):
        environ = self.environ(server, "/proxied/unknown")
        assert environ["REMOTE_ADDR"] == "127.0.0.1"
        assert environ["HTTP_HOST"] == f"127.0.0.1:{server.port}"
        assert environ["wsgi.url_scheme"] == "http"
        assert [key for key in environ if key.startswith("HTTP_X_")] == []

    def test_a_section_replaces_the_list_of_the_outer_one(self, server):
        environ = self.environ(server, "/proxied/other")
        assert environ["REMOTE_ADDR"] == "2.2.2.2"
        assert environ["SCRIPT_NAME"] == "/app/environ.wsgi"
        assert environ["HTTP_X_FORWARDED_PROTO"] == "https", "no header of this kind is named here"
        assert environ["wsgi.url_scheme"] == "https", "by SetEnv HTTPS"

    @pytest.mark.parametrize(("value", "scheme"), [("http", "http"), ("https", "https"), ("nonsense", "http")])
    def test_the_scheme(self, server, value, scheme):
        assert self.environ(server, "/proxied", [("X-Forwarded-Proto", value)])["wsgi.url_scheme"] == scheme


class TestRestrictProcess:
    def test_a_group_that_is_named_may_be_used(self, server):
        assert server.get("/app/hello.wsgi/here").status == 200

    @pytest.mark.parametrize("place", ["nowhere", "replaced"])
    def test_another_one_may_not(self, server, place):
        server.error_log.allow("WRS2017")
        assert server.get(f"/app/hello.wsgi/{place}").status == 500


class TestMerging:
    """A value of the main server holds in virtual hosts and sections that do not say otherwise."""

    @pytest.fixture
    def hosts(self, mode):
        config = f"""{mode.serve(processes=1)}
WSGIApplicationGroup %{{GLOBAL}}
WSGIScriptAlias /app ${{APPLICATIONS}}
WSGITrustedProxyHeaders X-Real-IP
WSGIErrorOverride On
<VirtualHost *>
    ServerName inherits.example
</VirtualHost>
<VirtualHost *>
    ServerName differs.example
    WSGITrustedProxyHeaders X-Client-IP
    WSGIErrorOverride Off
</VirtualHost>
"""
        with Httpd(config) as httpd:
            yield httpd

    @pytest.mark.parametrize(("host", "address", "page"), [("inherits", "1.1.1.1", False), ("differs", "2.2.2.2", True)])
    def test_in_virtual_hosts(self, hosts, host, address, page):
        headers = [("Host", f"{host}.example"), ("X-Real-IP", "1.1.1.1"), ("X-Client-IP", "2.2.2.2")]
        with hosts.connect() as connection:
            connection.send(
                b"GET /app/environ.wsgi HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers).encode() + b"\r\n"
            )
            assert connection.response().json["environ"]["REMOTE_ADDR"][1] == address
            connection.send(f"GET /app/response.wsgi/error HTTP/1.1\r\nHost: {host}.example\r\n\r\n".encode())
            assert (b"the application's own page" in connection.response().body) is page


class TestHtaccess:
    """What a directory of scripts says in its `.htaccess` holds for them, and not for others."""

    @pytest.fixture
    def scripts(self, mode):
        config = f"""{mode.serve(processes=1)}
WSGIApplicationGroup %{{GLOBAL}}
ErrorDocument 404 "httpd found nothing"
<Directory ${{SCRIPTS}}>
    AllowOverride FileInfo
</Directory>
WSGIScriptAlias /own ${{SCRIPTS}}/address.wsgi
WSGIScriptAlias /app ${{APPLICATIONS}}
"""
        httpd = Httpd(config)
        httpd.script("address.wsgi", ADDRESS)
        httpd.script(".htaccess", "WSGITrustedProxyHeaders X-Real-IP\nWSGIErrorOverride On\n")
        with httpd:
            yield httpd

    def test_it_has_its_effect(self, scripts):
        headers = [("X-Real-IP", "1.1.1.1")]
        assert scripts.get("/own", headers).text == "1.1.1.1"
        assert scripts.get("/own?fail").text == "httpd found nothing"
        assert scripts.get("/app/environ.wsgi", headers).json["environ"]["REMOTE_ADDR"][1] == "127.0.0.1"
        assert scripts.get("/app/response.wsgi/error").text == "the application's own page"


ADDRESS = """
def application(environ, start_response):
    start_response("404 Not Found" if environ["QUERY_STRING"] else "200 OK", [("Content-Type", "text/plain")])
    return [environ["REMOTE_ADDR"].encode()]
"""
