"""The CPythons of this machine that an engine was built for, where httpd's children can run them."""

import functools
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from .httpd import Httpd
from .machine import machine


@dataclass(frozen=True)
class Python:
    """An interpreter: its ABI, its program, and where it is installed (its python-home)."""

    abi: str
    executable: str
    prefix: Path
    # It is a copy, as nobody else can read the original; embedded in httpd's children the original would be looked for.
    copied: bool = False

    @property
    def home(self):
        """Its python-home: the prefix, or the program where another one is the Python of that prefix, as below /usr."""
        own = [path for path in (self.prefix / "bin" / "python", self.prefix / "bin" / "python3") if path.exists()]
        return self.prefix if own and own[0].resolve() == Path(self.executable).resolve() else Path(self.executable)

    @property
    def environment(self):
        """What httpd's environment needs, so that a copy finds its own libpython."""
        return {"LD_LIBRARY_PATH": str(self.prefix / "lib")} if self.copied else {}


@functools.cache
def pythons():
    """ABI and program of each with a shared library, by ABI."""
    listing = subprocess.run([machine.root / "tools" / "pythons", "-l"], capture_output=True, text=True, check=True)
    return {line.split(" ")[0]: line.split(" ")[1] for line in listing.stdout.splitlines()}


def link(source, target):
    """Have the same file in another place, as a copy where a link cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@functools.cache
def usable(abi, stage):
    """The Python of that ABI in a place where httpd's children can read it; skips where there is none."""
    if not (machine.build / f"engine.{abi}.so").exists():
        pytest.skip(f"no engine for {abi} was built")
    executable = pythons()[abi]
    command = [executable, "-I", "-S", "-c", "import sys; print(sys.prefix)"]
    prefix = Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
    if machine.readable_by(machine.user, executable):
        return Python(abi, executable, prefix)
    copy = stage.path / "pythons" / abi
    ignore = shutil.ignore_patterns("test", "tests", "idlelib", "tkinter", "turtledemo", "site-packages", "include", "share", "*.a")
    shutil.copytree(prefix, copy, symlinks=True, ignore=ignore, copy_function=link)
    if not machine.readable_by(machine.user, copy / "bin" / "python3"):
        pytest.skip(f"{machine.user.pw_name} cannot read {executable}")
    return Python(abi, str(copy / "bin" / "python3"), copy, copied=True)


def serve(mode, python, home, config, **options):
    """A server whose applications run with the Python of that home."""
    own = mode.serve(python_home=home, **options) if mode.is_daemon else f'WSGIPythonHome "{home}"\n'
    return Httpd(own + config, python_home=False, environment=python.environment)
