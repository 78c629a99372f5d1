"""Bodies of requests and wsgi.input."""

from ..scenario import Abort, Expect, Pipeline, Scenario, chunked, get, post, post_chunked, request


def application(expressions, before=""):
    """An application that shows what each call on wsgi.input gave."""
    return f"""
def application(environ, start_response):
    stream = environ["wsgi.input"]
    {before}
    results = []
    for call in [
        {expressions}
    ]:
        try:
            results.append(repr(call()))
        except Exception as error:
            results.append(f"{{type(error).__name__}}: {{error}}")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["\\n".join(results).encode()]
"""


READ = application("lambda: stream.read(), lambda: stream.read(), lambda: environ.get('CONTENT_LENGTH')")
IGNORES = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"not read"]
"""
CATCHES = """
def application(environ, start_response):
    try:
        data = environ["wsgi.input"].read()
        print("(application) read", len(data))
    except OSError:
        print("(application) OSError")
    start_response("200 OK", [])
    return []
"""
LINES = b"one\ntwo\n\nthree without end"

SCENARIOS = [
    Scenario("read", READ, (post(b"the body"),)),
    Scenario("read-empty", READ, (post(b""),)),
    Scenario("read-of-get", READ, (get(),)),
    Scenario("read-sizes", application("lambda: stream.read(3), lambda: stream.read(0), lambda: stream.read(100), lambda: stream.read(5)"), (post(b"0123456789"),)),
    Scenario("read-minus-one", application("lambda: stream.read(-1), lambda: stream.read(-1)"), (post(b"0123456789"),)),
    Scenario("read-minus-five", application("lambda: stream.read(-5), lambda: stream.read(-5)"), (post(b"0123456789"),)),
    Scenario("read-none", application("lambda: stream.read(None), lambda: stream.read()"), (post(b"0123456789"),)),
    Scenario("read-bad-arguments", application("lambda: stream.read('x'), lambda: stream.read(1.5), lambda: stream.read(1, 2), lambda: stream.readline('x'), lambda: stream.read()"), (post(b"01"),)),
    Scenario("readline", application("lambda: stream.readline()," * 6), (post(LINES),)),
    Scenario("readline-sizes", application("lambda: stream.readline(2), lambda: stream.readline(0), lambda: stream.readline(-1), lambda: stream.readline(100), lambda: stream.readline(1), lambda: stream.read()"), (post(LINES),)),
    Scenario("readline-after-read", application("lambda: stream.read(2), lambda: stream.readline(), lambda: stream.read(3), lambda: stream.readline(), lambda: stream.readlines()"), (post(LINES),)),
    Scenario("readlines", application("lambda: stream.readlines(), lambda: stream.readlines()"), (post(LINES),)),
    Scenario("readlines-hint", application("lambda: stream.readlines(1), lambda: stream.readlines(4), lambda: stream.readlines(0)"), (post(LINES * 2),)),
    Scenario("iteration", application("lambda: list(stream), lambda: list(stream)"), (post(LINES),)),
    Scenario("next", application("lambda: next(stream), lambda: next(iter(stream)), lambda: iter(stream) is stream"), (post(LINES),)),
    Scenario("close", application("lambda: stream.close(), lambda: stream.read()"), (post(b"after close"),)),
    Scenario("crlf", application("lambda: stream.readlines()"), (post(b"a\r\nb\rc\n"),)),
    Scenario("binary", application("lambda: stream.read()"), (post(bytes(range(256))),)),
    Scenario("long-line", application("lambda: len(stream.readline()), lambda: len(stream.readline())"), (post(b"x" * 100000 + b"\ny"),)),
    Scenario("large", application("lambda: len(stream.read())"), (post(b"x" * 1000000),)),
    Scenario("not-read", IGNORES, (post(b"nobody reads this"), get())),
    Scenario("large-not-read", IGNORES, (post(b"x" * 300000), get())),
    Scenario("partly-read", application("lambda: stream.read(4)"), (post(b"0123456789"), get())),
    Scenario("pipelined", READ, (Pipeline((post(b"first"), post(b"second"), get())),)),
    Scenario("after-the-request", """
kept = []
def application(environ, start_response):
    result = b"first"
    if kept:
        try:
            result = repr(kept[0].read()).encode()
        except Exception as error:
            result = type(error).__name__.encode()
    kept.append(environ["wsgi.input"])
    start_response("200 OK", [])
    return [result]
