"""The sample configurations work as they are."""

import pytest
from harness import Httpd, authorization, machine

SAMPLES = sorted((machine.root / "httpd-conf").glob("*.conf"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_a_sample_configuration_serves_its_script(sample):
    httpd = Httpd(sample.read_text())
    httpd.script("hello.wsgi", (machine.root / "tests" / "applications" / "hello.wsgi").read_text())
    for script in sample.parent.glob("*.py"):
        httpd.script(script.name, script.read_text())
    code, said = httpd.configtest()
    assert (code, said.strip()) == (0, "Syntax OK")
    with httpd:
        assert httpd.get("/", [authorization.basic("ann", "secret")]).text == "Hello, world!\n"
        if "AuthType" in sample.read_text():
            httpd.error_log.allow("AH01617", "AH01618", "AH01631")
            for user, password in (("ann", "wrong"), ("ben", "secret"), ("nobody", "secret")):
                assert httpd.get("/", [authorization.basic(user, password)]).status == 401


def test_there_are_samples_for_both_modes():
    assert {path.name for path in SAMPLES} >= {"embedded.conf", "daemon.conf", "authentication.conf"}
