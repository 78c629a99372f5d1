"""A request costs no more instructions and no more system calls than it did: exact figures, not times.

What httpd itself needs differs with its version and its modules. So the bounds are on what a request to an application costs more than one
for a static file of the same server does. When they are exceeded on purpose, or a request has become cheaper, write the new figures here.
`make test PYTEST_ARGS='-s test_cost.py'` prints where the instructions are.
"""

import pytest
from harness import machine
from harness.cost import Callgrind, Strace

pytestmark = pytest.mark.ours

CONFIG = """
WSGIDaemonProcess app threads=4
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /embedded/large ${APPLICATIONS}/large.wsgi
WSGIScriptAlias /daemon/large ${APPLICATIONS}/large.wsgi
WSGIScriptAlias /embedded ${APPLICATIONS}/hello.wsgi
WSGIScriptAlias /daemon ${APPLICATIONS}/hello.wsgi
<Location /daemon>
    WSGIProcessGroup app
</Location>
"""
STATIC = "/hello.txt"
# With path info, as most requests have it: httpd is not to search for the end of the script.
EMBEDDED = "/embedded/page"
DAEMON = "/daemon/page"

# Instructions in httpd: measured, and 6 % more. Embedded, part of them is Python's own.
EMBEDDED_INSTRUCTIONS = {"cp310": 24_800, "cp311": 23_800, "cp312": 27_400, "cp313": 27_600}
DAEMON_INSTRUCTIONS = 14_200

# System calls of httpd: measured, and half a call. The five with which a file is opened and sent are missing.
EMBEDDED_CALLS = -2.3
DAEMON_CALLS = -0.4
WORKER_CALLS = 4.5
UPLOAD_READS = 26

PARTS = {
    "engine": ("engine.",),
    "module": ("mod_wsgi_rs",),
    "Python": ("libpython", "python"),
    "C library": ("libc.", "libm.", "libpthread", "ld-linux", "ld-musl", "???"),
}


def part(name):
    """Whose a program or library is; everything else here is httpd's."""
    return next((part for part, prefixes in PARTS.items() if name.startswith(prefixes)), "httpd, APR")


def show(title, counts, name=str):
    """Print a table, for whoever looks with `-s`."""
    rows = {}
    for key, count in counts.items():
        rows[name(key)] = rows.get(name(key), 0) + count
    print(f"\n{title}: {sum(rows.values()):,.1f}")
    for key, count in sorted(rows.items(), key=lambda row: -row[1]):
        print(f"  {count:10,.1f}  {key}")


def test_instructions_per_request_are_within_bounds():
    if machine.python_tag not in EMBEDDED_INSTRUCTIONS:
        pytest.skip(f"how many instructions a request needs with {machine.python_tag} is not written down")
    with Callgrind(CONFIG) as callgrind:
        costs = {path: callgrind.measure(path, 60, 200) for path in (STATIC, "/embedded", "/daemon")}
    total = {path: sum(parts.values()) for path, parts in costs.items()}
    for path, parts in costs.items():
        show(f"instructions in httpd, {path}", parts, part)
    assert total["/embedded"] - total[STATIC] < EMBEDDED_INSTRUCTIONS[machine.python_tag]
    assert total["/daemon"] - total[STATIC] < DAEMON_INSTRUCTIONS
    # They are measured at all: the engine and the module do something.
    assert {part(name) for name, count in costs["/embedded"].items() if count > 1000} >= {"engine", "module", "Python", "httpd, APR"}


def test_system_calls_per_request_are_within_bounds():
    with Strace(CONFIG) as strace:
        calls = {path: strace.measure(path, 20, 100) for path in (STATIC, EMBEDDED, DAEMON)}
    httpd = {path: sum(mine.values()) for path, (mine, _) in calls.items()}
    worker = {path: sum(others.values()) for path, (_, others) in calls.items()}
    for path, (mine, others) in calls.items():
        show(f"system calls of httpd, {path}", mine)
        show(f"system calls of daemon processes, {path}", others)
    assert httpd[STATIC] > 8
    assert httpd[EMBEDDED] - httpd[STATIC] < EMBEDDED_CALLS
    assert httpd[DAEMON] - httpd[STATIC] < DAEMON_CALLS
    assert worker[EMBEDDED] < 0.5
    assert 3 < worker[DAEMON] < WORKER_CALLS


def test_a_large_body_is_read_in_large_pieces():
    with Strace(CONFIG) as strace:
        for path in ("/embedded/large/upload", "/daemon/large/upload"):
            mine, others = strace.measure(path, 2, 5, b"x" * 1024 * 1024)
            show(f"system calls of httpd for 1 MB, {path}", mine)
            show(f"system calls of daemon processes for 1 MB, {path}", others)
            # 16 times 64 KB, and what any request needs.
            assert 16 <= mine["read"] + mine["recvfrom"] < UPLOAD_READS
