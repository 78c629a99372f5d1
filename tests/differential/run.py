"""Runs a scenario against one server, and says what came of it, without what is different every time."""

import os
import re
from dataclasses import dataclass, replace

from harness.error_log import HARMLESS
from harness.client import Connection, Truncated

from .scenario import Abort, Broken, Expect, Pipeline, Remove, Write

SECONDS = 20.0
BARRIER = b"GET /barrier.txt HTTP/1.1\r\nHost: barrier.example\r\nConnection: close\r\n\r\n"
# Values of environ that no two requests share: the applications show them as KEY=TYPE VALUE.
VOLATILE = re.compile(
    rb"^((?:mod_wsgi\.(?:request_start|queue_start|daemon_start|application_start|request_id|connection_id|server_pid"
    rb"|thread_id|version|listener_port)|REMOTE_PORT|SERVER_PORT|UNIQUE_ID|SERVER_SOFTWARE)=\w+) .*$",
    re.MULTILINE,
)
LINE = re.compile(r"\[[^\]]+\] \[wsgi\w*:(?P<level>\w+)\] \[pid [^\]]*\] (?P<text>.*)")
# A line of another module of httpd.
OTHER = re.compile(r"\[[^\]]+\] \[(?!wsgi)\w+:")
PREFIX = re.compile(r"^(\S+\(\d+\): )?(?:\[(?:client|remote|script) [^\]]*\] )+")
# What the modules themselves say, each in its own words; of lines below warning an application marks its own.
OWN = re.compile(r"^(?:WSGI|WRS)\d{4}\b")
MARK = "(application)"
# Begins a line of a request.
REQUEST = "<request> "
# httpd writes with each line of a request where it came from.
REFERER = re.compile(r", referer: .*$")


def without_prefix(found):
    """What is left of where a line came from: whether it was a request."""
    return (REQUEST if "[client " in found[0] or "[remote " in found[0] else "") + (found[1] or "")


@dataclass(frozen=True)
class Answer:
    """One response."""

    interim: tuple
    status: str
    headers: tuple
    body: bytes
    framing: str
    connection: str


@dataclass(frozen=True)
class Run:
    """What a client and an operator saw."""

    answers: tuple
    log: tuple

    def aspect(self, name):
        """One of `scenario.ASPECTS`."""
        if name == "log":
            return self.log
        if name == "headers":
            return tuple(tuple(sorted(answer.headers)) for answer in self.answers)
        if name == "order":
            return tuple(answer.headers for answer in self.answers)
        return tuple(getattr(answer, name) for answer in self.answers)


