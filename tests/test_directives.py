"""Every directive: where it may stand, what it takes, what is said when it is wrong, and what it does."""

import re

import pytest
from harness import Httpd, machine

pytestmark = pytest.mark.ours

MAIN, SERVER, SECTION, HTACCESS, AUTHORIZATION = "main", "server", "section", "htaccess", "authorization"

# Each directive that is not tested with aliases and process groups: how far down it may stand, and right lines.
ACCEPTED = {
    "WSGISocketRotation": (MAIN, ["On", "off"]),
    "WSGIAcceptMutex": (MAIN, ["default", "FCNTL"]),
    "WSGIVerboseDebugging": (MAIN, ["On"]),
    "WSGIDontWriteBytecode": (MAIN, ["On", "Off"]),
    "WSGIPythonWarnings": (MAIN, ["ignore", "error::UserWarning"]),
    "WSGIPythonOptimize": (MAIN, ["0", "1", "2"]),
    "WSGIPythonPath": (MAIN, ["/a:/b"]),
    "WSGIPythonEggs": (MAIN, ["/a"]),
    "WSGIPythonHashSeed": (MAIN, ["random", "0", "4294967295"]),
    "WSGISwitchInterval": (MAIN, ["0.005", "1"]),
    "WSGIDestroyInterpreter": (MAIN, ["On", "Off"]),
    "WSGIPerInterpreterGIL": (MAIN, ["Off", "On"]),
    "WSGIFreeThreading": (MAIN, ["Off", "On"]),
    "WSGIRestrictEmbedded": (MAIN, ["Off"]),
    "WSGIRestrictStdin": (MAIN, ["On", "Off"]),
    "WSGIRestrictStdout": (MAIN, ["On", "Off"]),
    "WSGIRestrictSignal": (MAIN, ["On", "Off"]),
    "WSGICaseSensitivity": (MAIN, ["On", "Off"]),
    "WSGIServerMetrics": (MAIN, ["Off", "On"]),
    "WSGISlowRequests": (MAIN, ["0", "2.5"]),
    "WSGITelemetryService": (MAIN, ["unix:/run/x", "unix:/run/x interval=0.5"]),
    "WSGITelemetryOptions": (MAIN, ["None", "All", "captureuseragent", "+CaptureUserAgent", "-CaptureUserAgent"]),
    "WSGIRestrictProcess": (SECTION, ["a %{GLOBAL}", ""]),
    "WSGIProcessGroup": (SECTION, ["%{GLOBAL}"]),
    "WSGIApplicationGroup": (SECTION, ["%{GLOBAL}"]),
    "WSGIPassApacheRequest": (SECTION, ["Off", "On"]),
    "WSGICallableObject": (HTACCESS, ["application"]),
    "WSGIPassAuthorization": (HTACCESS, ["On"]),
    "WSGIScriptReloading": (HTACCESS, ["On"]),
    "WSGIErrorOverride": (HTACCESS, ["Off", "On"]),
    "WSGIChunkedRequest": (HTACCESS, ["On"]),
    "WSGIMapHEADToGET": (HTACCESS, ["off", "ON", "auto"]),
    "WSGIIgnoreActivity": (HTACCESS, ["Off", "On"]),
    "WSGITrustedProxyHeaders": (HTACCESS, ["X-Forwarded-For x-forwarded-proto", "X-Real-IP"]),
    "WSGITrustedProxies": (HTACCESS, ["10.0.0.1 10.0.0.0/8", "10.0.0.0/255.0.0.0 ::1 fd00::/8"]),
    "WSGIEnableSendfile": (HTACCESS, ["Off", "On"]),
    "WSGIGroupAuthoritative": (AUTHORIZATION, ["Off"]),
    "WSGIPythonHome": (MAIN, ["${VENV}"]),
    "WSGISocketPrefix": (MAIN, ["run/other", "/tmp/other"]),
    "WSGIScriptAlias": (
        SERVER,
        [
            "/a /no.wsgi",
            "/b /no.wsgi process-group=%{GLOBAL} application-group=%{ENV:X} callable-object=app pass-authorization=on",
            "'/c d' \"/no such.wsgi\"",
        ],
    ),
    "WSGIScriptAliasMatch": (SERVER, ["^/m/(\\w+) /no/$1.wsgi application-group=%{GLOBAL}"]),
    "WSGIDaemonProcess": (SERVER, ["one", "two processes=2 threads=4"]),
    "WSGIImportScript": (SERVER, ["/no.wsgi process-group=%{GLOBAL} application-group=%{GLOBAL}"]),
    "WSGIAccessScript": (AUTHORIZATION, ["/a.py", "${APPLICATIONS}/asked.py application-group=%{SERVER}"]),
    "WSGIAuthUserScript": (AUTHORIZATION, ["/a.py", "'/a b.py' application-group=x"]),
    "WSGIAuthGroupScript": (AUTHORIZATION, ["/a.py", "/a.py application-group=%{GLOBAL}"]),
    "WSGIDispatchScript": (SECTION, ["/a.py", "/a.py application-group=%{HOST}"]),
    "WSGIHandlerScript": (SECTION, ["name /a.py", "name /a.py process-group=%{GLOBAL} application-group=%{RESOURCE} pass-authorization=Off"]),
}

