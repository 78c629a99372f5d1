"""`make deb`: what the Debian package holds, and that its stripped module serves. Its scripts are tried in tests/docker."""

import re
import shutil
import subprocess

import pytest
from harness import Httpd, machine

pytestmark = pytest.mark.ours


def said(*words):
    return subprocess.run(words, cwd=machine.root, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def package(stage):
    """The package, and its files and control files taken out."""
    if not shutil.which("dpkg-shlibdeps") or machine.query("SYSCONFDIR") != "/etc/apache2":
        pytest.skip("packages are made on Debian and its like only, with dpkg-dev")
    made = re.search(r"^Made (\S+\.deb)", said("apxs/deb"), re.MULTILINE)
    root = stage.path / "package"
    subprocess.run(["dpkg-deb", "-R", machine.root / made.group(1), root], check=True)
    root.chmod(0o755)
    return machine.root / made.group(1), root


def test_the_package_holds_module_engines_configuration_and_manual(package):
    _, root = package
    modules = root / str(machine.modules).lstrip("/")
    assert {path.name for path in modules.iterdir()} == {"mod_wsgi_rs.so", *(path.name for path in machine.build.glob("engine.*.so"))}
    available = root / "etc/apache2/mods-available"
    assert {path.name for path in available.iterdir()} == {"wsgi_rs.load", "wsgi_rs.conf"}
    assert (root / "DEBIAN/conffiles").read_text().split() == [f"/etc/apache2/mods-available/{name}" for name in ("wsgi_rs.load", "wsgi_rs.conf")]
    documentation = root / "usr/share/doc/libapache2-mod-wsgi-rs"
    assert (documentation / "directives.md").read_text() == (machine.root / "docs/directives.md").read_text()
    assert (documentation / "examples/daemon.conf").exists()


def test_the_package_says_what_it_needs_and_what_it_takes_the_place_of(package):
    file, _ = package

    def field(name):
        return said("dpkg-deb", "-f", str(file), name)

    assert "apache2-api-20120211" in field("Depends")
    assert re.search(r"libc6 \(>= 2\.\d+\)", field("Depends"))
    assert "libapache2-mod-wsgi-py3" in field("Conflicts")
    assert f"libpython3.{machine.python_tag.removeprefix('cp3')}" in field("Recommends")
    owners = {line.split()[1] for line in said("dpkg-deb", "-c", str(file)).splitlines()}
    assert owners == {"root/root"}


def test_no_script_of_the_package_restarts_httpd(package):
    _, root = package
    scripts = [root / "DEBIAN" / name for name in ("postinst", "prerm", "postrm")]
    for script in scripts:
        subprocess.run(["sh", "-n", script], check=True)
        commands = re.sub(r'^\s*(#|echo ).*$', "", script.read_text(), flags=re.MULTILINE)
        assert not re.search(r"systemctl|invoke-rc\.d|service |apachectl|apache2ctl|reload|restart", commands)


def test_the_module_of_the_package_serves(package, mode):
    _, root = package
    modules = root / str(machine.modules).lstrip("/")
    load = root / "wsgi_rs.load"
    load.write_text(f'LoadModule wsgi_module "{modules}/mod_wsgi_rs.so"\n')
    with Httpd(mode.serve() + "WSGIScriptAlias /app ${APPLICATIONS}\n", load=load) as httpd:
        assert httpd.get("/app/hello.wsgi").text == "Hello, world!\n"
