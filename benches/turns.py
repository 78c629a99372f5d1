"""Measures several servers in turns of short slices, so that a machine that changes its speed favours nobody."""

from dataclasses import asdict, dataclass

from load import load
from usage import Machine, cpu_seconds

# Slices in which others used more of the machine than that are left out, unless told otherwise. /proc/stat is not more exact on a slice of
# a second.
FOREIGN_PERCENT = 4.0


@dataclass(frozen=True)
class Entry:
    """A server that takes turns, and what it is asked for; `label` is its row."""

    label: str
    server: object
    workload: object
    connections: int
    # httpd closes connections that rest when it has more of them than threads; a request may be on its way then.
    may_close: bool = False


@dataclass
class Slice:
    """A turn."""

    cell: str
    label: str
    round: int
    requests: int
    errors: int
    cpu_us: float
    rate: float
    p50_us: float
    p99_us: float
    foreign_percent: float
    # Whether it goes into the tables.
    counts: bool


@dataclass(frozen=True)
class Plan:
    """How often, how long, and how much others may disturb."""

    rounds: int
    seconds: int
    foreign_percent: float = FOREIGN_PERCENT


def turn(cell, entry, number, plan):
    """One slice of one server."""
    machine, before = Machine(), cpu_seconds(entry.server.roots)
    figures = load(entry.server.port, entry.workload, entry.connections, plan.seconds)
    used = cpu_seconds(entry.server.roots) - before
    requests, foreign = int(figures["requests"]), machine.foreign_percent(used)
    errors = int(figures["errors"]) + (0 if entry.may_close else int(figures["closed"]))
    return Slice(
        cell=cell,
        label=entry.label,
        round=number,
        requests=requests,
        errors=errors,
        cpu_us=used / requests * 1e6 if requests else 0.0,
        rate=requests / figures["seconds"] if figures["seconds"] else 0.0,
        p50_us=figures["p50"],
        p99_us=figures["p99"],
        foreign_percent=foreign,
        counts=requests > 0 and not errors and foreign <= plan.foreign_percent,
    )


def measure(cell, entries, plan):
    """The slices of all rounds; in each another one is the first."""
    for entry in entries:
        # Not measured: every process loads what it needs.
        load(entry.server.port, entry.workload, entry.connections, 1)
    slices = []
    for number in range(plan.rounds):
        first = number % len(entries)
        for entry in entries[first:] + entries[:first]:
            it = turn(cell, entry, number, plan)
            slices.append(it)
            print(
                f"  {it.label:24} {it.cpu_us:10.1f} us CPU {it.rate:9.1f}/s  p50 {it.p50_us:8.0f} us  p99 {it.p99_us:8.0f} us"
                f"  others {it.foreign_percent:4.1f} %{'' if it.counts else '  left out'}{f'  ERRORS {it.errors}' if it.errors else ''}",
                flush=True,
            )
    return slices


def as_rows(slices):
    """For the file of results."""
    return [asdict(it) for it in slices]
