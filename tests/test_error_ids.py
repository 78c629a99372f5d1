"""Every id of a log line is explained in docs/errors.md, and nothing is explained that is never logged."""

import re

import pytest
from harness import machine

ID = re.compile(r"\bWRS\d{4}\b")


def ids_in_source():
    """Each id in the code that runs, and where it is first seen."""
    found = {}
    for directory in ("src", "crates"):
        for path in sorted(path for path in (machine.root / directory).rglob("*.*") if path.suffix in (".rs", ".py")):
            if "tests" in path.relative_to(machine.root).parts:
                continue
            for name in ID.findall(path.read_text()):
                found.setdefault(name, str(path.relative_to(machine.root)))
    return found


@pytest.fixture(scope="module")
def documentation():
    """The text of docs/errors.md."""
    path = machine.root / "docs" / "errors.md"
    assert path.exists(), "docs/errors.md is missing"
    return path.read_text()


def test_every_id_that_is_logged_is_documented(documentation):
    documented = set(ID.findall(documentation))
    assert {name: path for name, path in ids_in_source().items() if name not in documented} == {}


def test_every_id_that_is_documented_is_logged(documentation):
    assert set(ID.findall(documentation)) - set(ids_in_source()) == set()


def test_the_documentation_is_in_the_order_of_the_ids(documentation):
    explained = re.findall(r"^(?:#+|\|)\s*`?(WRS\d{4})", documentation, re.MULTILINE)
    assert explained == sorted(set(explained))
