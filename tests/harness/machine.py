"""What this machine has: httpd, its modules, users, Python, and the module under test."""

import functools
import os
import pwd
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Machine:
    """The facts, each found on first use."""

    root = ROOT

    @functools.cached_property
    def apxs(self):
        """The apxs which knows where httpd is: `APXS`, then `apxs`, then `apxs2`."""
        for name in (os.environ.get("APXS"), "apxs", "apxs2"):
            found = name and shutil.which(name)
            if found:
                return found
        raise RuntimeError("apxs was not found: install apache2-dev (httpd-devel), or set APXS to its path")

    def query(self, name):
        """One answer of `apxs -q`."""
        return subprocess.run([self.apxs, "-q", name], capture_output=True, text=True, check=True).stdout.strip()

    @functools.cached_property
    def httpd(self):
        """The path of the server's program."""
        directory = self.query("SBINDIR")
        for name in (self.query("PROGNAME"), "httpd", "apache2"):
            for path in (os.path.join(directory, name), shutil.which(name)):
                if path and os.access(path, os.X_OK) and not os.path.isdir(path):
                    return path
        raise RuntimeError(f"no httpd program was found in {directory}, where apxs says it is")

    @functools.cached_property
    def modules(self):
        """The directory of httpd's shared modules."""
        return Path(self.query("LIBEXECDIR"))

    @functools.cached_property
    def static_modules(self):
        """The names of the modules which are compiled into httpd, without `.c`."""
        listing = subprocess.run([self.httpd, "-l"], capture_output=True, text=True, check=True).stdout
        return set(re.findall(r"^\s+(\w+)\.c$", listing, re.MULTILINE))

    def has_module(self, name):
        """Whether `mod_<name>` can be loaded or is there already."""
        return f"mod_{name}" in self.static_modules or (self.modules / f"mod_{name}.so").exists()

    def load_module(self, name):
        """The line which loads `mod_<name>`, empty when it is compiled in."""
        if f"mod_{name}" in self.static_modules:
            return ""
        return f'LoadModule {name}_module "{self.modules}/mod_{name}.so"'

    @functools.cached_property
    def wsgi_load(self):
        """The file which loads the module under test (`MOD_WSGI_LOAD`, else `build/wsgi.load`)."""
        return Path(os.environ.get("MOD_WSGI_LOAD") or ROOT / "build" / "wsgi.load").resolve()

    @functools.cached_property
    def is_ours(self):
        """Whether the module under test is this project's, not another to compare with."""
        return "mod_wsgi_rs" in self.wsgi_load.read_text()

    @functools.cached_property
    def without_gil(self):
        """Whether Pythons that can do without the GIL shall do so in all tests."""
        return "WSGIFreeThreading On" in self.wsgi_load.read_text()

    @functools.cached_property
    def build(self):
        """The directory of the module and the engines under test."""
        path = re.search(r'LoadModule\s+wsgi_module\s+"?([^"\s]+)', self.wsgi_load.read_text()).group(1)
        return Path(path).parent

    @functools.cached_property
    def venv(self):
        """The virtual environment of the applications: the one which runs the tests."""
        return Path(sys.prefix)

    @functools.cached_property
    def python_tag(self):
        """The ABI of that environment's Python, for example `cp311`."""
        return "cp%d%d%s" % (*sys.version_info[:2], getattr(sys, "abiflags", ""))

    @functools.cached_property
    def is_root(self):
        """Whether the tests run as root."""
        return os.geteuid() == 0

    @functools.cached_property
    def user(self):
        """The account of httpd's children: www-data and its like as root, else the one who runs the tests."""
        if not self.is_root:
            return pwd.getpwuid(os.geteuid())
        for name in ("www-data", "apache", "http", "daemon"):
            try:
                return pwd.getpwnam(name)
            except KeyError:
                continue
        raise RuntimeError("this machine has none of the users www-data, apache, http, daemon")

    @functools.cached_property
    def other_user(self):
        """Another account without rights."""
        return pwd.getpwnam("nobody")

    @functools.cached_property
    def user_without_home(self):
        """An account whose home directory does not exist, as distributions make them for services."""
        accounts = [user for user in pwd.getpwall() if user.pw_uid and not os.path.exists(user.pw_dir)]
        if not accounts:
            pytest.skip("every user of this machine has a home directory")
        return accounts[0]

    def readable_by(self, user, path):
        """Whether that user can read a path."""
        if not self.is_root:
            return os.access(path, os.R_OK)
        identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        return subprocess.run(["test", "-r", str(path)], **identity, check=False).returncode == 0


machine = Machine()
