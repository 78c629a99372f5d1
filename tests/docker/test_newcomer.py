"""The commands of README.md, word for word, on each base: installed from the sources, a Django site, and all of it again."""

import re

import pytest
from container import FOREVER, Container
from harness import machine, wait_until

README = (machine.root / "README.md").read_text()
# The project and its user, the site for Debian's httpd, and for another one.
PROJECT, DEBIAN, OTHER = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
EMBEDDED = re.search(r"^```apache\n(.*?)^```$", README, re.MULTILINE | re.DOTALL).group(1)
AVAILABLE, EXTRA = "/etc/apache2/sites-available/example.conf", "/usr/local/apache2/conf/extra/example.conf"
# There is no systemd in a container.
RESTART = "apachectl restart"


@pytest.fixture
def newcomer(workshop):
    with Container(workshop, command=FOREVER, serves=False) as container:
        yield container


def wait_for_site(container, there=True, daemon=True):
    """apachectl returns before httpd has restarted, so the site is waited for: until it is there, or not, and by whom it is served."""

    def seen():
        page = container.sh("curl -sS http://localhost/ || true")
        # The brackets are so that the shell of this line is not found.
        found = container.sh("grep -qs '[(]wsgi:example)' /proc/[0-9]*/cmdline && echo yes || true") == "yes"
        return ("The install worked successfully" in page, found) == (there, daemon)

    wait_until(seen, f"the site to be {'there' if there else 'gone'}, {'with' if daemon else 'without'} daemon processes", 30, 0.2)


def has(container, path):
    return container.sh(f"if [ -e {path} ]; then echo yes; fi") == "yes"


def test_the_readme_leads_to_a_django_site_and_does_again_after_make_uninstall(newcomer):
    debian = has(newcomer, "/usr/bin/apxs")
    newcomer.sh("cd /src && make build")
    if debian:
        assert "apt-get install apache2" in newcomer.sh("cd /src && make install 2>&1 || true")
        newcomer.sh("apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq apache2")
    else:
        assert not has(newcomer, "/usr/sbin/apache2"), "beside another httpd none of Debian's is installed"
    newcomer.sh("cd /src && make install")
    newcomer.sh(f"export DEBIAN_FRONTEND=noninteractive; {PROJECT}" if debian else PROJECT.partition("\n")[2])
    if debian:
        newcomer.sh(DEBIAN.replace("systemctl restart apache2", RESTART))
    else:
        newcomer.sh(DEBIAN.partition("a2ensite")[0].replace(AVAILABLE, EXTRA) + OTHER)
    wait_for_site(newcomer)
    newcomer.sh(f"cat >{AVAILABLE if debian else EXTRA} <<'END'\n{EMBEDDED}END\napachectl configtest && {RESTART}")
    wait_for_site(newcomer, daemon=False)

    said = newcomer.sh("cd /src && make uninstall")
    assert "take them out" in said
    newcomer.sh("! apachectl configtest")
    newcomer.sh("a2dissite -q example" if debian else "sed -i /^Include.conf.extra.example/d /usr/local/apache2/conf/httpd.conf")
    newcomer.sh(f"apachectl configtest && {RESTART}")
    wait_for_site(newcomer, there=False, daemon=False)

    newcomer.sh("cd /src && make install")
    newcomer.sh(f"a2ensite -q example && apachectl configtest && {RESTART}" if debian else OTHER)
    wait_for_site(newcomer, daemon=False)


def test_make_serve_serves_django_in_both_modes(newcomer):
    newcomer.sh("cd /src && { setsid make serve >/root/serve.log 2>&1 </dev/null & }")
    for mode in ("embedded", "daemon"):
        answer = newcomer.run("curl", "-sS", "--retry", "60", "--retry-delay", "1", "--retry-connrefused", f"http://127.0.0.1:8000/{mode}/django/")
        assert "Guest book" in answer
