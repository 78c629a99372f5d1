"""Who is compared: each an httpd of its own, with what stands behind it, on ports of its own."""

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import workloads
from harness import machine, processes, wait_until
from harness.httpd import free_port

# The same for all: a fixed number of threads, connections that stay open, no access log.
HTTPD = """
ServerRoot "{directory}"
DefaultRuntimeDir "{directory}"
PidFile "{directory}/httpd.pid"
ErrorLog "{directory}/error_log"
LogLevel error
ServerName localhost
Listen 127.0.0.1:{port}
{identity}
{modules}
ServerLimit {children}
StartServers {children}
ThreadLimit {threads}
ThreadsPerChild {threads}
MaxRequestWorkers {workers}
MinSpareThreads 1
MaxSpareThreads {workers}
AsyncRequestWorkerFactor 16
KeepAlive On
KeepAliveTimeout 60
MaxKeepAliveRequests 0
Timeout 60
<Directory "/">
    AllowOverride None
    Require all denied
</Directory>
<Directory "{directory}/applications">
    Require all granted
</Directory>
Define APPLICATIONS "{directory}/applications"
Define DIRECTORY "{directory}"
Define BACKEND_PORT {backend_port}
"""

EMBEDDED = """
WSGIPythonHome "{venv}"
WSGIScriptAlias / ${{APPLICATIONS}}/bench.py application-group=%{{GLOBAL}} process-group=%{{GLOBAL}}
WSGIImportScript ${{APPLICATIONS}}/bench.py application-group=%{{GLOBAL}} process-group=%{{GLOBAL}}
"""
DAEMON = """
WSGIPythonHome "{venv}"
WSGIRestrictEmbedded On
WSGISocketPrefix ${{DIRECTORY}}/wsgi
WSGIDaemonProcess bench processes={processes} threads={threads}
WSGIScriptAlias / ${{APPLICATIONS}}/bench.py application-group=%{{GLOBAL}} process-group=bench
"""
# Connections to granian are kept; the protocol of uWSGI has none that could be.
GRANIAN = 'ProxyPreserveHost On\nProxyPass "/" "http://127.0.0.1:${BACKEND_PORT}/" enablereuse=on timeout=60 retry=0\n'
UWSGI = 'ProxyPass "/" "unix:${DIRECTORY}/backend.sock|uwsgi://backend/" timeout=60 retry=0\n'


@dataclass(frozen=True)
class Contender:
    """A way to serve the application."""

    name: str
    about: str
    config: str
    # With whose figures its own are compared.
    baseline: str
    modules: tuple = ()
    # The line that loads its own module: `ours` or `theirs`.
    load: str = ""
    # The command of a server behind httpd, below the environment's bin.
    backend: tuple = ()
    children: int = 2
    threads: int = 25


PROCESSES = {"processes": 2, "threads": 8}
CONTENDERS = {
    it.name: it
    for it in (
        Contender("mod_wsgi_rs-embedded", "this module, embedded", EMBEDDED, "mod_wsgi-embedded", load="ours"),
        Contender("mod_wsgi-embedded", "mod_wsgi 6, embedded", EMBEDDED, "mod_wsgi-embedded", load="theirs"),
        Contender("mod_wsgi_rs-daemon", "this module, 2 processes of 8 threads", DAEMON, "mod_wsgi-daemon", load="ours"),
        Contender("mod_wsgi-daemon", "mod_wsgi 6, 2 processes of 8 threads", DAEMON, "mod_wsgi-daemon", load="theirs"),
        Contender(
            "uwsgi",
            "mod_proxy_uwsgi and uWSGI, 2 processes of 8 threads, a unix socket",
            UWSGI,
            "mod_wsgi-daemon",
            ("proxy", "proxy_uwsgi"),
            backend=(
                *("uwsgi", "--chdir", "{directory}/applications", "--socket", "{directory}/backend.sock", "--chmod-socket=666"),
                *("--master", "--die-on-term", "--processes", "2", "--threads", "8", "--disable-logging", "--listen", "128"),
                *("--module", "bench:application"),
            ),
        ),
        Contender(
            "granian",
            "mod_proxy_http and granian, 2 workers of 8 threads, TCP connections that are kept",
            GRANIAN,
            "mod_wsgi-daemon",
            ("proxy", "proxy_http"),
            backend=(
                *("granian", "--working-dir", "{directory}/applications", "--interface", "wsgi", "--workers", "2"),
                *("--blocking-threads", "8", "--no-ws", "--log-level", "error", "--host", "127.0.0.1"),
                *("--port", "{backend_port}", "bench:application"),
            ),
        ),
    )
}


