"""`make install` and `make uninstall`: where files go, what is loaded, and what is left alone."""

import os
import shutil
import stat
import subprocess

import pytest
from harness import Httpd, machine

pytestmark = pytest.mark.ours

# Answers questions about a layout of the test's own. What the real one does to httpd.conf for -e -a, it does simply.
APXS = """#!/bin/sh
case "$1 $2" in
    "-q LIBEXECDIR") echo {root}/modules ;;
    "-q SYSCONFDIR") echo {root}/conf ;;
    "-q TARGET") echo httpd ;;
    "-e -a") echo "LoadModule wsgi_module modules/${{5##*/}}" >>{root}/conf/httpd.conf ;;
    *) exit 1 ;;
esac
"""


class Layout:
    """A place that apxs answers for: plain, or with Debian's directories."""

    def __init__(self, root, debian=False):
        self.modules, self.conf = root / "modules", root / "conf"
        for directory in (self.modules, self.conf):
            directory.mkdir()
        if debian:
            for name in ("mods-available", "mods-enabled"):
                (self.conf / name).mkdir()
        else:
            (self.conf / "httpd.conf").write_text("Listen 80\n")
        self.apxs = root / "apxs"
        self.apxs.write_text(APXS.format(root=root))
        self.apxs.chmod(0o755)
        self.state = root / "state"

    def make(self, target, **variables):
        """What make says, and whether it succeeded."""
        environment = {**os.environ, "APXS": str(self.apxs), "APACHE_STATE_DIRECTORY": str(self.state)}
        return make(target, environment, **variables)

    def files(self):
        """What there is below the root, but for the tests' own."""
        found = [*self.modules.rglob("*"), *self.conf.rglob("*")]
        return {str(path.relative_to(self.conf.parent)) for path in found if not path.is_dir()}


def make(target, environment=None, **variables):
    words = ["make", "-s", target, *(f"{name}={value}" for name, value in variables.items())]
    done = subprocess.run(words, cwd=machine.root, env=environment, capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def shared_objects():
    return {"mod_wsgi_rs.so", *(path.name for path in machine.build.glob("engine.*.so"))}


@pytest.fixture
def plain(tmp_path):
    return Layout(tmp_path)


@pytest.fixture
def debian(tmp_path):
    if not shutil.which("a2enmod"):
        pytest.skip("a2enmod is not installed (apache2)")
    return Layout(tmp_path, debian=True)


def test_an_installed_module_finds_its_engines_beside_it(mode, stage):
    root = stage.path / f"installed-{mode!r}"
    worked, said = make("install", DESTDIR=root)
    assert worked, said
    modules = root / str(machine.modules).lstrip("/")
    assert {path.name for path in modules.iterdir()} == shared_objects()
    assert {stat.S_IMODE(path.stat().st_mode) for path in modules.iterdir()} == {0o644}
    load = root / "wsgi_rs.load"
    load.write_text(f'LoadModule wsgi_module "{modules}/mod_wsgi_rs.so"\n')
    with Httpd(mode.serve() + "WSGIScriptAlias /app ${APPLICATIONS}\n", load=load) as httpd:
        assert httpd.get("/app/hello.wsgi").text == "Hello, world!\n"
    worked, said = make("uninstall", DESTDIR=root)
    assert worked, said
    assert list(modules.iterdir()) == []


def test_the_plain_layout_gets_a_line_in_httpd_conf(plain):
    worked, said = plain.make("install")
    assert worked, said
    assert plain.files() == {"conf/httpd.conf", *(f"modules/{name}" for name in shared_objects())}
    assert (plain.conf / "httpd.conf").read_text().endswith("LoadModule wsgi_module modules/mod_wsgi_rs.so\n")
    assert "restart httpd" in said
    worked, said = plain.make("uninstall")
    assert worked, said
    assert (plain.conf / "httpd.conf").read_text() == "Listen 80\n"
    assert list(plain.modules.iterdir()) == []
    worked, said = plain.make("uninstall")
    assert not worked
    assert "Nothing was removed" in said


def test_nothing_is_installed_where_there_is_no_httpd_to_load_it(plain):
    (plain.conf / "httpd.conf").unlink()
    worked, said = plain.make("install")
    assert not worked
    assert f"there is no {plain.conf}/httpd.conf: install httpd itself" in said
    assert plain.files() == set()
    worked, said = plain.make("install", ENABLE="no")
    assert worked, said


def test_the_plain_layout_is_left_alone_when_asked(plain):
    worked, said = plain.make("install", ENABLE="no")
    assert worked, said
    assert (plain.conf / "httpd.conf").read_text() == "Listen 80\n"
    assert f"LoadModule wsgi_module {plain.modules}/mod_wsgi_rs.so" in said


def test_debians_layout_gets_a_module_that_a2enmod_enables(debian):
    worked, said = debian.make("install")
    assert worked, said
    enabled = debian.conf / "mods-enabled"
    assert {path.name for path in enabled.iterdir()} == {"wsgi_rs.load", "wsgi_rs.conf"}
    assert f"LoadModule wsgi_module {debian.modules}/mod_wsgi_rs.so" in (enabled / "wsgi_rs.load").read_text()
    worked, said = debian.make("uninstall")
    assert worked, said
    assert debian.files() == set()


def test_a_changed_configuration_is_kept(debian):
    debian.make("install")
    conf = debian.conf / "mods-available" / "wsgi_rs.conf"
    conf.write_text("WSGIRestrictEmbedded On\n")
    for target in ("install", "uninstall"):
        worked, said = debian.make(target)
        assert worked, said
        assert f"Kept {conf}" in said
    assert conf.read_text() == "WSGIRestrictEmbedded On\n"


def test_another_mod_wsgi_is_neither_overwritten_nor_put_beside_unasked(plain):
    (plain.modules / "mod_wsgi.so").write_bytes(b"")
    before = plain.files()
    worked, said = plain.make("install")
    assert not worked
    assert f"another mod_wsgi is here: {plain.modules}/mod_wsgi.so" in said
    assert plain.files() == before


def test_another_mod_wsgi_that_is_loaded_stays_so_until_the_operator_changes_it(debian):
    other = debian.conf / "mods-available" / "wsgi.load"
    other.write_text("LoadModule wsgi_module /usr/lib/apache2/modules/mod_wsgi.so\n")
    enabled = debian.conf / "mods-enabled" / "wsgi.load"
    enabled.symlink_to("../mods-available/wsgi.load")
    worked, said = debian.make("install")
    assert not worked
    assert f"another mod_wsgi is here: {enabled}" in said
    worked, said = debian.make("install", FORCE="1")
    assert worked, said
    assert "a2dismod wsgi" in said
    assert not (debian.conf / "mods-enabled" / "wsgi_rs.load").exists()
    # Debian's own tool refuses to load both.
    environment = {**os.environ, "APACHE_CONFDIR": str(debian.conf), "APACHE_STATE_DIRECTORY": str(debian.state)}
    done = subprocess.run(["a2enmod", "wsgi_rs"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "conflicts" in done.stderr
