"""The core of the end-to-end tests, with the httpd and the Python of each base."""

import subprocess

from container import docker

CORE = (
    *("test_hello.py", "test_embedded.py", "test_daemon_group.py", "test_lifecycle.py", "test_pep3333.py", "test_environ.py"),
    *("test_input.py", "test_response.py", "test_truncation.py", "test_file_wrapper.py", "test_configtest.py", "test_install.py"),
)


def test_the_core_of_the_end_to_end_tests_passes(workshop):
    tests = f"cd tests && exec ../build/venv/bin/python -m pytest -q -rfE -p no:cacheprovider {' '.join(CORE)}"
    # They look at what root's processes have open and mapped.
    name = docker("create", "--cap-add", "SYS_PTRACE", workshop, "sh", "-c", tests)
    try:
        done = subprocess.run(["docker", "start", "-a", name], capture_output=True, text=True, check=False, timeout=900)
        assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-2000:]
    finally:
        docker("rm", "-f", name)
