"""The benchmark verifies answers before it measures, forms ratios within a round, and leaves out what was disturbed."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from harness import Httpd, machine

BENCHES = machine.root / "benches"
OURS = ("mod_wsgi_rs-embedded", "mod_wsgi_rs-daemon")

pytestmark = pytest.mark.ours


@pytest.fixture(autouse=True)
def modules(monkeypatch):
    """Those of the benchmark can be imported."""
    monkeypatch.syspath_prepend(str(BENCHES))


def bench(*arguments, venv=None):
    """What it prints; with our own two contenders unless a directory of others is given."""
    ours = [] if venv else ["--contenders", ",".join(OURS)]
    command = [sys.executable, BENCHES / "bench.py", "--venv", venv or Httpd.stage.venv, *ours, *arguments]
    environment = {**os.environ, "MOD_WSGI_LOAD": str(Httpd.stage.load), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def slices(label, *cpu_us, counts=True):
    """Those of successive rounds."""
    from turns import Slice

    return [Slice("hello", label, number, 1000, 0, cpu, 1e6 / cpu, 50, 90, 0.0, counts) for number, cpu in enumerate(cpu_us)]


def test_every_answer_of_ours_is_right():
    from workloads import WORKLOADS

    lines = bench("--check").splitlines()
    assert [line.split() for line in lines] == [["right", name, workload] for name in OURS for workload in WORKLOADS]


def test_every_answer_of_every_contender_is_right():
    venv = machine.root / "build" / "bench" / "venv"
    if not venv.exists() or not machine.readable_by(machine.user, venv / "bin" / "python"):
        pytest.skip("mod_wsgi, uWSGI and granian are not installed in build/bench/venv, which `make bench` makes")
    from contenders import CONTENDERS

    lines = [line.split() for line in bench("--check", "--workloads", "hello,upload-100k", venv=venv).splitlines()]
    assert {line[1] for line in lines if line[0] == "right"} == set(CONTENDERS)


def test_a_wrong_answer_is_seen(monkeypatch):
    from contenders import CONTENDERS, Server
    from workloads import WORKLOADS, answers

    hello = WORKLOADS["hello"]
    expected = answers(Httpd.stage.venv / "bin" / "python", [hello])["hello"]
    monkeypatch.setattr(machine, "wsgi_load", Httpd.stage.load)
    with Server(CONTENDERS[OURS[0]], Httpd.stage.venv) as server:
        server.verify(hello, expected)
        with pytest.raises(RuntimeError, match="hello: answered"):
            server.verify(hello, [*expected[:3], "0" * 64], 0)


def test_a_contender_whose_program_ends_is_left_out(capsys):
    from bench import answers_rightly
    from contenders import CONTENDERS, Server
    from workloads import WORKLOADS, answers

    hello = WORKLOADS["hello"]
    expected = answers(Httpd.stage.venv / "bin" / "python", [hello])["hello"]
    ends = replace(CONTENDERS["granian"], backend=("python", "-c", "raise SystemExit('it ends')"))
    with Server(ends, Httpd.stage.venv) as server:
        assert not answers_rightly(server, hello, expected)
    said = capsys.readouterr().out
    assert said.startswith("granian is left out of hello: ")
    assert "it ends" in said


def test_a_short_run_writes_all_results(tmp_path):
    from load import client

    try:
        client()
    except SystemExit as missing:
        pytest.skip(str(missing))
    bench("--workloads", "hello", "--rounds", "2", "--connections", "2", "--foreign", "100", "--output", str(tmp_path))
    results = json.loads((tmp_path / "results.json").read_text())
    assert sorted((it["label"], it["round"]) for it in results["slices"]) == sorted((name, number) for name in OURS for number in (0, 1))
    assert all(it["cpu_us"] > 1 and it["rate"] > 1 and it["p99_us"] >= it["p50_us"] > 0 and not it["errors"] for it in results["slices"])
    assert all(memory["hello"] > 1000 for memory in results["memory_kib"].values())
    assert "2 of 2" in (tmp_path / "results.md").read_text()
    assert all(name in ElementTree.parse(tmp_path / "results.svg").getroot().itertext() for name in OURS)


def test_ratios_are_formed_within_a_round():
    import report

    # The machine became slower with each round, for both.
    measured = slices("ours", 10, 20, 40) + slices("theirs", 20, 40, 80)
    assert report.ratio(measured, "ours", "theirs") == 0.5
    assert "| ours | 20.0 | 0.50 |" in "\n".join(report.cell_table(measured, ["ours", "theirs"], {"ours": "theirs", "theirs": "theirs"}))


def test_disturbed_slices_are_left_out_and_counted():
    import report

    measured = slices("ours", 10, 10) + slices("theirs", 20) + slices("theirs", 1, 1, counts=False)[1:]
    assert report.ratio(measured, "ours", "theirs") == 0.5
    text = report.markdown({}, {"hello": measured}, None, {"ours": "theirs", "theirs": "theirs"})
    assert "| theirs | 20.0 | 1.00 |" in text
    assert "1 of 2 |" in text
    assert "1 of 4 slices were left out" in text
    none = report.markdown({}, {"hello": slices("ours", 10, counts=False)}, None, {"ours": "theirs"})
    assert "| ours | - | - | - | - | - | 0 of 1 |" in none


def test_figures_of_both_clients_are_read():
    from load import ab_figures, wrk_figures

    wrk = wrk_figures("  1234 requests in 1.00s\n\nBENCH requests=1234 seconds=1.002 p50=300 p99=900 errors=2 closed=3\n")
    assert wrk == {"requests": 1234, "seconds": 1.002, "p50": 300, "p99": 900, "errors": 2, "closed": 3}
    ab = ab_figures(
        "Time taken for tests:   1.002 seconds\nComplete requests:      1234\nFailed requests:        1\nNon-2xx responses:      1\n"
        "Percentage of the requests served within a certain time (ms)\n  50%      3\n  99%      9\n 100%     12 (longest request)\n"
    )
    assert ab == {"requests": 1234, "seconds": 1.002, "p50": 3000, "p99": 9000, "errors": 2, "closed": 0}