def installed(venv):
    """Those contenders whose programs are here, and for each of the others why it is not."""
    found, missing = [], {}
    for name, contender in CONTENDERS.items():
        try:
            load_line(contender, venv)
            for module in contender.modules:
                if not machine.has_module(module):
                    raise LookupError(f"httpd has no mod_{module}")
            if contender.backend and not (venv / "bin" / contender.backend[0]).exists():
                raise LookupError(f"{contender.backend[0]} is not installed in {venv}")
            found.append(name)
        except LookupError as error:
            missing[name] = str(error)
    return found, missing


def load_line(contender, venv):
    """What loads its module."""
    if contender.load == "ours":
        if not machine.wsgi_load.exists():
            raise LookupError(f"{machine.wsgi_load} is missing: run make build")
        return f'Include "{machine.wsgi_load}"'
    if contender.load == "theirs":
        libraries = sorted(venv.glob("lib/python*/site-packages/mod_wsgi/server/mod_wsgi-py*.so"))
        if not libraries:
            raise LookupError(f"mod_wsgi is not installed in {venv}")
        return f'LoadModule wsgi_module "{libraries[0]}"'
    return ""


class Server:
    """A contender that runs; it ends with the `with` statement."""

    def __init__(self, contender, venv, values=None, extra=""):
        self.contender, self.venv, self.extra = contender, venv, extra
        self.values = {**PROCESSES, **(values or {})}
        self.started = []
        self.directory = None
        self.port = self.backend_port = 0

    @property
    def name(self):
        """That of the contender."""
        return self.contender.name

    @property
    def roots(self):
        """The processes that were started."""
        return [process.pid for process in self.started]

    def __enter__(self):
        # Short: the path of a unix socket has 108 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="wsgi-bench-"))
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Write what it needs, start what stands behind httpd, then httpd."""
        self.directory.chmod(0o755)
        workloads.stage(self.directory)
        if machine.is_root:
            os.chown(self.directory, machine.user.pw_uid, machine.user.pw_gid)
        self.port, self.backend_port = free_port(), free_port()
        self.write_config()
        if self.contender.backend:
            program, *arguments = self.contender.backend
            command = [str(self.venv / "bin" / program), *arguments]
            identity = {"user": machine.user.pw_uid, "group": machine.user.pw_gid, "extra_groups": []} if machine.is_root else {}
            self.launch([word.format(directory=self.directory, backend_port=self.backend_port) for word in command], **identity)
        self.launch([machine.httpd, "-d", str(self.directory), "-f", str(self.directory / "httpd.conf"), "-DFOREGROUND"])

    def write_config(self):
        """The whole httpd.conf."""
        it = self.contender
        text = HTTPD.format(
            directory=self.directory,
            port=self.port,
            backend_port=self.backend_port,
            identity=f"User {machine.user.pw_name}\nGroup #{machine.user.pw_gid}" if machine.is_root else "",
            modules="\n".join([*(machine.load_module(name) for name in ("mpm_event", "authz_core", "unixd", *it.modules)), load_line(it, self.venv)]),
            children=self.values.get("children", it.children),
            threads=(threads := self.values.get("child_threads", it.threads)),
            workers=self.values.get("children", it.children) * threads,
        )
        config = it.config.format(venv=self.venv, **self.values) if it.load else it.config
        (self.directory / "httpd.conf").write_text(text + config + self.extra)

    def launch(self, command, **identity):
        """Start a process in a session of its own: httpd signals its process group when it ends."""
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(self.directory), "PYTHONHASHSEED": "0"}
        with open(self.directory / "output", "ab") as output:
            process = subprocess.Popen(
                command, env=environment, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **identity
            )
        self.started.append(process)

    def verify(self, workload, expected, seconds=30.0):
        """Raise unless it answers, in that time, as the application itself does; every virtual host that is asked."""
        deadline = time.monotonic() + seconds
        hosts = [f"site-{number}.example.test" for number in range(workload.hosts)] or [None]
        while True:
            try:
                found = workloads.fetch(self.port, workload, hosts[0])
                if found == expected:
                    hosts.pop(0)
                    if not hosts:
                        return
                    continue
                problem = f"answered {found}, which should be {expected}"
            except (OSError, http.client.HTTPException) as error:
                problem = repr(error)
            if time.monotonic() > deadline or any(process.poll() is not None for process in self.started):
                raise RuntimeError(f"{self.name}, {workload.name}: {problem}\n{self.logs()}")
            time.sleep(0.02)

    def logs(self):
        """The ends of what it wrote."""
        texts = [self.directory / name for name in ("output", "error_log")]
        return "".join(path.read_text("utf-8", "replace")[-1500:] for path in texts if path.exists())

    def stop(self):
        """End httpd, then what stands behind it, and no process of anybody else."""
        for process in reversed(self.started):
            left = [processes.identity(pid) for pid in processes.descendants(process.pid)]
            process.terminate()
            try:
                process.wait(15)
                wait_until(lambda left=left: not processes.alive(left), "its processes to end", 15)
            except (subprocess.TimeoutExpired, AssertionError):
                for pid, _ in processes.alive(left):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                process.kill()
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
