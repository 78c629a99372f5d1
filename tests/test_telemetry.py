"""`WSGITelemetryService`: what a process counts is sent to a socket, in the format of mod_wsgi 6."""

import os
import select
import socket
import struct
import threading

import pytest
from harness import Httpd, wait_until

pytestmark = pytest.mark.ours

REQUESTS, SLOW, STARTED, STOPPING, STOPPED, COLLECTOR, COLLECTION = 2, 4, 5, 6, 7, 8, 9

APPLICATION = """
import ctypes, gc, mod_wsgi

def application(environ, start_response):
    environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/stuck":
        # Nobody else gets the GIL meanwhile.
        ctypes.PyDLL(None).usleep(1_200_000)
    body = repr(mod_wsgi.request_metrics()).encode()
    if environ["PATH_INFO"] == "/garbage":
        cycle = []
        cycle.append(cycle)
        del cycle
        gc.disable()
        gc.set_threshold(701, 11, 12)
        body = b"%d" % gc.collect()
    start_response("404 Not Found" if environ["PATH_INFO"] == "/none" else "200 OK", [("Content-Type", "text/plain")])
    return [body]
"""


class Datagram:
    """One of them: its kind, process and number, and its fields by their numbers."""

    def __init__(self, data):
        magic, version, self.kind, flags, self.pid, self.number, self.time = struct.unpack_from("<4sBBHIId", data)
        assert (magic, version, flags) == (b"WSGI", 1, 0)
        assert len(data) <= 8192
        self.fields = {}
        at = 24
        while at < len(data):
            name, kind = struct.unpack_from("<HB", data, at)
            at += 3
            if kind <= 3:
                size, (value,) = 8, struct.unpack_from("<" + " Qdq"[kind], data, at)
            else:
                (count,) = struct.unpack_from("<H", data, at)
                at += 2
                code, width = {4: ("s", 1), 5: ("i", 4), 6: ("d", 8)}[kind]
                size = count * width
                value = struct.unpack_from(f"<{count}{code}", data, at)
                value = value[0] if kind == 4 else list(value)
            at += size
            assert name not in self.fields
            self.fields[name] = value


