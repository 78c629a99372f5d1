"""One httpd server on a port of its own, from a configuration of its own, in a directory of its own."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from pathlib import Path

from . import processes
from .client import Connection, read_response
from .error_log import ErrorLog
from .http2 import Http2Connection
from .machine import machine
from .wait import wait_until

MODULES = (
    *("log_config", "logio", "unixd", "version", "authn_core", "authz_core", "authz_host", "authz_user"),
    *("authn_file", "auth_basic", "alias", "mime", "dir", "env", "setenvif", "headers", "rewrite", "reqtimeout"),
)

# One child for the threaded servers, so that a test knows which process answers; room for those which finish.
MPM_LIMITS = """
StartServers {start}
ServerLimit 8
MaxRequestWorkers {workers}
<IfModule !mpm_prefork_module>
    ThreadLimit 32
    ThreadsPerChild 32
    MinSpareThreads 1
    MaxSpareThreads 64
</IfModule>
<IfModule mpm_prefork_module>
    MinSpareServers 1
    MaxSpareServers 8
</IfModule>
"""

BASE = """
ServerRoot "{directory}"
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile "{directory}/run/httpd.pid"
DefaultRuntimeDir "{directory}/run"
ErrorLog "{directory}/logs/error_log"
LogLevel {log_level}
Timeout 20
KeepAliveTimeout 20
TypesConfig /dev/null
DocumentRoot "{directory}/htdocs"
{load_modules}
CustomLog "{directory}/logs/access_log" "%h \\"%r\\" %>s %B"
{identity}
{mpm_limits}
<Directory "/">
    AllowOverride None
    Require all denied
</Directory>
<Directory "{applications}">
    Require all granted
</Directory>
<Directory "{directory}">
    Require all granted
</Directory>
Define APPLICATIONS "{applications}"
Define DIRECTORY "{directory}"
Define SCRIPTS "{directory}/scripts"
Define VENV "{venv}"
{load}
WSGISocketPrefix "{directory}/run/wsgi"
"""


# What httpd writes when it has set its signal handlers and its children are on their way.
RESUMED = "resuming normal operations"


class StartFailed(Exception):
    """httpd did not come up; the text is what it said."""


class Stage:
    """Where servers of this session find what they serve: readable by every user, away from the checkout."""

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="mod_wsgi_rs-tests-"))
        self.path.chmod(0o755)
        self.applications = self.path / "applications"
        self.copy(machine.root / "tests" / "applications", "applications")
        self.load = self.reachable_load()
        self.venv = self.reachable_venv()
        self.servers = 0

    def copy(self, source, name, ignore=("__pycache__",)):
        """Copy a directory to where every user can read it."""
        target = self.path / name
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns(*ignore))
        subprocess.run(["chmod", "-R", "a+rX", str(target)], check=True)
        return target

    def reachable_load(self):
        """The file which loads the module; a copy of the build when httpd's children cannot read it."""
        if machine.readable_by(machine.user, machine.wsgi_load) and machine.readable_by(machine.user, machine.build):
            return machine.wsgi_load
        copy = self.copy(machine.build, "build", ("venv", "serve", "mod_wsgi-venv"))
        load = copy / "wsgi.load"
        load.write_text(machine.wsgi_load.read_text().replace(str(machine.build), str(copy)))
        return load

    def reachable_venv(self):
        """The virtual environment of the applications; a copy when httpd's children cannot read it."""
        if machine.readable_by(machine.user, machine.venv / "pyvenv.cfg"):
            return machine.venv
        return self.copy(machine.venv, "venv", ())

    def server_directory(self):
        """A fresh directory for a server."""
        self.servers += 1
        return self.path / f"server-{self.servers}"

    def remove(self):
        """Delete everything."""
        shutil.rmtree(self.path)


