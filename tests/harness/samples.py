"""The sample configurations, with what they expect to be there."""

from .httpd import Httpd
from .machine import machine

DIRECTORY = machine.root / "httpd-conf"

# What an administrator replaces by paths of the machine, besides SCRIPTS and VENV.
DEFINES = """
Define LOGS "${DIRECTORY}/logs"
Define STATIC "${DIRECTORY}/htdocs"
Define CERTIFICATES "${DIRECTORY}"
Define OLD_VENV "${VENV}"
Define NEW_VENV "${VENV}"
"""


def sample(name, scripts=()):
    """A server with that sample; its script says hello, and there are others by their names."""
    text = (DIRECTORY / name).read_text()
    tls = "SSLEngine" in text
    httpd = Httpd(DEFINES + text, modules=("ssl",) if tls else ())
    if tls:
        httpd.certificate()
    hello = (machine.root / "tests" / "applications" / "hello.wsgi").read_text()
    for path, script in {"hello.wsgi": hello, "blog.wsgi": hello, **dict(scripts)}.items():
        httpd.script(path, script)
    for path in DIRECTORY.glob("*.py"):
        httpd.script(path.name, path.read_text())
    return httpd
