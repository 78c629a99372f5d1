"""Which script runs, when it is loaded, and when it is loaded anew."""

import os

import pytest
from harness import TRACEBACK, Httpd

VERSION = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"version %d"]
"""


def config(mode):
    return (
        mode.group(threads=2)
        + mode.select()
        + """
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /app ${APPLICATIONS}
WSGIScriptAlias /environ ${APPLICATIONS}/environ.wsgi
WSGIScriptAlias /scripts ${SCRIPTS}
WSGIScriptAlias /frozen/scripts ${SCRIPTS}
<Location /frozen>
    WSGIScriptReloading Off
</Location>

# WSGICallableObject, and the option which does the same
WSGIScriptAlias /callable/directive ${APPLICATIONS}/process.wsgi
<Location /callable/directive>
    WSGICallableObject other
</Location>
WSGIScriptAlias /callable/option ${APPLICATIONS}/process.wsgi callable-object=other

# application groups
WSGIScriptAlias /group/global ${APPLICATIONS}/process.wsgi application-group=%{GLOBAL}
WSGIScriptAlias /group/named ${APPLICATIONS}/process.wsgi application-group=named
WSGIScriptAlias /group/resource ${APPLICATIONS}/process.wsgi application-group=%{RESOURCE}
WSGIScriptAlias /group/server ${APPLICATIONS}/process.wsgi application-group=%{SERVER}
WSGIScriptAlias /group/env ${APPLICATIONS}/process.wsgi application-group=%{ENV:WHICH}
SetEnvIf X-Group (.+) WHICH=$1

# WSGIScriptAliasMatch: the rest of the path behind the match is PATH_INFO
WSGIScriptAliasMatch ^/match/([a-z]+) ${APPLICATIONS}/$1.wsgi

# preloading
WSGIImportScript ${APPLICATIONS}/preload.wsgi process-group=PROCESS_GROUP application-group=%{GLOBAL}

# sections for what is, by their words, in a directory
WSGIScriptAlias /sections/below ${SCRIPTS}/below/app.wsgi
<Directory "${SCRIPTS}/below/*">
    Require all denied
</Directory>
WSGIScriptAlias /sections/exact ${SCRIPTS}/exact/app.wsgi
<Directory "${SCRIPTS}/exact/app.wsgi">
    Require all denied
</Directory>
WSGIScriptAlias /sections/linked ${SCRIPTS}/linked/app.wsgi
<Directory "${SCRIPTS}/linked">
    Options -FollowSymLinks
</Directory>

# handlers
Alias /handled ${APPLICATIONS}
<Location /handled>
    SetHandler wsgi-script
    Options +ExecCGI
</Location>
Alias /no-exec ${APPLICATIONS}
<Location /no-exec>
    SetHandler wsgi-script
    Options -ExecCGI
</Location>
Alias /by-extension ${APPLICATIONS}
<Location /by-extension>
    AddHandler wsgi-script .wsgi
    Options +ExecCGI
