"""A request that is under way while the test goes on."""

import threading


class Asked:
    """Asks on a thread of the test."""

    def __init__(self, server, path):
        self.answer = None
        self.thread = threading.Thread(target=self.run, args=(server, path), daemon=True)
        self.thread.start()

    def run(self, server, path):
        self.answer = server.get(path, seconds=30)

    def result(self, seconds=30):
        """Its answer, when it is there."""
        self.thread.join(seconds)
        assert not self.thread.is_alive()
        return self.answer

    def status(self, seconds=30):
        """Its status, when it is answered."""
        return self.result(seconds).status
