"""What an application answers, and what the client gets."""

from ..scenario import Broken, Pipeline, Scenario, get, post, request


def answer(headers="[]", body='[b"body"]', status='"200 OK"'):
    """An application with this answer."""
    return f"""
def application(environ, start_response):
    start_response({status}, {headers})
    return {body}
"""


PAIRS = '[("X-One", "1"), ("Content-Type", "text/plain"), ("X-Two", "2"), ("X-One", "3")]'
LAST_MODIFIED = '[("Last-Modified", "%s"), ("ETag", \'"tag"\')]'
OLD = "Sun, 06 Nov 1994 08:49:37 GMT"

SCENARIOS = [
    Scenario("plain", answer('[("Content-Type", "text/plain"), ("Content-Length", "4")]'), (get(), get()), exact_framing=True),
    Scenario("no-length-of-a-list", answer(), (get(), get()), exact_framing=True),
    Scenario("no-length-of-a-list-of-two", answer(body='[b"one", b"two"]'), (get(),), exact_framing=True, ignore=("framing",)),
    Scenario("no-length-of-a-generator", answer(body='(part for part in (b"one", b"two"))'), (get(),), ignore=("framing",)),
    Scenario("no-length-over-http-1.0", answer(body='(part for part in (b"one", b"two"))'), (get(version="1.0"),), exact_framing=True, ignore=("framing", "connection", "headers")),
    Scenario("no-length-of-one-over-http-1.0", answer(), (get(version="1.0"),), exact_framing=True, ignore=("framing", "connection", "headers")),
    Scenario("http-1.0-keep-alive", answer('[("Content-Length", "4")]'), (get("", "Connection: keep-alive", version="1.0"), get("", "Connection: keep-alive", version="1.0"))),
    Scenario("connection-close", answer(), (get("", "Connection: close"),)),
    Scenario("pipelined", answer('[("Content-Length", "4")]'), (Pipeline((get(), get("/x"), get())),)),
    Scenario("headers-in-order", answer(PAIRS), (get(),)),
    Scenario("headers-in-lower-case", answer('[("x-lower", "1"), ("content-type", "text/plain"), ("CONTENT-LENGTH", "4")]'), (get(),)),
    Scenario("header-twice", answer('[("X-A", "1"), ("X-A", "2"), ("Vary", "Accept"), ("Vary", "Cookie")]'), (get(),)),
    Scenario("cache-control-twice", answer('[("Cache-Control", "no-cache"), ("Cache-Control", "no-store")]'), (get(),)),
    Scenario("link-twice", answer('[("Link", "</a>; rel=next"), ("Link", "</b>; rel=prev")]'), (get(),)),
    Scenario("set-cookie-twice", answer('[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Path=/"), ("set-cookie", "c=3")]'), (get(),)),
    Scenario("www-authenticate-twice", answer('[("WWW-Authenticate", "Basic realm=a"), ("WWW-Authenticate", "Bearer")]', status='"401 Unauthorized"'), (get(),)),
    Scenario("proxy-authenticate", answer('[("Proxy-Authenticate", "Basic realm=a")]', status='"407 Proxy Authentication Required"'), (get(),)),
    Scenario("content-type-twice", answer('[("Content-Type", "text/plain"), ("Content-Type", "text/html")]'), (get(),)),
    Scenario("content-type-none", answer(), (get(),)),
    Scenario("content-type-in-capitals", answer('[("Content-Type", "Text/HTML; Charset=UTF-8")]'), (get(),)),
    Scenario("content-type-with-blanks", answer('[("Content-Type", "  text/html ; charset=utf-8  ")]'), (get(),)),
    Scenario("content-type-empty", answer('[("Content-Type", "")]'), (get(),)),
    Scenario("content-type-without-slash", answer('[("Content-Type", "nonsense")]'), (get(),)),
    Scenario("content-type-and-default-charset", answer('[("Content-Type", "text/html")]'), (get(),), location="AddDefaultCharset utf-8"),
    Scenario("content-type-filtered", answer('[("Content-Type", "text/html"), ("Content-Length", "4")]'), (get("", "Accept-Encoding: gzip"),),
             location="AddOutputFilterByType SUBSTITUTE text/html\nSubstitute s/body/substituted/"),
    Scenario("content-type-not-filtered", answer('[("Content-Type", "text/plain"), ("Content-Length", "4")]'), (get(),),
             location="AddOutputFilterByType SUBSTITUTE text/html\nSubstitute s/body/substituted/"),
    Scenario("content-language-encoding", answer('[("Content-Language", "de"), ("Content-Encoding", "x-mine")]'), (get(),)),
    Scenario("date-and-server", answer('[("Date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("Server", "mine"), ("X-Powered-By", "me")]'), (get(),)),
    Scenario("connection-header", answer('[("Connection", "close"), ("Keep-Alive", "timeout=1")]'), (get(),)),
    Scenario("status-header", answer('[("Status", "404 Not Found")]'), (get(),)),
    Scenario("header-latin-1", answer('[("X-Latin", "caf\\xe9")]'), (get(),)),
    Scenario("header-empty", answer('[("X-Empty", ""), ("X-Blank", " ")]'), (get(),)),
    Scenario("header-with-tab-and-blanks", answer('[("X-Tab", "a\\tb"), ("X-Blanks", "  a  ")]'), (get(),)),
    Scenario("header-with-control", answer('[("X-Control", "a\\x01b")]'), (get(),)),
    Scenario("header-long", answer('[("X-Long", "x" * 20000)]'), (get(),)),
    # header-buffer-size is an option of a daemon group.
    Scenario("header-very-long", answer('[("X-Long", "x" * 40000)]'), (get(),), modes_differ=True),
    Scenario("headers-many", answer('[("X-%d" % n, str(n)) for n in range(300)]'), (get(),)),
    Scenario("headers-set-by-httpd", answer('[("X-Mine", "app")]'), (get(),), location='Header set X-Mine "httpd"\nHeader always set X-Always "httpd"\nHeader append X-Mine more'),
    Scenario("length-too-short-a-body", answer('[("Content-Length", "10")]'), (Broken(get()),)),
    Scenario("length-of-nothing", answer('[("Content-Length", "10")]', "[]"), (Broken(get()),)),
    Scenario("length-too-long-a-body", answer('[("Content-Length", "2")]'), (get(), get())),
    Scenario("length-too-long-in-parts", answer('[("Content-Length", "5")]', '[b"abc", b"defg", b"hij"]'), (get(), get())),
    Scenario("length-zero", answer('[("Content-Length", "0")]', '[b"body"]'), (get(), get())),
    Scenario("length-zero-of-nothing", answer('[("Content-Length", "0")]', "[]"), (get(), get())),
    Scenario("length-twice", answer('[("Content-Length", "4"), ("Content-Length", "4")]'), (get(),)),
    Scenario("length-twice-different", answer('[("Content-Length", "9"), ("Content-Length", "4")]'), (get(),)),
    Scenario("length-with-blanks", answer('[("Content-Length", " 4 ")]'), (get(),)),
    Scenario("length-not-a-number", answer('[("Content-Length", "four")]'), (get(),)),
    Scenario("length-negative", answer('[("Content-Length", "-4")]'), (get(),)),
    Scenario("length-with-plus", answer('[("Content-Length", "+4")]'), (get(),)),
    Scenario("length-empty", answer('[("Content-Length", "")]'), (get(),)),
    Scenario("empty-list", answer(body="[]"), (get(), get())),
    Scenario("empty-strings", answer(body='[b"", b"", b""]'), (get(), get())),
    Scenario("empty-string-between", answer(body='[b"a", b"", b"b"]'), (get(),)),
    Scenario("tuple", answer(body='(b"a", b"b")'), (get(),)),
    Scenario("bytes-as-iterable", answer(body='b"body"'), (get(),)),
    Scenario("string", answer(body='"body"'), (get(),)),
    Scenario("list-of-strings", answer(body='["body"]'), (get(),)),
    Scenario("list-of-bytearray", answer(body='[bytearray(b"body")]'), (get(),)),
    Scenario("list-of-memoryview", answer(body='[memoryview(b"body")]'), (get(),)),
    Scenario("list-of-int", answer(body="[1]"), (get(),)),
    Scenario("bytes-subclass", "class Mine(bytes): pass\n" + answer(body='[Mine(b"body")]'), (get(),)),
    Scenario("none", answer(body="None"), (get(),)),
    Scenario("dict", answer(body='{b"a": 1, b"b": 2}'), (get(),)),
    Scenario("string-after-bytes", answer(body='[b"first", "second"]'), (Broken(get()),)),
    Scenario("large", answer(body='[b"x" * 1000000]'), (get(),)),
    Scenario("large-in-parts", answer(body='(b"x" * 10000 for _ in range(100))'), (get(),)),
    Scenario("many-small-parts", answer('[("Content-Length", "2000")]', '(b"x" for _ in range(2000))'), (get(),)),
    Scenario("iterator-object", """
class Body:
    def __init__(self):
        self.left = [b"a", b"b"]
    def __iter__(self):
        return self
    def __next__(self):
        if not self.left:
            raise StopIteration
        return self.left.pop(0)
    def close(self):
        print("(application) closed")
def application(environ, start_response):
    start_response("200 OK", [])
    return Body()
""", (get(), get())),
    Scenario("getitem-only", """
class Body:
    def __getitem__(self, index):
        return (b"a", b"b")[index]
def application(environ, start_response):
    start_response("200 OK", [])
    return Body()
""", (get(),)),
    Scenario("class-as-application", """
class application:
    def __init__(self, environ, start_response):
        self.start = start_response
    def __iter__(self):
        self.start("200 OK", [("Content-Type", "text/plain")])
        yield b"from a class"
""", (get(),)),
    Scenario("instance-as-application", """
class Application:
    def __call__(self, environ, start_response):
        start_response("200 OK", [])
        return [b"from an instance"]
application = Application()
""", (get(),)),
    Scenario("generator-starts-late", """
def application(environ, start_response):
    yield b""
    start_response("200 OK", [])
    yield b"late"
""", (get(),)),
    Scenario("head", answer('[("Content-Length", "4")]'), (request("HEAD"), get()), exact_framing=True),
    Scenario("head-without-length", answer('[("Content-Type", "text/plain")]'), (request("HEAD"), get()), exact_framing=True),
    Scenario("head-of-a-generator", answer(body='(part for part in (b"one", b"two"))'), (request("HEAD"), get("", "Connection: close"))),
    Scenario("head-of-nothing", answer('[("Content-Length", "1234")]', "[]"), (request("HEAD"), request("HEAD"))),
    Scenario("head-of-an-error", answer('[("Content-Type", "text/plain")]', '[b"gone"]', '"404 Not Found"'), (request("HEAD"), request("HEAD"))),
    Scenario("no-content", answer('[("X-A", "1")]', "[]", '"204 No Content"'), (get(), get())),
    Scenario("no-content-with-a-body", answer('[("X-A", "1")]', '[b"body"]', '"204 No Content"'), (get(), get())),
    Scenario("no-content-with-type-and-length", answer('[("Content-Type", "text/plain"), ("Content-Length", "0")]', "[]", '"204 No Content"'), (get(), get())),
    Scenario("reset-content", answer('[("Content-Length", "0")]', "[]", '"205 Reset Content"'), (get(), get())),
    Scenario("not-modified", answer('[("ETag", \'"t"\')]', "[]", '"304 Not Modified"'), (get(), get())),
    Scenario("not-modified-with-a-body", answer('[("ETag", \'"t"\'), ("Content-Type", "text/plain"), ("X-A", "1")]', '[b"body"]', '"304 Not Modified"'), (get(), get())),
    Scenario("not-modified-with-length", answer('[("ETag", \'"t"\'), ("Content-Length", "4")]', "[]", '"304 Not Modified"'), (get(), get())),
    Scenario("last-modified", answer(LAST_MODIFIED % OLD), (get(),)),
    Scenario("last-modified-conditional", answer(LAST_MODIFIED % OLD), (get("", "If-Modified-Since: " + OLD), get("", 'If-None-Match: "tag"'))),
    Scenario("last-modified-in-another-form", answer(LAST_MODIFIED % "Sunday, 06-Nov-94 08:49:37 GMT"), (get(),)),
    Scenario("last-modified-nonsense", answer(LAST_MODIFIED % "yesterday"), (get(),)),
    Scenario("last-modified-in-the-future", answer(LAST_MODIFIED % "Sun, 06 Nov 2094 08:49:37 GMT"), (get(),), ignore=("headers",)),
    Scenario("range-is-the-applications", answer('[("Content-Length", "10"), ("Accept-Ranges", "bytes")]', '[b"0123456789"]'), (get("", "Range: bytes=2-4"),)),
    Scenario("range-without-accept", answer('[("Content-Length", "10")]', '[b"0123456789"]'), (get("", "Range: bytes=2-4"),)),
    Scenario("range-of-one-part", answer(body='(part for part in [b"0123456789"])'), (get("", "Range: bytes=2-4"),)),
    Scenario("range-answered", answer('[("Content-Length", "3"), ("Content-Range", "bytes 2-4/10")]', '[b"234"]', '"206 Partial Content"'), (get("", "Range: bytes=2-4"),)),
    Scenario("deflated", answer('[("Content-Type", "text/html"), ("Content-Length", "2000")]', '[b"x" * 2000]'), (get("", "Accept-Encoding: gzip"),), location="SetOutputFilter DEFLATE", ignore=("body",)),
    Scenario("redirect", answer('[("Location", "http://elsewhere.example/a")]', '[b"there"]', '"302 Found"'), (get(),)),
    Scenario("redirect-relative", answer('[("Location", "/a?b")]', '[b"there"]', '"302 Found"'), (get(),)),
    Scenario("redirect-relative-path", answer('[("Location", "a/b")]', '[b"there"]', '"303 See Other"'), (get(),)),
    Scenario("location-with-200", answer('[("Location", "/static/page.html")]'), (get(),)),
    Scenario("location-with-200-absolute", answer('[("Location", "http://elsewhere.example/")]'), (get(),)),
    Scenario("location-with-201", answer('[("Location", "/made/1")]', status='"201 Created"'), (post(b"x"),)),
    Scenario("error-page-is-the-applications", answer('[("Content-Type", "text/plain")]', '[b"mine"]', '"404 Not Found"'), (get(),)),
    Scenario("error-page-500-is-the-applications", answer('[("Content-Type", "text/plain")]', '[b"mine"]', '"500 Internal Server Error"'), (get(), get())),
    Scenario("error-page-empty", answer("[]", "[]", '"404 Not Found"'), (get(),)),
    Scenario("status-200-error", answer("[]", '[b"fine"]', '"200 Error"'), (get(),)),
    Scenario("status-other-reason", answer(status='"200 Quite Alright"'), (get(),)),
    Scenario("status-without-reason", answer(status='"200"'), (get(),)),
    Scenario("status-with-blank-only", answer(status='"200 "'), (get(),)),
    Scenario("status-unknown", answer(status='"299 Mine"'), (get(),)),
    Scenario("status-unknown-4xx", answer(status='"499 Mine"'), (get(), get())),
    Scenario("status-999", answer(status='"999 Nines"'), (get(),)),
    Scenario("status-600", answer(status='"600 More"'), (get(),)),
    Scenario("status-099", answer(status='"099 Less"'), (get(),)),
    Scenario("status-000", answer(status='"000 Nothing"'), (get(),)),
    Scenario("status-418", answer(status='"418 I\'m a teapot"'), (get(),)),
    Scenario("status-408", answer(status='"408 Request Timeout"'), (get(),)),
    Scenario("status-latin-1", answer(status='"200 caf\\xe9"'), (get(),)),
    Scenario("status-413-after-unread-body", answer(status='"413 Too Much"'), (post(b"x" * 1000),)),
    Scenario("write", """
def application(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"one,")
    write(b"")
    write(b"two,")
    return [b"three"]
""", (get(),)),
    Scenario("write-with-length", """
def application(environ, start_response):
    write = start_response("200 OK", [("Content-Length", "6")])
    write(b"one")
    write(b"two")
    write(b"more")
    return []
""", (get(), get())),
    Scenario("write-string", """
def application(environ, start_response):
    write = start_response("200 OK", [])
    try:
        write("text")
    except TypeError as error:
        write(str(error).encode())
    return []
""", (get(),)),
    Scenario("write-arguments", """
def application(environ, start_response):
    write = start_response("200 OK", [])
    for arguments in ((), (b"a", b"b"), (1,), (None,), (bytearray(b"x"),)):
        try:
            write(*arguments)
        except TypeError as error:
            write(b"TypeError\\n")
    return []
""", (get(),)),
    Scenario("write-returns", """
def application(environ, start_response):
    write = start_response("200 OK", [])
    return [repr(write(b"x")).encode()]
""", (get(),)),
    Scenario("write-after-the-request", """
kept = []
def application(environ, start_response):
    result = b"first"
    if kept:
        try:
            kept[0](b"late")
        except Exception as error:
            result = type(error).__name__.encode()
    kept.append(start_response("200 OK", []))
    return [result]
""", (get(), get())),
    Scenario("write-in-generator", """
def application(environ, start_response):
    write = start_response("200 OK", [])
    def body():
        yield b"a"
        write(b"b")
        yield b"c"
    return body()
""", (get(),)),
]
