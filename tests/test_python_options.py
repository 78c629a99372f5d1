"""How Python is started: the same directives mean the same in httpd's children and in daemon processes."""

import subprocess

import pytest
from harness import Httpd

pytestmark = pytest.mark.ours

REPORT = """
import json, signal, sys, warnings, os

def attempt(function):
    try:
        function()
        return "allowed"
    except Exception as error:
        return type(error).__name__ + ": " + str(error)

before = signal.getsignal(signal.SIGWINCH)
handler = lambda *_: None
signal_answer = attempt(lambda: signal.signal(signal.SIGWINCH, handler))

def application(environ, start_response):
    answer = {
        "flags": {name: getattr(sys.flags, name) for name in ("optimize", "dont_write_bytecode", "hash_randomization")},
        "warnings": sys.warnoptions,
        "hash": hash("abc"),
        "stdin": attempt(lambda: sys.stdin.read(0)),
        "stdout": attempt(lambda: sys.stdout.write("")),
        "signal": signal_answer,
        "installed": signal.getsignal(signal.SIGWINCH) is handler,
        "eggs": os.environ.get("PYTHON_EGG_CACHE"),
        "interval": sys.getswitchinterval(),
        "name": __name__,
        "group": environ["mod_wsgi.application_group"],
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
"""


def serve(mode, directives, application_group="%{GLOBAL}", **options):
    """A server with these directives whose `/` is the report."""
    config = f"""{directives}
{mode.group(**options)}
WSGIScriptAlias / ${{SCRIPTS}}/report.wsgi process-group={mode.process_group()} application-group={application_group}
"""
    httpd = Httpd(config)
    httpd.script("report.wsgi", REPORT)
    return httpd


def report(mode, directives, **options):
    """What an application sees that is started with these directives."""
    with serve(mode, directives, **options) as httpd:
        return httpd.get("/").json


def hash_with_seed(stage, seed):
    """What a Python of the tests makes of a string."""
    python = stage.venv / "bin" / "python"
    done = subprocess.run([python, "-c", "print(hash('abc'))"], env={"PYTHONHASHSEED": str(seed)}, capture_output=True, check=True)
    return int(done.stdout)


def test_nothing_said_is_pythons_own(mode):
    seen = report(mode, "")
    assert seen["flags"] == {"optimize": 0, "dont_write_bytecode": 0, "hash_randomization": 1}
    assert seen["warnings"] == []
    assert (seen["stdout"], seen["eggs"], seen["interval"]) == ("allowed", None, 0.005)
    assert seen["installed"] is False, "WSGIRestrictSignal is On"


def test_everything_said_is_heard(mode, stage):
    seen = report(
        mode,
        """WSGIDontWriteBytecode On
WSGIPythonWarnings ignore::DeprecationWarning
WSGIPythonWarnings "error::UserWarning"
WSGIPythonOptimize 2
WSGIPythonHashSeed 7
WSGIRestrictStdin On
WSGIRestrictStdout On
WSGIRestrictSignal Off
""",
    )
    assert seen["flags"]["optimize"] == 2
    assert seen["flags"]["dont_write_bytecode"] == 1
    assert seen["warnings"] == ["ignore::DeprecationWarning", "error::UserWarning"]
    assert seen["hash"] == hash_with_seed(stage, 7)
    assert seen["stdin"] == "OSError: sys.stdin access restricted by mod_wsgi"
    assert seen["stdout"] == "OSError: sys.stdout access restricted by mod_wsgi"


def test_signal_handlers_are_installed_where_python_allows_it(mode):
    seen = report(mode, "WSGIRestrictSignal Off")
    # The script is preloaded: on the main thread of a daemon process, and of a child of httpd.
    assert seen["installed"] or "main thread" in seen["signal"], seen


def test_a_random_seed_is_random(mode, stage):
    seen = report(mode, "WSGIPythonHashSeed random")
    assert seen["flags"]["hash_randomization"] == 1
    assert seen["hash"] != hash_with_seed(stage, 0)


def test_eggs_and_switch_interval_are_for_embedded_mode_and_options_for_groups(mode):
    options = {"python_eggs": "/eggs/of/group", "switch_interval": "0.02"} if mode.is_daemon else {}
    seen = report(mode, "WSGIPythonEggs /eggs\nWSGISwitchInterval 0.01", **options)
    assert (seen["eggs"], seen["interval"]) == (("/eggs/of/group", 0.02) if mode.is_daemon else ("/eggs", 0.01))


@pytest.mark.parametrize(("value", "same"), [("On", False), ("Off", True)])
def test_case_sensitivity(mode, value, same):
    config = f"""WSGICaseSensitivity {value}
{mode.serve()}
WSGIScriptAlias /One ${{SCRIPTS}}/Report.wsgi
WSGIScriptAlias /two ${{SCRIPTS}}/report.wsgi
WSGIScriptAlias /three ${{SCRIPTS}}/report.wsgi
<Location /two>
    WSGIApplicationGroup %{{GLOBAL}}
</Location>
<Location /three>
    WSGIApplicationGroup %{{GLOBAL}}
</Location>
"""
    httpd = Httpd(config)
    httpd.script("Report.wsgi", REPORT)
    httpd.script("report.wsgi", REPORT)
    with httpd:
        one, two = httpd.get("/One").json, httpd.get("/two").json
    assert one["group"].endswith("|/one" if same else "|/One")
    assert (one["name"] == two["name"]) is same


ATEXIT = """
import atexit, mod_wsgi
atexit.register(print, "at exit")
mod_wsgi.subscribe_shutdown(lambda *_, **__: print("stopping"))

def application(environ, start_response):
    start_response("200 OK", [])
    return [b""]
"""


@pytest.mark.parametrize("value", ["On", "Off"])
def test_destroy_interpreter_decides_whether_atexit_runs(mode, value):
    httpd = serve(mode, f"WSGIDestroyInterpreter {value}")
    httpd.script("report.wsgi", ATEXIT)
    httpd.error_log.always_allowed.append("at exit|stopping")
    with httpd:
        assert httpd.get("/").status == 200
    log = [line.text for line in httpd.error_log.lines()]
    assert any(text.endswith("stopping") for text in log)
    assert any(text.endswith("at exit") for text in log) is (value == "On")
