"""Where a test and an application wait for each other (the other side is applications/lib/rendezvous.py)."""

import shutil
import tempfile
from pathlib import Path

from .wait import wait_until


class Rendezvous:
    """A directory in which each side makes files which the other waits for."""

    def __init__(self, parent):
        self.path = Path(tempfile.mkdtemp(prefix="rendezvous-", dir=parent))
        self.path.chmod(0o777)

    @property
    def query(self):
        """What names it to the application."""
        return f"?at={self.path}"

    def announce(self, name):
        """Let the application go on which waits for this."""
        (self.path / name).touch()

    def files(self, prefix):
        """The names which the application has made so far."""
        return sorted(path.name for path in self.path.iterdir() if path.name.startswith(prefix))

    def wait_for(self, prefix, count=1, seconds=15):
        """Wait until the application has made that many files of this name."""
        return wait_until(
            lambda: len(found := self.files(prefix)) >= count and found,
            f"{count} of {prefix} in {self.path}, which has {self.files('')}",
            seconds,
        )

    def remove(self):
        """Delete it."""
        shutil.rmtree(self.path)
