"""What the options of WSGIDaemonProcess do: limits and environment, the queue, who may own a script."""

import os
import threading

import pytest
from harness import Httpd, machine
from harness.wait import wait_until


def mount(name, script="${APPLICATIONS}/limits.wsgi"):
    """Answer /NAME by a script in the process group of that name."""
    return f"WSGIScriptAlias /{name} {script} process-group={name} application-group=%{{GLOBAL}}\n"


def group(name, options="", script="${APPLICATIONS}/limits.wsgi"):
    """A process group and its mount."""
    return f"WSGIDaemonProcess {name} threads=2 {options}\n" + mount(name, script)


class TestEnvironment:
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, stage):
        first, second = stage.path / "first.env", stage.path / "second.env"
        first.write_text('# comment\n\nFROM_FILE=1\nQUOTED="two words"\nOVERRIDDEN=by the file\nTWICE=first\n')
        second.write_text("TWICE=second\n")
        first.chmod(0o600)
        options = f'env-file={first} env-file={second} env=OVERRIDDEN=directive env="SPACED=a b=c" env=EMPTY='
        config = group("env", options) + group("python", "python-eggs=/eggs switch-interval=0.02")
        config += group("buffers", "send-buffer-size=20000 receive-buffer-size=30000") + group("plain")
        with Httpd(config) as httpd:
            yield httpd

    @pytest.mark.ours
    def test_variables_are_those_of_the_files_and_then_of_the_directive(self, server):
        environ = server.get("/env").json["environ"]
        assert environ["FROM_FILE"] == "1"
        assert environ["QUOTED"] == "two words"
        assert environ["TWICE"] == "second"
        assert environ["OVERRIDDEN"] == "directive"
        assert environ["SPACED"] == "a b=c"
        assert environ["EMPTY"] == ""
        assert "FROM_FILE" not in server.get("/plain").json["environ"]

    def test_python_eggs(self, server):
        assert server.get("/python").json["environ"]["PYTHON_EGG_CACHE"] == "/eggs"

    def test_switch_interval(self, server):
        assert server.get("/python").json["switch_interval"] == pytest.approx(0.02)
        assert server.get("/plain").json["switch_interval"] == pytest.approx(0.005)

    @pytest.mark.ours
    def test_buffer_sizes_are_those_of_the_connections(self, server):
        # Linux keeps room for its own records: it doubles what is asked for.
        small, plain = server.get("/buffers").json, server.get("/plain").json
        assert 40000 in small["send_buffers"] and 60000 in small["receive_buffers"]
        assert 40000 not in plain["send_buffers"] and 60000 not in plain["receive_buffers"]

    @pytest.mark.ours
    def test_a_file_that_cannot_be_used_is_told_at_configtest(self, stage):
        bad = stage.path / "bad.env"
        bad.write_text("A=1\nnonsense\n")
        for path, words in ((bad, "line 2"), ("/there/is/none", "/there/is/none")):
            code, said = Httpd(group("app", f"env-file={path}")).configtest()
            assert code != 0
            assert "WRS3001" in said
            assert words in said

    @pytest.mark.ours
    def test_a_group_whose_file_is_bad_does_not_start_and_others_do(self):
        with Httpd(group("bad", "env-file=/there/is/none") + group("good")) as httpd:
            assert httpd.get("/good").status == 200
            assert httpd.get("/bad").status == 500
            httpd.error_log.allow("WRS3001", "WRS3009")


class TestLimits:
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls):
        config = group("cpu", "cpu-time-limit=1 graceful-timeout=20 shutdown-timeout=1")
        config += group("data", "memory-limit=300000000") + group("space", "virtual-memory-limit=2000000000")
        config += group("nice", "cpu-priority=5")
        with Httpd(config) as httpd:
            yield httpd

    def test_cpu_priority(self, server):
        # It is the priority itself, whatever the tests were started with.
        assert server.get("/nice").json["nice"] == 5

    def test_memory_limit(self, server):
        small, large = server.get("/data?allocate=50").json, server.get("/data?allocate=400").json
        assert small["limits"]["RLIMIT_DATA"] == [300000000, 300000000]
        assert (small["allocated"], large["allocated"]) == (True, False)

    def test_virtual_memory_limit(self, server):
        small, large = server.get("/space?allocate=50").json, server.get("/space?allocate=2500").json
        assert small["limits"]["RLIMIT_AS"] == [2000000000, 2000000000]
        assert (small["allocated"], large["allocated"]) == (True, False)

    def test_a_process_that_used_its_cpu_time_finishes_and_is_replaced(self, server):
        first = server.get("/cpu").json
        assert first["limits"]["RLIMIT_CPU"] == [1, 3]
        assert server.get("/cpu?spin=1.3").status == 200
        server.error_log.expect("cpu-time-limit")
        wait_until(lambda: server.get("/cpu").json["pid"] != first["pid"], "another process")
        server.error_log.allow("WRS5022")

    @pytest.mark.ours
    @pytest.mark.root
    def test_root_may_raise_the_priority(self):
        with Httpd(group("nice", "cpu-priority=-3")) as httpd:
            assert httpd.get("/nice").json["nice"] == -3


