"""Whole sites: the samples do what their comments say, and configurations in the shape of mod_wsgi's documentation work."""

import json

import pytest
from harness import Connection, Httpd
from harness.samples import sample

REPORT = """
import json, os, sys

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    seen = {key: value for key, value in environ.items() if isinstance(value, str)}
    facts = {"pid": os.getpid(), "settings": os.environ.get("DJANGO_SETTINGS_MODULE"), "prefix": sys.prefix, "environ": seen}
    return [json.dumps(facts).encode()]
"""


def ask(httpd, host, path="/", headers=()):
    """The JSON of an answer of a virtual host."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in [("Host", host), *headers])
    with Connection(httpd.port) as connection:
        connection.send(f"GET {path} HTTP/1.1\r\n{fields}\r\n".encode())
        return connection.response().json


@pytest.mark.ours
class TestSamples:
    def test_several_sites_are_apart(self):
        with sample("several-sites.conf", {"hello.wsgi": REPORT, "blog.wsgi": REPORT}) as httpd:
            seen = [
                ask(httpd, "www.shop.example.com"),
                ask(httpd, "blog.example.com"),
                ask(httpd, "blog.example.com", "/admin/x"),
                ask(httpd, "unknown.example.com"),
            ]
        assert [one["settings"] for one in seen] == ["shop.settings", "blog.settings", "blog.admin", "shop.settings"]
        assert len({one["pid"] for one in seen[:3]}) == 3
        assert seen[2]["environ"]["SCRIPT_NAME"] == "/admin"

    def test_several_pythons_are_in_processes_of_their_own(self, stage):
        with sample("several-pythons.conf", {"hello.wsgi": REPORT}) as httpd:
            seen = [ask(httpd, "pythons.example.com", path) for path in ("/", "/old")]
        assert [one["prefix"] for one in seen] == [str(stage.venv)] * 2
        assert [one["environ"]["mod_wsgi.process_group"] for one in seen] == ["new", "old"]

    def test_behind_a_proxy_the_client_is_seen(self):
        headers = [
            ("X-Forwarded-For", "203.0.113.7"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "outside.example"),
            ("X-Real-IP", "6.6.6.6"),
        ]
        with sample("behind-a-proxy.conf", {"hello.wsgi": REPORT}) as httpd:
            environ = ask(httpd, "app.example.com", "/", headers)["environ"]
        assert (environ["REMOTE_ADDR"], environ["HTTP_HOST"]) == ("203.0.113.7", "outside.example")
        assert environ["wsgi.url_scheme"] == "https"
        assert "HTTP_X_REAL_IP" not in environ

    def test_over_tls_files_come_from_httpd_and_the_rest_from_the_application(self):
        httpd = sample("tls-static.conf", {"hello.wsgi": REPORT})
        (httpd.directory / "htdocs" / "robots.txt").write_text("Disallow:")
        with httpd, httpd.connect() as connection:
            for path in ("/robots.txt", "/static/robots.txt"):
                assert connection.request("GET", path).response().text == "Disallow:"
            environ = connection.request("GET", "/any/where", [("Connection", "close")]).response().json["environ"]
        assert (environ["wsgi.url_scheme"], environ["PATH_INFO"]) == ("https", "/any/where")


STATIC = "Alias /media/ ${DIRECTORY}/htdocs/\n<Directory ${DIRECTORY}/htdocs>\n    Require all granted\n</Directory>\n"
GRANTED = "<Directory ${SCRIPTS}>\n    Require all granted\n</Directory>\n"

# A configuration, and what is answered at its paths: the name of the script with SCRIPT_NAME and PATH_INFO, or a file.
SHAPES = {
    "one application at the root": (
        "WSGIScriptAlias / ${SCRIPTS}/myapp.wsgi\n" + GRANTED,
        {"/": "myapp||/", "/a/b": "myapp||/a/b"},
    ),
    "at a path, with static files before it": (
        STATIC + "AliasMatch ^/([^/]*\\.css) ${DIRECTORY}/htdocs/$1\nWSGIScriptAlias /myapp ${SCRIPTS}/myapp.wsgi\n" + GRANTED,
        {"/myapp": "myapp|/myapp|", "/myapp/x": "myapp|/myapp|/x", "/media/style.css": "a file", "/style.css": "a file"},
    ),
    "in a daemon process, chosen for the whole site": (
        "WSGIDaemonProcess example.com processes=2 threads=15 display-name=%{GROUP}\nWSGIProcessGroup example.com\n"
        "WSGIScriptAlias / ${SCRIPTS}/myapp.wsgi\n" + GRANTED,
        {"/x": "myapp||/x"},
    ),
    "by options of the alias": (
        "WSGIDaemonProcess myapp threads=2\nWSGIScriptAlias /suburl ${SCRIPTS}/myapp.wsgi process-group=myapp "
        "application-group=%{GLOBAL}\n" + GRANTED,
        {"/suburl/x": "myapp|/suburl|/x"},
    ),
    "chosen for a directory": (
        "WSGIDaemonProcess site-1 threads=2\nWSGIScriptAlias / ${SCRIPTS}/myapp.wsgi\n<Directory ${SCRIPTS}>\n"
        "    WSGIProcessGroup site-1\n    WSGIApplicationGroup %{GLOBAL}\n    Require all granted\n</Directory>\n",
        {"/": "myapp||/"},
    ),
    "a directory of scripts": (
        "WSGIScriptAlias /apps/ ${SCRIPTS}/\n" + GRANTED,
        {"/apps/myapp.wsgi/x": "myapp|/apps/myapp.wsgi|/x", "/apps/other.wsgi": "other|/apps/other.wsgi|"},
    ),
    "by the name of the file": (
        "WSGIScriptAliasMatch ^/apps/([^/]+) ${SCRIPTS}/$1.wsgi\n" + GRANTED,
        {"/apps/other/x": "other|/apps/other|/x"},
    ),
    "with AddHandler, among files": (
        "Alias /site ${SCRIPTS}\n<Directory ${SCRIPTS}>\n    Options ExecCGI\n    AddHandler wsgi-script .wsgi\n"
        "    Require all granted\n</Directory>\n",
        {"/site/myapp.wsgi/x": "myapp|/site/myapp.wsgi|/x", "/site/style.css": "a file"},
    ),
    "what is no file goes to the application": (
        "DocumentRoot ${SCRIPTS}\n<Directory ${SCRIPTS}>\n    Options ExecCGI FollowSymLinks\n    AddHandler wsgi-script .wsgi\n"
        "    RewriteEngine On\n    RewriteCond %{REQUEST_FILENAME} !-f\n    RewriteRule ^(.*)$ /myapp.wsgi/$1 [QSA,PT,L]\n"
        "    Require all granted\n</Directory>\n",
        {"/style.css": "a file", "/any/where": "myapp|/myapp.wsgi|/any/where"},
    ),
    "sites that share a group by a variable": (
        "WSGIDaemonProcess left threads=2\nWSGIDaemonProcess right threads=2\nSetEnvIf Request_URI ^/r SIDE=right\n"
        "SetEnvIf Request_URI ^/l SIDE=left\nWSGIProcessGroup %{ENV:SIDE}\nWSGIRestrictProcess left right\n"
        "WSGIScriptAlias /l ${SCRIPTS}/myapp.wsgi\nWSGIScriptAlias /r ${SCRIPTS}/other.wsgi\n" + GRANTED,
        {"/l": "myapp|/l|", "/r": "other|/r|"},
    ),
    "an application for each host of one alias": (
        "WSGIApplicationGroup %{HOST}\nWSGIScriptAlias / ${SCRIPTS}/myapp.wsgi\n" + GRANTED,
        {"/": "myapp||/"},
    ),
}
NAMED = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["|".join(["%s", environ["SCRIPT_NAME"], environ["PATH_INFO"]]).encode()]
"""


