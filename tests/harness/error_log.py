"""httpd's error log: what is in it, and what a test did not expect there."""

import re
from dataclasses import dataclass

from .wait import wait_until

LINE = re.compile(
    r"\[(?P<time>[^\]]+)\] \[(?P<module>\w*):(?P<level>\w+)\] \[pid (?P<pid>\d+)(?::tid (?P<tid>\w+))?\] (?P<text>.*)"
)

HARMLESS = {"notice", "info", "debug", *(f"trace{n}" for n in range(1, 9))}

# At SIGTERM the event MPM closes the sockets that its workers have just answered on, and says so of its own doing.
CLOSED_AT_THE_END = re.compile(r"\(9\)Bad file descriptor: AH0309[23]: ")

# The lines of a Python traceback, but for the last which names the exception.
TRACEBACK = (
    r"Traceback \(most recent call last\):"
    r"|  File \".*\", line \d+"
    r"|(?:^|\] )    "
    r"|The above exception was the direct cause|During handling of the above exception"
    r"|(?:^|\] )$"
)


@dataclass(frozen=True)
class Line:
    """One line of the log; `level` is empty when it has not the form of httpd's lines."""

    raw: str
    module: str = ""
    level: str = ""
    pid: int = 0
    text: str = ""

    @classmethod
    def parse(cls, raw):
        """Read one line."""
        match = LINE.fullmatch(raw)
        if match is None:
            return cls(raw, text=raw)
        return cls(raw, match["module"], match["level"], int(match["pid"]), match["text"])

    @property
    def is_harmless(self):
        """Whether the line is of a level which every server may write."""
        return self.level in HARMLESS or (self.module == "mpm_event" and CLOSED_AT_THE_END.match(self.text) is not None)


class ErrorLog:
    """The log of one server, which every test reads on from where the one before it stopped."""

    def __init__(self, path):
        self.path = path
        self.checked = 0
        self.allowed = []
        self.always_allowed = []

    def lines(self, since=0):
        """The lines after the first `since` bytes; an unfinished last line is left for later."""
        try:
            with open(self.path, "rb") as file:
                file.seek(since)
                data = file.read()
        except FileNotFoundError:
            return []
        data = data[: data.rfind(b"\n") + 1]
        return [Line.parse(raw) for raw in data.decode("utf-8", "replace").splitlines()]

    def size(self):
        """A place in the log, to give to `since`."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def allow(self, *patterns):
        """Say what the rest of this test may bring into the log."""
        self.allowed += patterns

    def expect(self, *patterns, seconds=10.0, since=None):
        """Wait for one line for each pattern, allow it, and return those lines."""
        since = self.checked if since is None else since
        self.allow(*patterns)
        found = []
        for pattern in patterns:
            regex = re.compile(pattern)

            def first(regex=regex):
                return next((line for line in self.lines(since) if regex.search(line.raw)), None)

            found.append(wait_until(first, f"a line like {pattern!r} in {self.path}", seconds))
        return found

    def count(self, pattern):
        """How many lines of the whole log have the pattern."""
        return sum(1 for line in self.lines() if re.search(pattern, line.raw))

    def check(self):
        """Fail when there are lines which nobody expected; the next test begins behind them."""
        since, self.checked = self.checked, self.size()
        allowed = [re.compile(pattern) for pattern in self.allowed + self.always_allowed]
        self.allowed = []
        unexpected = [
            line.raw
            for line in self.lines(since)
            if not line.is_harmless and not any(regex.search(line.text) for regex in allowed)
        ]
        assert not unexpected, "not expected in the error log:\n" + "\n".join(unexpected)