class Player:
    """Plays the steps of a scenario to one server."""

    def __init__(self, httpd, scenario):
        self.httpd = httpd
        self.scenario = scenario
        self.connection = None
        self.answers = []

    def run(self):
        """All steps; every line of the log that they caused is there when this returns."""
        since = self.httpd.error_log.size()
        try:
            for step in self.scenario.steps:
                self.step(step)
            self.barrier()
        finally:
            if self.connection:
                self.connection.close()
        return Run(tuple(self.answers), self.log(since))

    def step(self, step):
        """One step."""
        if isinstance(step, Write):
            self.barrier()
            path = self.httpd.script(self.scenario.script, step.source)
            if step.seconds:
                os.utime(path, (step.seconds, step.seconds))
        elif isinstance(step, Remove):
            self.barrier()
            (self.httpd.scripts / self.scenario.script).unlink()
        elif isinstance(step, Pipeline):
            self.send(b"".join(step.requests))
            for request in step.requests:
                self.receive(request)
        elif isinstance(step, Broken):
            self.barrier()
            self.send(step.data + BARRIER)
            self.receive_broken(step.data)
        elif isinstance(step, Expect):
            self.send(step.head)
            self.receive(step.head, step.body)
        elif isinstance(step, Abort):
            self.barrier()
            self.send(step.data)
            self.connection.socket.shutdown(1)
            self.receive(step.data)
        else:
            self.send(step)
            self.receive(step)

    def substitute(self, data):
        """Put the path of the script in."""
        return data.replace(b"$SCRIPT", b"/s/" + self.scenario.script.encode())

    def send(self, data):
        """Send on the open connection, or on a new one."""
        if self.connection is None:
            self.connection = Connection(self.httpd.port, SECONDS)
        try:
            self.connection.send(self.substitute(data))
        except ConnectionError:
            pass

    def barrier(self):
        """When the next request of a connection is answered, the one before it is over; and the connection was kept."""
        if self.connection is None:
            return
        self.send(BARRIER)
        try:
            status, *_ = self.head()
            kept = "200" in status
        except (Truncated, ConnectionError):
            kept = False
        if not kept:
            self.close_last()
        self.drain()

    def close_last(self):
        """The answer before was the last of its connection, although it did not say so."""
        if self.answers:
            self.answers[-1] = replace(self.answers[-1], connection="closed without a word")

    def drain(self):
        """Read to the end of the stream."""
        try:
            rest = self.connection.rest()
        except ConnectionError:
            rest = b""
        self.connection.close()
        self.connection = None
        return rest

    def head(self):
        """Read a status line and its headers."""
        lines = self.connection.until(b"\r\n\r\n").decode("latin-1").split("\r\n")[:-2]
        return lines[0], [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]

    def receive_broken(self, request):
        """Read to the end of the stream, and tell the answer to the request from that to the one behind it."""
        try:
            while self.connection.receive():
                pass
        except ConnectionError:
            pass
        data = self.connection.buffer
        end = data.rfind(b"HTTP/1.1 200 OK\r\n") if data.endswith(b"barrier\n") else len(data)
        self.connection.buffer = data[:end]
        self.receive(request)
        if end < len(data):
            self.answers[-1] = replace(self.answers[-1], connection="kept")
        if self.connection:
            self.drain()

    def receive(self, request, body=None):
        """Read the answer to a request; the body of the request goes out after 100 Continue."""
        interim = []
        try:
            status, headers = self.head()
            while status.split(" ")[1].startswith("1"):
                interim.append(status)
                if body is not None:
                    self.connection.send(body)
                    body = None
                status, headers = self.head()
        except (Truncated, ConnectionError):
            self.answers.append(Answer(tuple(interim), "nothing", (), b"", "nothing", "closed"))
            self.drain()
            return
        if body is not None and not any(k.lower() == "connection" for k, _ in headers):
            self.send(body)
        framing, data = self.body(request.split(b" ", 1)[0], status, dict((k.lower(), v) for k, v in headers))
        announced = any(k.lower() == "connection" and "close" in v.lower() for k, v in headers)
        connection = "kept"
        if announced or framing.endswith("broken off") or framing == "to the end":
            connection = "closed"
            rest = self.drain()
            if rest:
                data += b"\n<after the response>\n" + rest
        left_out = {"content-length", "transfer-encoding"}
        if dict(headers).get("Expires") == dict(headers).get("Date"):
            # httpd adds it when it learns in time that nobody may keep a response which is broken off.
            left_out.add("expires")
        headers = tuple((k, self.value(k, v)) for k, v in headers if k.lower() not in left_out)
        self.answers.append(Answer(tuple(interim), status, headers, self.normal(data), framing, connection))

    def body(self, method, status, headers):
        """How the body is framed, and its bytes."""
        length = headers.get("content-length")
        if method == b"HEAD" or status.split(" ")[1] in ("204", "304"):
            framing = f"no body, Content-Length {length}, Transfer-Encoding {headers.get('transfer-encoding')}"
            return framing, b""
        if "chunked" in headers.get("transfer-encoding", "").lower():
            parts = []
            try:
                while part := self.connection.chunk():
                    parts.append(part)
            except (Truncated, ConnectionResetError, ValueError):
                return "chunked, broken off", b"".join(parts)
            return "chunked", b"".join(parts)
        if length is not None:
            wanted, connection = int(length), self.connection
            try:
                while len(connection.buffer) < wanted and connection.receive():
                    pass
            except ConnectionError:
                pass
            data, connection.buffer = connection.buffer[:wanted], connection.buffer[wanted:]
            return "with a length" if len(data) == wanted else "with a length, broken off", data
        parts = []
        try:
            parts.append(self.connection.rest())
        except ConnectionError:
            return "to the end, broken off", b""
        return "to the end", b"".join(parts)

    # Normal forms

    def value(self, name, value):
        """A header's value without times and ports."""
        if name.lower() in ("date", "server"):
            return "<...>"
        return value.replace(f":{self.httpd.port}", ":<port>")

    def normal(self, data):
        """A body without what belongs to the server that made it."""
        data = data.replace(str(self.httpd.directory).encode(), b"<directory>")
        data = data.replace(b":%d" % self.httpd.port, b":<port>")
        return VOLATILE.sub(rb"\1 <...>", data)

    def log(self, since):
        """The lines of the application."""
        lines = []
        for line in self.httpd.error_log.lines(since):
            match = LINE.fullmatch(line.raw)
            if match is None:
                if not OTHER.match(line.raw):
                    lines.append(("", self.normal_line(line.raw)))
                continue
            text = PREFIX.sub(without_prefix, match["text"])
            if not OWN.search(text.removeprefix(REQUEST)) and (match["level"] not in HARMLESS or MARK in text):
                lines.append((match["level"], self.normal_line(text)))
        return tuple(lines)

    def normal_line(self, text):
        """A line without what belongs to the server, the script or the connection."""
        text = re.sub(r"_mod_wsgi_[0-9a-f]{32}", "_mod_wsgi_<...>", REFERER.sub("", text))
        text = text.replace(str(self.httpd.directory), "<directory>")
        return text.replace(f":{self.httpd.port}", ":<port>")