# Those that take more than one argument.
LISTS = {
    *("WSGIScriptAlias", "WSGIScriptAliasMatch", "WSGIDaemonProcess", "WSGIImportScript", "WSGIRestrictProcess"),
    *("WSGITrustedProxyHeaders", "WSGITrustedProxies", "WSGITelemetryService", "WSGITelemetryOptions"),
    *("WSGIAccessScript", "WSGIAuthUserScript", "WSGIAuthGroupScript", "WSGIDispatchScript", "WSGIHandlerScript"),
}

FLAG = "On or Off"
REFUSED = [
    *[
        (f"{name} Perhaps", ["WRS1006", name, "'Perhaps'", FLAG])
        for name in (
            *("WSGISocketRotation", "WSGIVerboseDebugging", "WSGIDontWriteBytecode", "WSGIDestroyInterpreter"),
            *("WSGIPerInterpreterGIL", "WSGIFreeThreading", "WSGIRestrictEmbedded", "WSGIRestrictStdin"),
            *("WSGIRestrictStdout", "WSGIRestrictSignal", "WSGICaseSensitivity", "WSGIServerMetrics"),
            *("WSGIPassApacheRequest", "WSGIPassAuthorization", "WSGIScriptReloading", "WSGIErrorOverride"),
            *("WSGIChunkedRequest", "WSGIIgnoreActivity", "WSGIEnableSendfile"),
        )
    ],
    # httpd itself lets nothing of authorization stand outside of sections.
    ("<Location />\nWSGIGroupAuthoritative Perhaps\n</Location>", ["WRS1006", "WSGIGroupAuthoritative", FLAG]),
    *[
        (f"<Location />\n{name} {words}\n</Location>", [name, *expected])
        for name in ("WSGIAccessScript", "WSGIAuthUserScript", "WSGIAuthGroupScript", "WSGIDispatchScript")
        for words, expected in (
            ("", ["WRS1001", "the path of the script is missing"]),
            ("/a.py b", ["WRS1002", "'b'"]),
            ("/a.py application_group=x", ["WRS1003", "did you mean 'application-group'?"]),
            ("/a.py application-group=", ["WRS1004", "'application-group='"]),
        )
    ],
    ("WSGIHandlerScript", ["WRS1001", "the name of the handler is missing"]),
    ("WSGIHandlerScript name", ["WRS1001", "the path of the script is missing"]),
    ("WSGIHandlerScript name /a.py b", ["WRS1002", "'b'"]),
    ("WSGIHandlerScript name /a.py callable-object=x", ["WRS1003", "known options are process-group, application-group"]),
    ("WSGIHandlerScript name /a.py process-group=", ["WRS1004", "'process-group='"]),
    ("WSGIHandlerScript name /a.py pass-authorization=Perhaps", ["WRS1006", "'pass-authorization=Perhaps'", FLAG]),
    ("<Location />\nRequire wsgi-group\n</Location>", ["WRS1001", "Require wsgi-group", "the name of a group is missing"]),
    ("WSGIScriptAlias", ["WRS1001", "WSGIScriptAlias", "URL path is missing"]),
    ("WSGIScriptAlias /a", ["WRS1001", "WSGIScriptAlias", "path of the script is missing"]),
    ("WSGIScriptAlias /a /a.wsgi process-group", ["WRS1002", "WSGIScriptAlias", "'process-group'", "option=value"]),
    ("WSGIScriptAlias /a /a.wsgi proces-group=a", ["WRS1003", "'proces-group=a'", "did you mean 'process-group'?"]),
    ("WSGIScriptAlias /a /a.wsgi pass-authorization=Perhaps", ["WRS1006", "'pass-authorization=Perhaps'", FLAG]),
    *[
        (f"WSGIScriptAlias /a /a.wsgi {option}=", ["WRS1004", "WSGIScriptAlias", f"'{option}='"])
        for option in ("process-group", "application-group", "callable-object", "pass-authorization")
    ],
    ("WSGIScriptAliasMatch ^(/a /a.wsgi", ["WRS1014", "WSGIScriptAliasMatch", "'^(/a'"]),
    ("WSGIScriptAliasMatch ^/a /a.wsgi colour=red", ["WRS1003", "'colour=red'", "known options are process-group"]),
    ("WSGIImportScript", ["WRS1001", "WSGIImportScript", "path of the script is missing"]),
    ("WSGIImportScript /a.py process-group=a", ["WRS1011", "'application-group' is required"]),
    ("WSGIImportScript /a.py application-group=a", ["WRS1011", "'process-group' is required"]),
    ("WSGIImportScript /a.py process-grop=a", ["WRS1003", "'process-grop=a'", "did you mean 'process-group'?"]),
    ("WSGIDaemonProcess", ["WRS1001", "WSGIDaemonProcess", "name of the process group"]),
    ("WSGIDaemonProcess a thread=1", ["WRS1003", "WSGIDaemonProcess", "'thread=1'", "did you mean 'threads'?"]),
    ("WSGIDaemonProcess a threads=many", ["WRS1005", "'threads=many'", "whole number from 0 to 65533"]),
    ("WSGIDaemonProcess a script-user=#0 script-group=#0", ["WRS1012", "'script-user' and 'script-group'"]),
    ("WSGISocketPrefix " + "a" * 5000, ["WRS1016", "WSGISocketPrefix", "absolute path or one below ServerRoot"]),
    ("WSGIAcceptMutex spin", ["WRS1005", "WSGIAcceptMutex", "'spin'", "fcntl"]),
    ("WSGIMapHEADToGET Perhaps", ["WRS1005", "WSGIMapHEADToGET", "'Perhaps'", "Off, On, Auto"]),
    ("WSGIPythonOptimize much", ["WRS1005", "WSGIPythonOptimize", "'much'", "whole number"]),
    ("WSGIPythonHashSeed Random", ["WRS1005", "WSGIPythonHashSeed", "'Random'", "random, or a whole number"]),
    ("WSGIPythonHashSeed 4294967296", ["WRS1005", "WSGIPythonHashSeed", "'4294967296'"]),
    ("WSGISwitchInterval 0", ["WRS1005", "WSGISwitchInterval", "'0'", "greater than 0"]),
    ("WSGISlowRequests -1", ["WRS1005", "WSGISlowRequests", "'-1'", "number of seconds"]),
    ("WSGITelemetryService udp:127.0.0.1:9", ["WRS1005", "WSGITelemetryService", "'udp:127.0.0.1:9'", "unix:"]),
    ("WSGITelemetryService unix:x", ["WRS1005", "WSGITelemetryService", "'unix:x'", "absolute path"]),
    ("WSGITelemetryService unix:/x interval=0.1", ["WRS1005", "'interval=0.1'", "0.5"]),
    ("WSGITelemetryService unix:/x rate=1", ["WRS1003", "'rate=1'"]),
    ("WSGITelemetryOptions +All", ["WRS1005", "WSGITelemetryOptions", "'+All'"]),
    ("WSGITelemetryOptions", ["WRS1001", "WSGITelemetryOptions"]),
    ("WSGITrustedProxyHeaders X-Forwarded-Fro", ["WRS1005", "'X-Forwarded-Fro'", "X-Forwarded-For"]),
    ("WSGITrustedProxyHeaders Forwarded", ["WRS1005", "'Forwarded'", "expected one of X-Forwarded-For"]),
    ("WSGITrustedProxyHeaders", ["WRS1001", "WSGITrustedProxyHeaders"]),
    ("WSGITrustedProxies proxy.example.com", ["WRS1005", "'proxy.example.com'", "an address or a subnet"]),
    ("WSGITrustedProxies 10.0.0.0/33", ["WRS1005", "'10.0.0.0/33'"]),
    ("WSGITrustedProxies", ["WRS1001", "WSGITrustedProxies"]),
]


