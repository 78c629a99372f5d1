"""threads=0: a process group that runs the scripts of WSGIImportScript and serves no requests."""

import os
import signal

import pytest
from harness import Httpd, processes
from harness.wait import wait_until

SERVICE = """
import os, sys, threading, time
import mod_wsgi

def note(name):
    open("{place}/%s-%d" % (name, os.getpid()), "w").close()

assert mod_wsgi.process_group == "service"
assert threading.current_thread() is threading.main_thread()
note("begun")
try:
    while True:
        time.sleep(0.02)
except SystemExit:
    note("told")
    raise
"""

CONFIG = """
WSGIDaemonProcess service threads=0 shutdown-timeout=2
WSGIImportScript ${SCRIPTS}/service.py process-group=service application-group=%{GLOBAL}
WSGIDaemonProcess app threads=2
WSGIScriptAlias /app ${APPLICATIONS}/hello.wsgi process-group=app
<Location /service>
    WSGIProcessGroup %{ENV:SERVICE}
</Location>
SetEnvIf Request_URI ^ SERVICE=service
WSGIScriptAlias /service ${APPLICATIONS}/hello.wsgi
WSGIApplicationGroup %{GLOBAL}
"""


def pids(rendezvous, prefix):
    """The processes which have said so."""
    return {int(name.split("-")[1]) for name in rendezvous.files(prefix)}


@pytest.fixture
def server(rendezvous):
    httpd = Httpd(CONFIG)
    httpd.script("service.py", SERVICE.format(place=rendezvous.path))
    with httpd:
        rendezvous.wait_for("begun")
        yield httpd


def test_sigterm_raises_system_exit_silently_and_the_script_is_started_again(server, rendezvous):
    (pid,) = pids(rendezvous, "begun")
    since = server.error_log.size()
    os.kill(pid, signal.SIGTERM)
    rendezvous.wait_for(f"told-{pid}")
    rendezvous.wait_for("begun", 2)
    assert not [line.raw for line in server.error_log.lines(since) if not line.is_harmless]
    assert not [line.raw for line in server.error_log.lines() if "SystemExit" in line.raw or "Traceback" in line.raw]


def test_it_answers_no_requests_and_others_do(server):
    assert server.get("/app").status == 200
    assert server.get("/service").status == 500
    if server.error_log.count("WRS3019"):
        server.error_log.allow("WRS3019")


@pytest.mark.ours
def test_when_its_leader_dies_it_ends_and_another_one_begins(server, rendezvous):
    (pid,) = pids(rendezvous, "begun")
    leader = int(processes.status(pid)["PPid"])
    os.kill(leader, signal.SIGKILL)
    rendezvous.wait_for(f"told-{pid}")
    rendezvous.wait_for("begun", 2, seconds=20)
    server.error_log.expect("WRS3004")


def test_it_is_told_to_end_with_httpd(rendezvous):
    httpd = Httpd(CONFIG)
    httpd.script("service.py", SERVICE.format(place=rendezvous.path))
    with httpd:
        rendezvous.wait_for("begun")
    assert pids(rendezvous, "told") == pids(rendezvous, "begun")


@pytest.mark.ours
def test_a_script_that_is_done_is_run_again_after_growing_pauses(rendezvous):
    httpd = Httpd(CONFIG)
    httpd.script("service.py", f'import os\nopen("{rendezvous.path}/begun-%d" % os.getpid(), "w").close()\n')
    with httpd:
        rendezvous.wait_for("begun", 3)
        wait_until(lambda: httpd.error_log.count("the next one starts in"), "a pause")
        assert httpd.get("/app").status == 200


def test_a_script_that_fails_is_told_and_run_again(rendezvous):
    httpd = Httpd(CONFIG)
    httpd.script("service.py", f'import os\nopen("{rendezvous.path}/begun-%d" % os.getpid(), "w").close()\nraise ValueError("no luck")\n')
    with httpd:
        rendezvous.wait_for("begun", 2)
        httpd.error_log.expect("no luck")
        httpd.error_log.always_allowed += ["no luck", "WRS4002", "Traceback", "File \"", "^ *raise", "^.*import_script|service.py"]
