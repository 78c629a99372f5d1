"""The images under test, built from the Dockerfile on each base. Without an engine everything here is skipped."""

import os
import shutil
import subprocess

import pytest
from container import docker
from harness import machine

BASES = os.environ.get("DOCKER_BASES", "httpd:2.4 debian:trixie-slim").split()
# Where the package is installed.
DEBIANS = os.environ.get("DOCKER_DEBIANS", "debian:trixie-slim debian:bookworm-slim").split()


@pytest.fixture(scope="session", autouse=True)
def engine():
    """A Docker engine that answers."""
    if not shutil.which("docker") or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("no Docker engine answers here, so no image is built and no container run")


def usable(base):
    """Skip when the image is neither here nor can be had."""
    if subprocess.run(["docker", "image", "inspect", base], capture_output=True, check=False).returncode:
        pulled = subprocess.run(["docker", "pull", "-q", base], capture_output=True, text=True, check=False)
        if pulled.returncode:
            pytest.skip(f"the image {base} is not here and cannot be pulled: {pulled.stderr.strip()}")


@pytest.fixture(scope="session", params=BASES)
def base(request, engine):
    """The name of an image with httpd, or of a Debian."""
    usable(request.param)
    return request.param


@pytest.fixture(scope="session")
def image(base):
    """The image of the Dockerfile on that base."""
    name = f"mod_wsgi_rs-test:{base.partition(':')[0]}"
    docker("build", "-q", "-t", name, "--build-arg", f"HTTPD_IMAGE={base}", machine.root)
    return name


WORKSHOP = """
ARG IMAGE
FROM ${IMAGE}
COPY . /src
RUN make build venv
"""


@pytest.fixture(scope="session")
def workshop(base, tmp_path_factory):
    """The image that the one of the Dockerfile was built in, with the whole project, its packages, and the Python of the tests: what
    somebody has who has run `make build` on that base."""
    name = f"mod_wsgi_rs-workshop:{base.partition(':')[0]}"
    docker("build", "-q", "-t", name, "--target", "build", "--build-arg", f"HTTPD_IMAGE={base}", machine.root)
    dockerfile = tmp_path_factory.mktemp("workshop") / "Dockerfile"
    dockerfile.write_text(WORKSHOP)
    docker("build", "-q", "-t", name, "--build-arg", f"IMAGE={name}", "-f", dockerfile, machine.root)
    return name


@pytest.fixture(scope="session", params=DEBIANS)
def debian(request, engine):
    """A Debian without anything."""
    usable(request.param)
    return request.param


@pytest.fixture
def application(tmp_path):
    """A directory with an application, as a user would mount it to /app, readable by every user of the container."""
    directory = tmp_path / "app"
    shutil.copytree(machine.root / "tests/docker/app", directory)
    (directory / "meet").mkdir()
    directory.chmod(0o755)
    for parent in list(tmp_path.parents)[:2]:
        if parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    return directory
