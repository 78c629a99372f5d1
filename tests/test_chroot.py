"""chroot: a process group whose processes see only what is below a directory."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from harness import Httpd, machine

pytestmark = [pytest.mark.ours, pytest.mark.root]

PYTHON = Path("/usr/bin/python3")

TELL = """
import json, os

def application(environ, start_response):
    facts = {
        "root": sorted(os.listdir("/")), "cwd": os.getcwd(), "file": __file__, "uid": os.getuid(), "executable": os.readlink("/usr/bin/python3"),
        "environ": {name: environ.get(name) for name in ("SCRIPT_FILENAME", "DOCUMENT_ROOT", "CONTEXT_DOCUMENT_ROOT")},
    }
    for _ in range(20):
        try:
            os.chroot(".")
        except PermissionError:
            facts["way_out"] = False
    body = json.dumps(facts).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]
"""


def libraries(program):
    """The shared objects a program or library needs, its loader among them."""
    listing = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    words = [word for line in listing.splitlines() for word in line.split() if word.startswith("/")]
    return {Path(word) for word in words}


def put(root, path):
    """Copy a file to the same place below the root."""
    target = root / str(path).lstrip("/")
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return target


@pytest.fixture(scope="module")
def root(stage):
    """A directory with a Python, the engine, and what both need."""
    if not PYTHON.exists():
        pytest.skip(f"there is no {PYTHON}")
    question = "import sys, sysconfig; print(sysconfig.get_path('stdlib')); print('cp%d%d' % sys.version_info[:2])"
    library, abi = subprocess.run([PYTHON, "-I", "-S", "-c", question], capture_output=True, text=True, check=True).stdout.split()
    engine = (stage.load.parent if stage.load != machine.wsgi_load else machine.build) / f"engine.{abi}.so"
    if not engine.exists():
        pytest.skip(f"no engine for {abi} was built")
    root = stage.path / "jail"
    real = PYTHON.resolve()
    for path in (real, engine):
        put(root, path)
        for needed in libraries(path):
            put(root, needed)
    (root / "usr/bin").mkdir(parents=True, exist_ok=True)
    (root / "usr/bin/python3").symlink_to(real)
    ignore = shutil.ignore_patterns("test", "idlelib", "tkinter", "ensurepip", "dist-packages", "site-packages", "__pycache__", "config-*")
    shutil.copytree(library, root / library.lstrip("/"), ignore=ignore)
    for path in (root / library.lstrip("/") / "lib-dynload").glob("_[js]*.so"):
        for needed in libraries(path):
            put(root, needed)
    for name in ("site", "site/home"):
        (root / name).mkdir()
    (root / "site/app.wsgi").write_text(TELL)
    (root / "site/early.py").write_text("import sys\nsys.stderr.write('loaded %s\\n' % __file__)\n")
    subprocess.run(["chmod", "-R", "a+rX", str(root)], check=True)
    yield root
    shutil.rmtree(root)


def configuration(root, options="python-home=/usr/bin/python3 home=/site/home"):
    return f"""
        WSGIDaemonProcess jail threads=2 chroot={root} {options}
        WSGIApplicationGroup %{{GLOBAL}}
        WSGIScriptAlias /in {root}/site/app.wsgi process-group=jail
        WSGIScriptAlias /out ${{APPLICATIONS}}/hello.wsgi process-group=jail
        WSGIImportScript {root}/site/early.py process-group=jail application-group=%{{GLOBAL}}
        DocumentRoot {root}/site
        <Directory {root}>
            Require all granted
        </Directory>
    """


def test_the_processes_see_what_is_inside_only(root):
    with Httpd(configuration(root)) as httpd:
        facts = httpd.get("/in").json
        assert facts["root"] == sorted(os.listdir(root))
        assert facts["cwd"] == "/site/home"
        assert facts["file"] == "/site/app.wsgi"
        assert facts["environ"] == {"SCRIPT_FILENAME": "/site/app.wsgi", "DOCUMENT_ROOT": "/site", "CONTEXT_DOCUMENT_ROOT": "/site"}
        assert facts["uid"] == machine.user.pw_uid
        assert facts["way_out"] is False
        httpd.error_log.expect("loaded /site/early.py")
        # The other script is one of httpd's, not of theirs.
        assert httpd.get("/out").status == 500
        httpd.error_log.expect("WRS3024.*hello.wsgi.*is not inside of its chroot")


PRELOADED = """
import os, pathlib
LOADER = os.getpid()
{more}

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d %d" % (LOADER, os.getpid())]
"""


def preloading(root, more=""):
    """A server whose group loads a script once, with `more` in it."""
    script = root / "site/preloaded.wsgi"
    script.write_text(PRELOADED.format(more=more))
    script.chmod(0o644)
    config = configuration(root, "python-home=/usr/bin/python3 processes=2 preload=On")
    return Httpd(config + f"WSGIScriptAlias /preloaded {script} process-group=jail\n")


def test_scripts_are_preloaded_inside_though_there_is_no_proc(root):
    with preloading(root) as httpd:
        loader, process = httpd.get("/preloaded").text.split()
        assert loader != process
        httpd.error_log.expect("has loaded the scripts of process group 'jail': its workers are forked from it", "loaded /site/early.py")


def test_threads_of_preloaded_scripts_are_seen_though_there_is_no_proc(root):
    more = "import _thread, time\n_thread.start_new_thread(time.sleep, (600,))"
    with preloading(root, more) as httpd:
        loader, process = httpd.get("/preloaded").text.split()
        assert loader == process
        httpd.error_log.expect("WRS5029: preload=On has no effect in process group 'jail': its scripts start 1 threads")
        httpd.error_log.allow("WRS5030", "loaded /site/early.py")


def test_what_needs_proc_is_told_at_configtest_where_it_is_not_inside(root):
    options = "python-home=/usr/bin/python3 display-name=jailed memory-restart=100M"
    code, said = Httpd(configuration(root, options)).configtest()
    assert code == 0, said
    for option in ("display-name", "memory-restart"):
        assert f"option '{option}' has no effect: it needs /proc, which is not mounted inside of the chroot" in said
    inside = root / "proc/self"
    inside.mkdir(parents=True)
    try:
        (inside / "status").write_text("")
        assert "/proc" not in Httpd(configuration(root, options)).configtest()[1]
    finally:
        shutil.rmtree(root / "proc")


def test_what_is_missing_inside_is_told_at_configtest(root, stage):
    code, said = Httpd(configuration(root)).configtest()
    assert code == 0, said
    empty = stage.path / "empty-jail"
    (empty / "site/home").mkdir(parents=True)
    code, said = Httpd(configuration(empty)).configtest()
    assert code != 0
    assert "WRS3001" in said
    assert f"inside of the chroot '{empty}' there is no Python that can be executed: neither /usr/bin/python3/bin/python nor" in said
    engine = next(root.rglob("engine.*.so"))
    engine.rename(root / "engine.away")
    try:
        code, said = Httpd(configuration(root)).configtest()
    finally:
        (root / "engine.away").rename(engine)
    assert code != 0
    assert f"copy '/{engine.relative_to(root)}' to '{engine}'" in said


def test_a_home_that_is_missing_inside_is_told_at_configtest(root):
    code, said = Httpd(configuration(root, "python-home=/usr/bin/python3 home=/site/none")).configtest()
    assert code != 0
    assert f"WSGIDaemonProcess jail: 'home={root}/site/none' is not an existing directory" in said


def test_a_script_to_be_loaded_that_is_outside_is_told_at_configtest(root):
    outside = "WSGIImportScript ${APPLICATIONS}/preload.wsgi process-group=jail application-group=%{GLOBAL}\n"
    code, said = Httpd(configuration(root) + outside).configtest()
    assert code != 0
    assert "preload.wsgi' is not inside of its chroot" in said
