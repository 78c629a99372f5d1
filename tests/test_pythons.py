"""Every CPython of this machine that an engine was built for, embedded and in a daemon group."""

import pytest
from harness import Httpd
from harness.pythons import pythons, usable


@pytest.fixture(params=pythons())
def python(request, stage):
    """An interpreter which the children of httpd can run."""
    return usable(request.param, stage)


@pytest.mark.ours
def test_a_python_serves(mode, python):
    config = "WSGIScriptAlias / ${APPLICATIONS}/process.wsgi application-group=%{GLOBAL}\n"
    if mode.is_daemon:
        config = mode.serve(python_home=python.prefix) + config
    else:
        config = f'WSGIPythonHome "{python.prefix}"\n' + config
    with Httpd(config, python_home=False, environment=python.environment) as httpd:
        facts = httpd.get("/").json
    assert "cp%d%d" % tuple(facts["version"]) == python.abi.rstrip("t")
    assert facts["prefix"] == str(python.prefix)


@pytest.mark.ours
def test_all_of_them_serve_side_by_side(stage):
    found = []
    for abi in pythons():
        try:
            found.append(usable(abi, stage))
        except pytest.skip.Exception:
            continue
    if len(found) < 2:
        pytest.skip("fewer than two Pythons that httpd's children can read have an engine")
    config, paths = "WSGIRestrictEmbedded On\n", []
    for python in found:
        config += f'WSGIDaemonProcess {python.abi} python-home="{python.prefix}"\n'
        config += f"WSGIScriptAlias /{python.abi} ${{APPLICATIONS}}/process.wsgi process-group={python.abi}\n"
        paths += python.environment.values()
    environment = {"LD_LIBRARY_PATH": ":".join(paths)} if paths else {}
    with Httpd(config, python_home=False, environment=environment) as httpd:
        for python in found:
            assert "cp%d%d" % tuple(httpd.get(f"/{python.abi}").json["version"]) == python.abi.rstrip("t")

@pytest.mark.ours
def test_an_interpreter_is_asked_once_for_all_groups_of_a_user(stage):
    config = "WSGIRestrictEmbedded On\n" + "".join(f"WSGIDaemonProcess group-{number} python-home=${{DIRECTORY}}/home\n" for number in range(4))
    httpd = Httpd(config, python_home=False)
    asked, program = httpd.directory / "asked", httpd.directory / "home" / "bin" / "python"
    asked.touch()
    asked.chmod(0o666)
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\necho asked >>"{asked}"\nexec "{stage.venv}/bin/python" "$@"\n')
    program.chmod(0o755)
    code, said = httpd.configtest()
    assert code == 0, said
    assert asked.read_text() == "asked\n"
