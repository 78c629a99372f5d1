"""start_response: what it takes and what it refuses."""

from ..scenario import Scenario, get


def refused(call, before=""):
    """An application that shows which exception a call raises."""
    return f"""
import sys
def application(environ, start_response):
    {before}
    try:
        {call}
        shown = "accepted"
    except BaseException as error:
        shown = type(error).__name__
    start_response("200 OK", [])
    return [shown.encode()]
"""


def call(arguments):
    """The same for the arguments of start_response."""
    return refused(f"start_response({arguments})")


SCENARIOS = [
    *(
        Scenario(name, call(arguments), (get(),))
        for name, arguments in {
            "no-arguments": "",
            "one-argument": '"200 OK"',
            "four-arguments": '"200 OK", [], None, None',
            "keywords": 'status="200 OK", headers=[]',
            "exc-info-keyword": '"200 OK", [], exc_info=None',
            "status-bytes": 'b"200 OK", []',
            "status-int": "200, []",
            "status-none": "None, []",
            "status-empty": '"", []',
            "status-two-digits": '"20", []',
            "status-four-digits": '"2000 OK", []',
            "status-no-blank": '"200OK", []',
            "status-letters": '"OK", []',
            "status-leading-blank": '" 200 OK", []',
            "status-tab": '"200\\tOK", []',
            "status-newline": '"200 OK\\n", []',
            "status-carriage-return": '"200 OK\\rX: y", []',
            "status-control": '"200 O\\x01K", []',
            "status-delete": '"200 O\\x7fK", []',
            "status-nul": '"200 OK\\0X", []',
            "status-not-latin-1": '"200 \\u20ac", []',
            "status-unicode-digits": '"\\u0662\\u0660\\u0660 OK", []',
            "status-subclass": 'type("S", (str,), {})("200 OK"), []',
            "headers-tuple": '"200 OK", ()',
            "headers-none": '"200 OK", None',
            "headers-dict": '"200 OK", {}',
            "headers-iterator": '"200 OK", iter([])',
            "headers-subclass": '"200 OK", type("L", (list,), {})()',
            "header-list": '"200 OK", [["X-A", "1"]]',
            "header-short": '"200 OK", [("X-A",)]',
            "header-long": '"200 OK", [("X-A", "1", "2")]',
            "header-string": '"200 OK", ["X-A: 1"]',
            "header-none": '"200 OK", [None]',
            "name-bytes": '"200 OK", [(b"X-A", "1")]',
            "value-bytes": '"200 OK", [("X-A", b"1")]',
            "value-int": '"200 OK", [("X-A", 1)]',
            "value-none": '"200 OK", [("X-A", None)]',
            "name-empty": '"200 OK", [("", "1")]',
            "name-blank": '"200 OK", [("X A", "1")]',
            "name-colon": '"200 OK", [("X:A", "1")]',
            "name-newline": '"200 OK", [("X-A\\n", "1")]',
            "name-control": '"200 OK", [("X\\x01A", "1")]',
            "name-parenthesis": '"200 OK", [("X(A)", "1")]',
            "name-latin-1": '"200 OK", [("X-\\xe9", "1")]',
            "name-not-latin-1": '"200 OK", [("X-\\u20ac", "1")]',
            "name-nul": '"200 OK", [("X-A\\0B", "1")]',
            "value-newline": '"200 OK", [("X-A", "1\\n2")]',
            "value-carriage-return": '"200 OK", [("X-A", "1\\r2")]',
            "value-folded": '"200 OK", [("X-A", "1\\r\\n 2")]',
            "value-control": '"200 OK", [("X-A", "1\\x012")]',
            "value-nul": '"200 OK", [("X-A", "1\\x002")]',
            "value-not-latin-1": '"200 OK", [("X-A", "\\u20ac")]',
            "value-subclass": '"200 OK", [("X-A", type("S", (str,), {})("x"))]',
            "named-tuple": '"200 OK", [__import__("collections").namedtuple("H", "n v")("X-A", "1")]',
            "exc-info-string": '"200 OK", [], "x"',
            "exc-info-list": '"200 OK", [], [None, None, None]',
            "exc-info-empty-tuple": '"200 OK", [], ()',
            "exc-info-none": '"200 OK", [], None',
            "hop-by-hop": '"200 OK", [("Connection", "close")]',
        }.items()
    ),
    Scenario("twice-before-output", """
def application(environ, start_response):
    start_response("404 Not Found", [("X-First", "1")])
    start_response("200 OK", [("X-Second", "2")])
    return [b"body"]
""", (get(),)),
    Scenario("twice-with-exc-info-before-output", """
import sys
def application(environ, start_response):
    start_response("200 OK", [("X-First", "1")])
    try:
        raise ValueError("x")
    except ValueError:
        start_response("500 Mine", [("X-Second", "2")], sys.exc_info())
    return [b"error page"]
""", (get(),)),
    Scenario("twice-after-output", """
def application(environ, start_response):
    write = start_response("200 OK", [("Content-Length", "2")])
    write(b"a")
    try:
        start_response("500 Mine", [])
        shown = b"-"
    except Exception as error:
        shown = type(error).__name__.encode()[:1]
    return [shown]
""", (get(),)),
    Scenario("twice-with-exc-info-after-output", """
import sys
def application(environ, start_response):
    write = start_response("200 OK", [])
    write(b"a")
    try:
        raise ValueError("first")
    except ValueError:
        try:
            start_response("500 Mine", [], sys.exc_info())
            shown = "none"
        except Exception as error:
            shown = repr(error)
    return [shown.encode()]
""", (get(),)),
    Scenario("after-write-of-nothing", """
import sys
def application(environ, start_response):
    write = start_response("200 OK", [])
    write(b"")
    try:
        start_response("404 Not Found", [])
        shown = "accepted"
    except Exception as error:
        shown = type(error).__name__
    return [shown.encode()]
""", (get(),)),
    Scenario("after-the-request", """
kept = []
def application(environ, start_response):
    shown = "first"
    if kept:
        try:
            kept[0]("200 OK", [])
            shown = "accepted"
        except Exception as error:
            shown = type(error).__name__
    kept.append(start_response)
    start_response("200 OK", [])
    return [shown.encode()]
""", (get(), get())),
    Scenario("never", "def application(environ, start_response):\n    return [b'body']\n", (get(), get())),
    Scenario("never-and-nothing", "def application(environ, start_response):\n    return []\n", (get(),)),
    Scenario("header-list-changed-later", """
def application(environ, start_response):
    headers = [("X-A", "1")]
    start_response("200 OK", headers)
    headers.append(("X-B", "2"))
    return [b"body"]
""", (get(),)),
    Scenario("invalid-header-uncaught", """
def application(environ, start_response):
    start_response("200 OK", [("X-A", "1\\n2")])
    return [b"body"]
""", (get(),)),
    Scenario("returned-value", """
def application(environ, start_response):
    write = start_response("200 OK", [])
    return [str(callable(write)).encode()]
""", (get(),)),
    Scenario("name-nul-sent", """
def application(environ, start_response):
    start_response("200 OK", [("X-A", "1\\x002")])
    return [b"body"]
""", (get(),)),
]
