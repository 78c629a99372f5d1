"""Daemon processes: their options, their number, what they may do and what they hold open."""

import os
import pwd
import re
import threading

import pytest
from harness import Httpd, machine, processes

ALIAS = "WSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias /app ${APPLICATIONS}\n"


@pytest.fixture(scope="module")
def home(stage):
    path = stage.path / "home"
    path.mkdir()
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def facts(home):
    """What an application sees in a group which has every option of identity and environment."""
    options = f"""processes=2 threads=3 umask=0027 home={home} lang=C.UTF-8 locale=C.UTF-8 listen-backlog=50
        python-path=/first/of/mine:{home} display-name=%{{GROUP}}"""
    config = f"WSGIDaemonProcess app {' '.join(options.split())}\nWSGIProcessGroup app\n"
    with Httpd(config + ALIAS) as httpd:
        facts = httpd.get("/app/process.wsgi/become-root").json
        facts["command_line"] = processes.command_line(facts["pid"])
        facts["status"] = processes.status(facts["pid"])
        facts["open_files"] = processes.open_files(facts["pid"])
        facts["parent_command"] = processes.command_line(facts["ppid"])
        facts["port"] = httpd.port
        facts["listening"] = processes.listening_inodes(httpd.port)
        facts["directory"] = str(httpd.directory)
        yield facts


class TestOptions:
    def test_home_is_the_working_directory_and_first_on_the_path(self, facts, home):
        assert facts["cwd"] == str(home)
        assert facts["path"][0] == str(home)

    def test_python_path_is_on_the_path_before_the_site_packages(self, facts):
        paths = facts["path"]
        site_packages = next(at for at, path in enumerate(paths) if path.endswith("site-packages"))
        assert paths.index("/first/of/mine") < site_packages

    def test_the_main_module_is_empty(self, facts):
        assert facts["main"] == []

    def test_umask(self, facts):
        assert facts["umask"] == "0027"

    def test_lang_and_locale(self, facts):
        assert facts["environ"]["LANG"] == "C.UTF-8"
        assert facts["environ"]["LC_ALL"] == "C.UTF-8"
        # Of every category: Python alone takes only that of characters from the environment.
        assert facts["locale"].lower() in ("c.utf-8", "c.utf8")
        assert facts["preferred_encoding"].upper() == "UTF-8"

    def test_the_virtual_environment_is_the_prefix(self, facts, stage):
        assert facts["prefix"] == str(stage.venv)

    def test_display_name_is_seen_in_the_command_line(self, facts):
        assert "(wsgi:app)" in facts["command_line"]

    def test_wsgi_flags_follow_the_numbers(self, facts):
        assert (facts["multithread"], facts["multiprocess"]) == (True, True)

    def test_home_and_names_of_the_user_are_in_the_environment(self, facts):
        assert facts["environ"]["HOME"] == machine.user.pw_dir
        for name in ("USER", "USERNAME", "LOGNAME"):
            assert facts["environ"].get(name, machine.user.pw_name) == machine.user.pw_name


class TestPrivileges:
    @pytest.mark.root
    def test_every_id_is_the_users(self, facts):
        user = machine.user
        assert facts["uids"] == [user.pw_uid] * 3
        assert facts["gids"] == [user.pw_gid] * 3
        assert facts["groups"] == sorted(os.getgrouplist(user.pw_name, user.pw_gid))
        assert facts["status"]["Uid"].split() == [str(user.pw_uid)] * 4
        assert facts["status"]["Gid"].split() == [str(user.pw_gid)] * 4

    @pytest.mark.root
    def test_there_is_no_way_back_to_root(self, facts):
        assert facts["ways_to_root"] == []
        for field in ("CapPrm", "CapEff", "CapAmb"):
            assert int(facts["status"][field], 16) == 0

    def test_the_listening_sockets_of_httpd_are_not_open(self, facts):
        for name in facts["open_files"].values():
            match = re.fullmatch(r"socket:\[(\d+)\]", name)
            assert not match or int(match[1]) not in facts["listening"]

    @pytest.mark.ours
    def test_only_the_needed_files_are_open(self, facts):
        for name in facts["open_files"].values():
            assert "access_log" not in name
            assert "httpd.pid" not in name
        kinds = [re.sub(r"\[.*|\d+", "", name) for name in facts["open_files"].values()]
        assert len(kinds) < 16, facts["open_files"]

    @pytest.mark.ours
    def test_the_worker_is_a_child_of_its_groups_leader(self, facts):
        assert "apache2" not in facts["parent_command"]
        assert "httpd" not in facts["parent_command"].split("/")[-1]


