"""httpd and all its processes under valgrind, and what it says of them."""

import re
import shutil
from dataclasses import dataclass, field

import pytest
from harness import machine

SUPPRESSIONS = machine.root / "tests" / "reliability" / "valgrind.supp"

# Of a server that `prepare` is then called for.
ARGUMENTS = {"run_as": machine.user, "debugger": ["valgrind"]}

needed = pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")


def prepare(httpd):
    """Have each process of a server that is not started yet write a report."""
    directory = httpd.directory / "logs" / "valgrind"
    directory.mkdir()
    directory.chmod(0o777)
    # Options on the command line would be in the place of the title of a worker.
    options = "--trace-children=yes --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --num-callers=50"
    options += f" --suppressions={SUPPRESSIONS} --log-file={directory}/%p"
    httpd.environment = {"VALGRIND_OPTS": options}
    # Each block by itself; a Python that can do without the GIL has to have its own allocator.
    if not machine.python_tag.endswith("t"):
        httpd.environment["PYTHONMALLOC"] = "malloc"


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


def reports(httpd):
    """Those of a server that was stopped, oldest process first."""
    directory = httpd.directory / "logs" / "valgrind"
    return [Report.read(path) for path in sorted(directory.iterdir(), key=lambda path: int(path.name))]
