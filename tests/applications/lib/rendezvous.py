"""Lets a test and an application wait for each other: each makes a file which the other waits for."""

import os
import time
from urllib.parse import parse_qs


def directory(environ):
    """The directory which the test named as `?at=`."""
    return parse_qs(environ["QUERY_STRING"])["at"][0]


def announce(place, name):
    """Say that something has happened."""
    with open(os.path.join(place, name), "x"):
        pass


def wait_for(place, name, seconds=20):
    """Wait until the other side has said so."""
    deadline = time.monotonic() + seconds
    while not os.path.exists(os.path.join(place, name)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody made {name} in {place}")
        time.sleep(0.005)
