"""What an application sees of a request."""

from ..scenario import Scenario, get, post, request

# Every entry with its type.
ALL = """
def application(environ, start_response):
    def shown(value):
        if isinstance(value, (str, int, float, tuple, bool)):
            return repr(value)
        return type(value).__module__ + "." + type(value).__name__
    lines = [f"{key}={type(value).__name__} {shown(value)}" for key, value in sorted(environ.items())]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["\\n".join(lines).encode("utf-8", "surrogateescape")]
"""

HEADERS = """
def application(environ, start_response):
    lines = [f"{key}={value!r}" for key, value in sorted(environ.items()) if key.startswith(("HTTP_", "CONTENT_"))]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["\\n".join(lines).encode()]
"""


def of(*keys):
    """An application that shows these entries."""
    return f"""
def application(environ, start_response):
    lines = [f"{{key}}={{environ.get(key)!r}}" for key in {keys!r}]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["\\n".join(lines).encode()]
"""


PATHS = of("SCRIPT_NAME", "PATH_INFO", "REQUEST_URI", "QUERY_STRING", "mod_wsgi.script_name", "mod_wsgi.path_info")
METHOD = of("REQUEST_METHOD", "CONTENT_LENGTH", "SERVER_PROTOCOL")
SCHEME = of("wsgi.url_scheme", "HTTPS", "REQUEST_SCHEME")

