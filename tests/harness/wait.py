"""Waiting for a condition, never for a time."""

import time


def wait_until(condition, what, seconds=10.0, pause=0.01):
    """Return the first true value of `condition()`; fail with `what` when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(pause)
