"""`<WSGIInterpreterOptions>`: what is said for single interpreters, embedded and in process groups alike."""

import pytest
from harness import MODES, Httpd

pytestmark = pytest.mark.ours

REPORT = """
import json, signal, sys

def attempt(function):
    try:
        function()
        return "allowed"
    except OSError as error:
        return str(error)

marks = [entry.rsplit("/", 1)[1] for entry in sys.path if "/path-" in entry]

def application(environ, start_response):
    answer = {
        "group": environ["mod_wsgi.application_group"],
        "path": marks,
        "stdin": attempt(lambda: sys.stdin.read(0)),
        "stdout": attempt(lambda: sys.stdout.write("")),
        "signal": type(signal.signal).__name__ + signal.signal.__module__,
        "interval": sys.getswitchinterval(),
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
"""
FORBIDDEN = {name: f"sys.{name} access restricted by mod_wsgi" for name in ("stdin", "stdout")}

# What the main interpreter, the application group "named" and another one are answered by.
MOUNTS = """
WSGIScriptAlias /main ${{SCRIPTS}}/report.wsgi process-group={group} application-group=%{{GLOBAL}}
WSGIScriptAlias /named ${{SCRIPTS}}/report.wsgi process-group={group} application-group=named
WSGIScriptAlias /other ${{SCRIPTS}}/report.wsgi process-group={group} application-group=other
"""


def serve(mode, directives, **options):
    """A server with these directives. `@` in them is the selector of the process group."""
    directives = directives.replace("@", f"process-group={mode.process_group()}")
    httpd = Httpd(directives + mode.group(**options) + MOUNTS.format(group=mode.process_group()))
    httpd.script("report.wsgi", REPORT)
    for name in "abcdefg":
        (httpd.scripts / f"path-{name}").mkdir()
    return httpd


def reports(mode, directives, **options):
    """What the interpreters see."""
    with serve(mode, directives, **options) as httpd:
        return [httpd.get(f"/{name}").json for name in ("main", "named", "other")]


def test_a_section_is_for_the_interpreters_it_names(mode):
    main, named, other = reports(
        mode,
        """WSGIRestrictStdin On
<WSGIInterpreterOptions @ application-group=named>
    WSGIRestrictStdout On
    WSGIRestrictSignal Off
</WSGIInterpreterOptions>
<WSGIInterpreterOptions APPLICATION-GROUP=%{GLOBAL}>
    WSGIRestrictStdin Off
</WSGIInterpreterOptions>
<WSGIInterpreterOptions process-group=another-one>
    WSGIRestrictStdin Off
    WSGIRestrictStdout On
</WSGIInterpreterOptions>
<IfModule wsgi_module>
    <WSGIInterpreterOptions process-group=another-one>
        <IfModule wsgi_module>
            WSGIRestrictStdout On
        </IfModule>
    </WSGIInterpreterOptions>
</IfModule>
WSGIDaemonProcess another-one
""",
    )
    assert [seen["stdin"] for seen in (main, named, other)] == ["allowed", FORBIDDEN["stdin"], FORBIDDEN["stdin"]]
    assert [seen["stdout"] for seen in (main, named, other)] == ["allowed", FORBIDDEN["stdout"], "allowed"]
    assert main["signal"] == other["signal"] != named["signal"]


def test_more_selectors_win_then_the_later_section(mode):
    main, named, other = reports(
        mode,
        """<WSGIInterpreterOptions @ application-group=named>
    WSGIRestrictStdin On
</WSGIInterpreterOptions>
<WSGIInterpreterOptions @>
    WSGIRestrictStdin On
    WSGIRestrictStdout Off
</WSGIInterpreterOptions>
<WSGIInterpreterOptions application-group=named>
    WSGIRestrictStdin Off
    WSGIRestrictStdout On
</WSGIInterpreterOptions>
<WSGIInterpreterOptions>
    WSGIRestrictStdin Off
    WSGIRestrictStdout Off
</WSGIInterpreterOptions>
WSGIRestrictStdout On
""",
    )
    assert named["stdin"] == FORBIDDEN["stdin"], "two selectors against one"
    assert named["stdout"] == FORBIDDEN["stdout"], "one selector each, the later section"
    for seen in (main, other):
        assert seen["stdin"] == FORBIDDEN["stdin"], "one selector against none"
        assert seen["stdout"] == "allowed", "a section against the directive outside"


def test_directories_add_up_with_those_of_the_nearest_section_first(mode):
    options = {"python_path": "${SCRIPTS}/path-a"} if mode.is_daemon else {}
    outside = "" if mode.is_daemon else "WSGIPythonPath ${SCRIPTS}/path-a\n"
    main, named, other = reports(
        mode,
        outside
        + """<WSGIInterpreterOptions @ application-group=named>
    WSGIPythonPath ${SCRIPTS}/path-b:${SCRIPTS}/path-c
</WSGIInterpreterOptions>
<WSGIInterpreterOptions application-group=named>
    WSGIPythonPath ${SCRIPTS}/path-d
</WSGIInterpreterOptions>
<WSGIInterpreterOptions @>
    WSGIPythonPath ${SCRIPTS}/path-e
</WSGIInterpreterOptions>
<WSGIInterpreterOptions>
    WSGIPythonPath ${SCRIPTS}/path-f
</WSGIInterpreterOptions>
""",
        **options,
    )
    assert named["path"] == ["path-b", "path-c", "path-e", "path-d", "path-f", "path-a"]
    assert main["path"] == other["path"] == ["path-e", "path-f", "path-a"]


