"""What the options of WSGIDaemonProcess for buffers, sockets and waiting do."""

import os
import signal
import socket
import threading
import time

import pytest
from harness import Httpd, machine, processes
from harness.client import Truncated
from harness.wait import wait_until

pytestmark = pytest.mark.ours

DEFLATE = machine.has_module("deflate")

# No test waits for the timer of another: a group for each.
GROUPS = {
    "plain": "",
    "head": "header-buffer-size=65536",
    "huge": "header-buffer-size=3000000",
    "stack": "stack-size=3145728",
    "hasty": "response-flush-delay=0",
    "lazy": "response-flush-delay=1500",
    "large": "response-flush-delay=1500",
    "small": "response-flush-delay=1500 response-buffer-size=65536",
    "client": "response-socket-timeout=1",
    "both": "socket-timeout=1",
    "queue": "threads=1 queue-timeout=1",
    "graceful": "graceful-timeout=1 shutdown-timeout=1",
    "shutdown": "graceful-timeout=20 shutdown-timeout=1",
    "patient": "graceful-timeout=0 shutdown-timeout=1",
    "calm": "shutdown-timeout=0",
    "backlog": "listen-backlog=3",
}

# What deflate writes when it is told to flush.
SYNC = b"\x00\x00\xff\xff"


def configuration():
    """A group and a mount for each."""
    lines = []
    for name, options in GROUPS.items():
        lines.append(f"WSGIDaemonProcess {name} threads=2 {options}")
        lines.append(f"WSGIScriptAlias /{name} ${{APPLICATIONS}}/transfer.wsgi process-group={name} application-group=%{{GLOBAL}}")
    if DEFLATE:
        lines += ["<LocationMatch ^/(large|small)>", "SetOutputFilter DEFLATE", "</LocationMatch>"]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def server():
    with Httpd(configuration(), modules=("deflate", "filter") if DEFLATE else ()) as httpd:
        yield httpd


def timed(function):
    """What it returns, and how long it took."""
    begun = time.monotonic()
    return function(), time.monotonic() - begun


class TestSizes:
    def test_header_buffer_size_is_the_longest_line_of_a_head(self, server):
        assert server.get("/plain?header=32000").status == 200
        assert server.get("/plain?header=33000").status == 500
        server.error_log.expect("WRS3020")
        assert len(server.get("/head?header=40000").header("X-Long")) == 40000
        assert len(server.get("/huge?header=2000000").header("X-Long")) == 2000000

    def test_stack_size_is_that_of_the_threads(self, server):
        sizes = {name: int(server.get(f"/{name}").header("X-Stack")) for name in ("stack", "plain")}
        # The C library adds a page to guard it.
        assert 0 <= sizes["stack"] - 3145728 < 65536
        assert sizes["plain"] >= 8 << 20

    @pytest.mark.skipif(not DEFLATE, reason="there is no mod_deflate")
    def test_response_buffer_size_is_what_is_sent_at_the_latest(self, server):
        flushes = {}
        for name in ("small", "large"):
            with server.connect() as connection:
                connection.request("GET", f"/{name}?pieces=40&size=32768", [("Accept-Encoding", "gzip"), ("Connection", "close")])
                flushes[name] = connection.rest().count(SYNC)
        assert flushes["large"] < 5
        assert flushes["small"] >= 15

    def test_listen_backlog_is_how_many_connections_wait_for_a_process(self, server):
        leader = min(processes.named(server, "(wsgi:backlog)"))
        (worker,) = processes.children(leader) or [leader]
        listening = processes.listening_unix(worker)
        (path,) = [path for path in (server.directory / "run").iterdir() if str(path) in listening]
        connected = []
        try:
            # One that still runs would take a connection from the queue.
            processes.stop(worker)
            for _ in range(20):
                client = socket.socket(socket.AF_UNIX)
                client.setblocking(False)
                connected.append(client)
                client.connect(str(path))
            pytest.fail("the queue has no end")
        except BlockingIOError:
            # The kernel lets one more in.
            assert len(connected) - 1 == 4
        finally:
            os.kill(worker, signal.SIGCONT)
            for client in connected:
                client.close()


