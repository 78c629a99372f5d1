"""Every CPython of this machine that an engine was built for, embedded and in a daemon group."""

import subprocess

import pytest
from harness import Httpd, machine


def pythons():
    """ABI, program and libpython of each."""
    listing = subprocess.run([machine.root / "tools" / "pythons", "-l"], capture_output=True, text=True, check=True)
    return [line.split(" ") for line in listing.stdout.splitlines()]


def prefix_of(executable):
    """Where that Python is installed, which is its python-home."""
    command = [executable, "-c", "import sys; print(sys.prefix)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(params=pythons(), ids=lambda python: python[0])
def python(request):
    """An interpreter which the children of httpd can run: its ABI and its prefix."""
    abi, executable, _ = request.param
    if not (machine.build / f"engine.{abi}.so").exists():
        pytest.skip(f"no engine for {abi} was built")
    if not machine.readable_by(machine.user, executable):
        pytest.skip(f"{machine.user.pw_name} cannot read {executable}")
    return abi, prefix_of(executable)


@pytest.mark.ours
def test_a_python_serves(mode, python):
    abi, prefix = python
    config = "WSGIScriptAlias / ${APPLICATIONS}/process.wsgi application-group=%{GLOBAL}\n"
    if mode.is_daemon:
        config = mode.serve(python_home=prefix) + config
    else:
        config = f'WSGIPythonHome "{prefix}"\n' + config
    with Httpd(config, python_home=False) as httpd:
        facts = httpd.get("/").json
    assert "cp%d%d" % tuple(facts["version"]) == abi.rstrip("t")
    assert facts["prefix"] == prefix


@pytest.mark.ours
def test_all_of_them_serve_side_by_side():
    usable = [
        (abi, executable)
        for abi, executable, _ in pythons()
        if (machine.build / f"engine.{abi}.so").exists() and machine.readable_by(machine.user, executable)
    ]
    if len(usable) < 2:
        pytest.skip("fewer than two Pythons that httpd's children can read have an engine")
    config = "WSGIRestrictEmbedded On\n"
    for abi, executable in usable:
        config += f'WSGIDaemonProcess {abi} python-home="{prefix_of(executable)}"\n'
        config += f"WSGIScriptAlias /{abi} ${{APPLICATIONS}}/process.wsgi process-group={abi}\n"
    with Httpd(config, python_home=False) as httpd:
        for abi, _ in usable:
            assert "cp%d%d" % tuple(httpd.get(f"/{abi}").json["version"]) == abi.rstrip("t")
