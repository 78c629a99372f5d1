"""Clients that ask a server in a loop, and what became of their requests."""

import threading
import time
from collections import Counter
from dataclasses import dataclass

from .client import Truncated, read_response
from .wait import wait_until


@dataclass(frozen=True)
class Answer:
    """One answer: when it was asked for, how long it took."""

    status: int
    text: str
    begun: float
    taken: float


class Load:
    """Clients that ask in a loop, each on a thread, from `with` to its end. Each request has a connection of its own."""

    def __init__(self, server, clients=6, path="/", seconds=20):
        self.server = server
        self.path = path
        self.seconds = seconds
        self.answers = []
        # Requests without an answer: refused, cut, or too late.
        self.failures = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.ask, daemon=True) for _ in range(clients)]

    def ask(self):
        while not self.over.is_set():
            begun = time.monotonic()
            try:
                answer = read_response(self.server.port, "GET", self.path, (), None, self.seconds)
                self.answers.append(Answer(answer.status, answer.body.decode(), begun, time.monotonic() - begun))
            except (OSError, Truncated) as error:
                self.failures.append(error)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.more(10)
        return self

    def __exit__(self, *_):
        self.over.set()
        deadline = time.monotonic() + self.seconds + 10
        for thread in self.threads:
            thread.join(max(0, deadline - time.monotonic()))
        assert not any(thread.is_alive() for thread in self.threads)

    def more(self, count, seconds=60):
        """Wait for that many more answers."""
        goal = len(self.answers) + count
        wait_until(lambda: len(self.answers) >= goal, f"{count} more answers", seconds)

    def statuses(self):
        """How often each status came."""
        return Counter(answer.status for answer in self.answers)

    def assert_nothing_failed(self):
        """Every request was answered with 200."""
        assert not self.failures, Counter(map(repr, self.failures))
        assert set(self.statuses()) == {200}, self.statuses()


def percentile(values, part):
    """The value below which that part of them is."""
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]
