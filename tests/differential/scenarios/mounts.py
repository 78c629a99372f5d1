"""Where applications are mounted, and what of the URL is whose."""

from ..scenario import Scenario, get, request
from .environ import of

PATHS = of("SCRIPT_NAME", "PATH_INFO", "REQUEST_URI", "SCRIPT_FILENAME", "mod_wsgi.script_name", "mod_wsgi.path_info")
NAMES = of("SCRIPT_NAME", "PATH_INFO", "REQUEST_URI")


def at(*targets, host="differential.example"):
    """A request for each target."""
    return tuple(request("GET", "!" + target, host=host) for target in targets)


def host(name, text):
    """A virtual host `<name>.example`."""
    return f"<VirtualHost *>\nServerName {name}.example\n{text}\n</VirtualHost>\n"


SCENARIOS = [
    Scenario("file", NAMES, at("/mount-file", "/mount-file/", "/mount-file/a", "/mount-filex", "/mount-file?q"),
             config="WSGIScriptAlias /mount-file $FILE\n"),
    Scenario("file-deep", NAMES, at("/deep/er", "/deep/er/a", "/deep", "/deep//er//a", "/deep/er//"), config="WSGIScriptAlias /deep/er $FILE\n"),
    Scenario("file-with-a-long-path", NAMES, at("/mount-long/" + 5000 * "a"), config="WSGIScriptAlias /mount-long $FILE\n"),
    Scenario("file-with-slash", NAMES, at("/slashed/", "/slashed/a", "/slashed", "/slashed//a"), config="WSGIScriptAlias /slashed/ $FILE/\n"),
    Scenario("file-slash-on-the-url-only", NAMES, at("/halfslashed/", "/halfslashed/a", "/halfslashed"), config="WSGIScriptAlias /halfslashed/ $FILE\n"),
    Scenario("root", NAMES, at("/", "/a", "/a/b/", "//", "//a//b", "/%61", "/?q", host="root.example"), config=host("root", "WSGIScriptAlias / $FILE")),
    Scenario("root-with-static", NAMES, at("/", "/static/page.html", "/static/none", "/staticx", host="static.example"),
             config=host("static", "Alias /static ${DIRECTORY}/htdocs\nWSGIScriptAlias / $FILE")),
    Scenario("directory", NAMES, at("/dir/mounts-directory.wsgi", "/dir/mounts-directory.wsgi/a", "/dir", "/dir/", "/dir/none.wsgi"),
             config="WSGIScriptAlias /dir ${SCRIPTS}\n"),
    Scenario("first-match-wins", NAMES, at("/order/special/x", "/order/x"),
             config="WSGIScriptAlias /order/special $FILE\nWSGIScriptAlias /order $FILE\n"),
    Scenario("first-match-hides", NAMES, at("/hide/special/x"), config="WSGIScriptAlias /hide $FILE\nWSGIScriptAlias /hide/special /nowhere.wsgi\n"),
    Scenario("match", NAMES, at("/matched/one/x", "/matched/two", "/matched/three"), config="WSGIScriptAliasMatch ^/matched/(one|two) $FILE\n"),
    Scenario("match-with-group", PATHS, at("/by-name/match-with-group/x", "/by-name/none"),
             config="WSGIScriptAliasMatch ^/by-name/([^/]+) ${SCRIPTS}/mounts-$1.wsgi\n"),
    Scenario("match-extension", NAMES, at("/ext/a.mounted/x"), config="WSGIScriptAliasMatch ^/ext/.*\\.mounted $FILE\n"),
    Scenario("escaped-prefix", NAMES, at("/esc%61ped/x", "/escaped/x"), config="WSGIScriptAlias /escaped $FILE\n"),
    Scenario("blank-in-prefix", NAMES, at("/with%20blank/x"), config='WSGIScriptAlias "/with blank" $FILE\n'),
    Scenario("script-through-options", NAMES, at("/options/x"), config="WSGIScriptAlias /options $FILE application-group=%{GLOBAL} process-group=$GROUP\n"),
    Scenario("callable", """
def other(environ, start_response):
    start_response("200 OK", [])
    return [b"other"]
""", at("/callable"), config="WSGIScriptAlias /callable $FILE callable-object=other\n"),
    Scenario("callable-by-directive", """
def other(environ, start_response):
    start_response("200 OK", [])
    return [environ["mod_wsgi.callable_object"].encode()]
""", (get(),), location="WSGICallableObject other"),
    Scenario("callable-by-environment", """
def other(environ, start_response):
    start_response("200 OK", [])
    return [environ["mod_wsgi.callable_object"].encode()]
""", (get(),), location="SetEnv NAME other\nWSGICallableObject %{ENV:NAME}"),
    Scenario("callable-missing", "def app(environ, start_response): pass\n", (get(), get())),
    Scenario("sethandler", NAMES, at("/plain/mounts-sethandler.wsgi/x", "/plain/mounts-sethandler.wsgi"), config="""
Alias /plain ${SCRIPTS}
<Location "/plain/mounts-sethandler.wsgi">
    SetHandler wsgi-script
    Options +ExecCGI
</Location>
"""),
    Scenario("sethandler-without-execcgi", NAMES, at("/refused/mounts-sethandler-without-execcgi.wsgi/x"), config="""
Alias /refused ${SCRIPTS}
<Location "/refused">
    SetHandler wsgi-script
    Options -ExecCGI
</Location>
"""),
    Scenario("sethandler-missing-and-directory", NAMES, at("/absent/none.wsgi", "/absent"), config="""
Alias /absent ${SCRIPTS}
<Location "/absent">
    SetHandler wsgi-script
    Options +ExecCGI
    DirectorySlash Off
</Location>
"""),
    Scenario("addhandler", NAMES, at("/added/mounts-addhandler.wsgi/x"), config="""
Alias /added ${SCRIPTS}
<Location "/added">
    AddHandler wsgi-script .wsgi
    Options +ExecCGI
</Location>
"""),
    Scenario("addtype", of("SCRIPT_NAME", "mod_wsgi.request_handler"), at("/typed/mounts-addtype.wsgi/x"), config="""
Alias /typed ${SCRIPTS}
<Location "/typed">
    AddType application/x-httpd-wsgi .wsgi
    Options +ExecCGI
</Location>
"""),
    Scenario("alias-to-file", NAMES, at("/aliased/x", "/aliased"), config="""
Alias /aliased $FILE
<Location "/aliased">
    SetHandler wsgi-script
    Options +ExecCGI
</Location>
"""),
    Scenario("alias-match", NAMES, at("/am/one/two"), config="""
AliasMatch ^/am/one $FILE
<LocationMatch "^/am">
    SetHandler wsgi-script
    Options +ExecCGI
</LocationMatch>
"""),
    Scenario("script-alias-is-not-ours", NAMES, at("/theirs/page.html"), config="Alias /theirs ${DIRECTORY}/htdocs\nWSGIScriptAlias /theirs $FILE\n"),
    Scenario("missing-script", None, (get(), get("/x"))),
    Scenario("missing-script-mounted", None, at("/none", "/none/x"), config="WSGIScriptAlias /none $FILE\n"),
    Scenario("directory-index", NAMES, at("/index/"), config="""
Alias /index ${SCRIPTS}
<Location "/index">
    DirectoryIndex mounts-directory-index.wsgi
    AddHandler wsgi-script .wsgi
    Options +ExecCGI
</Location>
"""),
    Scenario("error-document", of("SCRIPT_NAME", "PATH_INFO", "REQUEST_METHOD", "REDIRECT_STATUS", "REDIRECT_URL", "REQUEST_URI"),
             at("/static/not-there?x=1", host="errors.example"),
             config=host("errors", "ErrorDocument 404 $SCRIPT/error?code=404\nAlias /static ${DIRECTORY}/htdocs")),
    Scenario("other-extension", NAMES, (get("/x"),), file="mounts-other-extension.py"),
    Scenario("name-with-blank", NAMES, at("/s/mounts%20with%20blank.wsgi/x"), file="mounts with blank.wsgi"),
    Scenario("unknown-process-group", NAMES, (get(),), location="WSGIProcessGroup nowhere"),
    Scenario("restricted-process-group", NAMES, (get(),), location="WSGIRestrictProcess other", needs="WSGIRestrictProcess"),
    Scenario("application-group", of("mod_wsgi.application_group"), (get(),), location="WSGIApplicationGroup named"),
    Scenario("application-group-resource", of("mod_wsgi.application_group"), (get(),), location="WSGIApplicationGroup %{RESOURCE}"),
    Scenario("application-group-server", of("mod_wsgi.application_group"), (get(),), location="WSGIApplicationGroup %{SERVER}"),
    Scenario("application-group-host", of("mod_wsgi.application_group"), (get(host="Some.Example:81"),), location="WSGIApplicationGroup %{HOST}"),
    Scenario("application-group-environment", of("mod_wsgi.application_group"), (get(),), location="SetEnv GROUP chosen\nWSGIApplicationGroup %{ENV:GROUP}"),
    Scenario("application-group-environment-missing", of("mod_wsgi.application_group"), (get(),), location="WSGIApplicationGroup %{ENV:NONE}"),
]
