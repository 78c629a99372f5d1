"""The same scenarios for this module and for mod_wsgi 6, embedded and in daemon processes, compared byte for byte.

What differs is on purpose and a row of the table in docs/compatibility.md, which the scenario names, or it is a bug. A
difference that a scenario names and that does not show any more fails too.
"""

import difflib
import functools
import os
import re
from itertools import zip_longest

import pytest
from harness import MODES, Httpd, machine

from .expected import ASPECTS, EXPECTED
from .run import Player
from .scenarios import SCENARIOS

VENV = machine.root / "build" / "mod_wsgi-venv"
TABLE = machine.root / "docs" / "compatibility.md"

# Threads enough for every scenario, and one process, so that a script that was loaded stays loaded.
CONFIG = """
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /s ${SCRIPTS}
ServerAdmin admin@differential.example
Alias /static ${DIRECTORY}/htdocs
ErrorDocument 404 "httpd: not found"
ErrorDocument 500 "httpd: internal server error"
"""

WARM = """
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"warm"]
"""
MODULES = ("actions", "filter", "deflate", "substitute")
DOCUMENTS = {"barrier.txt": "barrier\n", "page.html": "a page\n", "users": "a:{SHA}6dcfXufJLW3J6S/9rRe4vUlBj5g=\n"}


class Servers:
    """One for each module and mode."""

    def __init__(self, load):
        self.load = load
        self.running = {}

    def server(self, module, mode):
        """That server, with the script and the configuration of every scenario."""
        return self.running[module, mode.name]

    def start(self, module, mode):
        """Start it, and let its application process come up."""
        config = mode.serve(threads=8, server_metrics="On") + CONFIG + "".join(configuration(scenario, mode) for scenario in SCENARIOS)
        httpd = Httpd(config, load=self.load if module == "mod_wsgi" else None, modules=MODULES)
        httpd.error_log.always_allowed.append("")
        for name, text in DOCUMENTS.items():
            path = httpd.directory / "htdocs" / name
            path.write_text(text)
            os.utime(path, (1000000000, 1000000000))
        httpd.script("warm.wsgi", WARM)
        for scenario in SCENARIOS:
            if scenario.application is not None:
                httpd.script(scenario.script, scenario.application)
        self.running[module, mode.name] = httpd.__enter__()
        assert httpd.get("/s/warm.wsgi").status == 200

    def stop(self):
        """End them all."""
        for httpd in self.running.values():
            httpd.stop()


@functools.cache
def has(directive):
    """Whether this module has that directive."""
    return directive.encode() in (machine.build / "mod_wsgi_rs.so").read_bytes()


def configuration(scenario, mode):
    """Its lines, in the places where they count."""
    if not has(scenario.needs):
        return ""
    text = scenario.config
    if scenario.location:
        text += f'<Location "/s/{scenario.script}">\n{scenario.location}\n</Location>\n'
    text = text.replace("$SCRIPT", f"/s/{scenario.script}").replace("$FILE", "${SCRIPTS}/" + scenario.script)
    return text.replace("$GROUP", mode.process_group())


@pytest.fixture(scope="session")
def servers(stage):
    """All servers of the test, or the reason why there is nothing to compare with."""
    program = VENV / "bin" / "mod_wsgi-express"
    if not program.exists():
        pytest.skip("mod_wsgi 6 is not built; `make test-differential` builds it, and says why if it cannot")
    library = sorted(VENV.glob("lib/python*/site-packages/mod_wsgi/server/mod_wsgi-py*.so"))[0]
    load = stage.path / "mod_wsgi.load"
    load.write_text(f'LoadModule wsgi_module "{library}"\n')
    load.chmod(0o644)
    servers = Servers(load)
    try:
        for module in ("mod_wsgi", "ours"):
            for mode in MODES:
                servers.start(module, mode)
        yield servers
    finally:
        servers.stop()


# How httpd frames a body that is complete is not the application's matter.
FRAMED = re.compile(r"^(?:chunked|with a length|to the end|no body, .*)$")


def without_frames(log):
    """The lines of a log without the places that tracebacks name."""
    return tuple(line for line in log if not re.match(r"(?:<request> )?(?:Traceback \(most recent|  \S|    )", line[1]))


def differences(runs, scenario):
    """Each place and aspect in which two runs are not the same, with both."""
    pairs = {
        "embedded": (runs["mod_wsgi", "embedded"], runs["ours", "embedded"]),
        "daemon": (runs["mod_wsgi", "daemon"], runs["ours", "daemon"]),
        "modes": (runs["ours", "embedded"], runs["ours", "daemon"]),
    }
    found = {}
    for place, (left, right) in pairs.items():
        for aspect in ASPECTS:
            if aspect == "order" and (place, "headers") in found:
                continue
            one, other = left.aspect(aspect), right.aspect(aspect)
            if aspect == "framing" and not scenario.exact_framing:
                one, other = (tuple(FRAMED.sub("complete", framing) for framing in both) for both in (one, other))
            if aspect == "log" and place != "modes" and not scenario.exact_tracebacks:
                one, other = without_frames(one), without_frames(other)
            if one != other:
                found[place, aspect] = (one, other)
    return found


def compared(one, other, names):
    """Two values, or of long bodies the lines in which they differ."""
    if isinstance(one, bytes) and isinstance(other, bytes) and b"\n" in one + other:
        lines = difflib.unified_diff(*(str(text, "latin-1").splitlines() for text in (one, other)), *names, lineterm="", n=0)
        return [line for line in lines if not line.startswith("@@")]
    return [f"{name}: {value!r}" for name, value in zip(names, (one, other), strict=True)]


def described(found):
    """Text for who has to judge a difference."""
    lines = []
    for (place, aspect), (left, right) in sorted(found.items()):
        names = ("embedded", "daemon") if place == "modes" else ("mod_wsgi", "ours")
        for number, (one, other) in enumerate(zip_longest(left, right)):
            if one != other:
                where = f"{number + 1}:" if aspect != "log" else ""
                lines += [f"    {where} {line}" for line in compared(one, other, names)]
    return "\n".join(lines)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_the_same_as_mod_wsgi(servers, scenario):
    if not has(scenario.needs):
        pytest.skip(f"{scenario.needs} is not there yet")
    runs = {
        (module, mode.name): Player(servers.server(module, mode), scenario).run()
        for module in ("mod_wsgi", "ours")
        for mode in MODES
    }
    found = {
        (place, aspect): both
        for (place, aspect), both in differences(runs, scenario).items()
        if aspect not in scenario.ignore and not (scenario.modes_differ and place == "modes")
    }
    expected = EXPECTED.get(scenario.id, {})
    unexpected = {pair: both for pair, both in found.items() if pair not in expected}
    assert not unexpected, "differs:\n" + described(unexpected)
    gone = expected.keys() - found.keys()
    assert not gone, f"is listed as a difference and is none: {sorted(gone)}"


def rows():
    """The ids of the rows in the table of differences at run time."""
    _, table = TABLE.read_text().split("\n## Answers, environ and logs\n")
    return re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.MULTILINE)


def test_every_listed_difference_has_a_scenario_and_every_scenario_a_row():
    named = {row for pairs in EXPECTED.values() for row in pairs.values()}
    assert sorted(named) == sorted(rows())
    assert EXPECTED.keys() <= {scenario.id for scenario in SCENARIOS}


def test_there_are_enough_scenarios():
    assert len(SCENARIOS) >= 150
    assert len({scenario.id for scenario in SCENARIOS}) == len(SCENARIOS)
