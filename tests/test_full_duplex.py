"""A request body and a response go on at the same time, over every protocol."""

import os
import threading

import pytest
from harness import Connection, Httpd
from harness.processes import no_process_grows

BLOCK = os.urandom(64 * 1024)

CONFIG = """
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /app ${APPLICATIONS}
"""


class Plain:
    """A request over HTTP/1.1, its body with a declared length."""

    def __init__(self, server, path, length):
        self.connection = server.connect(30)
        self.connection.request("POST", path, [("Content-Length", str(length))])
        self.left = b""

    def send(self, data, end=False):
        self.connection.send(data)

    def head(self):
        response = self.connection.head()
        # httpd declares the length of what is there whole at once.
        self.declared = response.header("Content-Length") is not None
        return response.status

    def exactly(self, size):
        if self.declared:
            return self.connection.exactly(size)
        while len(self.left) < size:
            data = self.connection.chunk()
            assert data, "the response ended early"
            self.left += data
        data, self.left = self.left[:size], self.left[size:]
        return data

    def end(self):
        assert self.declared or (self.left, self.connection.chunk()) == (b"", b"")

    def close(self):
        self.connection.close()


class Chunked(Plain):
    """The same with a body in chunks."""

    def __init__(self, server, path, length):
        self.connection = server.connect(30)
        self.connection.request("POST", path, [("Transfer-Encoding", "chunked")])
        self.left = b""

    def send(self, data, end=False):
        self.connection.send(b"%x\r\n%s\r\n" % (len(data), data) + (b"0\r\n\r\n" if end else b""))


class Http2:
    """A request over HTTP/2."""

    def __init__(self, server, path, length):
        self.connection = server.connect_http2(30)
        self.stream = self.connection.request("POST", path, end=False)

    def send(self, data, end=False):
        self.connection.send(self.stream, data, end)

    def head(self):
        return self.connection.head(self.stream).status

    def exactly(self, size):
        return self.connection.exactly(self.stream, size)

    def end(self):
        assert self.connection.response(self.stream).body == b""

    def close(self):
        self.connection.close()


PROTOCOLS = {"http/1.1": Plain, "chunked": Chunked, "h2": Http2}


@pytest.fixture(scope="module", params=["plain", "tls"])
def server(mode, request):
    tls = request.param == "tls"
    httpd = Httpd(mode.serve() + CONFIG, modules=("http2", *(("ssl",) if tls else ())))
    httpd.config += httpd.certificate() + "Protocols h2 http/1.1\n" if tls else "Protocols h2c http/1.1\n"
    with httpd:
        yield httpd


@pytest.fixture(params=PROTOCOLS)
def begin(request, server):
    """Begins a request."""
    opened = []

    def begin(path, length):
        kind = PROTOCOLS[request.param]
        if server.tls:
            server.tls.set_alpn_protocols(["h2" if kind is Http2 else "http/1.1"])
        opened.append(kind(server, path, length))
        return opened[-1]

    begin.protocol = request.param
    yield begin
    for one in opened:
        one.close()


def echo(begin, count):
    """Has a body echoed of which never more than one block is under way."""
    exchange = begin("/app/duplex.wsgi/echo", count * len(BLOCK))
    for number in range(count):
        exchange.send(BLOCK, end=number == count - 1)
        if number == 0:
            assert exchange.head() == 200
        assert exchange.exactly(len(BLOCK)) == BLOCK
    exchange.end()


def warm(begin):
    """What is allocated once is allocated before anything is measured."""
    for _ in range(4):
        echo(begin, 8)


def test_an_application_answers_before_it_reads(begin):
    exchange = begin("/app/duplex.wsgi/answer-first", 3 * len(BLOCK))
    # Nothing of the body was sent yet.
    assert exchange.head() == 200
    assert exchange.exactly(8) == b"answered"
    exchange.send(BLOCK)
    exchange.send(2 * BLOCK, end=True)
    assert exchange.exactly(16) == b" and read 196608"
    exchange.end()


def test_an_application_echoes_while_it_reads(server, begin):
    """The client has never more than one window under way, and waits for the echo before it goes on."""
    warm(begin)
    count = 400 if begin.protocol == "h2" else 1600
    with no_process_grows(server):
        echo(begin, count)


def test_single_lines_come_back_one_by_one(begin):
    exchange = begin("/app/duplex.wsgi/echo-lines", 50 * 5)
    for number in range(50):
        line = b"%04d\n" % number
        exchange.send(line, end=number == 49)
        if number == 0:
            assert exchange.head() == 200
        assert exchange.exactly(5) == line
    exchange.end()


@pytest.mark.parametrize("path", ["never-read", "read-some"])
def test_an_upload_that_is_not_read_does_not_block_and_is_not_kept(server, begin, path):
    if begin.protocol == "h2":
        pytest.skip("the server may reset a stream whose body nobody wants")
    warm(begin)
    size = 100 * 1024 * 1024
    with no_process_grows(server):
        exchange = begin(f"/app/duplex.wsgi/{path}", size)

        def upload():
            # When not the whole body is wanted the server may close.
            try:
                for at in range(0, size, len(BLOCK)):
                    exchange.send(BLOCK, end=at + len(BLOCK) == size)
            except OSError:
                pass

        thread = threading.Thread(target=upload)
        thread.start()
        assert exchange.head() == 200
        assert exchange.exactly(7 if path == "read-some" else 12) in (b"read 10", b"did not look")
        exchange.end()
        thread.join()
    assert isinstance(exchange.connection, Connection)
    exchange.connection.request("GET", "/app/hello.wsgi")
    assert exchange.connection.response().text == "Hello, world!\n"


def test_an_http_2_upload_that_is_not_read_does_not_disturb_other_streams(server, mode):
    if server.tls:
        server.tls.set_alpn_protocols(["h2"])
    with server.connect_http2() as connection:
        unread = connection.request("POST", "/app/duplex.wsgi/never-read", end=False)
        connection.send(unread, b"x" * 1000)
        assert connection.exactly(unread, 12) == b"did not look"
        for _ in range(5):
            stream = connection.request("GET", "/app/hello.wsgi")
            assert connection.response(stream).body == b"Hello, world!\n"