def lines(*places):
    """All right lines of the directives that may stand there."""
    return "\n".join(f"{name} {value}" for name, (place, values) in ACCEPTED.items() if place in places for value in values)


def configtest(config):
    """Exit code and words of `httpd -t`."""
    return Httpd(config).configtest()


class TestAccepted:
    @pytest.mark.parametrize(
        "config",
        [
            lines(MAIN, SERVER, SECTION, HTACCESS),
            f"<VirtualHost *:1>\n{lines(SERVER, SECTION, HTACCESS)}\n</VirtualHost>",
            *[f"<{section}>\n{lines(SECTION, HTACCESS, AUTHORIZATION)}\n</{section.split()[0]}>" for section in ("Location /a", "Directory /a", 'If "true"')],
        ],
        ids=["main", "virtual host", "Location", "Directory", "If"],
    )
    def test_where_it_may_stand(self, config):
        code, said = configtest(config)
        assert code == 0, said
        assert not re.search(r"WRS\d{4}: [^\n]*error:", said), said

    @pytest.mark.parametrize("name", [name for name, (place, _) in ACCEPTED.items() if place == MAIN])
    def test_a_directive_of_the_main_server_is_refused_elsewhere(self, name):
        line = f"{name} {ACCEPTED[name][1][0]}"
        code, said = configtest(f"<VirtualHost *:1>\n{line}\n</VirtualHost>")
        assert code != 0
        assert f"WRS1015: {name}: only allowed in the main server" in said
        code, said = configtest(f"<Location />\n{line}\n</Location>")
        assert code != 0
        assert name in said

    @pytest.mark.parametrize("name", [name for name, (place, _) in ACCEPTED.items() if place == SERVER])
    def test_a_directive_of_servers_is_refused_in_sections(self, name):
        code, said = configtest(f"<Location /a>\n{name} {ACCEPTED[name][1][0]}\n</Location>")
        assert code != 0
        assert f"{name} not allowed" in said

    @pytest.mark.parametrize("arguments", ["", " a b"], ids=["none", "two"])
    @pytest.mark.parametrize("name", [name for name in ACCEPTED if name not in LISTS])
    def test_a_directive_with_one_argument_has_no_other_number_of_them(self, name, arguments):
        line = f"{name}{arguments}"
        code, said = configtest(f"<Location />\n{line}\n</Location>" if ACCEPTED[name][0] == AUTHORIZATION else line)
        assert code != 0
        assert f"{name} takes one argument, " in said

    @pytest.mark.parametrize(("config", "words"), REFUSED, ids=[config[:60].replace("\n", " ") for config, _ in REFUSED])
    def test_what_is_wrong_is_said(self, config, words):
        code, said = configtest(config)
        assert code != 0, said
        assert [word for word in words if word not in said] == [], said
        assert re.search(r"line \d+ of .*httpd\.conf", said), said

    def test_what_has_no_effect_is_said_once_for_each_line(self):
        config = """WSGISlowRequests 1
WSGITelemetryOptions All
WSGIServerMetrics On
<Location /a>
WSGIPassApacheRequest On
WSGIEnableSendfile On
</Location>
"""
        code, said = configtest(config)
        assert code == 0, said
        told = re.findall(r"WRS1041: \S+ warning: (\w+) is accepted but has no effect", said)
        expected = ["WSGISlowRequests", "WSGITelemetryOptions"]
        assert told == [*expected, "WSGIPassApacheRequest"]


    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("WSGIVerboseDebugging Off", "use LogLevel wsgi:debug"),
            ("WSGISocketRotation Off", "running requests keep their connections over a restart"),
            ("WSGIAcceptMutex flock", "without a mutex"),
            ("<Location />\nWSGIGroupAuthoritative Off\n</Location>", "<RequireAll> and <RequireAny>"),
        ],
    )
    def test_what_is_not_needed_any_more_is_said_with_what_there_is_instead(self, line, words):
        code, said = configtest(line)
        assert code == 0, said
        name = line.split("\n")[-2 if "\n" in line else 0].split()[0]
        assert re.search(rf"WRS1041: \S+httpd\.conf:\d+: warning: {name} is accepted but has no effect: [^\n]*{re.escape(words)}", said), said


