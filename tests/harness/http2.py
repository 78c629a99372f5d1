"""A small HTTP/2 client: one thread, one connection, streams which end as the server ends them."""

import socket
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events


class StreamReset(Exception):
    """The server reset the stream, as it must when a response cannot be completed."""


@dataclass
class Stream:
    """What has come of one response."""

    headers: list = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    interim: list = field(default_factory=list)
    ended: bool = False
    reset: int | None = None

    @property
    def status(self):
        """The status, once the head is there."""
        return next((int(value) for name, value in self.headers if name == ":status"), None)

    def header(self, name):
        """The first header of that name."""
        return next((value for key, value in self.headers if key == name.lower()), None)


class Http2Connection:
    """One connection; requests are streams."""

    def __init__(self, port, seconds=15.0, tls=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.authority = f"127.0.0.1:{port}"
        self.scheme = "http" if tls is None else "https"
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="latin-1"))
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(1 << 20)
        self.streams = {}
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Close without ceremony."""
        self.socket.close()

    def flush(self):
        """Send what the protocol has to say."""
        self.socket.sendall(self.h2.data_to_send())

    def request(self, method, path, headers=(), end=True):
        """Begin a request; its stream."""
        number = self.h2.get_next_available_stream_id()
        pseudo = [(":method", method), (":path", path), (":scheme", self.scheme), (":authority", self.authority)]
        self.h2.send_headers(number, [*pseudo, *headers], end_stream=end)
        self.streams[number] = Stream()
        self.flush()
        return number

    def send(self, number, data, end=False):
        """Send a piece of the body, as the server gives room for it."""
        view = memoryview(data)
        while view:
            room = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
            if room <= 0:
                self.receive()
                continue
            self.h2.send_data(number, view[:room].tobytes())
            view = view[room:]
            self.flush()
        if end:
            self.h2.end_stream(number)
            self.flush()

    def receive(self):
        """Wait for bytes of the server and take note of what they say."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        for event in self.h2.receive_data(data):
            stream = self.streams.get(getattr(event, "stream_id", None))
            if isinstance(event, h2.events.ResponseReceived):
                stream.headers = event.headers
            elif isinstance(event, h2.events.InformationalResponseReceived):
                stream.interim.append(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                stream.body += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                stream.ended = True
            elif isinstance(event, h2.events.StreamReset) and stream:
                stream.reset = event.error_code
            elif isinstance(event, h2.events.ConnectionTerminated):
                raise ConnectionError(f"the server ended the connection: {event.error_code}")
        self.flush()

    def until(self, number, condition):
        """Receive until the condition holds of the stream."""
        stream = self.streams[number]
        while not condition(stream):
            if stream.reset is not None:
                raise StreamReset(f"stream {number} was reset with error {stream.reset}")
            assert not stream.ended, f"stream {number} ended with {bytes(stream.body[-200:])!r}"
            self.receive()
        return stream

    def head(self, number):
        """Wait for the head of the response."""
        return self.until(number, lambda stream: stream.headers)

    def exactly(self, number, size):
        """Take that many bytes of the response."""
        stream = self.until(number, lambda stream: len(stream.body) >= size)
        data = bytes(stream.body[:size])
        del stream.body[:size]
        return data

    def response(self, number):
        """Wait for the whole response; `StreamReset` when it is cut."""
        return self.until(number, lambda stream: stream.ended)
