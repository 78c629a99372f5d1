"""Exceptions: before and after output, in close(), on the way out of the process."""

from ..scenario import Broken, Scenario, get, post, request

SCENARIOS = [
    Scenario("before-start", "def application(environ, start_response):\n    raise ValueError('the reason')\n", (get(), get()), exact_tracebacks=True),
    Scenario("after-start", """
def application(environ, start_response):
    start_response("200 OK", [("X-Lost", "1"), ("Content-Length", "4")])
    raise ValueError("the reason")
""", (get(),)),
    Scenario("in-generator-before-output", """
def application(environ, start_response):
    start_response("200 OK", [("X-Lost", "1")])
    raise ValueError("the reason")
    yield b""
""", (get(),)),
    Scenario("in-generator-after-empty-output", """
def application(environ, start_response):
    start_response("200 OK", [("X-Lost", "1")])
    yield b""
    raise ValueError("the reason")
""", (get(),)),
    Scenario("in-generator-after-output", """
def application(environ, start_response):
    start_response("200 OK", [])
    yield b"part"
    raise ValueError("the reason")
""", (Broken(get()),)),
    Scenario("in-generator-after-output-with-length", """
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "10")])
    yield b"part"
    raise ValueError("the reason")
""", (Broken(get()),)),
    Scenario("in-generator-after-all-of-the-length", """
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    yield b"part"
    raise ValueError("the reason")
""", (get(),)),
    Scenario("in-generator-after-output-http-1.0", """
def application(environ, start_response):
    start_response("200 OK", [])
    yield b"part"
    raise ValueError("the reason")
""", (get(version="1.0"),)),
    Scenario("after-write", """
def application(environ, start_response):
    start_response("200 OK", [])(b"part")
    raise ValueError("the reason")
""", (Broken(get()),)),
    Scenario("after-write-of-nothing", """
def application(environ, start_response):
    start_response("200 OK", [])(b"")
    raise ValueError("the reason")
""", (get(),)),
    Scenario("in-close", """
class Body(list):
    def close(self):
        raise ValueError("the reason")
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return Body([b"body"])
""", (get(), get())),
    Scenario("close-is-called", """
class Body(list):
    def close(self):
        print("(application) closed")
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return Body([b"body"])
""", (get(), get())),
    Scenario("close-is-called-after-an-exception", """
class Body:
    def __iter__(self):
        yield b"a"
        raise ValueError("the reason")
    def close(self):
        print("(application) closed")
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return Body()
""", (Broken(get()),)),
    Scenario("close-is-called-for-head", """
class Body(list):
    def close(self):
        print("(application) closed")
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return Body([b"body"])
""", (request("HEAD"),)),
    Scenario("close-is-called-without-start", """
class Body(list):
    def close(self):
        print("(application) closed")
def application(environ, start_response):
    return Body([b"body"])
""", (get(),)),
    Scenario("close-is-called-of-what-is-not-iterable", """
class Body:
    def close(self):
        print("(application) closed")
def application(environ, start_response):
    start_response("200 OK", [])
    return Body()
""", (get(),)),
    Scenario("close-is-not-callable", """
class Body(list):
    close = 1
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return Body([b"body"])
""", (get(),)),
    Scenario("close-cannot-be-looked-up", """
class Body(list):
    @property
    def close(self):
        raise ValueError("the reason")
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return Body([b"body"])
""", (get(),)),
    Scenario("generator-is-closed", """
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "1")])
    def body():
        try:
            yield b"a"
            yield b"b"
        finally:
            print("(application) closed")
    return body()
""", (get(),)),
    Scenario("iter-raises", """
class Body:
    def __iter__(self):
        raise ValueError("the reason")
def application(environ, start_response):
    start_response("200 OK", [])
    return Body()
""", (get(),)),
    Scenario("system-exit", "import sys\ndef application(environ, start_response):\n    sys.exit(3)\n", (get(), get())),
    Scenario("system-exit-after-output", """
import sys
def application(environ, start_response):
    start_response("200 OK", [])
    yield b"part"
    sys.exit()
""", (Broken(get()), Broken(get()),)),
    Scenario("keyboard-interrupt", "def application(environ, start_response):\n    raise KeyboardInterrupt\n", (get(), get())),
    Scenario("base-exception", "class Mine(BaseException): pass\ndef application(environ, start_response):\n    raise Mine('x')\n", (get(),)),
    Scenario("request-timeout", "import mod_wsgi\ndef application(environ, start_response):\n    raise mod_wsgi.RequestTimeout\n", (get(),)),
    Scenario("request-timeout-after-output", """
import mod_wsgi
def application(environ, start_response):
    start_response("200 OK", [])
    yield b"part"
    raise mod_wsgi.RequestTimeout
""", (Broken(get()),)),
    Scenario("chained", """
def application(environ, start_response):
    try:
        {}["missing"]
    except KeyError as error:
        raise ValueError("outer") from error
""", (get(),), exact_tracebacks=True),
    Scenario("with-context", """
def application(environ, start_response):
    try:
        {}["missing"]
    except KeyError:
        raise ValueError("outer")
""", (get(),)),
    Scenario("message-of-several-lines", "def application(environ, start_response):\n    raise ValueError('one\\ntwo\\nthree')\n", (get(),)),
    Scenario("message-not-ascii", "def application(environ, start_response):\n    raise ValueError('caf\\xe9 \\u20ac')\n", (get(),)),
    Scenario("message-with-surrogate", "def application(environ, start_response):\n    raise ValueError('\\udce9')\n", (get(),)),
    Scenario("message-that-fails", """
class Mine(Exception):
    def __str__(self):
        raise ValueError("no text")
def application(environ, start_response):
    raise Mine()
""", (get(),)),
    Scenario("recursion", "def application(environ, start_response):\n    return application(environ, start_response)\n", (get(),)),
    Scenario("exception-group", "def application(environ, start_response):\n    raise ExceptionGroup('group', [ValueError(1), TypeError(2)])\n", (get(),)),
    Scenario("wrong-signature", "def application(environ):\n    pass\n", (get(),)),
    Scenario("not-callable", "application = 'text'\n", (get(),)),
    Scenario("error-document", "def application(environ, start_response):\n    raise ValueError('the reason')\n", (get(),), location='ErrorDocument 500 "a page of its own"'),
    Scenario("body-unread", "def application(environ, start_response):\n    raise ValueError('the reason')\n", (post(b"x" * 1000), get())),
    Scenario("headers-of-httpd-stay", "def application(environ, start_response):\n    raise ValueError('the reason')\n", (get(),), location='Header always set X-Always 1\nHeader set X-Onsuccess 1'),
    Scenario("header-not-latin-1-uncaught", """
def application(environ, start_response):
    start_response("200 OK", [("X-A", "\\u20ac")])
    return [b""]
""", (get(),)),
    Scenario("list-with-a-wrong-item-later", """
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "6")])
    return [b"abc", None, b"def"]
""", (Broken(get()),)),
]
