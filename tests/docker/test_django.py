"""A Django site in an image of its own, made from the project's as docs/docker.md says; and the next version of that image."""

import pytest
from browser import Browser
from container import Container, docker, volumes
from harness import machine

DOCKERFILE = """
ARG IMAGE
FROM ${IMAGE}
COPY requirements.txt /tmp/
RUN pip install --quiet --no-cache-dir -r /tmp/requirements.txt
COPY django_site /app
RUN python setup.py && chown -R www-data:www-data /app/data
ENV WSGI_SCRIPT=/app/demo/wsgi.py
"""
NEXT = """
ARG IMAGE
FROM ${IMAGE}
RUN echo '<p>The next version</p>' >>/app/guestbook/templates/guestbook/index.html
"""


def build(name, base, text, directory):
    """An image by the lines of a Dockerfile, with the examples as context."""
    dockerfile = directory / "Dockerfile"
    dockerfile.write_text(text)
    docker("build", "-q", "-t", name, "--build-arg", f"IMAGE={base}", "-f", dockerfile, machine.root / "examples")
    return name


@pytest.fixture(scope="module")
def site(image, tmp_path_factory):
    return build(f"{image}-django", image, DOCKERFILE, tmp_path_factory.mktemp("django"))


@pytest.fixture(scope="module")
def next_site(site, tmp_path_factory):
    return build(f"{site}-next", site, NEXT, tmp_path_factory.mktemp("next"))


@pytest.mark.parametrize("mode", ("embedded", "daemon"))
def test_django_signs_in_and_stores(site, mode):
    with Container(site, "-e", f"WSGI_MODE={mode}") as container:
        browser = Browser(container)
        assert "Site administration" in browser.sign_in()
        browser.post("/", name="Ann", message=f"Greetings from {mode} mode")
        assert f"Greetings from {mode} mode" in browser.read()


@pytest.mark.parametrize("end", ("stop", "kill"))
def test_the_next_image_goes_on_with_the_volumes_of_the_one_before(site, next_site, end):
    # What a killed container leaves in the second one, its pid file and its sockets, is in nobody's way.
    with volumes("/app/data", "/run/mod_wsgi_rs") as mounted:
        with Container(site, *mounted) as container:
            Browser(container).post("/", name="Ann", message="Remember me")
            docker(end, container.id)
        with Container(next_site, *mounted) as container:
            browser = Browser(container)
            page = browser.read()
            assert "Remember me" in page
            assert "The next version" in page
            assert "Site administration" in browser.sign_in()
            browser.post("/", name="Ben", message="And me")
            assert "And me" in browser.read()
