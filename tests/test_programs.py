"""Applications that run programs."""

from harness import Httpd


def test_an_application_that_runs_programs_keeps_its_process(server):
    answers = [server.get("/app/programs.wsgi").json for _ in range(5)]
    assert {answer["said"] for answer in answers} == {"from a program\n"}
    # One daemon process, or the one httpd child there is.
    assert len({answer["pid"] for answer in answers}) == 1


def test_the_child_of_a_fork_does_not_answer_its_parents_request(server):
    with server.connect() as connection:
        answer = connection.request("GET", "/app/programs.wsgi/return-twice").response()
        assert answer.json["said"] == 1
        assert connection.request("GET", "/app/hello.wsgi").response().text == "Hello, world!\n"


def test_a_program_that_an_application_started_can_be_ended(mode):
    with Httpd(mode.serve() + "WSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias /app ${APPLICATIONS}\n") as httpd:
        status, blocked = httpd.get("/app/programs.wsgi/end").json["said"]
        assert status == -15
        assert {int(mask, 16) for mask in blocked} == {0}


def test_a_process_that_was_forked_can_be_ended():
    config = "WSGIDaemonProcess app\nWSGIProcessGroup app\nWSGIApplicationGroup %{GLOBAL}\n"
    with Httpd(config + "WSGIScriptAlias /app ${APPLICATIONS}\n") as httpd:
        # Without executing another program: what it prints is for nobody's request.
        httpd.error_log.allow("a line of a process that serves no request")
        before = httpd.get("/app/programs.wsgi").json["pid"]
        assert httpd.get("/app/programs.wsgi/fork").json["said"] == 15
        assert httpd.get("/app/programs.wsgi").json["pid"] == before
