"""Every CPython of this machine that an engine was built for, embedded and in a daemon group."""

import subprocess

import pytest
from harness import Httpd
from harness.pythons import pythons, serve, usable

pytestmark = pytest.mark.ours

FACTS = "WSGIScriptAlias / ${APPLICATIONS}/process.wsgi application-group=%{GLOBAL}\n"
CHILDREN = "WSGIScriptAlias /children ${APPLICATIONS}/children.wsgi application-group=%{GLOBAL}\n"


@pytest.fixture(params=pythons())
def python(request, stage):
    """An interpreter which the children of httpd can run."""
    return usable(request.param, stage)


@pytest.fixture
def environment(python, stage):
    """A virtual environment of it, with a module in a directory that a `.pth` file names."""
    home = stage.path / "environments" / python.abi
    if not home.exists():
        command = [python.executable, "-m", "venv", "--without-pip", home]
        subprocess.run(command, env={"PATH": "/usr/bin:/bin", **python.environment}, check=True)
        (packages,) = home.glob("lib/python3*/site-packages")
        (home / "more").mkdir()
        (packages / "more.pth").write_text(f"{home}/more\n")
        subprocess.run(["chmod", "-R", "a+rX", home], check=True)
    return home


def test_a_python_serves(mode, python):
    with serve(mode, python, python.home, FACTS) as httpd:
        facts = httpd.get("/").json
    assert "cp%d%d" % tuple(facts["version"]) == python.abi.rstrip("t")
    assert facts["prefix"] == str(python.prefix)


def test_the_path_of_an_interpreter_names_its_python(mode, python):
    with serve(mode, python, python.executable, FACTS) as httpd:
        facts = httpd.get("/").json
    assert "cp%d%d" % tuple(facts["version"]) == python.abi.rstrip("t")
    assert (facts["prefix"], facts["executable"]) == (str(python.prefix), python.executable)


def test_a_virtual_environment_is_what_its_own_interpreter_says(mode, python, environment):
    more = environment / "asked-for"
    more.mkdir(exist_ok=True)
    path = {"python_path": more} if mode.is_daemon else {}
    config = FACTS if mode.is_daemon else f'WSGIPythonPath "{more}"\n{FACTS}'
    with serve(mode, python, environment, config, **path) as httpd:
        facts = httpd.get("/").json
    say = "import sys, json; print(json.dumps([sys.prefix, sys.executable, sys.path[1:]]))"
    command = [environment / "bin" / "python", "-c", say]
    said = subprocess.run(command, capture_output=True, text=True, env=python.environment, check=True).stdout
    expected = __import__("json").loads(said)
    assert [facts["prefix"], facts["executable"]] == expected[:2]
    assert facts["path"] == [str(more), *expected[2]]
    assert str(environment / "more") in facts["path"]
    assert any(entry.endswith("site-packages") and entry.startswith(str(environment)) for entry in facts["path"])


def test_applications_start_other_pythons_of_the_same_environment(mode, python, environment):
    with serve(mode, python, environment, CHILDREN) as httpd:
        for _ in range(3):
            assert httpd.get("/children/spawned").json == [6, 24, 120]
        prefix, base, version, _ = httpd.get("/children/executed").json
    assert (prefix, base) == (str(environment), str(python.prefix))
    assert "cp%d%d" % tuple(version) == python.abi.rstrip("t")


def all_of_them(stage):
    found = []
    for abi in pythons():
        try:
            found.append(usable(abi, stage))
        except pytest.skip.Exception:
            continue
    if len(found) < 2:
        pytest.skip("fewer than two Pythons that httpd's children can read have an engine")
    return found


def test_all_of_them_serve_side_by_side_over_restarts_and_reloads(stage):
    found = all_of_them(stage)
    embedded = found[0]
    config, paths = f'WSGIPythonHome "{embedded.home}"\nWSGIApplicationGroup %{{GLOBAL}}\n', []
    config += "WSGIScriptAlias /embedded ${SCRIPTS}/embedded.wsgi\n"
    for python in found:
        config += f'WSGIDaemonProcess {python.abi} python-home="{python.home}"\n'
        config += f"WSGIScriptAlias /{python.abi} ${{SCRIPTS}}/{python.abi}.wsgi process-group={python.abi}\n"
        paths += python.environment.values()
    httpd = Httpd(config, python_home=False, environment={"LD_LIBRARY_PATH": ":".join(paths)} if paths else {})
    expected = {python.abi: python for python in found} | {"embedded": embedded}

    def write(word):
        for name in expected:
            source = (stage.applications / "process.wsgi").read_text().replace('"pid":', f'"word": "{word}", "pid":')
            httpd.script(f"{name}.wsgi", source)

    def check(word):
        pids = set()
        for name, python in expected.items():
            facts = httpd.get(f"/{name}").json
            assert "cp%d%d" % tuple(facts["version"]) == python.abi.rstrip("t"), name
            assert (facts["prefix"], facts["word"]) == (str(python.prefix), word)
            pids.add(facts["pid"])
        assert len(pids) == len(expected)
        return pids

    write("first")
    with httpd:
        before = check("first")
        httpd.graceful()
        after = check("first")
        assert not after & before
        write("second")
        check("second")
        httpd.graceful()
        check("second")


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