@pytest.mark.parametrize("name", SHAPES)
def test_a_configuration_of_this_shape_works(name):
    config, answers = SHAPES[name]
    httpd = Httpd(config)
    for script in ("myapp", "other"):
        httpd.script(f"{script}.wsgi", NAMED % script)
    httpd.script("style.css", "a file")
    (httpd.directory / "htdocs" / "style.css").write_text("a file")
    with httpd:
        assert {path: httpd.get(path).text for path in answers} == answers


VENV_SCRIPT = """
import json, sys, site
site.addsitedir(PLACE)
import only_there

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"value": only_there.VALUE, "path": sys.path}).encode()]
"""


class TestVirtualEnvironments:
    """The ways of mod_wsgi's documentation to use what is installed in a virtual environment."""

    @pytest.mark.parametrize(
        "config",
        [
            "WSGIPythonPath ${SCRIPTS}/lib\nWSGIScriptAlias / ${SCRIPTS}/site.wsgi\nWSGIApplicationGroup %{GLOBAL}\n",
            "WSGIDaemonProcess app threads=2 python-path=${SCRIPTS}/lib\nWSGIScriptAlias / ${SCRIPTS}/site.wsgi process-group=app\n",
            "WSGIDaemonProcess app threads=2 python-home=${VENV} python-path=${SCRIPTS}/lib home=${SCRIPTS}\n"
            "WSGIScriptAlias / ${SCRIPTS}/site.wsgi process-group=app application-group=%{GLOBAL}\n",
            "WSGIDaemonProcess app threads=2\nWSGIScriptAlias / ${SCRIPTS}/adds.wsgi process-group=app\n",
        ],
        ids=["WSGIPythonPath", "python-path", "python-home and python-path", "the script adds it"],
    )
    def test_its_packages_are_found(self, config):
        httpd = Httpd(config)
        library, more = httpd.scripts / "lib", httpd.scripts / "more"
        for directory in (library, more):
            directory.mkdir()
        (library / "more.pth").write_text(f"{more}\n")
        (more / "only_there.py").write_text("VALUE = 'by a .pth file'\n")
        script = VENV_SCRIPT.replace("PLACE", repr(str(library)))
        httpd.script("adds.wsgi", script)
        httpd.script("site.wsgi", "".join(line for line in script.splitlines(keepends=True) if "addsitedir" not in line))
        with httpd:
            seen = json.loads(httpd.get("/").body)
        assert seen["value"] == "by a .pth file"
        assert str(library) in seen["path"]
