"""The Debian package in a fresh Debian: installed, upgraded, removed and purged, as apt does it."""

import re
import subprocess

import pytest
from container import FOREVER, Container, docker
from harness import machine

SITE = """
WSGIDaemonProcess app user=www-data group=www-data
WSGIScriptAlias /daemon /srv/site/hello.wsgi process-group=app application-group=%{GLOBAL}
WSGIScriptAlias /embedded /srv/site/hello.wsgi application-group=%{GLOBAL}
<Directory /srv/site>
    Require all granted
</Directory>
"""
MARKERS = "ls /var/lib/apache2/module/*/wsgi_rs /etc/apache2/mods-*/wsgi_rs.* 2>/dev/null; true"


@pytest.fixture(scope="module")
def package():
    found = sorted((machine.root / "build").glob("libapache2-mod-wsgi-rs_*.deb"))
    if not found:
        pytest.skip("there is no package: make deb makes one, on Debian and its like")
    return found[-1]


@pytest.fixture(scope="module")
def debian_with_apache(debian, package):
    """An image of a Debian with apache2, a script, and the package in /root."""
    with Container(debian, command=FOREVER, serves=False) as container:
        container.run("mkdir", "-p", "/srv/site")
        docker("cp", machine.root / "examples/plain/hello.wsgi", f"{container.id}:/srv/site/hello.wsgi")
        docker("cp", package, f"{container.id}:/root/package.deb")
        container.run("apt-get", "update", "-qq")
        apt(container, "install", "apache2", "curl")
        image = docker("commit", container.id)
    yield image
    docker("rmi", image)


@pytest.fixture
def container(debian_with_apache):
    """A machine of its own for a test."""
    with Container(debian_with_apache, command=FOREVER, serves=False) as container:
        yield container


def apt(container, *words):
    """What apt-get says, which never asks."""
    settings = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-qq", "-o", "Dpkg::Use-Pty=0")
    done = subprocess.run(["docker", "exec", container.id, *settings, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ask(container, mode):
    """What the site answers, when httpd is up."""
    return container.run("curl", "-sS", "--retry", "20", "--retry-connrefused", f"http://127.0.0.1/{mode}")


def check_that_it_serves(container):
    """Starts httpd with the site, unless it runs, asks in both ways, and ends it."""
    container.run("sh", "-c", "apachectl configtest && apachectl start")
    try:
        for mode in ("embedded", "daemon"):
            assert mode in ask(container, mode)
    finally:
        container.run("sh", "-c", "apachectl stop; while [ -e /run/apache2/apache2.pid ]; do sleep 0.1; done")


def next_version(container, number):
    """The path of the same package with a later version."""
    path = f"/root/next-{number}"
    container.sh(f"dpkg-deb -R /root/package.deb {path} && sed -i 's/^Version: .*/&.{number}/' {path}/DEBIAN/control && dpkg-deb -b {path}")
    return f"{path}.deb"


def test_the_package_installs_upgrades_removes_and_purges(container):
    said = apt(container, "install", "/root/package.deb")
    assert "Restart apache2 to load the module" in said
    container.run("sh", "-c", f"cat >/etc/apache2/conf-available/site.conf <<'END'\n{SITE}\nEND\na2enconf -q site")
    check_that_it_serves(container)

    # An upgrade keeps what the administrator decided, and leaves a httpd that runs alone.
    container.run("a2dismod", "-q", "wsgi_rs")
    said = apt(container, "install", next_version(container, 1))
    assert "stays disabled" in said
    container.run("a2enmod", "-q", "wsgi_rs")
    container.run("apachectl", "start")
    ask(container, "daemon")
    started = container.run("cat", "/run/apache2/apache2.pid")
    said = apt(container, "install", next_version(container, 2))
    assert "A running apache2 still has the module of version" in said
    assert container.run("cat", "/run/apache2/apache2.pid") == started
    check_that_it_serves(container)

    # Removed and installed again, it serves again; removed and purged, nothing is left.
    apt(container, "remove", "libapache2-mod-wsgi-rs")
    assert "mods-enabled" not in container.run("sh", "-c", MARKERS)
    apt(container, "install", next_version(container, 3))
    check_that_it_serves(container)
    apt(container, "purge", "libapache2-mod-wsgi-rs")
    assert container.run("sh", "-c", MARKERS) == ""
    container.run("a2disconf", "-q", "site")
    container.run("apachectl", "configtest")


def test_the_package_takes_the_place_of_mod_wsgi_and_makes_room_for_it(container):
    apt(container, "install", "libapache2-mod-wsgi-py3")
    apt(container, "install", "/root/package.deb")
    assert "mod_wsgi_rs.so" in container.run("sh", "-c", "cat /etc/apache2/mods-enabled/wsgi*.load")
    container.run("apachectl", "configtest")
    apt(container, "install", "libapache2-mod-wsgi-py3")
    assert "mod_wsgi_rs.so" not in container.run("sh", "-c", "cat /etc/apache2/mods-enabled/wsgi*.load")
    container.run("apachectl", "configtest")


def test_the_first_site_of_the_readme_is_served(container):
    apt(container, "install", "/root/package.deb")
    readme = (machine.root / "README.md").read_text()
    project, site = re.findall(r"^```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)[:2]
    # There is no systemd in a container.
    commands = project + site.replace("systemctl restart apache2", "apachectl restart")
    container.sh(f"export DEBIAN_FRONTEND=noninteractive; {commands}")
    page = container.run("curl", "-sS", "--retry", "20", "--retry-connrefused", "http://localhost/")
    assert "The install worked successfully" in page
    assert "(wsgi:" in container.run("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'")
