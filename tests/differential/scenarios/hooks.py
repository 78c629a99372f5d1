"""Scripts that httpd asks: access, authentication, dispatch, handlers, and pages in place of an application's errors."""

import base64

from ..scenario import Scenario, get, post

# An application and the functions that the directives look for, in one file.
SCRIPT = """
def application(environ, start_response):
    start_response("200 OK", [])
    return [f"user {environ.get('REMOTE_USER')!r} type {environ.get('AUTH_TYPE')!r}".encode()]
def check_password(environ, user, password):
    return {"right": True, "wrong": False, "unknown": None, "renamed": "another"}.get(password, 1)
def groups_for_user(environ, user):
    return {"one": ["staff"], "two": [b"guests", "STAFF"], "none": [], "bad": [1]}[user]
def allow_access(environ, host):
    return {"yes": True, "no": False, "none": None}.get(environ["QUERY_STRING"], "odd")
"""
AUTH = 'AuthType Basic\nAuthName here\nAuthBasicProvider wsgi\nWSGIAuthUserScript "$FILE"\nRequire valid-user'
GROUPS = 'AuthType Basic\nAuthName here\nAuthBasicProvider wsgi\nWSGIAuthUserScript "$FILE"\nWSGIAuthGroupScript "$FILE"\nRequire wsgi-group staff'


def user(name, password, encoding="utf-8"):
    """The header that says who asks."""
    return "Authorization: Basic " + base64.b64encode(f"{name}:{password}".encode(encoding)).decode()


def auth(*lines):
    """Basic authentication by the scenario's script."""
    return "\n".join(['AuthType Basic\nAuthName here\nAuthBasicProvider wsgi\nWSGIAuthUserScript "$FILE"', *lines])


def handler(name, *lines, script="$FILE"):
    """A handler, and where it is the handler."""
    lines = "\n".join(["SetHandler " + name, *lines])
    return f'Alias /{name} ${{DIRECTORY}}/htdocs\nWSGIHandlerScript {name} {script}\n<Location "/{name}">\n{lines}\n</Location>\n'


def dispatching(name, body):
    """A script that chooses, and applications that show what was chosen."""
    return f"""
def say(environ, start_response, who):
    start_response("200 OK", [])
    keys = ("process_group", "application_group", "callable_object")
    return [" ".join([who, *(environ["mod_wsgi." + key] for key in keys)]).encode("latin-1")]
def application(environ, start_response):
    return say(environ, start_response, "application")
def other(environ, start_response):
    return say(environ, start_response, "other")
def {name}(environ):
    {body}
"""


DISPATCH = 'WSGIDispatchScript "$FILE"'
# Shows as the user's name what a function was told.
KEYS = """
def application(environ, start_response):
    start_response("200 OK", [])
    return [environ["REMOTE_USER"].encode("latin-1")]
def check_password(environ, user, password):
    if password == "keys":
        return " ".join(sorted(environ))
    return repr(environ.get(password) if password != "arguments" else user)
"""
SHOWN = ("REQUEST_METHOD", "REQUEST_URI", "QUERY_STRING", "SCRIPT_NAME", "PATH_INFO", "REMOTE_ADDR", "SERVER_NAME", "SERVER_SIGNATURE",
         "SERVER_ADMIN", "SERVER_PROTOCOL", "HTTP_X_HEADER", "CONTENT_TYPE", "mod_wsgi.process_group", "mod_wsgi.application_group", "apache.version")
ANSWERS = """
def application(environ, start_response):
    start_response("200 OK", [])
    return [environ["REMOTE_USER"].encode("latin-1")]
def check_password(environ, user, password):
    return eval(password)
"""
MEMBERS = """
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"in"]
def check_password(environ, user, password):
    return True
def groups_for_user(environ, user):
    return eval(user)
"""
RAISES = """
import sys
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"in"]
def allow_access(environ, host):
    if environ["QUERY_STRING"] == "exit":
        sys.exit(3)
    print("the host", host, file=environ["wsgi.errors"])
    print("printed")
    raise ValueError("the reason")
"""


ANSWER = """
def application(environ, start_response):
    start_response(environ["QUERY_STRING"].replace("_", " "), [("Content-Type", "text/plain"), ("X-Mine", "1"), ("WWW-Authenticate", "Mine")])
    return [b"the application's page"]
"""

