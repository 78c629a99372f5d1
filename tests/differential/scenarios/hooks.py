"""Scripts that httpd asks: access, authentication, dispatch, handlers, and pages in place of an application's errors."""

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


def user(name, password):
    """The header that says who asks."""
    return "Authorization: Basic " + __import__("base64").b64encode(f"{name}:{password}".encode()).decode()


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
    Scenario("error-override", ANSWER, (get("?404_Gone"), get("?500_Oops"), get("?401_Who"), get("?200_OK"), get("?302_Found")), location="WSGIErrorOverride On", needs="WSGIErrorOverride"),
    Scenario("error-override-off", ANSWER, (get("?404_Gone"), get("?500_Oops")), location="WSGIErrorOverride Off", needs="WSGIErrorOverride"),
]
