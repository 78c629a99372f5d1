"""Interpreters of application groups come and go with the processes of many restarts, and nothing stays or breaks."""

import os
import re

import pytest
from harness import Httpd, processes, wait_until

from . import memcheck
from .servers import often

pytestmark = pytest.mark.ours

CONFIG = """
WSGIDaemonProcess app threads=4 connect-timeout=120
SetEnvIf Request_URI "^/[a-z]+/([a-z0-9]+)$" GROUP=$1
WSGIApplicationGroup %{ENV:GROUP}
WSGIScriptAliasMatch ^/[a-z]+/[a-z0-9]+$ ${SCRIPTS}/named.wsgi
<Location /daemon>
    WSGIProcessGroup app
</Location>
"""

APPLICATION = """
import threading, mod_wsgi

# A thread that ends with its process does not drop the last body it sent; here that is no leak.
bodies = []

def application(environ, start_response):
    found = []
    thread = threading.Thread(target=found.append, args=(mod_wsgi.application_group,))
    thread.start()
    thread.join()
    start_response("200 OK", [("Content-Type", "text/plain")])
    bodies.append(found[0].encode())
    return bodies[-1:]
"""


# Interpreters that come and go under valgrind: 1,000 with `make test-memcheck`.
CHECKED = int(os.environ.get("MEMORY_REQUESTS", "200")) // 10


@pytest.mark.parametrize("line", ["", "WSGIPerInterpreterGIL On\n"], ids=["shared", "own"])
def test_interpreters_come_and_go_over_restarts_and_leave_nothing(line):
    rounds, groups = often((4, 5), (25, 20))
    sizes = []
    httpd = Httpd(line + CONFIG)
    httpd.script("named.wsgi", APPLICATION)
    with httpd:
        for turn in range(rounds):
            for group in (f"group{turn}x{at}" for at in range(groups)):
                for mode in ("embedded", "daemon"):
                    response = httpd.get(f"/{mode}/{group}")
                    assert (response.status, response.text) == (200, group)
            httpd.graceful()
            pid = httpd.process.pid
            sizes.append((processes.memory(pid), len(processes.open_files(pid))))
        # Old processes, with all their interpreters, end by themselves.
        wait_until(lambda: len(processes.descendants(httpd.process.pid)) <= 8, "the processes of former generations to end", 30)
        log = "\n".join(entry.raw for entry in httpd.error_log.lines())
    assert not re.search(r"exit signal|[sS]egmentation|Abort|was ended by (?!the end of its process group)", log)
    # Half of the rounds are given to what httpd itself needs.
    early, late = sizes[len(sizes) // 2], sizes[-1]
    assert late[0] - early[0] < 1024, f"KiB and descriptors of httpd's parent: {sizes}"
    assert late[1] - early[1] <= 2, sizes


@memcheck.needed
def test_memcheck_finds_no_fault_in_interpreters_that_come_and_go():
    # Each group has one in either mode.
    rounds, groups = max(CHECKED // 40, 1), min(CHECKED // 2, 20)
    httpd = Httpd(CONFIG, **memcheck.ARGUMENTS)
    httpd.one_process = False
    httpd.error_log.always_allowed.append("")
    httpd.script("named.wsgi", APPLICATION)
    memcheck.prepare(httpd)
    httpd.start()
    for turn in range(rounds):
        for group in (f"group{turn}x{at}" for at in range(groups)):
            for mode in ("embedded", "daemon"):
                response = httpd.request("GET", f"/{mode}/{group}", seconds=60)
                assert (response.status, response.text) == (200, group)
        httpd.graceful()
    httpd.stop(120)
    assert httpd.process.returncode == 0
    reports = memcheck.reports(httpd)
    faults = [fault for report in reports for fault in report.faults]
    assert not faults, "\n\n".join(faults)
    # Of every generation the child of httpd and the worker.
    assert [bool(report.blocks) for report in reports].count(True) >= 2 * rounds
    assert not re.search(r"exit signal|[sS]egmentation|Abort", "\n".join(entry.raw for entry in httpd.error_log.lines()))
