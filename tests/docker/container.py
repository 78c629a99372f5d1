"""Containers of the tests: each is started here, spoken with over HTTP, and removed by its id."""

import contextlib
import http.client
import json
import subprocess

from harness import wait_until


def docker(*words, check=True, seconds=1800):
    """What docker says on stdout; its stderr is in the failure."""
    done = subprocess.run(["docker", *map(str, words)], capture_output=True, text=True, check=False, timeout=seconds)
    assert not check or done.returncode == 0, f"docker {' '.join(map(str, words))}: {done.stderr}\n{done.stdout}"
    return done.stdout.strip()


# For a container that does what it is told with `run`.
FOREVER = ("tail", "-f", "/dev/null")


@contextlib.contextmanager
def volumes(*places):
    """Options that mount a new volume in each of these places."""
    names = [docker("volume", "create") for _ in places]
    try:
        yield [word for name, place in zip(names, places, strict=True) for word in ("-v", f"{name}:{place}")]
    finally:
        docker("volume", "rm", *names)


class Container:
    """One that runs in the background, with its port 80 on a port of the loopback device."""

    def __init__(self, image, *options, command=(), serves=True):
        self.id = docker("run", "-d", "-p", "127.0.0.1::80", *options, image, *command)
        try:
            if serves:
                self.find_port()
                wait_until(self.answers, "an answer of the container", seconds=60, pause=0.05)
        except BaseException:
            print(self.logs())
            self.remove()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            print(self.logs())
        self.remove()

    def remove(self):
        """Ends it and forgets it."""
        docker("rm", "-f", "-v", self.id)

    def find_port(self):
        """Asks which port of this machine is the container's; another one after each start."""
        assert self.inspect("{{.State.Running}}") == "true", f"the container has ended; it says: {self.logs()}"
        self.port = int(docker("port", self.id, "80").splitlines()[0].rpartition(":")[2])

    def request(self, path="/"):
        """Sends a request; the answer's head is read, its body not yet."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path)
        return connection.getresponse()

    def get(self, path="/"):
        """Status and text of an answer."""
        answer = self.request(path)
        return answer.status, answer.read().decode()

    def json(self, path="/"):
        """The JSON of a successful answer."""
        status, text = self.get(path)
        assert status == 200, f"{status}: {text}"
        return json.loads(text)

    def answers(self):
        """Whether the application answers; it never will when the container has ended."""
        assert self.inspect("{{.State.Running}}") == "true", f"the container has ended; it says: {self.logs()}"
        try:
            return self.get()[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def logs(self):
        """Everything it has written."""
        done = subprocess.run(["docker", "logs", self.id], capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    def wait_for_log(self, text, count=1):
        """Waits until its log has that text so often."""
        wait_until(lambda: self.logs().count(text) >= count, f"{text!r} in the container's log", seconds=30, pause=0.05)

    def run(self, *words):
        """What a program says that is run in it."""
        return docker("exec", self.id, *words)

    def sh(self, commands):
        """What these lines of a shell script say, which ends with the first that fails."""
        return self.run("sh", "-e", "-c", commands)

    def inspect(self, template):
        """A field of what docker knows of it."""
        return docker("inspect", "-f", template, self.id)
