"""The sample configurations work as they are."""

import pytest
from harness import Httpd, machine

SAMPLES = sorted((machine.root / "httpd-conf").glob("*.conf"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_a_sample_configuration_serves_its_script(sample):
    httpd = Httpd(sample.read_text())
    httpd.script("hello.wsgi", (machine.root / "tests" / "applications" / "hello.wsgi").read_text())
    code, said = httpd.configtest()
    assert (code, said.strip()) == (0, "Syntax OK")
    with httpd:
        assert httpd.get("/").text == "Hello, world!\n"


def test_there_are_samples_for_both_modes():
    assert {path.name for path in SAMPLES} >= {"embedded.conf", "daemon.conf"}