SECTION_OF_GROUP = "<WSGIInterpreterOptions @>\nWSGISwitchInterval 0.02\n</WSGIInterpreterOptions>\n"
SECTION_OF_NAMED = "<WSGIInterpreterOptions application-group=named>\nWSGISwitchInterval 0.04\n</WSGIInterpreterOptions>\n"


def test_the_switch_interval_is_that_of_the_process(mode):
    httpd = serve(mode, f"WSGISwitchInterval 0.01\n{SECTION_OF_NAMED}{SECTION_OF_GROUP}")
    httpd.error_log.allow("WRS1063")
    with httpd:
        seen = [httpd.get(f"/{name}").json["interval"] for name in ("main", "named", "other")]
    assert seen == [0.02] * 3, "whichever interpreter was made last"


def test_the_option_of_a_process_group_comes_before_a_section():
    assert reports(MODES[1], SECTION_OF_GROUP, switch_interval="0.03")[0]["interval"] == 0.03


BAD = [
    ("<WSGIInterpreterOptions process-group>", ["WRS1002", "'process-group'"]),
    ("<WSGIInterpreterOptions process-grop=a>", ["WRS1003", "did you mean 'process-group'?"]),
    ("<WSGIInterpreterOptions colour=red>", ["WRS1003", "known options are process-group, application-group"]),
    ("<WSGIInterpreterOptions process-group=a process-group=a>", ["WRS1020", "'process-group' is given twice"]),
    ("<WSGIInterpreterOptions process-group=a", ["WRS1001", "'>'"]),
]


@pytest.mark.parametrize(("opening", "words"), BAD, ids=[opening for opening, _ in BAD])
def test_what_is_wrong_with_a_section_is_said(opening, words):
    code, said = Httpd(f"{opening}\nWSGIRestrictStdin On\n</WSGIInterpreterOptions>\n").configtest()
    assert code != 0
    assert [word for word in ["<WSGIInterpreterOptions>", *words] if word not in said] == [], said
    assert "line " in said


def test_what_is_wrong_in_a_section_is_said_with_its_own_line():
    httpd = Httpd("<WSGIInterpreterOptions>\n\nWSGIRestrictStdin Perhaps\n</WSGIInterpreterOptions>\n")
    code, said = httpd.configtest()
    line = (httpd.directory / "httpd.conf").read_text().split("\n").index("WSGIRestrictStdin Perhaps") + 1
    assert code != 0
    assert f"line {line} of " in said
    assert "WRS1006" in said


@pytest.mark.parametrize("place", ["VirtualHost *:1", "Location /", "Directory /x", 'If "true"'])
def test_it_is_for_the_main_server_only(place):
    section = "<WSGIInterpreterOptions>\nWSGIRestrictStdin On\n</WSGIInterpreterOptions>"
    code, said = Httpd(f"<{place}>\n{section}\n</{place.split()[0]}>\n").configtest()
    assert code != 0
    assert "WSGIInterpreterOptions" in said


def test_a_section_that_does_not_do_what_it_seems_to_is_told():
    config = """<WSGIInterpreterOptions process-group=sit>
    WSGIPythonOptimize 2
</WSGIInterpreterOptions>
WSGIDaemonProcess site
<WSGIInterpreterOptions application-group=%{SERVER}>
</WSGIInterpreterOptions>
<WSGIInterpreterOptions application-group=named>
    WSGISwitchInterval 1
    WSGIPerInterpreterGIL Off
    <WSGIInterpreterOptions>
    </WSGIInterpreterOptions>
</WSGIInterpreterOptions>
"""
    httpd = Httpd(config)
    code, said = httpd.configtest()
    assert code == 0, said
    first = (httpd.directory / "httpd.conf").read_text().split("\n").index("<WSGIInterpreterOptions process-group=sit>") + 1
    for identifier, line, words in [
        ("WRS1061", 0, "did you mean 'site'?"),
        ("WRS1060", 1, "WSGIPythonOptimize in <WSGIInterpreterOptions>"),
        ("WRS1062", 4, "'%{SERVER}' is not expanded"),
        ("WRS1063", 6, "WSGISwitchInterval has no effect for application group 'named'"),
        ("WRS1060", 9, "<WSGIInterpreterOptions in <WSGIInterpreterOptions>"),
    ]:
        told = [text for text in said.split("\n") if f"{identifier}: {httpd.directory}/httpd.conf:{first + line}: warning: " in text]
        assert len(told) == 1, said
        assert words in told[0]
    assert said.count("WRS106") == 5, said
