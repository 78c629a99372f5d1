"""The module `mod_wsgi`, as applications in both modes find it."""

import os
import signal

import pytest
from harness import Httpd, wait_until
from harness.client import Truncated

CONFIG = """
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias / ${APPLICATIONS}/module.wsgi
ErrorDocument 504 "httpd's page"
"""

STOPPING = r"stopping because of |process_stopping: "


@pytest.fixture(scope="module")
def server(mode):
    with Httpd(mode.serve(threads=3) + CONFIG) as httpd:
        httpd.error_log.always_allowed.append(STOPPING)
        yield httpd


def test_it_says_where_the_application_runs(server, mode):
    facts = server.get("/facts").json
    assert facts["version"] == [6, 1, 1]
    assert facts["process_group"] == ("app" if mode.is_daemon else "")
    assert facts["application_group"] == ""
    assert facts["threads_per_process"] == (3 if mode.is_daemon else 32)
    assert facts["maximum_processes"] == 1
    assert facts["server_metrics"] is None
    assert facts["run_once"] is False


def test_server_metrics_show_httpd_s_scoreboard(mode):
    config = "WSGIServerMetrics On\nExtendedStatus On\n" + mode.serve(threads=3, server_metrics="On") + CONFIG
    with Httpd(config) as server:
        server.error_log.always_allowed.append(STOPPING)
        server.graceful()
        assert server.get("/anything?first").status == 200
        metrics = server.get("/facts?caf\xe9").json["server_metrics"]
        assert (metrics["server_limit"], metrics["thread_limit"], metrics["running_generation"]) == (8, 32, 1)
        assert metrics["current_time"] - metrics["restart_time"] >= metrics["running_time"] >= 0
        assert [process["process_num"] for process in metrics["processes"]] == list(range(8))
        assert {process["pid"] for process in metrics["processes"]} & set(server.children())
        assert all(process["generation"] in (0, 1) and process["quiescing"] in (False, True) for process in metrics["processes"])
        workers = [worker for process in metrics["processes"] for worker in process["workers"]]
        assert [worker["thread_num"] for worker in workers] == list(range(32)) * 8
        (mine,) = [worker for worker in workers if "GET /facts?caf\xe9 " in worker["request"]]
        assert (mine["status"], mine["client"], mine["vhost"]) == ("W", "127.0.0.1", f"127.0.0.1:{server.port}")
        assert mine["start_time"] > metrics["restart_time"] and mine["stop_time"] <= mine["start_time"]

        def counted():
            """Those with requests that have ended, as httpd counts them a moment after their response."""
            places = server.get("/facts").json["server_metrics"]["processes"]
            return [worker for process in places for worker in process["workers"] if worker["access_count"]]

        assert all(worker["bytes_served"] > 0 for worker in wait_until(counted, "a request that is counted"))


def test_server_metrics_of_a_group_have_no_answer_unless_it_may_ask():
    config = "WSGIServerMetrics On\nWSGIDaemonProcess app\nWSGIDaemonProcess asks server-metrics=On\nWSGIProcessGroup app\n"
    with Httpd(config + CONFIG) as server:
        server.error_log.always_allowed.append(STOPPING)
        assert server.get("/facts").json["server_metrics"] is None


def test_the_module_apache_says_what_httpd_is(server):
    about = server.get("/facts").json["apache"]
    assert about["version"][:2] == [2, 4]
    assert about["description"].startswith("Apache/2.4.")
    assert about["mpm_name"] == "event"
    assert about["build_date"]


def test_a_running_request_is_found_by_its_id(server):
    facts = server.get("/facts").json
    assert facts["active"] == {facts["request_id"]: True}


def test_two_requests_at_once_are_both_active(server, rendezvous):
    with server.connect() as connection:
        connection.request("GET", f"/wait{rendezvous.query}")
        rendezvous.wait_for("waiting")
        active = server.get("/facts").json["active"]
        assert sorted(active.values()) == [False, True]
        rendezvous.announce("go-on")
        assert connection.response().status == 200
    assert len(server.get("/facts").json["active"]) == 1


def test_events_tell_the_life_of_a_request(server, mode):
    assert server.post("/anything", b"x" * 1000).status == 200
    event = server.get("/last_event").json
    assert event["events"] == ["request_started", "response_started", "request_finished"]
    assert (event["status"], event["input_length"], event["output_length"]) == (200, 1000, len('"anything"'))
    assert event["server_pid"] in server.children()
    assert event["request_start"] > 1e9
    if mode.is_daemon:
        assert event["request_start"] <= event["queue_start"] <= event["daemon_start"] <= event["application_finish"]
    else:
        assert event["queue_start"] == event["daemon_start"] == 0
    assert 0 <= event["application_time"] < 10
    assert event["gil_wait_count"] > 0


def test_a_callback_may_replace_the_application(server):
    assert server.get("/replaced").text == "replaced"


