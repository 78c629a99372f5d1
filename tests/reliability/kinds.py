"""Requests of every kind, each with what must come back, for tests that look at the processes behind."""

import itertools
import os
import threading

import pytest
from harness import Http2Connection, StreamReset, Truncated, machine

CHUNKED = ("Transfer-Encoding", "chunked")
BLOCK = 64 * 1024


def chunks(body, size):
    """The body in chunks of that size."""
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


class Site:
    """One way to the applications of a server, and the requests that can be sent there."""

    def __init__(self, server, prefix, file):
        self.server = server
        self.prefix = prefix
        self.file = file
        self.kinds = [*self.plain(), *self.uploads(), *self.downloads(), *self.faults(), *self.departures()]
        if machine.has_module("http2"):
            self.kinds += [self.http2, self.http2_reset]

    def exchange(self, method, path, headers=(), body=None, status=200):
        """A request that must be answered with that status."""
        response = self.server.request(method, self.prefix + path, headers, body, seconds=60)
        assert response.status == status, f"{method} {path}: {response}"
        return response

    def kind(self, *arguments, **keywords):
        """Such a request, for later."""
        return lambda: self.exchange(*arguments, **keywords)

    def connect(self):
        """A connection that is as patient as slow servers need."""
        return self.server.connect(60)

    def plain(self):
        """Answers of every shape, one script that is not there, and an interpreter of its own."""
        statuses = {"challenges": 401, "no_content": 204, "not_modified": 304, "reason": 299, "redirect": 302}
        statuses |= {"error": 503, "late_start": 201, "replaced": 500}
        names = ["cookies", "parts", "by_tuple", "by_generator", "write", "empty", "too_long", *statuses]
        for name in names:
            yield self.kind("GET", f"/response.wsgi/{name}", status=statuses.get(name, 200))
        yield self.kind("HEAD", "/response.wsgi/parts")
        yield self.kind("GET", "/environ.wsgi/a//b%20c?q=1", [(f"X-Header-{number}", "caf\xe9" * number) for number in range(30)])
        yield self.kind("GET", "/none.wsgi", status=404)
        yield self.kind("GET", "/other/hello.wsgi")
        yield self.kind("GET", "/observed.wsgi/module")
        yield self.kind("GET", "/observed.wsgi/timeout", status=504)
        yield self.kept_alive

    def kept_alive(self):
        """Requests on one connection, the last two in one piece."""
        with self.connect() as connection:
            for _ in range(2):
                assert connection.request("GET", f"{self.prefix}/response.wsgi/parts").response().body == b"one,two,three"
            connection.request("POST", f"{self.prefix}/body.wsgi/read", (), b"abc")
            connection.request("GET", f"{self.prefix}/response.wsgi/by_tuple")
            assert connection.response().status == 200
            assert connection.response().body == b"ab"

    def uploads(self):
        """Bodies that are read in every way, in part, or not at all."""
        lines = b"one\ntwo\n\nthree" * 500
        for way in ("read", "read-negative", "readline", "readline-n", "readlines", "readlines-hint", "iterate", "mixed", "nothing"):
            yield self.kind("POST", f"/body.wsgi/{way}", (), lines)
            yield self.kind("POST", f"/body.wsgi/{way}", [CHUNKED], chunks(lines, 999))
        large = os.urandom(3 * BLOCK + 1)
        for path in ("/large.wsgi/upload", "/large.wsgi/echo", "/duplex.wsgi/answer-first", "/duplex.wsgi/never-read", "/duplex.wsgi/read-some"):
            yield self.kind("POST", path, (), large)
            yield self.kind("POST", path, [CHUNKED], chunks(large, 5000))
        yield self.kind("POST", "/body.wsgi/read", [CHUNKED], b"no chunk\r\n", status=400)

    def downloads(self):
        """Streams, and files through `wsgi.file_wrapper`."""
        yield self.kind("GET", "/large.wsgi/download?3")
        yield self.kind("GET", "/large.wsgi/stream?3")
        for way in ("whole", "part", "rest", "shared", "memory", "pipe", "empty"):
            yield self.kind("GET", f"/files.wsgi/{way}?{self.file}", status=206 if way == "part" else 200)

    def faults(self):
        """Applications that do not do what they should, before their head is sent and after it."""
        for name in ("raise_before", "raise_in_iteration", "returns_none", "returns_str", "yields_str", "no_start_response", "bad_status"):
            yield self.kind("GET", f"/faults.wsgi/{name}", status=500)
        for name in ("bad_header", "headers_no_list", "exits", "chained"):
            yield self.kind("GET", f"/faults.wsgi/{name}", status=500)
        yield self.kind("GET", "/faults.wsgi/close_raises")
        yield self.kind("GET", "/syntax_error.wsgi", status=500)
        for name in ("raise_after", "raise_after_length"):
            yield lambda name=name: pytest.raises(Truncated, self.exchange, "GET", f"/faults.wsgi/{name}")

    def departures(self):
        """Clients that go away: in the middle of the head, of their body, of the response, and before it."""
        yield lambda: self.leave(b"GET %s/response.wsgi/parts HTT")
        yield lambda: self.leave(b"POST %s/body.wsgi/read HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\npart")
        yield lambda: self.leave(b"POST %s/body.wsgi/iterate HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\npa")
        yield lambda: self.leave(b"GET %s/large.wsgi/download?3 HTTP/1.1\r\nHost: a\r\n\r\n")
        yield lambda: self.leave(b"GET %s/large.wsgi/download?100 HTTP/1.1\r\nHost: a\r\n\r\n", wait=True)
        yield lambda: self.leave(b"POST %s/duplex.wsgi/answer-first HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\npart", wait=True)

    def leave(self, data, wait=False):
        """Send this and close, at once or when the response has begun."""
        with self.connect() as connection:
            connection.send(data % self.prefix.encode())
            if wait:
                connection.receive()

    def http2(self):
        """Three streams at once."""
        with Http2Connection(self.server.port, 60) as connection:
            get = connection.request("GET", f"{self.prefix}/response.wsgi/parts")
            post = connection.request("POST", f"{self.prefix}/large.wsgi/echo", end=False)
            fault = connection.request("GET", f"{self.prefix}/faults.wsgi/raise_after")
            connection.send(post, b"x" * BLOCK, end=True)
            assert connection.response(get).body == b"one,two,three"
            assert len(connection.response(post).body) == BLOCK
            with pytest.raises(StreamReset):
                connection.response(fault)

    def http2_reset(self):
        """A stream that the client resets in the middle of its body."""
        with Http2Connection(self.server.port, 60) as connection:
            stream = connection.request("POST", f"{self.prefix}/body.wsgi/read", end=False)
            connection.send(stream, b"part")
            connection.h2.reset_stream(stream, 8)
            connection.flush()
            other = connection.request("GET", f"{self.prefix}/response.wsgi/parts")
            assert connection.response(other).body == b"one,two,three"

    def memory(self):
        """What the process behind has in use."""
        return self.exchange("GET", "/observed.wsgi/memory").json


def work(sites, count, clients=3):
    """Send that many requests, every kind in turn, from several clients at once."""
    kinds = [kind for kinds in itertools.zip_longest(*(site.kinds for site in sites)) for kind in kinds if kind]
    turns = itertools.islice(itertools.cycle(kinds), count)
    lock, failures = threading.Lock(), []

    def ask():
        while not failures:
            with lock:
                kind = next(turns, None)
            if kind is None:
                return
            try:
                kind()
            except Exception as failure:
                failures.append(failure)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