""", (post(b"one"), post(b"two"))),
    Scenario("length-with-plus", READ, (post(b"abc", "", "Content-Length: +3"),)),
    Scenario("length-negative", READ, (post(b"", "", "Content-Length: -1"),)),
    Scenario("length-not-a-number", READ, (post(b"", "", "Content-Length: abc"),)),
    Scenario("length-twice-the-same", READ, (post(b"abc", "", "Content-Length: 3", "Content-Length: 3"),)),
    Scenario("length-twice-different", READ, (post(b"abc", "", "Content-Length: 3", "Content-Length: 2"),)),
    Scenario("length-leading-zeros", READ, (post(b"abc", "", "Content-Length: 0003"),)),
    Scenario("length-too-large", READ, (post(b"x" * 20),), location="LimitRequestBody 10"),
    Scenario("length-at-the-limit", READ, (post(b"x" * 10),), location="LimitRequestBody 10"),
    Scenario("length-and-chunked", READ, (post(chunked(b"abc"), "", "Content-Length: 3", "Transfer-Encoding: chunked"),), location="WSGIChunkedRequest On"),
    Scenario("chunked-by-default", READ, (post_chunked(chunked(b"abc", b"defgh")),)),
    Scenario("chunked-on", READ, (post_chunked(chunked(b"abc", b"defgh")),), location="WSGIChunkedRequest On"),
    Scenario("chunked-off", READ, (post_chunked(chunked(b"abc", b"defgh")), get()), location="WSGIChunkedRequest Off"),
    Scenario("chunked-lines", application("lambda: stream.readlines()"), (post_chunked(chunked(b"one\ntw", b"o\n", b"three")),), location="WSGIChunkedRequest On"),
    Scenario("chunked-empty", READ, (post_chunked(chunked()),), location="WSGIChunkedRequest On"),
    Scenario("chunked-trailer", READ, (post_chunked(chunked(b"abc", end=b"0\r\nX-Trailer: 1\r\n\r\n")),), location="WSGIChunkedRequest On"),
    Scenario("chunked-extension", READ, (post_chunked(b"3;name=value\r\nabc\r\n0\r\n\r\n"),), location="WSGIChunkedRequest On"),
    Scenario("chunked-not-read", IGNORES, (post_chunked(chunked(b"abc")), get()), location="WSGIChunkedRequest On"),
    Scenario("chunked-broken", READ, (post_chunked(b"zz\r\nabc\r\n0\r\n\r\n"),), location="WSGIChunkedRequest On"),
    Scenario("chunked-too-large", READ, (post_chunked(chunked(b"x" * 20)),), location="WSGIChunkedRequest On\nLimitRequestBody 10"),
    Scenario("chunked-large", application("lambda: len(stream.read())"), (post_chunked(chunked(*[b"x" * 10000] * 30)),), location="WSGIChunkedRequest On"),
    Scenario("coding-unknown", READ, (post(b"abc", "", "Transfer-Encoding: gzip"),)),
    Scenario("coding-gzip-chunked", READ, (post(chunked(b"abc"), "", "Transfer-Encoding: gzip, chunked"),), location="WSGIChunkedRequest On"),
    Scenario("expect", READ, (Expect(request("POST", "", "Expect: 100-continue", "Content-Length: 5"), b"later"), get())),
    Scenario("expect-not-read", IGNORES, (Expect(request("POST", "", "Expect: 100-continue", "Content-Length: 5"), b"later"),)),
    Scenario("expect-read-zero", application("lambda: stream.read(0)"), (Expect(request("POST", "", "Expect: 100-continue", "Content-Length: 5"), b"later"),)),
    Scenario("expect-after-start-response", """
def application(environ, start_response):
    start_response("200 OK", [])
    yield environ["wsgi.input"].read()
""", (Expect(request("POST", "", "Expect: 100-continue", "Content-Length: 5"), b"later"),)),
    Scenario("expect-answer-first", """
def application(environ, start_response):
    start_response("401 Unauthorized", [("Content-Length", "2")])
    return [b"no"]
""", (Expect(request("POST", "", "Expect: 100-continue", "Content-Length: 5"), b"later"),)),
    Scenario("expect-unknown", READ, (post(b"abc", "", "Expect: the-unexpected"),)),
    Scenario("aborted", CATCHES, (Abort(request("POST", "", "Content-Length: 100") + b"only this"),), ignore=("log",)),
    Scenario("aborted-chunked", CATCHES, (Abort(request("POST", "", "Transfer-Encoding: chunked") + b"5\r\nabcde\r\n"),), location="WSGIChunkedRequest On", ignore=("log",)),
    Scenario("inflated", application("lambda: stream.read(), lambda: environ.get('CONTENT_LENGTH'), lambda: environ.get('HTTP_CONTENT_ENCODING')"), (
        post(__import__("gzip").compress(b"a longer text " * 10, mtime=0), "", "Content-Encoding: gzip"),
    ), location="SetInputFilter DEFLATE"),
]