def test_a_request_that_times_out_is_answered_504_with_an_empty_body(server):
    response = server.get("/timeout")
    assert (response.status, response.reason, response.body) == (504, "Gateway Timeout", b"")
    (line,) = server.error_log.expect("WRS4022")
    assert line.level == "info"
    assert server.get("/last_event").json["status"] == 504


def test_a_request_that_times_out_late_is_broken_off(server):
    with pytest.raises(Truncated):
        server.get("/late_timeout")
    server.error_log.expect("WRS4022")


def test_request_metrics_count_what_was_since_the_last_time(server, mode):
    server.get("/metrics")
    for _ in range(5):
        assert server.post("/anything", b"abc").status == 200
    metrics = server.get("/metrics").json["request"]
    assert metrics["request_count"] in (5, 6)
    assert metrics["status_2xx"] == metrics["request_count"]
    assert metrics["input_bytes"] == 15
    assert len(metrics["request_time_buckets"]) == 65
    assert sum(metrics["application_time_buckets"]) == metrics["request_count"]
    assert (metrics["queue_time"] is not None) == mode.is_daemon
    assert (metrics["daemon_time"] is not None) == mode.is_daemon
    assert len(metrics["request_threads_completed"]) == metrics["request_threads_maximum"] == (3 if mode.is_daemon else 32)
    assert sum(metrics["request_threads_completed"]) == metrics["request_count"]
    assert 0 <= metrics["capacity_utilization"] <= 1


def test_process_metrics_count_from_the_start_of_the_process(server):
    process = server.get("/metrics").json["process"]
    assert process["pid"] == server.get("/facts").json["pid"]
    assert process["request_count"] > 5
    assert process["active_requests"] == 1
    assert process["restart_time"] < process["current_time"]
    assert sum(thread["request_count"] for thread in process["threads"]) == process["request_count"]
    assert all(thread["thread_id"] >= 1 for thread in process["threads"])


def test_the_log_handler_keeps_levels_and_the_client(server):
    server.error_log.allow("logged at ")
    with server.connect() as connection:
        connection.request("GET", "/levels").response()
        port = connection.socket.getsockname()[1]
    for name, level in [("CRITICAL", "crit"), ("ERROR", "error"), ("WARNING", "warn"), ("INFO", "info"), ("DEBUG", "debug")]:
        (line,) = server.error_log.expect(rf"(client|remote) 127\.0\.0\.1:{port}\].*logged at {name}$")
        assert (line.module, line.level) == ("wsgi", level)


def test_the_log_handler_works_on_a_thread_that_serves_no_request(server):
    server.get("/elsewhere")
    (line,) = server.error_log.expect("logged by no request$")
    assert (line.module, line.level) == ("wsgi", "warn")
    assert "client" not in line.text


class TestTheEnd:
    @pytest.fixture
    def server(self, mode):
        with Httpd(mode.serve() + CONFIG) as httpd:
            httpd.error_log.always_allowed += [STOPPING, "process_signal: "]
            yield httpd

    def test_callbacks_are_told_that_the_process_stops_and_why(self, server, mode):
        assert server.get("/facts").status == 200
        server.stop()
        reason = "shutdown_signal" if mode.is_daemon else ""
        server.error_log.expect(f"stopping because of '{reason}'$", f"process_stopping: '{reason}'$", since=0)
        # `stop` looks for a running server.
        server.process, server.stop = None, lambda: None

    def test_callbacks_are_told_of_signals_in_daemon_mode_only(self, server, mode):
        pid = server.get("/facts").json["pid"]
        if not mode.is_daemon:
            server.error_log.expect("WRS4032", since=0)
            return
        for number in (signal.SIGHUP, signal.SIGUSR2):
            os.kill(pid, number)
            server.error_log.expect(f"process_signal: {number.name} {number:d} on False$")
        assert server.get("/facts").json["pid"] == pid

    def test_a_graceful_signal_is_told_as_the_reason(self, server, mode):
        if not mode.is_daemon:
            pytest.skip("there is no such signal in embedded mode")
        pid = server.get("/facts").json["pid"]
        os.kill(pid, signal.SIGUSR1)
        server.error_log.expect("stopping because of 'graceful_signal'$")
        assert server.get("/facts").json["pid"] != pid


def test_options_of_a_group_reach_python():
    config = "WSGIDaemonProcess tuned switch-interval=0.25 python-eggs=/var/eggs\nWSGIProcessGroup tuned\n"
    with Httpd(config + CONFIG) as server:
        server.error_log.always_allowed.append(STOPPING)
        facts = server.get("/facts").json
        assert (facts["switch_interval"], facts["python_eggs"]) == (0.25, "/var/eggs")


def test_run_once_is_true_for_processes_of_one_request():
    config = "WSGIDaemonProcess once threads=1 maximum-requests=1\nWSGIProcessGroup once\n"
    with Httpd(config + CONFIG) as server:
        server.error_log.always_allowed.append(STOPPING)
        assert server.get("/facts").json["run_once"] is True
        server.error_log.expect("stopping because of 'maximum_requests'$")
