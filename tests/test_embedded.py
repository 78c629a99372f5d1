"""Embedded mode: Python is in httpd's children when, and only when, something can run there."""

import pytest
from harness import Httpd, processes

DAEMON = """
WSGIDaemonProcess app threads=2
WSGIScriptAlias /daemon ${APPLICATIONS}/process.wsgi process-group=app
WSGIScriptAlias /embedded ${APPLICATIONS}/process.wsgi
"""


def python_libraries(pid):
    """The Python libraries and engines which a process has mapped."""
    return {path for path in processes.libraries(pid) if "libpython" in path or "/engine." in path}


@pytest.fixture(scope="module")
def restricted():
    with Httpd("WSGIRestrictEmbedded On\n" + DAEMON) as httpd:
        yield httpd


@pytest.fixture(scope="module")
def permitted():
    with Httpd(DAEMON) as httpd:
        yield httpd


class TestRestricted:
    def test_an_embedded_request_is_refused(self, restricted):
        assert restricted.get("/embedded").status == 500
        restricted.error_log.expect("(WRS|WSGI)[0-9]{4}")

    def test_a_daemon_request_is_served(self, restricted):
        assert restricted.get("/daemon").json["process_group"] == "app"

    @pytest.mark.ours
    def test_no_process_of_httpd_has_python(self, restricted):
        restricted.get("/daemon")
        assert restricted.children()
        for pid in [restricted.pid, *restricted.children()]:
            assert python_libraries(pid) == set()


class TestPermitted:
    def test_the_application_runs_in_a_child_of_httpd(self, permitted):
        assert permitted.get("/embedded").json["pid"] in permitted.children()

    def test_the_parent_never_starts_python(self, permitted):
        permitted.get("/embedded")
        assert int(processes.status(permitted.pid)["Threads"]) == 1

    @pytest.mark.ours
    def test_the_parent_has_no_python_and_the_child_has_one(self, permitted):
        pid = permitted.get("/embedded").json["pid"]
        assert python_libraries(permitted.pid) == set()
        assert len([path for path in python_libraries(pid) if "libpython" in path]) == 1

    def test_the_virtual_environment_is_the_prefix(self, permitted, stage):
        assert permitted.get("/embedded").json["prefix"] == str(stage.venv)

    def test_daemon_and_embedded_are_different_processes(self, permitted):
        assert permitted.get("/embedded").json["pid"] != permitted.get("/daemon").json["pid"]


def test_the_python_path_is_for_embedded_applications():
    with Httpd("WSGIPythonPath /first/of/mine\n" + DAEMON) as httpd:
        assert "/first/of/mine" in httpd.get("/embedded").json["path"]
        assert "/first/of/mine" not in httpd.get("/daemon").json["path"]


def test_an_import_script_runs_in_every_child():
    config = "WSGIImportScript ${APPLICATIONS}/preload.wsgi process-group=%{GLOBAL} application-group=%{GLOBAL}\n"
    config += "WSGIScriptAlias / ${APPLICATIONS}/process.wsgi application-group=%{GLOBAL}\n"
    with Httpd(config, mpm="prefork") as httpd:
        for _ in range(5):
            facts = httpd.get("/").json
            assert facts["preloaded"] == facts["pid"]
