#!/usr/bin/env python3
"""Compares ways to serve a WSGI application behind httpd, side by side on this machine.

`make bench` calls it; docs/performance.md says how to read what it writes. All contenders are up at the same time and take turns of short slices. The
main figure is the CPU time per request of all processes of a contender.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import report  # noqa: E402
from contenders import CONTENDERS, Server, installed  # noqa: E402
from harness import machine  # noqa: E402
from load import client, load  # noqa: E402
from scale import Scale  # noqa: E402
from turns import FOREIGN_PERCENT, Entry, Plan, as_rows, measure  # noqa: E402
from usage import pss_kib  # noqa: E402
from workloads import WORKLOADS, answers  # noqa: E402


def names(known):
    """A list of names with commas between them."""

    def parse(text):
        found = text.split(",")
        unknown = [name for name in found if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: none of {', '.join(known)}")
        return found

    return parse


def parse(arguments=None):
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=lambda path: Path(path).absolute(), default=ROOT / "build" / "bench" / "venv", help="where mod_wsgi, uWSGI, granian, Flask and Django are")
    parser.add_argument("--workloads", type=names(WORKLOADS), default=list(WORKLOADS), help=f"of {','.join(WORKLOADS)}")
    parser.add_argument("--contenders", type=names(CONTENDERS), help=f"of {','.join(CONTENDERS)}; default: those that are installed")
    parser.add_argument("--rounds", type=int, default=7, help="slices of each contender and workload (7)")
    parser.add_argument("--seconds", type=int, default=1, help="length of a slice (1)")
    parser.add_argument("--connections", type=int, help="of the client; default: 16, or 4 with large bodies")
    parser.add_argument("--foreign", type=float, default=FOREIGN_PERCENT, help="percent of the machine that others may use in a slice that counts (4)")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench", help="where results.json, .md and .svg go (build/bench)")
    parser.add_argument("--check", action="store_true", help="only verify every answer of every contender")
    parser.add_argument("--scale", action="store_true", help="instead: how the cost grows with processes, threads, connections, bodies, hosts")
    parser.add_argument("--largest", type=int, default=0, help="with --scale: leave out all larger numbers of anything")
    return parser.parse_args(arguments)


def plan(options):
    """How to measure."""
    return Plan(options.rounds, options.seconds, options.foreign)


def contenders(options):
    """The names of those that take part; says why others do not."""
    found, missing = installed(options.venv)
    for name, reason in missing.items():
        if options.contenders is None or name in options.contenders:
            print(f"{name} is left out: {reason}", flush=True)
    return [name for name in found if options.contenders is None or name in options.contenders]


def check(options, chosen, expected):
    """Whether every contender answers every workload rightly."""
    good = True
    for name in chosen:
        with Server(CONTENDERS[name], options.venv) as server:
            for workload in options.workloads:
                try:
                    server.verify(WORKLOADS[workload], expected[workload], 20)
                    print(f"right  {name:22} {workload}", flush=True)
                except RuntimeError as error:
                    good = False
                    print(f"WRONG  {error}", flush=True)
    return good


def answers_rightly(server, workload, expected):
    """Whether this contender answers so. Says why it is left out if not; of our own nothing is left out."""
    try:
        server.verify(workload, expected)
    except RuntimeError as error:
        if server.contender.load == "ours":
            raise SystemExit(str(error)) from error
        print(f"{server.name} is left out of {workload.name}: {error}", flush=True)
        return False
    return True


def memory(options, chosen, expected):
    """PSS of each, alone, while it answers."""
    found = {}
    for name in chosen:
        found[name] = {}
        with Server(CONTENDERS[name], options.venv) as server:
            for workload in ("hello", "django"):
                if workload in options.workloads and answers_rightly(server, WORKLOADS[workload], expected[workload]):
                    load(server.port, WORKLOADS[workload], 16, 1)
                    found[name][workload] = pss_kib(server.roots)
        print(f"  {name:24} PSS in KiB: {found[name]}", flush=True)
    return found


def compare(options, chosen, expected):
    """The slices of each workload."""
    cells = {}
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(Server(CONTENDERS[name], options.venv)) for name in chosen]
        for name in options.workloads:
            workload = WORKLOADS[name]
            connections = options.connections or workload.connections
            cell = f"{name}, {connections} connections"
            print(cell, flush=True)
            ready = [server for server in servers if answers_rightly(server, workload, expected[name])]
            entries = [Entry(server.name, server, workload, connections) for server in ready]
            cells[cell] = measure(cell, entries, plan(options))
    return cells


def circumstances(options):
    """What the figures depend on."""
    python = subprocess.run([options.venv / "bin" / "python", "-V"], capture_output=True, text=True, check=True).stdout.strip()
    httpd = subprocess.run([machine.httpd, "-v"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    models = [line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False).stdout.strip()
    return {
        "when": time.strftime("%Y-%m-%d %H:%M"),
        "machine": f"{os.cpu_count()} x {models[0] if models else platform.machine()}, Linux {platform.release()}, load {os.getloadavg()[0]:.1f} at the start",
        "servers": f"{httpd.partition(': ')[2]}, {python}, this module at {commit or 'an unknown commit'}",
        "client": f"{Path(client()).name}, slices of {options.seconds} s, {options.rounds} rounds, others below {options.foreign:g} % of the machine",
        "command": "benches/bench.py " + " ".join(sys.argv[1:]),
    }


def write(options, name, run, cells, baselines, used=None):
    """The three files."""
    options.output.mkdir(parents=True, exist_ok=True)
    rows = [row for slices in cells.values() for row in as_rows(slices)]
    (options.output / f"{name}.json").write_text(json.dumps({"run": run, "memory_kib": used or {}, "slices": rows}, indent=1) + "\n")
    (options.output / f"{name}.md").write_text(report.markdown(run, cells, used, baselines))
    if name == "results":
        (options.output / f"{name}.svg").write_text(report.svg(cells, list(baselines)))
    print(f"wrote {options.output}/{name}.*")


def main():
    """Do what the options say; 1 when an answer was wrong."""
    options = parse()
    if not (options.venv / "bin" / "python").exists():
        raise SystemExit(f"There is no {options.venv}: run make bench, which makes it.")
    for path in (options.venv / "bin" / "python", machine.wsgi_load):
        if not machine.readable_by(machine.user, path):
            raise SystemExit(f"{machine.user.pw_name}, as whom httpd's children run, cannot read {path}: use a checkout which that user can read.")
    expected = answers(options.venv / "bin" / "python", [WORKLOADS[name] for name in options.workloads])
    if options.scale:
        run = circumstances(options)
        cells, baselines = Scale(options.venv, plan(options), options.largest).run()
        write(options, "scale", run, cells, baselines)
        return 0
    chosen = contenders(options)
    if not chosen:
        raise SystemExit("No contender is left.")
    if options.check:
        return 0 if check(options, chosen, expected) else 1
    run = circumstances(options)
    baselines = {name: CONTENDERS[name].baseline for name in chosen}
    used = memory(options, chosen, expected)
    write(options, "results", run, compare(options, chosen, expected), baselines, used)
    return 0


if __name__ == "__main__":
    sys.exit(main())
