"""Applications that run programs."""

from harness import Httpd


def test_an_application_that_runs_programs_keeps_its_process(server):
    answers = [server.get("/app/programs.wsgi").json for _ in range(5)]
    assert {answer["said"] for answer in answers} == {"from a program\n"}
    # One daemon process, or the one httpd child there is.
    assert len({answer["pid"] for answer in answers}) == 1


def test_a_program_that_a_daemon_process_started_can_be_ended():
    # httpd blocks signals on its own threads, so programs of embedded applications inherit that.
    with Httpd("WSGIDaemonProcess app\nWSGIProcessGroup app\nWSGIScriptAlias /app ${APPLICATIONS}\n") as httpd:
        status, blocked = httpd.get("/app/programs.wsgi/end").json["said"]
    assert status == -15
    assert {int(mask, 16) for mask in blocked} == {0}