class TestPauses:
    def test_response_flush_delay_is_how_long_more_is_waited_for(self, server):
        with server.connect() as connection:
            response = connection.request("GET", "/lazy?pieces=2&pause=0.2").response()
        # Nothing was sent before the response was complete, so httpd knew its length.
        assert (response.body, response.header("Content-Length")) == (b"xx", "2")

    def test_a_pause_longer_than_the_delay_sends_what_there_is(self, server):
        with server.connect() as connection:
            connection.request("GET", "/lazy?pieces=2&pause=3")
            (_, chunk), taken = timed(lambda: (connection.head(), connection.chunk()))
        assert chunk == b"x"
        assert 1.4 < taken < 2.9

    @pytest.mark.parametrize("name", ["hasty", "plain"])
    def test_without_a_delay_the_client_sees_at_once_what_there_is(self, server, name):
        with server.connect() as connection:
            connection.request("GET", f"/{name}?pieces=2&pause=1.5")
            (_, chunk), taken = timed(lambda: (connection.head(), connection.chunk()))
        assert chunk == b"x"
        assert taken < 1.4


class TestTimeouts:
    @pytest.mark.parametrize("name", ["client", "both"])
    def test_a_client_that_takes_nothing_is_given_up(self, server, name):
        since = server.error_log.size()
        with server.connect() as connection:
            connection.request("GET", f"/{name}?pieces=600&size=32768")
            _, taken = timed(lambda: server.error_log.expect("WRS2016", since=since))
            with pytest.raises((Truncated, ConnectionError)):
                connection.response()
        # Timeout is 20 s.
        assert 0.8 < taken < 8
        assert server.get(f"/{name}").status == 200

    def test_a_client_that_is_slow_after_a_response_has_the_time_of_the_server(self, server):
        with server.connect() as connection:
            assert connection.request("GET", "/client").response().status == 200
            connection.send(b"GET /client HTTP/1.1\r\n")
            assert connection.is_silent(1.5)
            assert connection.send(b"Host: x\r\n\r\n").response().status == 200

    def test_socket_timeout_is_how_long_a_process_may_be_silent(self, server):
        answer, taken = timed(lambda: server.get("/both?sleep=4"))
        assert answer.status == 504
        assert 0.9 < taken < 3.5
        server.error_log.expect(r"WRS3016.*1 s \(socket-timeout\)")

    def test_queue_timeout_is_how_long_a_request_waits_for_a_thread(self, server):
        slow = threading.Thread(target=lambda: server.get("/queue?sleep=2.5"), daemon=True)
        slow.start()
        time.sleep(0.3)
        answer, taken = timed(lambda: server.get("/queue"))
        assert answer.status == 504
        assert 0.95 < taken < 1.6
        server.error_log.expect("WRS3013")
        slow.join(20)
        assert server.get("/queue").status == 200

    def test_graceful_timeout_is_the_time_of_requests_after_sigusr1(self, server):
        self.ended_with(server, "graceful", signal.SIGUSR1, "SIGUSR1")

    def test_shutdown_timeout_is_the_time_of_requests_after_sigterm(self, server):
        self.ended_with(server, "shutdown", signal.SIGTERM, "SIGTERM")

    def test_a_graceful_timeout_of_0_waits_as_long_as_it_takes(self, server):
        self.finished_after(server, "patient", signal.SIGUSR1, 2.5)

    def test_a_shutdown_timeout_of_0_waits_as_long_as_it_takes(self, server):
        # Longer than the default of 5 seconds, and the second that is given for the end of Python.
        self.finished_after(server, "calm", signal.SIGTERM, 7)

    def finished_after(self, server, name, number, seconds):
        worker, answers = self.told(server, name, number, seconds)
        assert [answer.status for answer in answers] == [200]
        wait_until(lambda: worker not in processes.named(server, f"(wsgi:{name})"), "the end of the process")
        assert server.get(f"/{name}").status == 200

    def told(self, server, name, number, seconds):
        """Send a signal to the process of a group while a request runs; the process, and the answers that came."""
        answers = []
        slow = threading.Thread(target=lambda: answers.append(server.get(f"/{name}?sleep={seconds}")), daemon=True)
        slow.start()
        time.sleep(0.3)
        # As `ps` shows it: the leader was there first.
        worker = max(processes.named(server, f"(wsgi:{name})"))
        os.kill(worker, number)
        slow.join(20)
        return worker, answers

    def ended_with(self, server, name, number, reason):
        begun = time.monotonic()
        _, answers = self.told(server, name, number, 14)
        assert [answer.status for answer in answers] == [502]
        assert 1.2 < time.monotonic() - begun < 6
        server.error_log.expect(f"WRS3017.*was ended by {reason} while")
        server.error_log.allow("WRS5007", "WRS4021", "WRS5003")

    def test_requests_that_wait_when_graceful_timeout_is_over_are_turned_away_at_once(self):
        config = "WSGIDaemonProcess app threads=1 graceful-timeout=1 shutdown-timeout=1\n"
        config += "WSGIScriptAlias / ${APPLICATIONS}/transfer.wsgi process-group=app application-group=%{GLOBAL}\n"
        with Httpd(config) as httpd:
            assert httpd.get("/").status == 200
            answers = {}

            def ask(name, query):
                answers[name] = timed(lambda: httpd.get(f"/{query}", seconds=30))

            for arguments in (("runs", "?sleep=14"), ("waits", "")):
                threading.Thread(target=ask, args=arguments, daemon=True).start()
                time.sleep(0.3)
            httpd.graceful()
            assert httpd.get("/").status == 200
            wait_until(lambda: len(answers) == 2, "both answers")
            assert {name: answer.status for name, (answer, _) in answers.items()} == {"runs": 502, "waits": 503}
            assert answers["waits"][1] < 6
            assert answers["waits"][0].header("Retry-After") == "1"
            httpd.error_log.expect(r"WRS3028.*graceful-timeout \(1 s\) was over", "WRS3017")
            httpd.error_log.allow("WRS5007", "WRS4021", "WRS5003")

    def test_connect_timeout_is_how_long_a_request_waits_where_no_process_stays_up(self):
        with starting("connect-timeout=1 threads=1", "import os\nos._exit(1)\n") as httpd:
            # Between two starts there are growing pauses.
            httpd.error_log.expect("WRS5005.*the next one starts in 2s")
            answer, taken = timed(lambda: httpd.get("/"))
            assert answer.status == 503
            assert 0.9 < taken < 6
            httpd.error_log.expect(r"WRS3014.*\(1 s\)")
            httpd.error_log.allow("WRS5005")

    @pytest.mark.parametrize("options", ["connect-timeout=1", "connect-timeout=0", "connect-timeout=1 preload=On"])
    def test_a_process_that_loads_its_scripts_is_waited_for(self, options):
        with starting(options, "import time\ntime.sleep(3)\n" + READY) as httpd:
            answers = []
            threads = [threading.Thread(target=lambda: answers.append(timed(lambda: httpd.get("/")))) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert [answer.status for answer, _ in answers] == [200] * 3
            assert min(taken for _, taken in answers) > 1.5

    def test_queue_timeout_is_how_long_a_process_that_loads_its_scripts_is_waited_for(self):
        with starting("queue-timeout=1 shutdown-timeout=1", "import time\ntime.sleep(6)\n") as httpd:
            answer, taken = timed(lambda: httpd.get("/"))
            assert answer.status == 504
            assert 0.9 < taken < 3
            httpd.error_log.expect("WRS3029.*still loaded their scripts")
            httpd.error_log.allow("WRS5031", "WRS5003")


READY = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ready"]
"""


def starting(options, script):
    """A server of a group whose script is loaded before the first request: its alias has both groups."""
    config = f"WSGIDaemonProcess app {options}\n"
    config += "WSGIScriptAlias / ${SCRIPTS}/app.wsgi process-group=app application-group=%{GLOBAL}\n"
    httpd = Httpd(config)
    httpd.script("app.wsgi", script)
    return httpd