SCENARIOS = [
    Scenario("password", SCRIPT, tuple(get("", user("me", word)) for word in ("right", "wrong", "unknown", "renamed", "odd")) + (get(),),
             location=AUTH, needs="WSGIAuthUserScript"),
    Scenario("groups", SCRIPT, tuple(get("", user(name, "right")) for name in ("one", "two", "none", "bad", "error")),
             location=GROUPS, needs="WSGIAuthGroupScript"),
    Scenario("access", SCRIPT, tuple(get("?" + word) for word in ("yes", "no", "none", "odd")), location='WSGIAccessScript "$FILE"', needs="WSGIAccessScript"),
    Scenario("dispatch-callable", """
def other(environ, start_response):
    start_response("200 OK", [])
    return [b"the other"]
def callable_object(environ):
    return "other"
""", (get(),), location='WSGIDispatchScript "$FILE"', needs="WSGIDispatchScript"),
    Scenario("dispatch-application-group", """
def application(environ, start_response):
    start_response("200 OK", [])
    return [environ["mod_wsgi.application_group"].encode()]
def application_group(environ):
    return "chosen"
""", (get(),), location='WSGIDispatchScript "$FILE"', needs="WSGIDispatchScript"),
    Scenario("dispatch-raises", "def application(environ, start_response): pass\ndef callable_object(environ):\n    raise ValueError('the reason')\n", (get(),),
             location='WSGIDispatchScript "$FILE"', needs="WSGIDispatchScript"),
    Scenario("password-answers", ANSWERS, tuple(get("", user("me", word)) for word in ("True", "False", "None", "1", "0", "''", "b'x'", "[]", "'caf\\xe9'", "'\\u4e2d'")),
             location=auth("Require valid-user"), needs="WSGIAuthUserScript"),
    Scenario("password-surrogate", ANSWERS, (get("", user("me", "'\\udce9'")),), location=auth("Require valid-user"), needs="WSGIAuthUserScript"),
    Scenario("password-nul", ANSWERS, (get("", user("me", "'root\\0x'")),), location=auth("Require valid-user"), needs="WSGIAuthUserScript"),
    Scenario("password-odd-bytes", KEYS, tuple(get("", user(name, "arguments", "latin-1")) for name in ("caf\xe9", "\xff\xfe", "x" * 3000, "", "\x01\x7f")),
             location=auth("Require valid-user"), needs="WSGIAuthUserScript"),
    Scenario("password-environ", KEYS, tuple(get("/a//b?q=1", user("me", word), "X-Header: x", "Content-Type: text/x", "X_Bad: x") for word in ("keys", *SHOWN)),
             location=auth("Require valid-user\nSetEnv MINE x"), needs="WSGIAuthUserScript"),
    Scenario("password-environ-proxy", KEYS, (get("", user("me", "HTTP_PROXY"), "Proxy: http://evil.example"),), location=auth("Require valid-user"),
             needs="WSGIAuthUserScript"),
    Scenario("password-no-function", "def application(environ, start_response): pass\n", (get("", user("me", "x")),), location=auth("Require valid-user"),
             needs="WSGIAuthUserScript"),
    Scenario("password-no-script", SCRIPT, (get("", user("me", "right")),), location="AuthType Basic\nAuthName here\nAuthBasicProvider wsgi\nRequire valid-user",
             needs="WSGIAuthUserScript"),
    Scenario("groups-answers", MEMBERS, tuple(get("", user(word, "x")) for word in (
                 "['staff']", "('a b',)", "{'STAFF'}", "(x for x in ['staff'])", "[b'staff']", "{'staff'.upper()}", "['x']", "[]", "'staff'", "['staff', 1]", "[1]")),
             location=auth('WSGIAuthGroupScript "$FILE"', 'Require wsgi-group staff "a b"'), needs="WSGIAuthGroupScript"),
    Scenario("groups-not-iterable", MEMBERS, (get("", user("None", "x")),), location=auth('WSGIAuthGroupScript "$FILE"', "Require wsgi-group staff"),
             needs="WSGIAuthGroupScript"),
    Scenario("groups-nul", MEMBERS, (get("", user("['staff\\0x']", "x")),), location=auth('WSGIAuthGroupScript "$FILE"', "Require wsgi-group staff"),
             needs="WSGIAuthGroupScript"),
    Scenario("groups-of-one-letter", MEMBERS, (get("", user("'xyz'", "x")),), location=auth('WSGIAuthGroupScript "$FILE"', "Require wsgi-group x"),
             needs="WSGIAuthGroupScript"),
    Scenario("groups-no-script", MEMBERS, (get("", user("['staff']", "x")),), location=auth("Require wsgi-group staff"), needs="WSGIAuthGroupScript"),
    Scenario("access-raises", RAISES, (get("?raise"), get("?exit")), location='WSGIAccessScript "$FILE"', needs="WSGIAccessScript"),
    Scenario("access-and-require", SCRIPT, (get("?yes"), get("?none")), location='WSGIAccessScript "$FILE"\nRequire all denied', needs="WSGIAccessScript"),
    Scenario("access-missing-script", SCRIPT, (get("?yes"),), location='WSGIAccessScript "$FILE.none"', needs="WSGIAccessScript"),
    Scenario("access-no-function", "def application(environ, start_response): pass\n", (get(),), location='WSGIAccessScript "$FILE"', needs="WSGIAccessScript"),
    Scenario("dispatch-process-group", dispatching("process_group", "return ''"), (get(),), location=DISPATCH, needs="WSGIDispatchScript"),
    Scenario("dispatch-process-group-of-bytes", dispatching("process_group", "return environ['QUERY_STRING'].encode()"), (get("?%{GLOBAL}"), get("?nowhere")),
             location=DISPATCH, needs="WSGIDispatchScript"),
    Scenario("dispatch-expansion", dispatching("application_group", "return environ['QUERY_STRING']"),
             tuple(get("?" + name) for name in ("%{GLOBAL}", "%{SERVER}", "%{RESOURCE}", "%{ENV:CHOICE}", "%{ENV:NONE}", "plain", "")),
             location=DISPATCH + "\nSetEnv CHOICE chosen", modes_differ=True, needs="WSGIDispatchScript"),
    Scenario("dispatch-callable-expansion", dispatching("callable_object", "return environ['QUERY_STRING']"), tuple(get("?" + name) for name in ("other", "%{ENV:CHOICE}", "%{GLOBAL}")),
             location=DISPATCH + "\nSetEnv CHOICE other", modes_differ=True, needs="WSGIDispatchScript"),
    Scenario("dispatch-nul", dispatching("application_group", "return 'chosen\\0x'"), (get(),), location=DISPATCH, needs="WSGIDispatchScript"),
    Scenario("dispatch-callable-without-a-name", dispatching("callable_object", "return ''"), (get(),), location=DISPATCH, needs="WSGIDispatchScript"),
    Scenario("dispatch-none", dispatching("application_group", "return None"), (get(),), location=DISPATCH, modes_differ=True, needs="WSGIDispatchScript"),
    Scenario("dispatch-no-function", dispatching("nothing", "pass"), (get(),), location=DISPATCH, modes_differ=True, needs="WSGIDispatchScript"),
    Scenario("dispatch-wrong-type", dispatching("application_group", "return 1"), (get(),), location=DISPATCH, needs="WSGIDispatchScript"),
    Scenario("dispatch-not-latin-1", dispatching("application_group", "return '\\u4e2d'"), (get(),), location=DISPATCH, needs="WSGIDispatchScript"),
    Scenario("dispatch-missing-script", dispatching("nothing", "pass"), (get(),), location='WSGIDispatchScript "$FILE.none"', needs="WSGIDispatchScript"),
    Scenario("dispatch-environ", """
def application(environ, start_response):
    start_response("200 OK", [])
    return [environ["mod_wsgi.application_group"].encode()]
def application_group(environ):
    return " ".join(key for key in sorted(environ) if not key.startswith("mod_wsgi.x-"))
""", (get("?q"), post(b"x")), location=DISPATCH + "\nSetEnv MINE x\nSetEnv HTTPS on", needs="WSGIDispatchScript"),
    Scenario("handler-script", """
def handle_request(environ, start_response):
    start_response("200 OK", [])
    return [environ["SCRIPT_FILENAME"].rpartition("/")[2].encode() + b" " + environ["PATH_INFO"].encode()]
""", (get("!/handled/page.html"), get("!/handled/none.html/x"), post(b"x", "!/handled/page.html")), config="""
Alias /handled ${DIRECTORY}/htdocs
WSGIHandlerScript differential-handler "$FILE"
<Location "/handled">
    SetHandler differential-handler
</Location>
""", needs="WSGIHandlerScript"),
    Scenario("handler-callable", """
def handle_request(environ, start_response):
    start_response("200 OK", [])
    return [f"{environ['mod_wsgi.callable_object']} {environ['mod_wsgi.request_handler']} {environ['SCRIPT_NAME']}".encode()]
""", (get("!/handled-callable/page.html"),), config=handler("handled-callable", "WSGICallableObject another"), needs="WSGIHandlerScript"),
    Scenario("handler-directory", """
def handle_request(environ, start_response):
    start_response("200 OK", [])
    return [b"a directory"]
""", (get("!/handled-directory/"),), config=handler("handled-directory"), needs="WSGIHandlerScript"),
    Scenario("handler-no-path-info", SCRIPT, (get("!/handled-no-path/page.html/x"),), config=handler("handled-no-path", "AcceptPathInfo Off"), needs="WSGIHandlerScript"),
    Scenario("handler-missing-function", "def application(environ, start_response): pass\n", (get("!/handled-missing/page.html"),), config=handler("handled-missing"),
             needs="WSGIHandlerScript"),
    Scenario("handler-authorization", """
def handle_request(environ, start_response):
    start_response("200 OK", [])
    return [repr(environ.get("HTTP_AUTHORIZATION")).encode()]
""", (get("!/handled-authorization/x", "Authorization: Some thing"), get("!/handled-authorization-off/x", "Authorization: Some thing")),
             config=handler("handled-authorization", script="$FILE pass-authorization=On") + handler("handled-authorization-off"), needs="WSGIHandlerScript"),
    Scenario("error-override", ANSWER, (get("?404_Gone"), get("?500_Oops"), get("?401_Who"), get("?200_OK"), get("?302_Found")), location="WSGIErrorOverride On", needs="WSGIErrorOverride"),
    Scenario("error-override-off", ANSWER, (get("?404_Gone"), get("?500_Oops")), location="WSGIErrorOverride Off", needs="WSGIErrorOverride"),
]
