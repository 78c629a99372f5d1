"""What the shared objects need from others."""

import re
import shutil
import subprocess

import pytest
from harness import machine

pytestmark = pytest.mark.ours


def undefined(path):
    """The symbols which a shared object expects to find in the process."""
    if not shutil.which("nm"):
        pytest.skip("nm is not installed (binutils)")
    listing = subprocess.run(["nm", "-D", "-u", str(path)], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1].split("@")[0] for line in listing.splitlines() if line.strip()}


def needed(path):
    """The libraries which the dynamic linker loads with a shared object."""
    listing = subprocess.run(["readelf", "-d", str(path)], capture_output=True, text=True, check=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.+)\]", listing)


def engines():
    return sorted(machine.build.glob("engine.*.so"))


def test_there_is_an_engine_for_the_python_of_the_tests():
    assert f"engine.{machine.python_tag}.so" in [path.name for path in engines()]


def test_no_engine_needs_httpd_or_apr():
    assert engines()
    for path in engines():
        assert [name for name in undefined(path) if re.match(r"ap_|apr_|proxy_|ssl_", name)] == []
        assert [name for name in needed(path) if "apr" in name or "python" in name] == []


def test_the_module_needs_no_python():
    path = machine.build / "mod_wsgi_rs.so"
    assert [name for name in undefined(path) if re.match(r"_?Py", name)] == []
    assert [name for name in needed(path) if "python" in name] == []


def test_the_module_stays_loaded_and_shows_only_its_record():
    path = machine.build / "mod_wsgi_rs.so"
    flags = subprocess.run(["readelf", "-d", str(path)], capture_output=True, text=True, check=True).stdout
    assert "NODELETE" in flags
    listing = subprocess.run(["nm", "-D", "--defined-only", str(path)], capture_output=True, text=True, check=True)
    assert "wsgi_module" in [line.split()[-1] for line in listing.stdout.splitlines()]