</Location>
""".replace("PROCESS_GROUP", mode.process_group())
    )


@pytest.fixture(scope="module")
def server(mode):
    httpd = Httpd(config(mode))
    for name in ("below", "exact", "linked"):
        (httpd.scripts / name).mkdir()
    for name in ("below/app.wsgi", "exact/app.wsgi", "linked/target.wsgi"):
        httpd.script("new.wsgi", VERSION % 1).rename(httpd.scripts / name)
    (httpd.scripts / "linked" / "app.wsgi").symlink_to("target.wsgi")
    with httpd:
        yield httpd


class TestReloading:
    def test_the_next_request_after_a_change_sees_the_new_script(self, server):
        for version in range(1, 6):
            server.script("changing.wsgi", VERSION % version)
            for _ in range(3):
                assert server.get("/scripts/changing.wsgi").text == f"version {version}"

    def test_an_older_time_is_a_change_too(self, server):
        path = server.script("older.wsgi", VERSION % 1)
        assert server.get("/scripts/older.wsgi").text == "version 1"
        server.script("older.wsgi", VERSION % 2)
        os.utime(path, (1_000_000_000, 1_000_000_000))
        assert server.get("/scripts/older.wsgi").text == "version 2"

    def test_in_daemon_mode_the_process_is_replaced_and_embedded_it_stays(self, server, mode):
        path = server.script("touched.wsgi", (server.stage.applications / "process.wsgi").read_text())
        before = server.get("/scripts/touched.wsgi").json
        os.utime(path)
        after = server.get("/scripts/touched.wsgi").json
        assert (before["pid"] != after["pid"]) is mode.is_daemon
        assert after["counter"] == 1

    def test_a_body_is_not_lost_when_the_process_is_replaced(self, server):
        path = server.script("posted.wsgi", (server.stage.applications / "large.wsgi").read_text())
        body = b"x" * 300_000
        for _ in range(3):
            assert server.post("/scripts/posted.wsgi/upload", body).text.startswith("300000 ")
            os.utime(path)

    def test_without_reloading_the_old_script_stays(self, server):
        server.script("frozen.wsgi", VERSION % 1)
        assert server.get("/frozen/scripts/frozen.wsgi").text == "version 1"
        server.script("frozen.wsgi", VERSION % 2)
        assert server.get("/frozen/scripts/frozen.wsgi").text == "version 1"
        assert server.get("/scripts/frozen.wsgi").text == "version 2"

    def test_a_change_for_the_worse_is_500_and_the_old_script_is_not_used(self, server):
        server.script("worse.wsgi", VERSION % 1)
        assert server.get("/scripts/worse.wsgi").text == "version 1"
        server.script("worse.wsgi", "raise RuntimeError('for the worse')\n")
        assert server.get("/scripts/worse.wsgi").status == 500
        server.error_log.allow(TRACEBACK, r"worse\.wsgi")
        server.error_log.expect("RuntimeError: for the worse")
        server.script("worse.wsgi", VERSION % 2)
        assert server.get("/scripts/worse.wsgi").text == "version 2"


class TestLoading:
    def test_the_module_is_named_after_the_path_and_knows_its_file(self, server):
        facts = server.get("/app/process.wsgi").json
        assert facts["module_name"].startswith("_mod_wsgi_")
        assert len(facts["module_name"]) == len("_mod_wsgi_") + 32
        assert facts["file"] == str(server.stage.applications / "process.wsgi")

    def test_a_script_is_loaded_once_for_many_requests(self, server):
        counters = [server.get("/group/named").json["counter"] for _ in range(5)]
        assert counters == list(range(counters[0], counters[0] + 5))

    def test_an_import_script_has_run_before_the_first_request(self, server):
        facts = server.get("/app/process.wsgi").json
        assert facts["preloaded"] == facts["pid"]

    @pytest.mark.parametrize("way", ["directive", "option"])
    def test_another_callable_can_be_named(self, server, way):
        assert server.get(f"/callable/{way}").text == "the other callable"

    def test_the_module_mod_wsgi_is_there(self, server):
        names = server.get("/app/process.wsgi").json["module_mod_wsgi"]
        assert {"version", "process_group", "application_group"} <= set(names)


class TestApplicationGroups:
    @pytest.mark.parametrize(
        ("path", "group"),
        [
            ("/group/global", ""),
            ("/group/named", "named"),
            ("/group/resource", "127.0.0.1:{port}|/group/resource"),
            ("/group/server", "127.0.0.1:{port}"),
            ("/group/env", "from-header"),
        ],
    )
    def test_the_group_is_as_configured(self, server, path, group):
        facts = server.get(path, [("X-Group", "from-header")]).json
        assert facts["application_group"] == group.format(port=server.port)

    def test_each_group_has_an_interpreter_of_its_own(self, server):
        named = [server.get("/group/named").json["counter"] for _ in range(3)]
        other = server.get("/group/env", [("X-Group", "quite-another")]).json
        assert other["counter"] == 1
        assert server.get("/group/named").json["counter"] == named[-1] + 1
        assert other["preloaded"] is None, "preloaded in the main interpreter only"


class TestMapping:
    def test_script_alias_match_fills_in_the_groups_of_the_expression(self, server):
        assert server.get("/match/hello").text == "Hello, world!\n"
        environ = server.get("/match/environ/more/path").json["environ"]
        assert environ["PATH_INFO"] == ["str", "/more/path"]
        assert environ["SCRIPT_NAME"] == ["str", "/match/environ"]

    @pytest.mark.parametrize("name", ["below", "exact"])
    def test_a_section_for_what_is_below_the_script_holds_as_httpd_has_it(self, server, name):
        """It looks at each component of a path, and whatever follows a file is none; a file found as a whole is treated as one."""
        assert server.get(f"/sections/{name}/path").text == "version 1"
        assert server.get(f"/sections/{name}").status == 403
        server.error_log.expect("AH01630")

    def test_a_symbolic_link_is_refused_where_links_are_not_followed(self, server):
        for path in ("", "/", "/path"):
            assert server.get(f"/sections/linked{path}").status == 403
            server.error_log.expect("Symbolic link not allowed")

    @pytest.mark.parametrize(
        ("path", "path_info"),
        [("/", "/"), ("/a/.b/..c/", "/a/.b/..c/"), ("//a///b", "/a/b"), ("/./a/../b", "/b"), ("/%2E/a", "/a"), ("/" + 300 * "a", "/" + 300 * "a")],
    )
    def test_what_follows_the_script_is_path_info(self, server, path, path_info):
        environ = server.get(f"/environ{path}").json["environ"]
        assert environ["PATH_INFO"] == ["str", path_info]
        assert environ["SCRIPT_NAME"] == ["str", "/environ"]

    @pytest.mark.ours
    def test_what_follows_the_script_may_be_longer_than_a_path_of_a_file(self, server):
        path = "/" + 5000 * "a"
        environ = server.get(f"/environ{path}").json["environ"]
        assert environ["PATH_INFO"] == ["str", path]

    @pytest.mark.parametrize("prefix", ["handled", "by-extension"])
    def test_set_handler_and_add_handler_run_scripts(self, server, prefix):
        assert server.get(f"/{prefix}/hello.wsgi").text == "Hello, world!\n"
        environ = server.get(f"/{prefix}/environ.wsgi/path").json["environ"]
        assert environ["SCRIPT_NAME"] == ["str", f"/{prefix}/environ.wsgi"]
        assert environ["PATH_INFO"] == ["str", "/path"]

    def test_a_handler_without_exec_cgi_is_403(self, server):
        assert server.get("/no-exec/hello.wsgi").status == 403
        server.error_log.expect("ExecCGI")

    def test_a_handler_without_a_script_is_404(self, server):
        assert server.get("/handled/none.wsgi").status == 404
        server.error_log.expect("none.wsgi")
