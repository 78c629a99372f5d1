"""A Django site in an image of its own, made from the project's as docs/docker.md says."""

import http.cookiejar
import re
import urllib.parse
import urllib.request

import pytest
from container import Container, docker
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


@pytest.fixture(scope="module")
def site(image, tmp_path_factory):
    dockerfile = tmp_path_factory.mktemp("django") / "Dockerfile"
    dockerfile.write_text(DOCKERFILE)
    name = f"{image}-django"
    docker("build", "-q", "-t", name, "--build-arg", f"IMAGE={image}", "-f", dockerfile, machine.root / "examples")
    return name


@pytest.mark.parametrize("mode", ("embedded", "daemon"))
def test_django_signs_in_and_stores(site, mode):
    with Container(site, "-e", f"WSGI_MODE={mode}") as container:
        origin = f"http://127.0.0.1:{container.port}"
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

        def token(page):
            return re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page).group(1)

        def post(path, **fields):
            page = browser.open(origin + path).read().decode()
            data = urllib.parse.urlencode({"csrfmiddlewaretoken": token(page), **fields}).encode()
            return browser.open(origin + path, data).read().decode()

        assert "Site administration" in post("/admin/login/?next=/admin/", username="demo", password="demo-password")
        post("/", name="Ann", message=f"Greetings from {mode} mode")
        assert f"Greetings from {mode} mode" in browser.open(origin + "/").read().decode()
