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


OTHER_LIBRARY = """#!/usr/bin/python3
import sys, sysconfig
said = {{"INSTSONAME": "libpython-of-a-test.so", "LDLIBRARY": "libpython-of-a-test.so", "LIBDIR": "{place}"}}
variable = sysconfig.get_config_var
sysconfig.get_config_var = lambda name: said.get(name, variable(name) if name == "Py_GIL_DISABLED" else None)
exec(sys.argv[sys.argv.index("-c") + 1])
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
        code, said = configtest(directive.format(other_version), python_home=False)
        assert code != 0
        assert str(other_version) in said
        engines = {path.name[len("engine.cp3") : -len(".so")] for path in machine.build.glob("engine.cp3*.so")}
        told = re.search(r"WRS\d{4}: .* is Python 3\.7, and there is no engine for it; there are engines for: (.+)", said)
        assert set(told.group(1).split(", ")) == {f"3.{version}" for version in engines}

    @pytest.fixture
    def python_with_library(self, stage):
        """Makes a Python which says that its library is in a place."""

        def make(name, place):
            home = stage.path / name
            (home / "bin").mkdir(parents=True, exist_ok=True)
            python = home / "bin" / "python"
            python.write_text(OTHER_LIBRARY.format(place=place))
            python.chmod(0o755)
            return home

        return make

    def test_of_which_the_library_is_not_installed(self, python_with_library):
        home = python_with_library("without-library", "/no/such/place")
        alias = f"WSGIScriptAlias / {machine.root}/tests/applications/hello.wsgi\n"
        code, said = configtest(f"WSGIPythonHome {home}\n{alias}", python_home=False)
        assert code != 0
        version = "3.%s" % machine.python_tag[3:].rstrip("t")
        assert re.search(rf"WRS2012: .* Python {re.escape(version)} at '{home}/bin/python' has no shared library", said), said
        assert f"the package libpython{version}" in said
        # A process group needs none.
        group = f"WSGIDaemonProcess app python-home={home}\nWSGIProcessGroup app\n{alias}"
        assert configtest(group, python_home=False)[0] == 0

    @pytest.mark.root
    def test_of_which_the_library_is_where_httpd_cannot_read_it(self, python_with_library, stage):
        place = stage.path / "closed"
        place.mkdir(exist_ok=True)
        (place / "libpython-of-a-test.so").write_text("")
        place.chmod(0o700)
        home = python_with_library("with-closed-library", place)
        alias = f"WSGIScriptAlias / {machine.root}/tests/applications/hello.wsgi\n"
        code, said = configtest(f"WSGIPythonHome {home}\n{alias}", python_home=False)
        assert code != 0
        assert "WRS2012: " in said
        assert f"cannot read '{place}/libpython-of-a-test.so'" in said, said


@pytest.mark.ours
def test_a_home_directory_that_is_missing_is_told():
    _, said = configtest("WSGIDaemonProcess app home=/there/is/none")
    assert "/there/is/none" in said


@pytest.mark.ours
def test_a_script_that_is_missing_is_told():
    _, said = configtest("WSGIScriptAlias / /there/is/no.wsgi")
    assert "/there/is/no.wsgi" in said


# What is told of a configuration as a whole: the id, the line of the configuration counted from 0, and words of the message.
FOUND = {
    "a group that is not there": ("WSGIProcessGroup sit\nWSGIDaemonProcess site", "WRS1044", 0, "did you mean 'site'?"),
    "a group of another virtual host": (
        "<VirtualHost *:1>\nServerName a\nWSGIDaemonProcess site\n</VirtualHost>\nWSGIProcessGroup site",
        *("WRS1046", 4, "belongs to a virtual host with another ServerName"),
    ),
    "an application group that is no expansion": ("WSGIApplicationGroup %{SERVERS}", "WRS1047", 0, "'%{SERVERS}' is no known expansion"),
    "one in a section": ("<Location /a>\nWSGIApplicationGroup %{ENV}\n</Location>", "WRS1047", 1, "'%{ENV}'"),
    "embedded mode that is off": (
        "WSGIRestrictEmbedded On\nWSGIScriptAlias / ${APPLICATIONS}/hello.wsgi",
        *("WRS1048", 1, "WSGIRestrictEmbedded forbids"),
    ),
    "an alias behind a shorter one": (
        "WSGIScriptAlias /a ${APPLICATIONS}/hello.wsgi\nWSGIScriptAlias /a/b ${APPLICATIONS}/environ.wsgi",
        *("WRS1049", 1, "never come here: the alias '/a' at"),
    ),
    "an alias with a slash at its end and a script without": (
        "WSGIScriptAlias /a/ ${APPLICATIONS}/hello.wsgi",
        *("WRS1069", 0, "a request for '/a/x' goes to"),
    ),
    "an alias that no URL begins with": ("WSGIScriptAlias a ${APPLICATIONS}/hello.wsgi", "WRS1076", 0, "and 'a' does not"),
    "a place for sockets that is not there": (
        "WSGISocketPrefix /no/run/wsgi\nWSGIDaemonProcess site",
        *("WRS1077", 0, "needs the directory '/no/run'"),
    ),
    "a relative script": ("WSGIScriptAlias / hello.wsgi", "WRS1050", 0, "'hello.wsgi' is relative"),
    "a script that is not there": ("\nWSGIScriptAlias / /no.wsgi", "WRS1051", 1, "'/no.wsgi'"),
    "a home that is not there": ("WSGIDaemonProcess site home=/no/home", "WRS1053", 0, "'home=/no/home'"),
    "a Python home for all that is none": ("WSGIPythonHome /etc", "WRS1055", 0, "no bin/python in the Python home '/etc'"),
    "a group for scripts only": (
        "WSGIDaemonProcess jobs threads=0\nWSGIScriptAlias / ${APPLICATIONS}/hello.wsgi process-group=jobs",
        *("WRS1057", 1, "has threads=0"),
    ),
    "a group that may be used and is not there": ("WSGIRestrictProcess %{GLOBAL} sit\nWSGIDaemonProcess site", "WRS1064", 0, "'site'?"),
    "proxies without headers": ("<Location /a>\nWSGITrustedProxies 10.0.0.1\n</Location>", "WRS1065", 1, "name the headers"),
    "a callable that is no expansion": ("WSGICallableObject %{GLOBAL}", "WRS1066", 0, "taken for 'application'"),
    "an option that needs another": ("WSGIDaemonProcess site interrupt-timeout=5", "WRS1067", 0, "only follows request-timeout"),
    "applications in one interpreter": (
        "WSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias /a ${APPLICATIONS}/hello.wsgi\nWSGIScriptAlias /b ${APPLICATIONS}/environ.wsgi",
        *("WRS1068", 2, "shares the interpreter '%{GLOBAL}' of httpd's own processes"),
    ),
}
ERRORS = {"WRS1053", "WRS1055"}


@pytest.mark.ours
@pytest.mark.parametrize("name", FOUND)
def test_what_does_not_fit_together_is_told_with_its_line(name):
    config, identifier, line, words = FOUND[name]
    httpd = Httpd(config)
    code, said = httpd.configtest()
    assert (code != 0) is (identifier in ERRORS), said
    line += (httpd.directory / "httpd.conf").read_text().count("\n") - config.count("\n") + 1
    told = [text for text in said.split("\n") if f"{identifier}: {httpd.directory}/httpd.conf:{line}: " in text]
    assert len(told) == 1, said
    assert words in told[0]
    assert len(re.findall(r"WRS10[4-7]\d: ", said)) == 1, said


@pytest.mark.ours
def test_what_may_be_meant_is_told_by_the_test_only():
    with Httpd(FOUND["applications in one interpreter"][0]) as httpd:
        assert [line.raw for line in httpd.error_log.lines() if "WRS1068" in line.raw] == []


@pytest.mark.ours
class TestEnvironments:
    """A virtual environment that does not fit the Python on the machine any more."""

    @staticmethod
    def environment(httpd, version, interpreter):
        home = httpd.directory / "venv"
        (home / "bin").mkdir(parents=True)
        (home / "pyvenv.cfg").write_text(f"home = /opt/gone/bin\nversion = {version}\n")
        (home / "bin" / "python").symlink_to(interpreter)
        return home

    @pytest.mark.parametrize("directive", ["WSGIDaemonProcess app python-home={}", "WSGIPythonHome {}"])
    def test_whose_interpreter_is_gone(self, directive):
        httpd = Httpd(directive.format("${DIRECTORY}/venv"), python_home=False)
        home = self.environment(httpd, "3.9.2", "/opt/gone/bin/python3.9")
        code, said = httpd.configtest()
        assert code != 0
        assert re.search(r"WRS1058: \S+httpd\.conf:\d+: error: ", said), said
        assert f"'{home}' was made for Python 3.9.2 in '/opt/gone/bin', which is gone" in said

    @pytest.mark.parametrize("directive", ["WSGIDaemonProcess app python-home={}", "WSGIPythonHome {}"])
    def test_whose_interpreter_has_another_version_now(self, directive, stage):
        httpd = Httpd(directive.format("${DIRECTORY}/venv"), python_home=False)
        home = self.environment(httpd, "3.9.2", (stage.venv / "bin" / "python").resolve())
        code, said = httpd.configtest()
        assert code == 0, said
        assert re.search(r"WRS1059: \S+httpd\.conf:\d+: warning: ", said), said
        assert f"'{home}' was made for Python 3.9 and its interpreter is Python 3." in said


@pytest.mark.ours
@pytest.mark.root
def test_what_the_user_of_a_group_cannot_reach_is_told():
    config = """WSGIDaemonProcess app user=#65534 group=#65534 home=${DIRECTORY}/closed python-home=${DIRECTORY}/closed/venv
WSGIScriptAlias / ${DIRECTORY}/closed.wsgi process-group=app
"""
    httpd = Httpd(config)
    closed = httpd.directory / "closed"
    (closed / "venv" / "bin").mkdir(parents=True)
    (closed / "venv" / "bin" / "python").symlink_to(Httpd.stage.venv / "bin" / "python")
    (httpd.directory / "closed.wsgi").write_text("")
    closed.chmod(0o700)
    (httpd.directory / "closed.wsgi").chmod(0o600)
    _, said = httpd.configtest()
    for identifier, words in [("WRS1052", "closed.wsgi"), ("WRS1054", "'home="), ("WRS1056", "its Python")]:
        told = [text for text in said.split("\n") if identifier in text]
        assert len(told) == 1, said
        assert re.search(r"httpd\.conf:\d+: warning: ", told[0])
        assert words in told[0]
        assert "is stopped by the permissions of" in told[0]