class Httpd:
    """A server. `run_as` starts the whole of it as that (ordinary) user; `user` is who its children become.

    `debugger` is a command that executes httpd, which then is one process (`httpd -X`) unless `one_process` is set to False.
    """

    stage = None
    running = []

    def __init__(self, config, mpm="event", user=None, run_as=None, log_level="info wsgi:debug", modules=(), workers=32, python_home=True, load=None, environment=None, debugger=None):
        self.config = config
        self.environment = environment or {}
        self.debugger = debugger
        self.one_process = debugger is not None
        # Seconds to come up, and to read the configuration anew.
        self.patience = 30 if debugger is None else 120
        # The file which loads the module; `load` is another than the one under test.
        self.load = load or self.stage.load
        self.mpm = mpm
        self.run_as = run_as
        self.user = run_as or user or machine.user
        self.log_level = log_level
        self.modules = modules
        self.workers = workers
        self.python_home = python_home
        self.directory = self.stage.server_directory()
        self.scripts = self.directory / "scripts"
        for name in ("", "logs", "run", "htdocs", "scripts"):
            path = self.directory / name
            path.mkdir()
            path.chmod(0o755)
            if run_as and machine.is_root:
                os.chown(path, run_as.pw_uid, run_as.pw_gid)
        self.error_log = ErrorLog(self.directory / "logs" / "error_log")
        self.process = None
        self.port = 0
        # What a client needs to trust the certificate; see `certificate()`.
        self.tls = None

    # Configuration and files

    def certificate(self):
        """Make a certificate for localhost; the lines of configuration which switch TLS on with it."""
        key, certificate = self.directory / "key.pem", self.directory / "certificate.pem"
        command = [
            *("openssl", "req", "-x509", "-nodes", "-days", "2", "-newkey", "rsa:2048", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", str(key), "-out", str(certificate)),
        ]
        subprocess.run(command, check=True, capture_output=True)
        self.tls = ssl.create_default_context(cafile=str(certificate))
        # Another patch level of OpenSSL than it was built with, another name than that of the server, no session cache.
        self.error_log.always_allowed += ["AH01882", "AH01909", "AH01873"]
        return f'SSLEngine on\nSSLCertificateFile "{certificate}"\nSSLCertificateKeyFile "{key}"\n'

    def script(self, name, text):
        """Write a WSGI script, which the configuration finds as `${SCRIPTS}/name`."""
        path = self.scripts / name
        temporary = self.directory / f"{name}.new"
        temporary.write_text(text)
        temporary.chmod(0o644)
        temporary.rename(path)
        return path

    def write_config(self):
        """Write httpd.conf for the present port."""
        identity = ""
        if machine.is_root and not self.run_as:
            identity = f"User {self.user.pw_name}\nGroup #{self.user.pw_gid}"
        base = BASE.format(
            directory=self.directory,
            port=self.port,
            log_level=self.log_level,
            load_modules="\n".join(machine.load_module(name) for name in (f"mpm_{self.mpm}", *MODULES, *self.modules)),
            identity=identity,
            mpm_limits=MPM_LIMITS.format(start=2 if self.mpm == "prefork" else 1, workers=min(self.workers, 8) if self.mpm == "prefork" else self.workers),
            applications=self.stage.applications,
            venv=self.stage.venv,
            load=f'Include "{self.load}"',
        )
        if self.python_home:
            base += f'WSGIPythonHome "{self.stage.venv}"\n'
        path = self.directory / "httpd.conf"
        path.write_text(base + self.config)
        path.chmod(0o644)

    def command(self, *arguments):
        """The command line of httpd, and as whom it runs."""
        # A session of its own: when httpd ends it signals its whole process group.
        command = [*(self.debugger or ()), machine.httpd, "-d", str(self.directory), "-f", str(self.directory / "httpd.conf"), *arguments]
        identity = {}
        if self.run_as and machine.is_root:
            identity = {"user": self.run_as.pw_uid, "group": self.run_as.pw_gid, "extra_groups": []}
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C", **self.environment}
        return {"args": command, "env": environment, "cwd": "/", "stdin": subprocess.DEVNULL, "start_new_session": True, **identity}

    def configtest(self):
        """What `httpd -t` says of the configuration: its exit code and its words."""
        self.port = self.port or free_port()
        self.write_config()
        done = subprocess.run(
            **self.command("-t"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, check=False
        )
        return done.returncode, done.stdout.decode("utf-8", "replace")

    # Life

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Start and wait until it accepts connections; another port when this one was taken meanwhile."""
        for _ in range(5):
            fixed = bool(self.port)
            self.port = self.port or free_port()
            self.write_config()
            output = self.directory / "logs" / "output"
            before = self.error_log.count(RESUMED)
            with open(output, "wb") as file:
                self.process = subprocess.Popen(**self.command("-X" if self.one_process else "-DFOREGROUND"), stdout=file, stderr=file)
            if wait_until(lambda before=before: self.answers_or_is_gone(before), "httpd to accept connections", self.patience) == "answers":
                Httpd.running.append(self)
                return self
            said = output.read_text("utf-8", "replace")
            if fixed or "Address already in use" not in said:
                log = "\n".join(line.raw for line in self.error_log.lines())
                raise StartFailed(f"httpd exited with {self.process.returncode}\n{said}\n{log}")
            self.port = 0
        raise StartFailed("no free port was found")

    def answers_or_is_gone(self, before):
        """Whether it has come up and the port is open, or the process has ended."""
        if self.process.poll() is not None:
            return "gone"
        # A server of one process does not say that it has come up.
        if not self.one_process and self.error_log.count(RESUMED) == before:
            return None
        with socket.socket() as probe:
            probe.settimeout(1)
            return "answers" if probe.connect_ex(("127.0.0.1", self.port)) == 0 else None

    def stop(self, seconds=20):
        """End the server with SIGTERM; fail when it, or a process of it, stays."""
        if self in Httpd.running:
            Httpd.running.remove(self)
        left = [processes.identity(pid) for pid in processes.descendants(self.process.pid)]
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(seconds)
            wait_until(lambda: not processes.alive(left), f"every process of httpd to end ({left})", seconds)
        finally:
            for pid, _ in processes.alive(left):
                os.kill(pid, signal.SIGKILL)
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        self.error_log.check()

    def kill(self):
        """Let httpd and its children die without a chance to clean up; the processes which are not killed."""
        Httpd.running.remove(self)
        children = self.children()
        others = [processes.identity(pid) for pid in self.descendants() if pid not in children]
        for pid in (self.pid, *children):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        return others

    def again(self, signal_number, what):
        """Send a signal to the parent and wait until it has read its configuration anew."""
        before = self.error_log.count(RESUMED)
        self.process.send_signal(signal_number)
        wait_until(lambda: self.error_log.count(RESUMED) > before, f"httpd to {what}", self.patience)

    def graceful(self):
        """Restart without breaking requests."""
        self.again(signal.SIGUSR1, "restart gracefully")

    def restart(self):
        """Restart at once."""
        self.again(signal.SIGHUP, "restart")

    # Processes

    @property
    def pid(self):
        """The parent process."""
        return self.process.pid

    def children(self):
        """The server's own child processes, which handle connections."""
        name = processes.status(self.pid)["Name"]
        return [pid for pid in processes.children(self.pid) if processes.status(pid).get("Name") == name]

    def descendants(self):
        """All processes below the parent."""
        return processes.descendants(self.pid)

    # HTTP

    @property
    def origin(self):
        """The beginning of its URLs."""
        return f"http://127.0.0.1:{self.port}"

    def connect(self, seconds=15.0):
        """A connection for a test which looks at bytes."""
        return Connection(self.port, seconds, self.tls)

    def connect_http2(self, seconds=15.0):
        """A connection which speaks HTTP/2 without asking first."""
        return Http2Connection(self.port, seconds, self.tls)

    def request(self, method, path, headers=(), body=None, seconds=15.0):
        """One request on a connection of its own."""
        return read_response(self.port, method, path, headers, body, seconds)

    def get(self, path, headers=(), seconds=15.0):
        """GET on a connection of its own."""
        return self.request("GET", path, headers, None, seconds)

    def post(self, path, body, headers=(), seconds=15.0):
        """POST on a connection of its own."""
        return self.request("POST", path, headers, body, seconds)


def free_port():
    """A port of the loopback interface which nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