class Receiver:
    """A socket where telemetry arrives."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        os.chmod(path, 0o777)
        self.all = []

    def collect(self):
        """Take what is there; all that came so far."""
        while select.select([self.socket], [], [], 0)[0]:
            self.all.append(Datagram(self.socket.recv(65536)))
        return self.all

    def of(self, kind, wanted=lambda fields: True):
        """The fields of the datagrams of a kind."""
        return [datagram.fields for datagram in self.collect() if datagram.kind == kind and wanted(datagram.fields)]

    def wait_for(self, kind, wanted=lambda fields: True):
        """The first one of a kind that is as wanted."""
        return wait_until(lambda: self.of(kind, wanted), f"telemetry of kind {kind}", 15)[0]


def serve(mode, directives, receives=True):
    """A server, and who receives its telemetry."""
    config = f"""WSGITelemetryService unix:${{DIRECTORY}}/telemetry interval=0.5
{directives}
{mode.serve(threads=4)}
WSGIApplicationGroup %{{GLOBAL}}
WSGIScriptAlias /app ${{SCRIPTS}}/telemetry.wsgi
WSGIScriptAlias /named ${{SCRIPTS}}/telemetry.wsgi application-group=named
"""
    httpd = Httpd(config)
    httpd.script("telemetry.wsgi", APPLICATION)
    return httpd, Receiver(httpd.directory / "telemetry") if receives else None


def test_a_process_is_told_from_its_beginning_to_its_end(mode):
    httpd, receiver = serve(mode, "")
    with httpd:
        receiver.wait_for(STARTED, lambda fields: fields.get(6, b"") == (b"app" if mode.is_daemon else b""))
        assert httpd.post("/app", b"x" * 10).text == "None", "what is counted is for telemetry"
        assert httpd.get("/app/none").status == 404
        wait_until(lambda: sum(fields[20] for fields in receiver.of(REQUESTS)) == 2, "both requests to be told", 15)
        told = receiver.of(REQUESTS, lambda fields: fields[20] > 0)
        receiver.wait_for(REQUESTS, lambda fields: fields[20] == 0)
        parent, slots = httpd.pid, told[0][50]
    assert sum(fields[100] for fields in told) == 10, "bytes of bodies"
    assert sum(fields[102] for fields in told) == 8
    assert [sum(fields[number] for fields in told) for number in range(120, 125)] == [0, 1, 0, 1, 0]
    for fields in told:
        assert fields[1].startswith(b"6."), "whose format it is"
        assert fields[2].startswith(b"3.")
        assert fields[3].startswith(b"Apache/2.4.")
        assert (fields[4], fields[7]) == (b"event", parent)
        assert 0.4 < fields[10] < 5
        assert (fields[11], fields[12], fields[13]) == (0.5, 0, 0.005)
        assert 0 < fields[40] <= fields[41], "memory"
        for place, phase in enumerate(["server", "queue", "daemon", "application", "request", "gil_wait", "input", "output"]):
            if mode.is_daemon or phase not in ("queue", "daemon"):
                mean, least, most, buckets = (fields[decade + place] for decade in (60, 70, 80, 90))
                assert 0 <= least <= mean <= most < 5, phase
                assert (len(buckets), sum(buckets)) == (65, fields[20]), phase
            else:
                assert 60 + place not in fields
        assert [len(fields[number]) for number in range(110, 115)] == [slots] * 5
        assert sum(fields[110]) == fields[20]
    (stopping,), (stopped,) = receiver.of(STOPPING), receiver.of(STOPPED)
    assert (stopped.get(6, b""), stopped[132], stopped[134], stopped[135]) == (b"app" if mode.is_daemon else b"", 2, 0, 1)
    assert stopped.get(130) == stopping.get(130) == (b"shutdown_signal" if mode.is_daemon else None)
    assert stopped[131] > 0.5
    of_process = [datagram for datagram in receiver.collect() if datagram.fields.get(7, parent) == parent]
    assert [datagram.number for datagram in of_process] == list(range(1, len(of_process) + 1)), "none is lost or twice"
    kinds = [datagram.kind for datagram in of_process if datagram.kind not in (COLLECTOR, COLLECTION)]
    assert kinds[-3:] == [STOPPING, REQUESTS, STOPPED]


def test_a_slow_request_is_told_while_python_is_stuck_and_when_it_is_done(mode):
    httpd, receiver = serve(mode, "WSGISlowRequests 0.3\nWSGITelemetryOptions CaptureUserAgent")
    with httpd:
        assert httpd.get("/app").status == 200
        asking = threading.Thread(target=httpd.post, args=("/app/stuck", b"12345", [("User-Agent", "tester " + "x" * 600)]))
        asking.start()
        running = receiver.wait_for(SLOW)
        asking.join()
        done = receiver.wait_for(SLOW, lambda fields: fields[200] == 1)
        assert len(receiver.of(SLOW, lambda fields: fields[200] == 1)) == 1, "the quick one is not told"
        if not mode.is_daemon:
            assert running[205] in httpd.children()
    for fields in (running, done):
        assert (fields[210], fields[211], fields[212]) == (b"POST", b"http", b"127.0.0.1")
        assert (fields[213], fields[214], fields[215], fields[216]) == (b"/app", b"/stuck", b"HTTP/1.1", b"127.0.0.1")
        assert fields[217] == b"tester " + b"x" * 501 + b"..."
        assert fields[230] == 5, "it has read its body before"
        assert fields[204]
        assert fields[260] == 1
    assert (running[200], running[240]) == (0, 0)
    assert 0.3 <= running[202] < 1.2 <= done[202]
    assert (done[240], done[261], done[232]) == (200, 1, 4)
    assert running[201] == done[201]


def test_a_slow_request_is_told_without_its_client_unless_that_is_asked_for(mode):
    httpd, receiver = serve(mode, "WSGISlowRequests 0.0001\nWSGITelemetryOptions All\nWSGITelemetryOptions -CaptureUserAgent")
    with httpd:
        httpd.get("/app", [("User-Agent", "tester")])
        assert 217 not in receiver.wait_for(SLOW)


def test_nobody_who_listens_is_told_once_and_harms_nobody(mode):
    httpd, _ = serve(mode, "", receives=False)
    httpd.error_log.allow("WRS4040")
    with httpd:
        assert httpd.get("/app").status == 200
        receiver = Receiver(httpd.directory / "telemetry")
        assert receiver.wait_for(REQUESTS), "who comes later gets the rest"
        told = [line.text for line in httpd.error_log.lines() if "WRS4040" in line.text]
    assert len(told) == 1
    assert f"{httpd.directory}/telemetry" in told[0]


@pytest.mark.parametrize(("path", "name"), [("/app", None), ("/named", b"named")])
def test_garbage_collections_are_told_for_each_interpreter(mode, path, name):
    httpd, receiver = serve(mode, "")
    with httpd:
        assert httpd.get(path).status == 200
        receiver.wait_for(COLLECTOR, lambda fields: fields.get(8) == name and fields[303] > 0)
        collected = int(httpd.get(f"{path}/garbage").text)
        told = receiver.wait_for(COLLECTION, lambda fields: fields.get(8) == name and fields[322] == 2 and fields[323] == collected)
        state = receiver.wait_for(COLLECTOR, lambda fields: fields.get(8) == name and fields[303] == 701)
    assert collected > 0
    assert told[320] > 1e9
    assert 0 <= told[321] < 5
    assert told[324] == 0
    assert [state[number] for number in range(303, 306)] == [701, 11, 12]
    assert state[308] >= 1, "full collections"
    assert state[311] >= collected
    assert (state[315], state[317]) == (0, 0), "it is disabled, and nothing was lost"
