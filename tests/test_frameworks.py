"""Django, Flask, Bottle and plain WSGI: the examples, served by the configuration with which `make serve` serves them."""

import hashlib
import os
import subprocess
import sys

import pytest
from harness import Client, Httpd, machine

USER, PASSWORD = "demo", "demo-password"


@pytest.fixture(scope="module")
def examples(stage):
    """A copy of the examples, prepared, and owned by the user who serves them."""
    path = stage.copy(machine.root / "examples", "examples", ("__pycache__", "data"))
    subprocess.run([sys.executable, str(path / "django_site" / "setup.py")], check=True, timeout=120)
    if machine.is_root:
        for directory, _, files in os.walk(path / "django_site" / "data"):
            for name in (directory, *(os.path.join(directory, file) for file in files)):
                os.chown(name, machine.user.pw_uid, machine.user.pw_gid)
    return path


@pytest.fixture(scope="module")
def server(examples):
    config = f"""
        Define EXAMPLES "{examples}"
        Define WSGI_SOCKETS "${{DIRECTORY}}/run/wsgi"
        Include "{examples}/examples.conf"
    """
    with Httpd(config, python_home=False) as httpd:
        yield httpd


@pytest.fixture(params=["embedded", "daemon"])
def place(request):
    """The prefix of the URLs: both modes are in one server."""
    return f"/{request.param}"


@pytest.fixture
def client(server):
    return Client(server.origin)


def first_lines_come_one_by_one(server, path):
    """The lines of a stream arrive as they are made, and then the stream ends."""
    with server.connect() as connection:
        response = connection.request("GET", path).head()
        assert (response.status, response.header("Transfer-Encoding")) == (200, "chunked")
        for number in range(10):
            assert connection.chunk() == f"line {number}\n".encode()
        assert connection.chunk() == b""


class TestDjango:
    def login(self, client, place):
        path = f"{place}/django/admin/login/?next={place}/django/admin/"
        assert client.open(path).status == 200
        fields = {
            "username": USER,
            "password": PASSWORD,
            "csrfmiddlewaretoken": client.cookie("csrftoken"),
            "next": f"{place}/django/admin/",
        }
        return client.post(path, fields, headers=[("Referer", client.origin + path)])

    def test_the_administration_wants_a_login(self, client, place):
        response = client.open(f"{place}/django/admin/")
        assert response.status == 200
        assert 'name="password"' in response.text

    def test_the_administrator_logs_in_and_works(self, client, place):
        response = self.login(client, place)
        assert response.status == 200
        assert "Site administration" in response.text
        assert client.cookie("sessionid")
        name = f"Administrator {place}"
        add = f"{place}/django/admin/guestbook/entry/add/"
        fields = {"name": name, "message": "by the administration", "csrfmiddlewaretoken": client.cookie("csrftoken")}
        response = client.post(add, fields, headers=[("Referer", client.origin + add)])
        assert response.status == 200
        assert name in client.open(f"{place}/django/admin/guestbook/entry/?q=Administrator").text

    def test_a_wrong_password_is_refused(self, client, place):
        path = f"{place}/django/admin/login/"
        client.open(path)
        fields = {"username": USER, "password": "guessed", "csrfmiddlewaretoken": client.cookie("csrftoken")}
        response = client.post(path, fields)
        assert "Please enter the correct username and password" in response.text
        assert client.cookie("sessionid") is None

    def test_a_form_without_its_csrf_token_is_403(self, server, client, place):
        response = client.post(f"{place}/django/", {"name": "forged", "message": "forged"})
        assert response.status == 403
        server.error_log.expect("CSRF")

    def test_a_guest_writes_uploads_and_gets_the_file_back(self, client, place):
        data = os.urandom(3_000_000)
        page = f"{place}/django/"
        assert client.open(page).status == 200
        fields = {"name": "Guést", "message": f"from {place}", "csrfmiddlewaretoken": client.cookie("csrftoken")}
        file_name = f"file-{place[1:]}.bin"
        response = client.post(page, fields, [("attachment", file_name, data)])
        assert response.status == 200
        assert "Guést" in response.text
        assert f"from {place}" in response.text
        entry = response.text.partition("/download/")[2].partition("/")[0]
        download = client.open(f"{place}/django/download/{entry}/")
        assert hashlib.sha256(download.body).digest() == hashlib.sha256(data).digest()
        assert file_name in download.header("Content-Disposition")
        assert download.header("Content-Length") == str(len(data))

    def test_links_and_static_files_are_below_the_mount_point(self, client, place):
        page = client.open(f"{place}/django/").text
        assert f'href="{place}/django/static/guestbook/style.css"' in page
        assert f'href="{place}/django/admin/"' in page
        style = client.open(f"{place}/django/static/guestbook/style.css")
        assert (style.status, b"font-family" in style.body) == (200, True)
        assert client.open(f"{place}/django/static/admin/css/base.css").status == 200

    def test_a_page_that_is_missing_is_djangos_own_404(self, server, client, place):
        response = client.open(f"{place}/django/none/")
        assert response.status == 404
        assert "was not found on this server" in response.text
        server.error_log.allow("Not Found")

    def test_a_stream(self, server, place):
        first_lines_come_one_by_one(server, f"{place}/django/stream/")

    def test_where_it_runs_is_on_the_page(self, client, place):
        words = "embedded in httpd" if place == "/embedded" else "<code>django</code>"
        assert words in client.open(f"{place}/django/").text


class TestFlask:
    def test_a_session_and_a_form(self, client, place):
        for visit in range(1, 4):
            assert f"Visit {visit}." in client.open(f"{place}/flask/").text
        response = client.post(f"{place}/flask/say", {"words": "grüezi <b>"})
        assert "grüezi &lt;b&gt;" in response.text
        assert "Visit 4." in response.text

    def test_an_upload_comes_back(self, client, place):
        data = os.urandom(1_000_000)
        response = client.post(f"{place}/flask/upload", {}, [("file", "name.bin", data)])
        assert response.body == data
        assert "name.bin" in response.header("Content-Disposition")

    def test_where_it_is_mounted(self, client, place):
        answer = client.open(f"{place}/flask/json?a=1").json
        assert answer == {"path": "/json", "root": f"{place}/flask", "arguments": {"a": "1"}}

    def test_a_stream(self, server, place):
        first_lines_come_one_by_one(server, f"{place}/flask/stream")

    def test_a_page_that_is_missing(self, client, place):
        assert client.open(f"{place}/flask/none").status == 404


class TestBottle:
    def test_a_page_and_a_form(self, client, place):
        assert f'action="{place}/bottle/shout"' in client.open(f"{place}/bottle/").text
        assert client.post(f"{place}/bottle/shout", {"words": "grüezi"}).text == "GRÜEZI"

    def test_an_upload(self, client, place):
        response = client.post(f"{place}/bottle/size", {}, [("file", "name.bin", b"x" * 500_000)])
        assert response.json == {"name": "name.bin", "size": 500_000}

    def test_a_stream(self, server, place):
        first_lines_come_one_by_one(server, f"{place}/bottle/stream")


def test_plain_wsgi(client, place):
    text = client.open(f"{place}/plain/").text
    assert text.startswith("Hello from Python 3.")
    assert ("embedded in httpd" in text) is (place == "/embedded")


def test_the_index_page_links_to_every_example(client):
    index = client.open("/").text
    for path in [part.split('"')[0] for part in index.split('href="')[1:]]:
        assert client.open(f"/{path}").status == 200