SCENARIOS = [
    Scenario("everything", ALL, (get("/one/two?a=1&b=%20", "X-Name: value"),), modes_differ=True),
    Scenario("everything-of-a-post", ALL, (post(b"abc", "", "Content-Type: text/x-abc"),), modes_differ=True),
    Scenario("everything-over-http-1.0", ALL, (request("GET", version="1.0", host=None),), modes_differ=True),
    Scenario(
        "the-dict-is-fresh-and-a-dict",
        """
def application(environ, start_response):
    body = f"{type(environ) is dict} {'mine' in environ}"
    environ["mine"] = 1
    start_response("200 OK", [])
    return [body.encode()]
""",
        (get(), get()),
    ),
    Scenario(
        "types-of-wsgi-objects",
        """
def application(environ, start_response):
    stream, errors = environ["wsgi.input"], environ["wsgi.errors"]
    lines = [[name for name in ("read", "readline", "readlines", "__iter__", "close", "fileno", "seek", "tell") if hasattr(stream, name)],
             [name for name in ("write", "writelines", "flush") if hasattr(errors, name)],
             type(environ["wsgi.file_wrapper"]).__name__, environ["wsgi.version"], environ["wsgi.input_terminated"]]
    start_response("200 OK", [])
    return ["\\n".join(map(repr, lines)).encode()]
""",
        (get(),),
    ),
    Scenario("headers", HEADERS, (get("", "X-One: 1", "x-two: 2", "Accept: */*"),)),
    Scenario("header-repeated", HEADERS, (get("", "X-One: 1", "X-One: 2", "x-ONE: 3"),)),
    Scenario("cookies-repeated", HEADERS, (get("", "Cookie: a=1", "Cookie: b=2"),)),
    Scenario("header-with-underscore", HEADERS, (get("", "X_Under: no", "X-Under: yes"),)),
    Scenario("header-with-underscore-alone", HEADERS, (get("", "X_Under: no"),)),
    Scenario("header-with-other-characters", HEADERS, (get("", "X.Dot: 1", "X!Bang: 2", "X+Plus: 3", "X-1: digit"),)),
    Scenario("header-proxy", HEADERS, (get("", "Proxy: http://evil.example/"),)),
    Scenario("header-content-type-on-get", HEADERS, (get("", "Content-Type: text/x-abc"),)),
    Scenario("header-content-length-zero", HEADERS, (get("", "Content-Length: 0"),)),
    Scenario("header-empty", HEADERS, (get("", "X-Empty:", "X-Blank:   "),)),
    Scenario("header-with-blanks", HEADERS, (get("", "X-Blanks:  a  b \t "),)),
    Scenario("header-latin-1", HEADERS, (get("", "X-Latin: caf\xe9"),)),
    Scenario("header-utf-8", HEADERS, (get("", "X-Utf8: caf\xc3\xa9"),)),
    Scenario("header-folded", HEADERS, (get("", "X-Folded: a\r\n b"),)),
    Scenario("header-long", HEADERS, (get("", "X-Long: " + "x" * 8000),)),
    Scenario("headers-many", HEADERS, (get("", *(f"X-{n}: {n}" for n in range(90))),)),
    Scenario("authorization-is-kept-away", HEADERS, (get("", "Authorization: Basic YTpi", "Proxy-Authorization: Basic YTpi"),)),
    Scenario("authorization-is-passed", HEADERS, (get("", "Authorization: Basic YTpi"),), location="WSGIPassAuthorization On"),
    Scenario(
        "authorization-proxy-is-not-passed",
        HEADERS,
        (get("", "Proxy-Authorization: Basic YTpi"),),
        location="WSGIPassAuthorization On",
    ),
    Scenario("authorization-by-cgipassauth", HEADERS, (get("", "Authorization: Basic YTpi"),), config="""
<Directory "${SCRIPTS}">
    <Files "environ-authorization-by-cgipassauth.wsgi">
        CGIPassAuth On
    </Files>
</Directory>
"""),
    Scenario(
        "authorization-passed-by-the-alias",
        HEADERS,
        (get("!/passing", "Authorization: Basic YTpi"),),
        config="WSGIScriptAlias /passing $FILE pass-authorization=On\n",
    ),
    Scenario("query-empty", PATHS, (get("?"),)),
    Scenario("query-with-escapes", PATHS, (get("?a=%41&b=%zz&c=+%2B"),)),
    Scenario("query-with-question-mark", PATHS, (get("?a?b=?"),)),
    Scenario("query-latin-1", PATHS, (get("?q=\xe9"),)),
    Scenario("path-info", PATHS, (get("/a/b"),)),
    Scenario("path-info-slash", PATHS, (get("/"),)),
    Scenario("path-info-slashes", PATHS, (get("//a///b//"),)),
    Scenario("path-info-escapes", PATHS, (get("/a%20b/%41%c3%a9"),)),
    Scenario("path-info-latin-1-escape", PATHS, (get("/%e9"),)),
    Scenario("path-info-raw-8-bit", PATHS, (get("/caf\xe9"),)),
    Scenario("path-info-encoded-slash", PATHS, (get("/a%2Fb"),)),
    Scenario("path-info-dots", PATHS, (get("/a/../b/./c"),)),
    Scenario("path-info-percent", PATHS, (get("/100%25"),)),
    Scenario("path-info-bad-escape", PATHS, (get("/100%"),)),
    Scenario("path-info-nul", PATHS, (get("/a%00b"),)),
    Scenario("path-info-newline", PATHS, (get("/a%0Ab"),)),
    Scenario("path-info-semicolon", PATHS, (get("/a;v=1/b"),)),
    Scenario("path-info-refused", PATHS, (get("/a"), get("")), location="AcceptPathInfo Off"),
    Scenario("path-before-the-script-doubled", PATHS, (get("!//s//environ-path-before-the-script-doubled.wsgi//x"),)),
    Scenario("path-absolute", PATHS, (get("!http://differential.example/s/environ-path-absolute.wsgi/x?y"),)),
    Scenario(
        "encoded-slashes-not-decoded",
        PATHS,
        (request("GET", "!/s/environ-encoded-slashes-not-decoded.wsgi/a%2Fb//c", host="encoded.example"),),
        config="""
<VirtualHost *>
    ServerName encoded.example
    AllowEncodedSlashes NoDecode
</VirtualHost>
""",
    ),
    Scenario("method-get", METHOD, (get(),)),
    Scenario("method-head", METHOD, (request("HEAD"),)),
    Scenario("method-put", METHOD, (request("PUT", body=b"x"),)),
    Scenario("method-delete", METHOD, (request("DELETE"),)),
    Scenario("method-patch", METHOD, (request("PATCH", body=b"x"),)),
    Scenario("method-options", METHOD, (request("OPTIONS"),)),
    Scenario("method-propfind", METHOD, (request("PROPFIND"),)),
    Scenario("method-trace", METHOD, (request("TRACE"),)),
    Scenario("method-unknown", METHOD, (request("BREW"),)),
    Scenario("method-lower-case", METHOD, (request("get"),)),
    Scenario("host-with-port", of("HTTP_HOST", "SERVER_NAME"), (get(host="differential.example:8080"),)),
    Scenario("host-in-capitals", of("HTTP_HOST", "SERVER_NAME"), (get(host="Differential.EXAMPLE"),)),
    Scenario("host-missing-1.1", of("HTTP_HOST", "SERVER_NAME"), (get(host=None),)),
    Scenario("host-missing-1.0", of("HTTP_HOST", "SERVER_NAME"), (get(host=None, version="1.0"),)),
    Scenario("host-ipv6", of("HTTP_HOST", "SERVER_NAME"), (get(host="[::1]:80"),)),
    Scenario("protocol-1.0", of("SERVER_PROTOCOL"), (get(version="1.0"),)),
    Scenario("setenv", of("FROM_SETENV", "EMPTY"), (get(),), location='SetEnv FROM_SETENV "set here"\nSetEnv EMPTY'),
    Scenario("setenv-latin-1", of("FROM_SETENV"), (get(),), location='SetEnv FROM_SETENV "caf\xe9"'),
    Scenario("setenvif", of("AGENT", "BROWSER"), (get("", "User-Agent: abc/1"),), location="SetEnvIf User-Agent (.*)/ AGENT=$1"),
    Scenario(
        "setenv-does-not-override",
        of("SCRIPT_NAME", "REQUEST_METHOD", "HTTP_X_A", "PATH_INFO"),
        (get("/p", "X-A: sent"),),
        location="SetEnv SCRIPT_NAME x\nSetEnv REQUEST_METHOD y\nSetEnv HTTP_X_A z\nSetEnv PATH_INFO w",
    ),
    Scenario("setenv-wsgi-keys", of("wsgi.url_scheme", "wsgi.version"), (get(),), location='SetEnv wsgi.url_scheme gopher\nSetEnv wsgi.version 9'),
    Scenario("setenv-path", of("PATH", "LD_LIBRARY_PATH"), (get(),), location="SetEnv PATH /x\nSetEnv LD_LIBRARY_PATH /y"),
    Scenario("setenv-dotted", of("my.setting", "mod_wsgi.mine"), (get(),), location="SetEnv my.setting 1\nSetEnv mod_wsgi.mine 2"),
    Scenario("https-on", SCHEME, (get(),), location="SetEnv HTTPS on"),
    Scenario("https-1", SCHEME, (get(),), location="SetEnv HTTPS 1"),
    Scenario("https-capitals", SCHEME, (get(),), location="SetEnv HTTPS ON"),
    Scenario("https-off", SCHEME, (get(),), location="SetEnv HTTPS off"),
    Scenario("https-yes", SCHEME, (get(),), location="SetEnv HTTPS yes"),
    Scenario("rewrite-env", of("FROM_RULE", "REDIRECT_URL"), (get("/x"),), location="RewriteEngine On\nRewriteRule .* - [E=FROM_RULE:yes]"),
    Scenario(
        "rewrite-to-the-script",
        of("SCRIPT_NAME", "PATH_INFO", "REQUEST_URI", "QUERY_STRING", "SCRIPT_URL", "REDIRECT_URL"),
        (request("GET", "!/pretty/a%20b?x=1", host="rewrite.example"),),
        config="""
<VirtualHost *>
    ServerName rewrite.example
    RewriteEngine On
    RewriteRule ^/pretty/(.*)$ $SCRIPT/$1?from=rule [PT,QSA]
</VirtualHost>
""",
    ),
    Scenario(
        "rewrite-in-directory",
        of("SCRIPT_NAME", "PATH_INFO", "REQUEST_URI", "REDIRECT_URL", "REDIRECT_STATUS", "REDIRECT_QUERY_STRING", "REDIRECT_MINE", "QUERY_STRING"),
        (request("GET", "!/anything/at/all?q", host="inner.example"),),
        config="""
<VirtualHost *>
    ServerName inner.example
    DocumentRoot ${SCRIPTS}
    <Directory "${SCRIPTS}">
        Options +ExecCGI +FollowSymLinks
        <Files "environ-rewrite-in-directory.wsgi">
            SetHandler wsgi-script
        </Files>
        RewriteEngine On
        RewriteCond %{REQUEST_FILENAME} !-f
        RewriteRule ^(.*)$ environ-rewrite-in-directory.wsgi/$1 [QSA,L,E=MINE:1]
    </Directory>
</VirtualHost>
""",
    ),
    Scenario("request-header-set", HEADERS, (get("", "X-Gone: 1"),), location='RequestHeader set X-Set "by httpd"\nRequestHeader unset X-Gone'),
    Scenario("remote-user", of("REMOTE_USER", "AUTH_TYPE", "HTTP_AUTHORIZATION"), (
        get("", "Authorization: Basic YTpi"), get("", "Authorization: Basic YTp4"), get()
    ), location="""
AuthType Basic
AuthName here
AuthBasicFake off
AuthUserFile ${DIRECTORY}/htdocs/users
Require valid-user
"""),
    Scenario("head-as-get", METHOD, (request("HEAD"),), location="WSGIMapHEADToGET On", needs="WSGIMapHEADToGET"),
    Scenario("head-as-head", METHOD, (request("HEAD"),), location="WSGIMapHEADToGET Off", needs="WSGIMapHEADToGET"),
    Scenario("head-with-a-filter", METHOD, (request("HEAD"),), location="SetOutputFilter DEFLATE", needs="WSGIMapHEADToGET"),
    Scenario("connection-header", HEADERS, (get("", "Connection: close, X-Hop", "X-Hop: 1", "TE: trailers"),)),
    Scenario("trusted-for", of("REMOTE_ADDR", "HTTP_X_FORWARDED_FOR"), (get("", "X-Forwarded-For: 192.0.2.1, 192.0.2.2"),),
             location="WSGITrustedProxyHeaders X-Forwarded-For", needs="WSGITrustedProxyHeaders"),
    Scenario("trusted-for-with-list", of("REMOTE_ADDR", "HTTP_X_FORWARDED_FOR"), (get("", "X-Forwarded-For: 192.0.2.1, 192.0.2.2, 127.0.0.1"),),
             location="WSGITrustedProxyHeaders X-Forwarded-For\nWSGITrustedProxies 127.0.0.1 192.0.2.2", needs="WSGITrustedProxyHeaders"),
    Scenario("trusted-host", of("HTTP_HOST", "HTTP_X_FORWARDED_HOST", "SERVER_PORT"), (get("", "X-Forwarded-Host: front.example", "X-Forwarded-Port: 99"),),
             location="WSGITrustedProxyHeaders X-Forwarded-Host X-Forwarded-Port", needs="WSGITrustedProxyHeaders"),
    Scenario("trusted-scheme", of("wsgi.url_scheme", "HTTP_X_FORWARDED_PROTO"), (get("", "X-Forwarded-Proto: https"), get("", "X-Forwarded-Proto: http"), get()),
             location="WSGITrustedProxyHeaders X-Forwarded-Proto", needs="WSGITrustedProxyHeaders"),
    Scenario("trusted-script-name", of("SCRIPT_NAME", "PATH_INFO", "mod_wsgi.mount_point"), (get("/x", "X-Script-Name: /front"),),
             location="WSGITrustedProxyHeaders X-Script-Name", needs="WSGITrustedProxyHeaders"),
    Scenario("trusted-but-not-this-peer", of("REMOTE_ADDR", "HTTP_X_FORWARDED_FOR"), (get("", "X-Forwarded-For: 192.0.2.1"),),
             location="WSGITrustedProxyHeaders X-Forwarded-For\nWSGITrustedProxies 192.0.2.0/24", needs="WSGITrustedProxyHeaders"),
    Scenario("untrusted-by-default", of("REMOTE_ADDR", "HTTP_X_FORWARDED_FOR", "wsgi.url_scheme"), (get("", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https"),)),
]
