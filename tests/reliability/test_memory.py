"""Requests of every kind leave no memory behind and touch none that is not theirs.

`make test-memcheck` sends 10,000 to each of them, the tests of every day as many as there is time for.
"""

import os

import pytest
from harness import Httpd, machine

from . import memcheck
from .kinds import Site, work

pytestmark = pytest.mark.ours

# Each kind twice at least.
COUNT = int(os.environ.get("MEMORY_REQUESTS", "300"))

CONFIG = """
WSGIDaemonProcess app threads=4 connect-timeout=120
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /embedded/other ${APPLICATIONS}
WSGIScriptAlias /embedded ${APPLICATIONS}
WSGIScriptAlias /daemon/other ${APPLICATIONS}
WSGIScriptAlias /daemon ${APPLICATIONS}
<Location /daemon>
    WSGIProcessGroup app
</Location>
<LocationMatch "^/.*/other">
    WSGIApplicationGroup named
</LocationMatch>
Protocols h2c http/1.1
LogLevel warn
# Each thread keeps something, so there are no more than the clients need.
ThreadsPerChild 12
MaxRequestWorkers 12
MinSpareThreads 1
MaxSpareThreads 12
<IfModule http2_module>
    H2MinWorkers 4
    H2MaxWorkers 4
</IfModule>
"""


def server(**arguments):
    """A server with the applications in both modes, whose log nobody reads here, and the ways to it."""
    modules = ("http2",) if machine.has_module("http2") else ()
    config = CONFIG if modules else CONFIG.replace("Protocols", "# Protocols")
    httpd = Httpd(config, modules=modules, **arguments)
    httpd.error_log.always_allowed.append("")
    file = httpd.directory / "htdocs" / "file"
    file.write_bytes(b"0123456789" * 1000)
    return httpd, [Site(httpd, prefix, file) for prefix in ("/embedded", "/daemon")]


def checked(count):
    """What valgrind says of each process of a server that answers so many requests."""
    httpd, sites = server(**memcheck.ARGUMENTS)
    memcheck.prepare(httpd)
    httpd.start()
    work(sites, count)
    # What waits for Python's collector is not in use.
    for site in sites:
        site.memory()
    httpd.stop(120)
    assert httpd.process.returncode == 0
    return memcheck.reports(httpd)


@memcheck.needed
def test_memcheck_finds_no_fault_and_no_leak():
    few, many = [checked(count) for count in (COUNT // 2, COUNT)] if COUNT >= 2000 else [None, checked(COUNT)]
    # httpd, what asks for Python, the leader and the worker.
    assert [bool(report.blocks) for report in many].count(True) >= 4
    faults = [fault for report in [*(few or []), *many] for fault in report.faults]
    assert not faults, "\n\n".join(faults)
    for before, after in zip(few or [], many, strict=bool(few)):
        # CPython's cache of methods keeps up to 4096 names that its tracebacks are made with; what each request leaves is more.
        grown = after.blocks - before.blocks, after.bytes - before.bytes
        assert grown[0] < COUNT / 2 / 10 and grown[1] < COUNT / 2 * 20, f"{after.program} has {grown} more blocks and bytes"


def test_debug_allocators_and_warnings_find_nothing_and_no_memory_is_kept():
    httpd, sites = server(environment={"PYTHONDEVMODE": "1", "PYTHONMALLOC": "debug"})
    # So often that each kind is asked for ten times.
    turn = 10 * sum(len(site.kinds) for site in sites)
    with httpd:
        sent, used, grown = 0, [], [turn]
        # What each thread keeps, and what Python caches, is there after some turns; what a request leaves behind comes in each.
        while sent < COUNT or max(grown) >= 10:
            assert sent < max(20 * turn, COUNT + 5 * turn), f"each turn leaves blocks behind: {used}"
            work(sites, turn)
            sent += turn
            used.append([site.memory() for site in sites])
            grown = [now["blocks"] - before["blocks"] for before, now in zip(used[-2], used[-1], strict=True)] if used[1:] else [turn]
        assert all(it["dev_mode"] and it["pid"] == used[0][at]["pid"] for them in used for at, it in enumerate(them))
        assert httpd.error_log.count("Warning|Fatal Python error|Debug memory block|exit signal|WRS9|WRS5005") == 0