@pytest.fixture(scope="module")
def overriding():
    """A server whose documents may have `.htaccess` files."""
    with Httpd("<Directory ${DIRECTORY}/htdocs>\nAllowOverride FileInfo AuthConfig\n</Directory>\n") as httpd:
        yield httpd


class TestHtaccess:
    @staticmethod
    def ask(server, line):
        """The status of a file in a directory with that `.htaccess`."""
        directory = server.directory / "htdocs" / re.sub(r"\W", "_", line)
        directory.mkdir(mode=0o755)
        (directory / "file").write_text("x")
        (directory / ".htaccess").write_text(f"{line}\n")
        return server.get(f"/{directory.name}/file").status

    @pytest.mark.parametrize("name", [name for name, (place, _) in ACCEPTED.items() if place in (HTACCESS, AUTHORIZATION)])
    def test_what_may_stand_there(self, overriding, name):
        # What the access script says.
        overriding.error_log.allow("asked for 127.0.0.1")
        assert self.ask(overriding, f"{name} {ACCEPTED[name][1][-1]}") == 200

    @pytest.mark.parametrize("name", [name for name, (place, _) in ACCEPTED.items() if place not in (HTACCESS, AUTHORIZATION)])
    def test_what_may_not(self, overriding, name):
        overriding.error_log.allow("not allowed here")
        assert self.ask(overriding, f"{name} {ACCEPTED[name][1][0]}") == 500
