"""The sample configurations work as they are."""

import pytest
from harness import authorization, samples

SAMPLES = sorted(samples.DIRECTORY.glob("*.conf"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_a_sample_configuration_serves_its_script(sample):
    httpd = samples.sample(sample.name)
    code, said = httpd.configtest()
    assert (code, said.strip()) == (0, "Syntax OK")

    def ask(user, password):
        with httpd.connect() as connection:
            return connection.request("GET", "/", [authorization.basic(user, password), ("Connection", "close")]).response()

    with httpd:
        assert ask("ann", "secret").text == "Hello, world!\n"
        if "AuthType" in sample.read_text():
            httpd.error_log.allow("AH01617", "AH01618", "AH01631")
            for user, password in (("ann", "wrong"), ("ben", "secret"), ("nobody", "secret")):
                assert ask(user, password).status == 401


def test_there_are_samples_for_every_occasion():
    occasions = {"embedded", "daemon", "several-sites", "several-pythons", "authentication", "behind-a-proxy", "tls-static", "from-mod_wsgi"}
    assert {path.stem for path in SAMPLES} >= occasions