@pytest.mark.ours
class TestQueueLimit:
    def test_requests_beyond_the_limit_are_turned_away_at_once(self, rendezvous):
        config = "WSGIDaemonProcess app threads=1 queue-limit=2\n" + mount("app", "${APPLICATIONS}/slow.wsgi")
        with Httpd(config) as httpd:
            answers = []

            def ask():
                answers.append(httpd.get(f"/app{rendezvous.query}", seconds=30))

            threads = [threading.Thread(target=ask, daemon=True) for _ in range(6)]
            threads[0].start()
            rendezvous.wait_for("begun")
            for thread in threads[1:]:
                thread.start()
            wait_until(lambda: len(answers) == 3, "three answers")
            assert [answer.status for answer in answers] == [503] * 3
            assert all(answer.header("Retry-After") == "1" for answer in answers)
            httpd.error_log.expect("WRS3023")
            rendezvous.announce("go")
            for thread in threads:
                thread.join(20)
            assert [answer.status for answer in answers[3:]] == [200] * 3
            assert httpd.get(f"/app{rendezvous.query}").status == 200


class TestOwnerOfTheScript:
    """script-user and script-group: 403 for a script that somebody else wrote, or could write."""

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, stage):
        directory = stage.path / "owned"
        directory.mkdir()
        user, gid = machine.user.pw_name, machine.user.pw_gid
        owner = user if machine.is_root else None
        config = f"<Directory {directory}>\nRequire all granted\n</Directory>\n"
        config += group("user", f"script-user={user}", f"{directory}/user.wsgi")
        config += group("group", f"script-group=#{gid}", f"{directory}/group.wsgi")
        for name in ("user", "group"):
            path = directory / f"{name}.wsgi"
            path.write_text((machine.root / "tests" / "applications" / "hello.wsgi").read_text())
        for path in (directory, *directory.iterdir()):
            if owner:
                os.chown(path, machine.user.pw_uid, gid)
        with Httpd(config) as httpd:
            httpd.owned = directory
            yield httpd

    @pytest.fixture(autouse=True)
    def modes(self, server):
        server.owned.chmod(0o755)
        for path in server.owned.iterdir():
            path.chmod(0o644)

    def test_of_that_owner_it_is_run(self, server):
        assert server.get("/user").status == 200
        assert server.get("/group").status == 200

    @pytest.mark.parametrize("what", ["script", "directory"])
    def test_that_others_can_write_it_is_refused(self, server, what):
        for name in ("user", "group"):
            path = server.owned / f"{name}.wsgi" if what == "script" else server.owned
            path.chmod(0o757)
            assert server.get(f"/{name}").status == 403
            path.chmod(0o755)
        server.error_log.expect("can be written by everybody" if machine.is_ours else what)

    def test_that_its_group_can_write_matters_to_script_user_only(self, server):
        for name, status in (("user", 403), ("group", 200)):
            (server.owned / f"{name}.wsgi").chmod(0o664)
            assert server.get(f"/{name}").status == status
        server.error_log.allow("WRS2018")

    @pytest.mark.root
    @pytest.mark.parametrize("what", ["script", "directory"])
    def test_of_another_owner_it_is_refused(self, server, what):
        for name in ("user", "group"):
            path = server.owned / f"{name}.wsgi" if what == "script" else server.owned
            os.chown(path, 0, 0)
            assert server.get(f"/{name}").status == 403
            os.chown(path, machine.user.pw_uid, machine.user.pw_gid)
        server.error_log.allow("WRS2018")
