"""The image of the Dockerfile: what is in it, and how httpd serves, restarts and stops in it."""

import http.client
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from container import Container, docker
from harness import wait_until

MODES = ("embedded", "daemon")


def run(image, application, mode, *options):
    return Container(image, "-v", f"{application}:/app", "-e", f"WSGI_MODE={mode}", *options)


@pytest.mark.parametrize("mode", MODES)
def test_the_image_serves_its_sample_site(image, mode):
    where = {"embedded": "embedded in httpd", "daemon": "in the daemon process group 'app'"}[mode]
    with Container(image, "-e", f"WSGI_MODE={mode}") as container:
        assert where in container.get()[1]
        wait_until(lambda: container.inspect("{{.State.Health.Status}}") == "healthy", "a healthy container", 60, 0.2)


@pytest.mark.parametrize("mode", MODES)
def test_a_mounted_application_is_served_by_processes_that_are_not_root(image, application, mode):
    with run(image, application, mode) as container:
        answer = container.json("/print")
        assert answer["group"] == ("app" if mode == "daemon" else "")
        assert answer["uid"] != 0
        processes = [line.split() for line in docker("top", container.id, "-eo", "uid,pid,args").splitlines()[1:]]
        # The check of its health, which docker starts now and then, is not part of what serves.
        assert len([words for words in processes if words[0] == "0" and "healthcheck" not in " ".join(words)]) == 1
        done = subprocess.run(["docker", "logs", container.id], capture_output=True, text=True, check=True)
        assert '"GET /print HTTP/1.1" 200' in done.stdout
        assert "a line of the application" in done.stderr


def by_signal(container):
    docker("kill", "-s", "USR1", container.id)


def by_command(container):
    container.run("httpd-wsgi", "-k", "graceful")


@pytest.mark.parametrize("restart", (by_signal, by_command), ids=lambda how: how.__name__)
@pytest.mark.parametrize("mode", MODES)
def test_a_graceful_restart_breaks_no_request(image, application, mode, restart):
    with run(image, application, mode) as container:
        before = container.json()["pid"]
        waiting = container.request("/wait")
        assert waiting.readline() == b"begun\n"
        restart(container)
        container.wait_for_log("resuming normal operations", 2)
        after = wait_until(lambda: container.json()["pid"], "an answer of the new processes")
        assert after != before
        (application / "meet/go").touch()
        assert waiting.read() == b"done\n"


def test_a_container_tells_who_answers(image):
    with Container(image) as container:
        assert "/app/wsgi.py" in container.run("httpd-wsgi", "-t", "-D", "DUMP_WSGI")


@pytest.mark.parametrize("mode", MODES)
def test_docker_stop_lets_requests_finish(image, application, mode):
    with run(image, application, mode) as container:
        waiting = container.request("/wait")
        assert waiting.readline() == b"begun\n"
        stop = subprocess.Popen(["docker", "stop", container.id], stdout=subprocess.DEVNULL)
        container.wait_for_log("shutting down gracefully")
        (application / "meet/go").touch()
        assert waiting.read() == b"done\n"
        assert stop.wait(timeout=30) == 0
        assert container.inspect("{{.State.ExitCode}} {{.State.OOMKilled}}") == "0 false"


def test_docker_stop_ends_what_takes_too_long_before_docker_kills(image, application):
    with run(image, application, "daemon") as container:
        waiting = container.request("/wait")
        assert waiting.readline() == b"begun\n"
        with ThreadPoolExecutor() as threads:
            # A client that reads sees the end and closes; httpd would wait two seconds for it.
            answer = threads.submit(waiting.read)
            docker("stop", container.id)
            assert isinstance(answer.exception(), (http.client.HTTPException, OSError))
        # Killed by docker it would be 137.
        assert container.inspect("{{.State.ExitCode}}") == "0"
        assert "was ended by the end of its process group while it answered this request" in container.logs()


