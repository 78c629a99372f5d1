"""Fixtures of the end-to-end tests: where files are staged, the mode, and clean error logs."""

import pytest
from harness import MODES, Httpd, Rendezvous, machine
from harness.httpd import Stage


def pytest_configure(config):
    """Say early, and in a sentence, what is missing."""
    config.addinivalue_line("markers", "root: needs to start httpd as root")
    config.addinivalue_line("markers", "ours: tests what only this module promises")
    if not machine.wsgi_load.exists():
        pytest.exit(f"there is no {machine.wsgi_load}: run `make build` first", returncode=2)


def pytest_collection_modifyitems(items):
    """Skip what this user, or the module which is compared with, cannot do."""
    for item in items:
        if item.get_closest_marker("root") and not machine.is_root:
            item.add_marker(pytest.mark.skip(reason="only root can start httpd with another user's rights"))
        if item.get_closest_marker("ours") and not machine.is_ours:
            item.add_marker(pytest.mark.skip(reason="another module is compared with, which does not promise this"))


@pytest.fixture(scope="session", autouse=True)
def stage(request):
    """The directory of this session; kept for a look when a test failed."""
    Httpd.stage = Stage()
    yield Httpd.stage
    for httpd in list(Httpd.running):
        httpd.stop()
    if request.session.testsfailed:
        print(f"\nconfigurations and logs are kept in {Httpd.stage.path}")
    else:
        Httpd.stage.remove()


@pytest.fixture(scope="module", params=MODES, ids=repr)
def mode(request):
    """Embedded, then daemon: a behaviour is one test in both."""
    return request.param


@pytest.fixture(autouse=True)
def error_logs_are_clean(stage):
    """Every line at warning level or above which the test did not expect fails it."""
    yield
    for httpd in list(Httpd.running):
        httpd.error_log.check()


COMMON = """
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /app ${APPLICATIONS}
"""


@pytest.fixture(scope="module")
def server(mode):
    """A server whose `/app/NAME.wsgi` is every application of `tests/applications`."""
    with Httpd(mode.serve() + COMMON) as httpd:
        yield httpd


@pytest.fixture
def rendezvous(stage):
    """A directory in which a test and an application meet, whoever runs the application."""
    place = Rendezvous(stage.path)
    yield place
    place.remove()
