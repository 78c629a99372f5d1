"""Requests of every kind leave no memory behind and touch none that is not theirs.

`make test-memcheck` sends 10,000 to each of them, the tests of every day as many as there is time for.
"""

import os
import re
import shutil
from dataclasses import dataclass, field

import pytest
from harness import Httpd, machine

from .kinds import Site, work

pytestmark = pytest.mark.ours

# Each kind twice at least.
COUNT = int(os.environ.get("MEMORY_REQUESTS", "300"))
SUPPRESSIONS = machine.root / "tests" / "reliability" / "valgrind.supp"

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


@dataclass
class Report:
    """What valgrind says of one process."""

    program: str
    faults: list = field(default_factory=list)
    blocks: int = 0
    bytes: int = 0

    @classmethod
    def read(cls, path):
        """Parse the text that it wrote."""
        lines = [re.sub(r"^==\d+== ?", "", line) for line in path.read_text("utf-8", "replace").splitlines()]
        text = "\n".join(lines)
        program = re.search(r"^Command: (.*)", text, re.MULTILINE)
        kept = re.search(r"in use at exit: ([\d,]+) bytes in ([\d,]+) blocks", text)
        size, blocks = [int(number.replace(",", "")) for number in kept.groups()] if kept else (0, 0)
        paragraphs = [part for part in re.split(r"\n\s*\n", text) if re.search(r"^   (?:at|by) 0x", part, re.MULTILINE)]
        ours = [part for part in paragraphs if re.search(r"engine\.cp\w+\.so|mod_wsgi_rs\.so|\((?:\w+\.rs):\d+\)", part)]
        return cls(program[1] if program else "", ours, blocks, size)


def memcheck(count):
    """What valgrind says of each process of a server that answers so many requests."""
    # Options on the command line would be in the place of the title of a worker.
    options = "--trace-children=yes --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --num-callers=50"
    httpd, sites = server(run_as=machine.user, debugger=["valgrind"])
    reports = httpd.directory / "logs" / "valgrind"
    reports.mkdir()
    reports.chmod(0o777)
    options += f" --suppressions={SUPPRESSIONS} --log-file={reports}/%p"
    httpd.environment = {"VALGRIND_OPTS": options, "PYTHONMALLOC": "malloc"}
    httpd.start()
    work(sites, count)
    # What waits for Python's collector is not in use.
    for site in sites:
        site.memory()
    httpd.stop(120)
    assert httpd.process.returncode == 0
    return [Report.read(path) for path in sorted(reports.iterdir(), key=lambda path: int(path.name))]


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
def test_memcheck_finds_no_fault_and_no_leak():
    few, many = [memcheck(count) for count in (COUNT // 2, COUNT)] if COUNT >= 2000 else [None, memcheck(COUNT)]
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
