"""Makes requests as fast as they are answered: with wrk, or with ab where wrk is not installed."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / "wrk.lua"


def client():
    """Which of the two is here."""
    for name in ("wrk", "ab"):
        if path := shutil.which(name):
            return path
    raise SystemExit("Neither wrk nor ab was found: install wrk, or apache2-utils (httpd-tools).")


def takes_turns():
    """Whether it can ask several virtual hosts in turns: wrk can."""
    return Path(client()).name == "wrk"


def load(port, workload, connections, seconds):
    """Requests, seconds, p50 and p99 in microseconds, errors, connections that were closed before an answer came."""
    url = f"http://127.0.0.1:{port}{workload.path}"
    headers = [word for name, value in workload.headers.items() for word in ("-H", f"{name}: {value}")]
    if takes_turns():
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(SCRIPT), *headers, url]
        environment = dict(os.environ, BENCH_POST=str(workload.post), BENCH_HOSTS=str(workload.hosts))
        return wrk_figures(run(command, environment))
    with tempfile.NamedTemporaryFile() as body:
        body.write(b"x" * workload.post)
        body.flush()
        post = ["-p", body.name, "-T", "application/octet-stream"] if workload.post else []
        # -t sets a number of requests, so -n comes after it; a length that varies (-l) is no error.
        command = ["ab", "-q", "-k", "-l", "-s", "30", "-c", str(connections), "-t", str(seconds), "-n", "100000000", *post, *headers, url]
        return ab_figures(run(command, None))


def run(command, environment):
    """What it says."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def wrk_figures(text):
    """The line that wrk.lua writes."""
    line = re.search(r"^BENCH (.*)", text, re.MULTILINE)[1]
    return {name: float(value) for name, value in (pair.split("=") for pair in line.split())}


def ab_figures(text):
    """The report of ab."""

    def number(pattern, scale=1.0):
        match = re.search(pattern, text, re.MULTILINE)
        return float(match[1]) * scale if match else 0.0

    return {
        "requests": number(r"^Complete requests:\s+(\d+)"),
        "seconds": number(r"^Time taken for tests:\s+([\d.]+)"),
        "p50": number(r"^\s+50%\s+(\d+)", 1000),
        "p99": number(r"^\s+99%\s+(\d+)", 1000),
        "errors": number(r"^Failed requests:\s+(\d+)") + number(r"^Non-2xx responses:\s+(\d+)"),
        "closed": 0.0,
    }
