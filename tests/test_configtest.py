"""What can be known when the configuration is read is told there: line, directive, what was expected."""

import re

import pytest
from harness import Httpd, StartFailed, machine


def configtest(config, **options):
    """Exit code and words of `httpd -t`."""
    return Httpd(config, **options).configtest()


GOOD = [
    "WSGIDaemonProcess app",
    "WSGIDaemonProcess app processes=2 threads=8 umask=0022 home=/tmp lang=C.UTF-8 locale=C.UTF-8",
    "WSGIDaemonProcess app python-path=/a:/b display-name=%{GROUP} listen-backlog=10",
    'WSGIDaemonProcess app display-name="two words"',
    "WSGIDaemonProcess app\nWSGIProcessGroup app\nWSGIApplicationGroup %{GLOBAL}\nWSGICallableObject other",
    "WSGIDaemonProcess app\nWSGIImportScript /x.wsgi process-group=app application-group=%{GLOBAL}",
    "WSGIImportScript /x.wsgi process-group=%{GLOBAL} application-group=%{GLOBAL}",
    "WSGIScriptAlias / /x.wsgi process-group=later\nWSGIDaemonProcess later",
    "WSGIScriptAliasMatch ^/(\\w+)/x /y/$1.wsgi application-group=%{GLOBAL}",
    "WSGIScriptAlias / /x.wsgi callable-object=app pass-authorization=On",
    "WSGIRestrictEmbedded On\nWSGIPythonPath /a:/b",
    "<Location />\nWSGIPassAuthorization On\nWSGIScriptReloading off\nWSGIProcessGroup x\n</Location>",
    "<IfModule mod_wsgi.c>\nWSGIScriptAlias / /x.wsgi\n</IfModule>",
    "<IfModule wsgi_module>\nWSGIScriptAlias / /x.wsgi\n</IfModule>",
    "LogLevel wsgi:trace1",
]


@pytest.mark.parametrize("config", GOOD)
def test_good_configurations_are_accepted(config):
    code, said = configtest(config)
    assert code == 0, said
    assert "Syntax OK" in said


BAD = [
    ("WSGIScriptAlias /", "WSGIScriptAlias"),
    ("WSGIScriptAlias / /x.wsgi no-such-option=1", "option"),
    ("WSGIScriptAlias / /x.wsgi process-group=", "process"),
    ("WSGIScriptAlias / /x.wsgi application-group=", "application"),
    ("WSGIScriptAlias / /x.wsgi callable-object=", "callable"),
    ("WSGIScriptAlias / /x.wsgi pass-authorization=Maybe", "authorization"),
    ("WSGIScriptAliasMatch ^(/x /x.wsgi", "WSGIScriptAliasMatch|[Rr]egular"),
    ("WSGIDaemonProcess", "[Nn]ame|argument"),
    ("WSGIDaemonProcess app no-such-option=1", "option"),
    ("WSGIDaemonProcess app processes", "option"),
    ("WSGIDaemonProcess app\nWSGIDaemonProcess app", "app|duplicate"),
    ("WSGIDaemonProcess app processes=0", "process"),
    ("WSGIDaemonProcess app threads=-1", "thread"),
    ("WSGIDaemonProcess app umask=9", "umask"),
    ("WSGIDaemonProcess app home=relative", "home"),
    ("WSGIDaemonProcess app listen-backlog=-1", "backlog"),
    ("WSGIDaemonProcess app user=no-such-user", "no-such-user"),
    ("WSGIDaemonProcess app group=no-such-group", "no-such-group"),
    ("WSGIDaemonProcess app user=root", "root"),
    ("WSGIRestrictEmbedded Perhaps", "WSGIRestrictEmbedded"),
    ("WSGIPassAuthorization Perhaps", "WSGIPassAuthorization"),
    ("WSGIScriptReloading Perhaps", "WSGIScriptReloading"),
    ("WSGIImportScript /x.wsgi", "group"),
    ("WSGIImportScript /x.wsgi process-group=none application-group=%{GLOBAL}", "none|[Pp]rocess group"),
    ("<VirtualHost *:1>\nWSGIPythonHome /x\n</VirtualHost>", "WSGIPythonHome"),
    ("<Location />\nWSGIScriptAlias / /x.wsgi\n</Location>", "WSGIScriptAlias"),
    ("<Location />\nWSGIDaemonProcess app\n</Location>", "WSGIDaemonProcess"),
]


@pytest.mark.parametrize(("config", "words"), BAD)
def test_bad_configurations_are_refused_with_their_line(config, words):
    httpd = Httpd(config)
    code, said = httpd.configtest()
    assert code != 0, said
    assert re.search(words, said)
    if re.search("user=no-such|group=no-such", config) and not machine.is_ours:
        return  # APR's lookup ends httpd before it can say the line
    assert re.search(r"line \d+ of .*httpd\.conf|httpd\.conf:\d+", said), said


@pytest.mark.parametrize("config", ["WSGIDaemonProcess app user=no-such-user", "WSGIDaemonProcess app threads=-1"])
def test_httpd_does_not_start_with_a_bad_configuration(config):
    with pytest.raises(StartFailed):
        Httpd(config).start()


OTHER_VERSION = """#!/usr/bin/python3
import sys
sys.version_info = (3, 7, 9, "final", 0)
exec(sys.argv[sys.argv.index("-c") + 1] if "-c" in sys.argv else sys.stdin.read())
"""


@pytest.mark.ours
class TestPythonHome:
    """A home that is no Python, or one without an engine, is told before a request meets it."""

    @pytest.fixture
    def other_version(self, stage):
        """A Python which says that it is of a version no engine is for."""
        home = stage.path / "other-version"
        (home / "bin").mkdir(parents=True, exist_ok=True)
        (home / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.7.9\n")
        python = home / "bin" / "python"
        python.write_text(OTHER_VERSION)
        python.chmod(0o755)
        return home

    @pytest.mark.parametrize("directive", ["WSGIPythonHome {}", "WSGIDaemonProcess app python-home={}"])
    def test_that_does_not_exist(self, directive):
        _, said = configtest(directive.format("/there/is/no/python"), python_home=False)
        assert "/there/is/no/python" in said
        assert re.search(r"WRS\d{4}", said)

    @pytest.mark.parametrize("directive", ["WSGIPythonHome {}", "WSGIDaemonProcess app python-home={}"])
    def test_that_is_no_python(self, directive):
        _, said = configtest(directive.format("/etc"), python_home=False)
        assert "/etc" in said
        assert re.search(r"WRS\d{4}", said)

    @pytest.mark.parametrize("directive", ["WSGIPythonHome {}", "WSGIDaemonProcess app python-home={}"])
    def test_of_a_version_without_an_engine(self, directive, other_version):
        _, said = configtest(directive.format(other_version), python_home=False)
        assert str(other_version) in said
        assert "3.7" in said
        assert re.search(r"WRS\d{4}", said)


@pytest.mark.ours
def test_a_home_directory_that_is_missing_is_told():
    _, said = configtest("WSGIDaemonProcess app home=/there/is/none")
    assert "/there/is/none" in said


@pytest.mark.ours
def test_a_script_that_is_missing_is_told():
    _, said = configtest("WSGIScriptAlias / /there/is/no.wsgi")
    assert "/there/is/no.wsgi" in said
