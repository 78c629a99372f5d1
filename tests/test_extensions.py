"""Extension modules that applications use: in the main interpreter all work; in a sub-interpreter each works, or says that it does not."""

import re

import pytest
from harness import Httpd, machine

pytestmark = pytest.mark.ours

ANSWERS = {"numpy": b"90", "lxml": b"text", "cryptography": b"secret", "psycopg": b"select 1", "pydantic_core": b"42"}
ALIAS = "WSGIScriptAlias / ${APPLICATIONS}/extensions.wsgi\n"
MAIN = "WSGIApplicationGroup %{GLOBAL}\n"
OTHER = "WSGIApplicationGroup other\n"


@pytest.fixture(scope="session")
def environment(stage):
    """A virtual environment with these modules, which httpd's children can read."""
    venv = machine.root / "build" / "extensions" / machine.python_tag
    if not (venv / "made-from").exists():
        pytest.skip(f"there is no {venv}: tools/extensions makes it")
    if not machine.readable_by(machine.user, venv / "pyvenv.cfg"):
        return stage.copy(venv, "extensions", ())
    return venv


@pytest.fixture(params=ANSWERS)
def module(request, environment):
    """One of them."""
    if not list(environment.glob(f"lib*/python3*/site-packages/{request.param}")):
        pytest.skip(f"there is no wheel of {request.param} for {machine.python_tag}")
    return request.param


def serve(mode, environment, config):
    home = mode.serve(python_home=environment) if mode.is_daemon else f'WSGIPythonHome "{environment}"\n'
    return Httpd(home + config + ALIAS, python_home=False)


def test_the_only_application_runs_where_it_works(mode, environment, module):
    with serve(mode, environment, "") as httpd:
        httpd.error_log.allow("WRS4026")
        response = httpd.get(f"/{module}")
    assert (response.status, response.body) == (200, ANSWERS[module])


@pytest.mark.parametrize("own_gil", [False, True], ids=["shared", "own"])
def test_in_a_sub_interpreter_it_works_or_is_named(mode, environment, module, own_gil):
    with serve(mode, environment, OTHER + ("WSGIPerInterpreterGIL On\n" if own_gil else "")) as httpd:
        httpd.error_log.allow("")
        responses = [httpd.get(f"/{module}") for _ in range(3)]
        log = "\n".join(line.raw for line in httpd.error_log.lines())
    assert len({response.status for response in responses}) == 1, "it does not change its mind"
    assert "exit signal" not in log
    if responses[0].status == 200:
        assert [response.body for response in responses] == [ANSWERS[module]] * 3
        assert "WRS4025" not in log
        return
    assert responses[0].status == 500
    told = re.findall(r"WRS4025: .*", log)
    assert len(told) >= 1
    assert f"the extension module '{'_cffi_backend' if '_cffi' in told[0] else module}" in told[0]
    assert "WSGIApplicationGroup %{GLOBAL}" in told[0]
    assert "WSGIDaemonProcess" in told[0]
    # Both ways out work.
    for way in (MAIN, ""):
        with serve(mode, environment, way) as httpd:
            httpd.error_log.allow("WRS4026")
            assert httpd.get(f"/{module}").body == ANSWERS[module]


@pytest.mark.skipif(not machine.python_tag.endswith("t"), reason="this Python always has the GIL")
def test_without_the_gil_it_works_and_whatever_turns_the_gil_on_is_named(mode, environment, module):
    with serve(mode, environment, "WSGIFreeThreading On\n" + MAIN) as httpd:
        httpd.error_log.allow("WRS4026")
        response = httpd.get(f"/{module}")
        log = "\n".join(line.raw for line in httpd.error_log.lines())
    assert (response.status, response.body) == (200, ANSWERS[module])
    named = re.findall(r"WRS4026: the GIL is on from now on, .* the extension module '([\w.]+)' \(imported in /", log)
    assert (response.header("X-Gil") == "on") == bool(named)
