"""`httpd -D DUMP_WSGI` prints who answers which URL, and with which Python."""

import re
import subprocess
import sys

import pytest
from harness import Httpd

pytestmark = pytest.mark.ours

CONFIG = """
WSGIDaemonProcess app processes=2 threads=3
WSGIScriptAlias /embedded ${APPLICATIONS}/hello.wsgi application-group=%{GLOBAL}
WSGIScriptAlias /daemon ${APPLICATIONS}/hello.wsgi process-group=app
<VirtualHost *:8080>
    ServerName host.example:8080
    WSGIProcessGroup %{ENV:GROUP}
    WSGIScriptAlias /own ${APPLICATIONS}/hello.wsgi
    <Location /own/x>
        WSGIProcessGroup app
    </Location>
</VirtualHost>
"""


def dump(*arguments, config=CONFIG):
    """Exit code, what is printed, and what is complained of."""
    httpd = Httpd(config)
    httpd.configtest()
    command = httpd.command("-D", "DUMP_WSGI", *arguments)
    done = subprocess.run(**command, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("arguments", [("-t",), ()], ids=["with -t", "without"])
def test_the_map_is_printed_and_nothing_is_started(arguments, stage):
    code, out, err = dump(*arguments)
    assert code == 0, err
    assert ("Syntax OK" in err) is bool(arguments)
    python = f"Python {sys.version_info[0]}.{sys.version_info[1]} ({stage.venv}/bin/python)"
    script = stage.applications / "hello.wsgi"
    lines = out.splitlines()
    assert lines[:2] == ["WSGI configuration:", f"embedded: {python}"]
    assert lines[2].startswith(f"process group app: processes=2 threads=3, {python} (")
    assert lines[3] == "main server 127.0.0.1"
    mounts = [line.strip().rsplit(" (", 1)[0] for line in lines[4:]]
    assert mounts[0] == f"/embedded -> {script}: embedded, {python}, application group %{{GLOBAL}}, callable application"
    assert mounts[1].startswith(f"/daemon -> {script}: process group app, {python}, application group ")
    assert mounts[2] == "virtual host host.example:8080"
    own = f"/own -> {script}: process group %{{ENV:GROUP}}, any Python, application group host.example:8080|/own"
    assert mounts[3] == f"{own}, callable application"
    assert mounts[6] == "a section chooses process group app"
    assert len(mounts) == 7


def test_the_application_group_has_the_port_that_clients_ask_for():
    config = "WSGIScriptAlias /own ${APPLICATIONS}/hello.wsgi\n<VirtualHost *:8081>\nServerName plain.example\n</VirtualHost>\n"
    code, out, err = dump("-t", config=config)
    assert code == 0, err
    main, host = [line for line in out.splitlines() if "/own ->" in line]
    assert re.search(r"application group 127\.0\.0\.1:\d+\|/own,", main)
    assert "application group plain.example:8081|/own," in host
    assert "virtual host plain.example:8081 (" in out


def test_what_is_wrong_is_said_too():
    code, out, err = dump("-t", config="WSGIDaemonProcess app python-home=/nowhere\nWSGIScriptAlias / /x process-group=app")
    assert code != 0
    assert "WRS1055" in err
    assert "process group app, no Python: " in out