@pytest.mark.parametrize("mode", MODES)
def test_a_read_only_container_of_any_user_serves(image, application, mode):
    options = ("--read-only", "--tmpfs", "/run/mod_wsgi_rs", "--user", "12345:0", "--cap-drop", "ALL")
    with run(image, application, mode, *options) as container:
        assert container.json()["uid"] == 12345
        done = subprocess.run(["docker", "logs", container.id], capture_output=True, text=True, check=True)
        assert '"GET / HTTP/1.1" 200' in done.stdout


def worker(container):
    return container.json()["pid"]


def leader(container):
    return container.json()["parent"]


def child(container):
    """A process of httpd's own."""
    listing = container.run("sh", "-c", "grep -l '^PPid:.1$' /proc/[0-9]*/status | cut -d/ -f3").split()
    return next(pid for pid in map(int, listing) if pid != leader(container))


# httpd says nothing of a killed process of its own.
@pytest.mark.parametrize(("who", "line"), ((worker, "WRS5005"), (leader, "WRS3004"), (child, "")), ids=("worker", "leader", "child"))
def test_a_killed_process_is_replaced(image, application, who, line):
    with run(image, application, "daemon") as container:
        killed = who(container)
        container.run("sh", "-c", f"kill -9 {killed}")
        wait_until(lambda: killed not in (worker(container), leader(container), child(container)), "another process")
        assert {container.get()[0] for _ in range(20)} == {200}
        container.wait_for_log(line)


def test_an_application_that_takes_all_memory_is_replaced(image, application):
    with run(image, application, "daemon", "--memory", "256m", "--memory-swap", "256m") as container:
        limit = "cat /sys/fs/cgroup/memory.max || cat /sys/fs/cgroup/memory/memory.limit_in_bytes || true"
        if container.run("sh", "-c", limit) != str(256 << 20):
            pytest.skip("the engine has no memory limits here")
        assert container.get("/eat")[0] in (500, 502, 503)
        assert container.json()["group"] == "app"


def test_a_killed_container_starts_again(image, application):
    with run(image, application, "daemon") as container:
        docker("kill", container.id)
        docker("start", container.id)
        container.find_port()
        wait_until(container.answers, "an answer after the start", 30, 0.05)


@pytest.mark.parametrize(
    ("options", "words"),
    [(("-e", "WSGI_MODE=both"), "it must be daemon or embedded"), (("-e", "WSGI_SCRIPT=/app/none.py"), "cannot read /app/none.py")],
    ids=("mode", "script"),
)
def test_a_container_that_cannot_serve_says_why(image, options, words):
    with Container(image, *options, serves=False) as container:
        assert docker("wait", container.id) == "1"
        assert words in container.logs()


def test_the_image_has_nothing_of_the_build(base, image, capsys):
    programs = "for name in cc gcc clang rustc cargo make apxs2; do command -v $name; done; ls -d /src /install; true"

    def found(name):
        return set(docker("run", "--rm", "--entrypoint", "sh", name, "-c", f"({programs}) 2>/dev/null").split())

    # An httpd image may have a compiler of its own, as it has apxs.
    assert found(image) - found(base) == set()

    def megabytes(name):
        return int(docker("image", "inspect", "-f", "{{.Size}}", name)) / 1e6

    with capsys.disabled():
        print(f"\n{base}: {megabytes(image):.0f} MB, of which the base is {megabytes(base):.0f} MB")


@pytest.mark.parametrize("mode", MODES)
def test_a_container_serves_within_a_second_of_its_start(image, mode, capsys):
    took = []
    # The machine may be busy with something else once or twice.
    while not took or (min(took) >= 1 and len(took) < 5):
        with Container(image, "-e", f"WSGI_MODE={mode}") as container:
            answered = time.time()
            started = datetime.fromisoformat(container.inspect("{{.State.StartedAt}}")[:26] + "+00:00").timestamp()
        took.append(answered - started)
    with capsys.disabled():
        print(f"\n{image}: {mode} mode served {min(took):.2f} s after the container's start")
    assert min(took) < 1
