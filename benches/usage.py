"""What processes use, from /proc: processor time, memory; and what the rest of the machine uses meanwhile."""

import contextlib
import os
import time
from pathlib import Path

from harness import processes

TICKS = os.sysconf("SC_CLK_TCK")


def tree(roots):
    """These processes and all below them."""
    return [*roots, *(pid for root in roots for pid in processes.descendants(root))]


def cpu_seconds(roots):
    """User and system time of the trees, with that of children which have ended and were waited for."""
    total = 0.0
    for pid in tree(roots):
        # Gone meanwhile: its parent has its time.
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            # The clock of another process, see clock_getcpuclockid(3): utime and stime, but in nanoseconds.
            total += time.clock_gettime((~pid << 3) | 2) + (int(fields[13]) + int(fields[14])) / TICKS
    return total


def pss_kib(roots):
    """Memory of the trees; pages that are shared are divided among those who share them."""
    total = 0
    for pid in tree(roots):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(text.partition("\nPss:")[2].split()[0])
    return total


class Machine:
    """What of the machine was used since it was made."""

    def __init__(self):
        self.before = self.now()

    @staticmethod
    def now():
        """Seconds: all, of all processes, taken by the host, and of this process with its ended children."""
        fields = [int(field) / TICKS for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        user, nice, system, _, _, irq, softirq, stolen = fields
        own = sum(os.times()[:4])
        return sum(fields), user + nice + system + irq + softirq, stolen, own

    def foreign_percent(self, measured):
        """How much of the machine others used: neither this process nor what took `measured` seconds."""
        whole, busy, stolen, own = (now - before for now, before in zip(self.now(), self.before, strict=True))
        return 100 * max(0.0, busy - own - measured + stolen) / whole if whole else 0.0
