"""A small HTTP/1.1 client which hides nothing: bytes go out as given, what is broken is seen as broken."""

import http.cookiejar
import json
import select
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field


class Truncated(Exception):
    """The connection ended before the response did."""


@dataclass
class Response:
    """One response, its headers in the order in which they came."""

    status: int
    reason: str
    headers: list = field(default_factory=list)
    body: bytes = b""

    def header(self, name, default=None):
        """The first header of that name."""
        values = self.all(name)
        return values[0] if values else default

    def all(self, name):
        """Every value of that header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def text(self):
        """The body as text."""
        return self.body.decode("utf-8")

    @property
    def json(self):
        """What the JSON of a successful response says."""
        assert self.status == 200, f"{self.status} {self.reason}: {self.text}"
        return json.loads(self.body)


class TlsSocket:
    """A TLS socket that one thread may send on while another receives, which OpenSSL does not allow by itself."""

    def __init__(self, tls, seconds):
        self.tls = tls
        self.tls.setblocking(False)
        self.seconds = seconds
        self.lock = threading.Lock()

    def __getattr__(self, name):
        return getattr(self.tls, name)

    def settimeout(self, seconds):
        """How long one call may wait."""
        self.seconds = seconds

    def recv(self, size):
        """Receive some bytes; none at the end."""
        return self._call(self.tls.recv, size)

    def sendall(self, data):
        """Send all these bytes."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._call(self.tls.send, rest) :]

    def _call(self, function, argument):
        """Call it, one thread at a time; the wait for the peer is outside of the lock."""
        deadline = time.monotonic() + self.seconds
        while True:
            try:
                with self.lock:
                    return function(argument)
            except ssl.SSLWantReadError:
                event = select.POLLIN
            except ssl.SSLWantWriteError:
                event = select.POLLOUT
            poll = select.poll()
            poll.register(self.tls, event)
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise TimeoutError(f"the server was not ready within {self.seconds} seconds")


class Connection:
    """One TCP connection to the server."""

    def __init__(self, port, seconds=15.0, tls=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = TlsSocket(tls.wrap_socket(self.socket, server_hostname="localhost"), seconds)
        self.seconds = seconds
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Close without ceremony."""
        self.socket.close()

    def send(self, data):
        """Send these bytes."""
        self.socket.sendall(data)
        return self

    def request(self, method, path, headers=(), body=None):
        """Send a request; a `Host` and, with a body, a `Content-Length` is added."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.socket.getpeername()[1]}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body is not None and not any(name.lower() == "content-length" for name, _ in headers):
            lines.append(f"Content-Length: {len(body)}")
        return self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b""))

    def receive(self, seconds=None):
        """Read what is there into the buffer; false at the end of the stream."""
        self.socket.settimeout(self.seconds if seconds is None else seconds)
        data = self.socket.recv(65536)
        self.buffer += data
        return bool(data)

    def until(self, mark):
        """Read to and including the mark."""
        start = 0
        while (at := self.buffer.find(mark, start)) < 0:
            start = max(0, len(self.buffer) - len(mark) + 1)
            if not self.receive():
                raise Truncated(f"the connection ended before {mark!r}; there was {self.buffer[-200:]!r}")
        data, self.buffer = self.buffer[: at + len(mark)], self.buffer[at + len(mark) :]
        return data

    def exactly(self, size):
        """Read that many bytes."""
        parts, have = [], 0
        while have < size:
            if not self.buffer and not self.receive():
                raise Truncated(f"the connection ended after {have} of {size} bytes")
            part, self.buffer = self.buffer[: size - have], self.buffer[size - have :]
            parts.append(part)
            have += len(part)
        return b"".join(parts)

    def head(self):
        """Read the status line and the headers."""
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")[:-2]
        _, status, *reason = lines[0].split(" ", 2)
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
        return Response(int(status), reason[0] if reason else "", headers)

    def chunk(self):
        """Read one chunk of a chunked body; the last one is empty."""
        size = int(self.until(b"\r\n").split(b";")[0], 16)
        data = self.exactly(size)
        if self.exactly(2) != b"\r\n":
            raise Truncated("a chunk did not end with a new line")
        return data

    def response(self, method="GET"):
        """Read one whole response; `Truncated` when it is cut."""
        response = self.head()
        while response.status == 100:
            response = self.head()
        if method == "HEAD" or response.status in (204, 304):
            return response
        if "chunked" in response.header("Transfer-Encoding", "").lower():
            parts = []
            while part := self.chunk():
                parts.append(part)
            response.body = b"".join(parts)
        elif (length := response.header("Content-Length")) is not None:
            response.body = self.exactly(int(length))
        else:
            while self.receive():
                pass
            response.body, self.buffer = self.buffer, b""
        return response

    def rest(self):
        """Everything up to the end of the stream, which must come in time."""
        while self.receive():
            pass
        data, self.buffer = self.buffer, b""
        return data

    def is_silent(self, seconds=0.2):
        """Whether nothing comes for a while."""
        try:
            return not self.buffer and not self.receive(seconds)
        except TimeoutError:
            return True


def read_response(port, method, path, headers=(), body=None, seconds=15.0):
    """One request on a connection of its own."""
    with Connection(port, seconds) as connection:
        connection.request(method, path, [*headers, ("Connection", "close")], body)
        return connection.response(method)


class Client:
    """A browser of sorts: keeps cookies and follows redirections."""

    def __init__(self, origin, seconds=30.0):
        self.origin = origin
        self.seconds = seconds
        self.cookies = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.cookies)
        )

    def cookie(self, name):
        """The value of a cookie."""
        return next((cookie.value for cookie in self.cookies if cookie.name == name), None)

    def open(self, path, body=None, headers=()):
        """GET, or POST with a body; an error status is an answer too."""
        request = urllib.request.Request(self.origin + path, data=body, headers=dict(headers))
        try:
            answer = self.opener.open(request, timeout=self.seconds)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return Response(answer.status, answer.reason, answer.headers.items(), answer.read())

    def post(self, path, fields, files=(), headers=()):
        """POST a form; with files as multipart/form-data."""
        boundary = f"boundary{time.monotonic_ns()}"
        parts = []
        for name, value in fields.items():
            parts.append((f'form-data; name="{name}"', value.encode()))
        for name, file_name, data in files:
            parts.append((f'form-data; name="{name}"; filename="{file_name}"', data))
        body = b"".join(
            f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + data + b"\r\n"
            for disposition, data in parts
        )
        body += f"--{boundary}--\r\n".encode()
        content_type = f"multipart/form-data; boundary={boundary}"
        return self.open(path, body, [("Content-Type", content_type), *headers])