class Requests:
    """Requests which all are under way at once, each on a thread of the test."""

    def __init__(self, server, rendezvous):
        self.server = server
        self.rendezvous = rendezvous
        self.answers = []
        self.threads = []

    def begin(self, count):
        for _ in range(count):
            thread = threading.Thread(target=self.one, daemon=True)
            thread.start()
            self.threads.append(thread)

    def one(self):
        self.answers.append(self.server.get(f"/app/slow.wsgi{self.rendezvous.query}", seconds=30))

    def end(self):
        self.rendezvous.announce("go")
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()
        return self.answers


@pytest.fixture(scope="module")
def server():
    """Two processes of four threads."""
    with Httpd("WSGIDaemonProcess app processes=2 threads=4\nWSGIProcessGroup app\n" + ALIAS) as httpd:
        yield httpd


class TestConcurrency:
    def test_as_many_requests_run_at_once_as_there_are_threads_and_the_next_waits(self, server, rendezvous):
        requests = Requests(server, rendezvous)
        requests.begin(8)
        running = rendezvous.wait_for("begun", 8)
        assert len({name.split("-")[1] for name in running}) == 2
        with server.connect() as ninth:
            ninth.request("GET", f"/app/slow.wsgi{rendezvous.query}")
            assert ninth.is_silent(0.3)
            assert len(rendezvous.files("begun")) == 8
            answers = requests.end()
            assert ninth.response().status == 200
        assert [answer.status for answer in answers] == [200] * 8
        assert len({answer.body for answer in answers}) == 2

    def test_a_slow_request_does_not_hold_up_others(self, server, rendezvous):
        requests = Requests(server, rendezvous)
        requests.begin(7)
        rendezvous.wait_for("begun", 7)
        for _ in range(20):
            assert server.get("/app/hello.wsgi").status == 200
        requests.end()

    def test_both_processes_are_used(self, server, rendezvous):
        requests = Requests(server, rendezvous)
        requests.begin(8)
        rendezvous.wait_for("begun", 8)
        assert len({answer.body for answer in requests.end()}) == 2

    def test_embedded_requests_run_at_once_too(self, rendezvous):
        with Httpd(ALIAS) as server:
            requests = Requests(server, rendezvous)
            requests.begin(6)
            rendezvous.wait_for("begun", 6)
            assert [answer.status for answer in requests.end()] == [200] * 6


@pytest.mark.ours
def test_connections_to_the_worker_are_kept_open():
    with Httpd("WSGIDaemonProcess app threads=2\nWSGIProcessGroup app\n" + ALIAS) as httpd:
        with httpd.connect() as connection:
            sockets = set()
            for _ in range(30):
                pid = connection.request("GET", "/app/process.wsgi").response().json["pid"]
                sockets |= {name for name in processes.open_files(pid).values() if name.startswith("socket:")}
        # One listener, a connection or two, a channel to the leader: not one more for each request.
        assert len(sockets) < 10


def sockets(httpd):
    """What the sockets of its groups are as files."""
    return [path.stat() for path in (httpd.directory / "run").iterdir() if path.is_socket()]


@pytest.mark.ours
def test_the_socket_belongs_to_the_user_of_httpd_and_is_nobody_elses():
    with Httpd("WSGIDaemonProcess app\nWSGIProcessGroup app\n" + ALIAS) as httpd:
        assert httpd.get("/app/hello.wsgi").status == 200
        assert {(it.st_mode & 0o777, it.st_uid) for it in sockets(httpd)} == {(0o600, httpd.user.pw_uid)}


