"""Virtual hosts: what is logged for a request is in the log of its host, and TLS is seen by applications."""

import re

import pytest
from harness import Httpd, TRACEBACK
from harness.error_log import ErrorLog
from harness.wait import wait_until

APPLICATION = """
import logging, mod_wsgi, sys
logger = logging.getLogger("vhost")
logger.addHandler(mod_wsgi.LogHandler())
logger.propagate = False

def application(environ, start_response):
    host = environ["HTTP_HOST"]
    print("stdout of", host)
    print("stderr of", host, file=sys.stderr)
    print("errors of", host, file=environ["wsgi.errors"])
    logger.warning("record of %s", host)
    raise ValueError("raised for " + host)
"""

HOSTS = """
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias / ${SCRIPTS}/application.wsgi
<VirtualHost *>
    ServerName first.example
    ErrorLog ${DIRECTORY}/logs/first_log
</VirtualHost>
<VirtualHost *>
    ServerName second.example
    ErrorLog ${DIRECTORY}/logs/second_log
</VirtualHost>
"""


def ask(httpd, host):
    """A request to that host."""
    with httpd.connect() as connection:
        return connection.send(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % host.encode()).response()


def test_what_an_application_says_is_in_the_log_of_the_requests_host(mode):
    httpd = Httpd(mode.serve() + HOSTS)
    httpd.script("application.wsgi", APPLICATION)
    with httpd:
        httpd.error_log.allow("WRS4001|raised for|", TRACEBACK)
        logs = {name: ErrorLog(httpd.directory / "logs" / f"{name}_log") for name in ("first", "second")}
        for name in ("second", "first", "second"):
            assert ask(httpd, f"{name}.example").status == 500
        for name, times in (("first", 1), ("second", 2)):
            log = logs[name]
            for said in ("stdout of", "stderr of", "errors of", "record of", "ValueError: raised for"):
                line = re.compile(rf"\[(?:client|remote) 127\.0\.0\.1:\d+\] {said} {name}\.example$")
                wait_until(lambda log=log, line=line, times=times: log.count(line) == times, f"{said} {name} in its log")
            assert not log.count("second.example" if name == "first" else "first.example")
        assert not httpd.error_log.count("(?:of|for) (?:first|second).example")


def test_the_log_of_a_group_is_that_of_the_host_that_defines_it():
    config = HOSTS.replace("ServerName second.example", "ServerName second.example\nWSGIDaemonProcess app\nWSGIProcessGroup app")
    httpd = Httpd(config)
    httpd.script("application.wsgi", "import sys\nprint('loaded', file=sys.__stderr__, flush=True)\n" + APPLICATION)
    with httpd:
        log = ErrorLog(httpd.directory / "logs" / "second_log")
        assert ask(httpd, "second.example").status == 500
        wait_until(lambda: log.count("^loaded$"), "what the process itself writes in the log of its host")
        assert not httpd.error_log.count("^loaded$")


@pytest.fixture(scope="module")
def secure(mode):
    """A server that speaks TLS, and tells of it as httpd does to CGI programs where it is asked to."""
    httpd = Httpd("", modules=("ssl", "socache_shmcb"))
    aliases = "WSGIScriptAlias /plain ${APPLICATIONS}/environ.wsgi\nWSGIScriptAlias /told ${APPLICATIONS}/environ.wsgi\n"
    httpd.config = mode.serve() + httpd.certificate() + aliases + "<Location /told>\nSSLOptions +StdEnvVars\n</Location>\n"
    with httpd:
        yield httpd


def environ(server, path):
    """What an application sees."""
    with server.connect() as connection:
        return connection.request("GET", path).response().json["environ"]


def test_over_tls_the_scheme_is_https(secure):
    seen = environ(secure, "/plain")
    assert seen["wsgi.url_scheme"] == seen["REQUEST_SCHEME"] == ["str", "https"]
    assert not {"HTTPS", "SSL_PROTOCOL"} & set(seen)


def test_the_variables_of_tls_are_there_where_they_are_wanted(secure):
    seen = environ(secure, "/told")
    assert seen["wsgi.url_scheme"] == ["str", "https"]
    assert seen["SSL_PROTOCOL"][1].startswith("TLSv1.")
    assert seen["SSL_SERVER_S_DN_CN"] == ["str", "localhost"]
    assert "HTTPS" not in seen
