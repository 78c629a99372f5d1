"""Every way to start httpd answers: multi-processing modules, users, both modes."""

import pytest
from harness import Httpd, machine, processes

HELLO = """
WSGIScriptAlias /hello ${APPLICATIONS}/hello.wsgi
WSGIScriptAlias /process ${APPLICATIONS}/process.wsgi
"""


def answers(httpd):
    """The application says hello, and again on the same connection."""
    with httpd.connect() as connection:
        for _ in range(3):
            response = connection.request("GET", "/hello").response()
            assert (response.status, response.body) == (200, b"Hello, world!\n")
            assert response.header("Content-Type") == "text/plain"
    return httpd.get("/process").json


@pytest.mark.parametrize("mpm", ["event", "worker", "prefork"])
def test_every_mpm_serves_in_both_modes(mode, mpm):
    with Httpd(mode.serve() + HELLO, mpm=mpm) as httpd:
        facts = answers(httpd)
    assert facts["process_group"] == ("app" if mode.is_daemon else "")
    assert facts["multithread"] is (mode.is_daemon or mpm != "prefork")


@pytest.mark.root
@pytest.mark.parametrize("account", ["user", "other_user"])
def test_root_starts_httpd_and_applications_run_as_the_configured_user(mode, account):
    user = getattr(machine, account)
    with Httpd(mode.serve() + HELLO, user=user) as httpd:
        facts = answers(httpd)
        assert processes.status(httpd.pid)["Uid"].split()[0] == "0"
    assert facts["uids"] == [user.pw_uid] * 3
    assert facts["gids"] == [user.pw_gid] * 3


@pytest.mark.root
def test_a_daemon_group_of_another_user_beside_the_servers_user():
    other = machine.other_user
    config = f"WSGIDaemonProcess app user={other.pw_name} group=#{other.pw_gid} home=/\nWSGIProcessGroup app\n"
    with Httpd(config + HELLO) as httpd:
        facts = answers(httpd)
    assert facts["uids"] == [other.pw_uid] * 3
    assert facts["gids"] == [other.pw_gid] * 3
    assert 0 not in facts["groups"]


def test_an_ordinary_user_starts_httpd_whole(mode):
    run_as = machine.other_user if machine.is_root else machine.user
    with Httpd(mode.serve(home="/") + HELLO, run_as=run_as) as httpd:
        facts = answers(httpd)
        for pid in [httpd.pid, *httpd.descendants()]:
            assert processes.status(pid)["Uid"].split() == [str(run_as.pw_uid)] * 4
    assert facts["uids"] == [run_as.pw_uid] * 3


@pytest.mark.root
@pytest.mark.ours
def test_a_user_without_a_home_directory_gets_its_daemon_process_all_the_same():
    user = machine.user_without_home
    config = f"WSGIDaemonProcess app user={user.pw_name} group=#{user.pw_gid}\nWSGIProcessGroup app\n"
    with Httpd(config + HELLO) as httpd:
        facts = answers(httpd)
    assert facts["uids"] == [user.pw_uid] * 3
    assert facts["cwd"] == "/"


def test_both_modes_side_by_side_in_one_server():
    config = """
        WSGIDaemonProcess one threads=2
        WSGIDaemonProcess two processes=2 threads=1
        WSGIScriptAlias /embedded ${APPLICATIONS}/process.wsgi
        WSGIScriptAlias /one ${APPLICATIONS}/process.wsgi process-group=one
        WSGIScriptAlias /two ${APPLICATIONS}/process.wsgi process-group=two application-group=%{GLOBAL}
    """
    with Httpd(config) as httpd:
        facts = {name: httpd.get(f"/{name}").json for name in ("embedded", "one", "two")}
    assert {name: fact["process_group"] for name, fact in facts.items()} == {"embedded": "", "one": "one", "two": "two"}
    assert len({fact["pid"] for fact in facts.values()}) == 3
    assert [facts[name]["multithread"] for name in ("embedded", "one", "two")] == [True, True, False]
    assert [facts[name]["multiprocess"] for name in ("one", "two")] == [False, True]