@pytest.mark.ours
@pytest.mark.root
class TestIdentity:
    """Options which only root can fulfil."""

    @pytest.fixture(scope="class")
    @classmethod
    def other(cls):
        """A user with a home who is not httpd's."""
        users = [user for user in pwd.getpwall() if user.pw_uid and user.pw_uid != machine.user.pw_uid]
        users = [user for user in users if os.path.isdir(user.pw_dir) and machine.readable_by(user, user.pw_dir)]
        return users[0]

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, other):
        user = other.pw_name
        groups = {
            "user": f"user={user}",
            "group": f"user={user} group=#{machine.user.pw_gid}",
            "lists": f"user={user} group=#{other.pw_gid} supplementary-groups=#{machine.user.pw_gid},#12345",
            "title": 'display-name="my own title"',
            "locale": "locale=xx_YY.UTF-8",
        }
        config = "WSGIApplicationGroup %{GLOBAL}\n"
        for name, options in groups.items():
            config += f"WSGIDaemonProcess {name} {options}\n"
            config += f"WSGIScriptAlias /{name} ${{APPLICATIONS}}/process.wsgi process-group={name}\n"
        with Httpd(config) as httpd:
            httpd.error_log.always_allowed.append("WRS5028.*'xx_YY.UTF-8' of process group 'locale'")
            yield httpd

    def test_user(self, server, other):
        facts = server.get("/user/become-root").json
        assert facts["uids"] == [other.pw_uid] * 3
        assert facts["gids"] == [machine.user.pw_gid] * 3
        assert facts["environ"]["HOME"] == other.pw_dir
        assert facts["ways_to_root"] == []

    def test_without_home_it_works_where_its_user_is_at_home(self, server, other):
        assert server.get("/user").json["cwd"] == os.path.realpath(other.pw_dir)

    def test_group(self, server, other):
        facts = server.get("/group").json
        assert facts["gids"] == [machine.user.pw_gid] * 3
        assert facts["groups"] == sorted(os.getgrouplist(other.pw_name, machine.user.pw_gid))

    def test_supplementary_groups_are_those_of_the_list_and_no_others(self, server, other):
        facts = server.get("/lists").json
        assert facts["gids"] == [other.pw_gid] * 3
        assert facts["groups"] == sorted({other.pw_gid, machine.user.pw_gid, 12345})

    def test_display_name(self, server):
        assert processes.command_line(server.get("/title").json["pid"]) == "my own title"

    def test_a_locale_that_is_not_installed_is_told(self, server):
        assert server.get("/locale").status == 200
        assert server.error_log.count("WRS5028.*'xx_YY.UTF-8' of process group 'locale'") == 1

    def test_socket_user(self, other):
        with Httpd(f"WSGIDaemonProcess app socket-user={other.pw_name}\nWSGIProcessGroup app\n" + ALIAS) as httpd:
            assert {(it.st_mode & 0o777, it.st_uid) for it in sockets(httpd)} == {(0o600, other.pw_uid)}
            # httpd is another user, who may not use the socket.
            assert httpd.get("/app/hello.wsgi").status == 503
            httpd.error_log.expect("WRS3011.*Permission denied|WRS3011.*EACCES")


def test_a_group_of_a_virtual_host_is_not_anothers():
    config = """
        <VirtualHost *>
            ServerName one.example
            WSGIDaemonProcess one
            WSGIScriptAlias / ${APPLICATIONS}/hello.wsgi process-group=one
        </VirtualHost>
        <VirtualHost *>
            ServerName two.example
            WSGIScriptAlias / ${APPLICATIONS}/hello.wsgi process-group=one
        </VirtualHost>
    """
    with Httpd(config) as httpd:
        with httpd.connect() as connection:
            connection.send(b"GET / HTTP/1.1\r\nHost: one.example\r\n\r\n")
            assert connection.response().status == 200
            connection.send(b"GET / HTTP/1.1\r\nHost: two.example\r\n\r\n")
            assert connection.response().status == 500
        httpd.error_log.expect("one")


def test_processes_are_as_many_as_configured(rendezvous):
    with Httpd("WSGIDaemonProcess app processes=3 threads=2\nWSGIProcessGroup app\n" + ALIAS) as httpd:
        requests = Requests(httpd, rendezvous)
        requests.begin(6)
        rendezvous.wait_for("begun", 6)
        assert len({answer.body for answer in requests.end()}) == 3
