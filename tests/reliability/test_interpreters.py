"""Interpreters of application groups come and go with the processes of many restarts, and nothing stays or breaks."""

import re

import pytest
from harness import Httpd, processes, wait_until

from .servers import often

pytestmark = pytest.mark.ours

CONFIG = """
WSGIDaemonProcess app threads=4
SetEnvIf Request_URI "^/[a-z]+/([a-z0-9]+)$" GROUP=$1
WSGIApplicationGroup %{ENV:GROUP}
WSGIScriptAliasMatch ^/[a-z]+/[a-z0-9]+$ ${SCRIPTS}/named.wsgi
<Location /daemon>
    WSGIProcessGroup app
</Location>
"""

APPLICATION = """
import threading, mod_wsgi

def application(environ, start_response):
    found = []
    thread = threading.Thread(target=found.append, args=(mod_wsgi.application_group,))
    thread.start()
    thread.join()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [found[0].encode()]
"""


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
