"""What /proc says about the processes of a server."""

import contextlib
import os
import re
import signal
from pathlib import Path

from .wait import wait_until


def status(pid):
    """The fields of /proc/PID/status, empty when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def identity(pid):
    """The process and its start time: a pid that is used again is another process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else (pid, int(fields[19]))


def alive(identities):
    """Those of the processes which still live."""
    return [known for known in identities if known and identity(known[0]) == known]


def families():
    """The living children of each process, zombies left out."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and identity(int(entry)):
            found.setdefault(int(status(entry).get("PPid", 0)), []).append(int(entry))
    return found


def children(pid):
    """The pids of the children of a process."""
    return families().get(pid, [])


def descendants(pid):
    """Children, their children and so on."""
    parents = families()
    found, todo = [], [pid]
    while todo:
        mine = parents.get(todo.pop(), [])
        found += mine
        todo += mine
    return found


def command_line(pid):
    """The arguments of a process as `ps` shows them; nothing when it has ended."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return arguments.replace(b"\0", b" ").decode("utf-8", "replace").strip()


def named(server, title):
    """The processes of a server that `ps` shows under that title."""
    return [pid for pid in server.descendants() if command_line(pid) == title]


def open_files(pid):
    """Descriptor number and what it is, for each open file of a process."""
    found = {}
    for entry in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(entry)] = os.readlink(f"/proc/{pid}/fd/{entry}")
        except FileNotFoundError:
            continue
    return found


def listening_inodes(port):
    """The socket inodes which listen on a TCP port."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except FileNotFoundError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(int(fields[9]))
    return found


def listening_unix(pid):
    """The paths of the unix sockets on which a process listens."""
    inodes = {match[1] for name in open_files(pid).values() if (match := re.fullmatch(r"socket:\[(\d+)\]", name))}
    rows = [row.split() for row in Path("/proc/net/unix").read_text().splitlines()[1:]]
    # The flag says that it accepts connections.
    return {row[7] for row in rows if len(row) > 7 and row[6] in inodes and int(row[3], 16) & 0x10000}


def memory(pid, field="VmRSS"):
    """A field of the memory of a process in KiB; `VmHWM` is the peak of `VmRSS`."""
    return int(status(pid)[field].split()[0])


def forget_peak(pid):
    """Let `VmHWM` begin anew; false where the kernel does not permit it."""
    try:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def libraries(pid):
    """The shared objects which a process has mapped."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    return set(re.findall(r"(/\S+\.so[.\d]*)$", maps, re.MULTILINE))


@contextlib.contextmanager
def no_process_grows(server, kib=5 * 1024):
    """No process of the server gains that much memory, not even for a moment where the kernel tells."""
    pids = [server.pid, *server.descendants()]
    peak = {pid: forget_peak(pid) for pid in pids}
    before = {pid: memory(pid) for pid in pids}
    yield
    for pid in pids:
        grown = memory(pid, "VmHWM" if peak[pid] else "VmRSS") - before[pid]
        assert grown < kib, f"process {pid} ({command_line(pid)}) grew by {grown} KiB"


def give(path, user):
    """Make a file another user's."""
    os.chown(path, user.pw_uid, user.pw_gid)


def states(pid):
    """The state letter of each thread of a process, as in /proc/PID/stat."""
    tasks = Path(f"/proc/{pid}/task")
    return [(tasks / thread / "stat").read_text().rpartition(")")[2].split()[0] for thread in os.listdir(tasks)]


def at_rest(pid):
    """Whether every thread of a process and of those below it sleeps."""
    try:
        return all(state == "S" for each in (pid, *descendants(pid)) for state in states(each))
    except (FileNotFoundError, ProcessLookupError):
        return False


def stop(pid):
    """Stop a process with SIGSTOP; when this returns none of its threads runs any more."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: set(states(pid)) == {"T"}, f"process {pid} to stop")
