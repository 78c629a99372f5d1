"""What PEP 3333 lets an application see: each function checks by itself, and answers `ok` or how it failed."""

import io
import os
import sys
import threading
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))

import rendezvous

PLAIN = ("Content-Type", "text/plain")
CGI = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL")


def raises(kind, function, *arguments, **keywords):
    """The exception of that kind which the call raises."""
    try:
        function(*arguments, **keywords)
    except kind as error:
        assert type(error) is kind, type(error)
        return error
    raise AssertionError(f"{function} raised no {kind.__name__}")


# The checks. Each is called with environ and start_response, and may answer a response of its own.


def environ_type(environ, start_response):
    assert type(environ) is dict
    environ["mine"] = "mine"
    del environ["REQUEST_METHOD"]
    environ.clear()


def cgi_variables(environ, start_response):
    for name in CGI:
        assert type(environ[name]) is str, name
    for name in ("REQUEST_METHOD", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL"):
        assert environ[name], name
    assert environ["SERVER_PORT"].isdecimal()


def strings(environ, start_response):
    for name, value in environ.items():
        assert type(name) is str
        if "." not in name:
            assert type(value) is str, name
            value.encode("latin-1")


def wsgi_variables(environ, start_response):
    assert environ["wsgi.version"] == (1, 0) and type(environ["wsgi.version"]) is tuple
    assert environ["wsgi.url_scheme"] in ("http", "https")
    for name in ("wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once"):
        assert environ[name] in (True, False)
    assert environ["wsgi.run_once"] is False
    assert environ["wsgi.input"] is not None and environ["wsgi.errors"] is not None


def server_variables(environ, start_response):
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789._")
    for name in environ:
        assert name.isupper() or set(name) <= allowed and "." in name, name


def stream_methods(environ, start_response):
    stream, errors = environ["wsgi.input"], environ["wsgi.errors"]
    assert stream.read(1) == b"b" and stream.readline() == b"ody\n" and stream.readlines(1) == [b"two\n"]
    assert iter(stream) is not None and list(stream) == [b"three"]
    errors.flush()
    errors.write("checked by an application\n")
    errors.writelines(["two lines ", "checked by an application\n"])
    errors.flush()


def end_of_input(environ, start_response):
    stream = environ["wsgi.input"]
    assert stream.read(100) == b"body" and stream.read(100) == b"" and stream.read() == b""
    assert stream.readline() == b"" and stream.readlines() == [] and list(stream) == []


def read_without_size(environ, start_response):
    assert environ["wsgi.input"].read() == b"body"


def readline_with_size(environ, start_response):
    stream = environ["wsgi.input"]
    assert (stream.readline(2), stream.readline(100), stream.readline(2)) == (b"bo", b"dy\n", b"re")


def write_callable(environ, start_response):
    write = start_response("200 OK", [PLAIN])
    raises(TypeError, write)
    raises(TypeError, write, b"a", b"b")
    for wrong in ("text", bytearray(b"x"), None, 5):
        raises(TypeError, write, wrong)
    write(b"o")
    return [b"k"]


def positional(environ, start_response):
    raises(TypeError, start_response, status="200 OK", headers=[])
    raises(TypeError, start_response, "200 OK")
    raises(TypeError, start_response, "200 OK", [], None, None)
    start_response("200 OK", [PLAIN], None)
    return [b"ok"]


def status_form(environ, start_response):
    for wrong in ("", "OK", "20 OK", "2000 OK", " 200 OK", "200OK", "200 O\x00K", "200 OK\r\n", "200 OK\n", "200 \x7f"):
        raises(ValueError, start_response, wrong, [])
    for wrong in (200, None, b"200 OK"):
        raises(TypeError, start_response, wrong, [])
    raises(UnicodeEncodeError, start_response, "200 \u20ac", [])


def header_list(environ, start_response):
    for wrong in ((), (("a", "b"),), None, {}, iter([])):
        raises(TypeError, start_response, "200 OK", wrong)
    raises(TypeError, start_response, "200 OK", [["a", "b"]])
    raises(ValueError, start_response, "200 OK", [("a", "b", "c")])
    class Headers(list):
        pass
    start_response("200 OK", Headers([PLAIN]))
    return [b"ok"]


def header_names(environ, start_response):
    for wrong in ("", "a b", "a:", "a\n", "\x00"):
        raises(ValueError, start_response, "200 OK", [(wrong, "value")])
    for wrong in (b"a", None, 5):
        raises(TypeError, start_response, "200 OK", [(wrong, "value")])
    raises(UnicodeEncodeError, start_response, "200 OK", [("\u20ac", "value")])


def header_values(environ, start_response):
    for wrong in ("a\r\nb", "a\n", "\ra", "a\x00"):
        raises(ValueError, start_response, "200 OK", [("Name", wrong)])
    for wrong in (b"a", None, 5):
        raises(TypeError, start_response, "200 OK", [("Name", wrong)])
    raises(UnicodeEncodeError, start_response, "200 OK", [("Name", "\u20ac")])


def header_list_is_the_servers(environ, start_response):
    headers = [PLAIN]
    start_response("200 OK", headers)
    headers.append(("X-Late", "1"))
    return [b"ok"]


def headers_wait_for_the_body(environ, start_response):
    place = rendezvous.directory(environ)
    start_response("299 Too Early", [PLAIN])
    yield b""
    rendezvous.announce(place, "first-empty")
    rendezvous.wait_for(place, "seen")
    start_response("200 OK", [PLAIN])
    yield b"ok"


def exc_info_replaces(environ, start_response):
    start_response("200 OK", [PLAIN, ("X-First", "1")])
    try:
        raise ValueError
    except ValueError:
        start_response("500 Mine", [PLAIN, ("X-Second", "2")], sys.exc_info())
    return [b"ok"]


def exc_info_raises(environ, start_response):
    write = start_response("200 OK", [PLAIN])
    write(b"o")
    try:
        raise KeyError("original")
    except KeyError as original:
        error = raises(KeyError, start_response, "500 Mine", [], sys.exc_info())
        assert error is original
    raises(RuntimeError, start_response, "500 Mine", [])
    return [b"k"]


def exc_info_is_not_kept(environ, start_response):
    class Marked(Exception):
        pass
    import gc
    import weakref
    def fail():
        try:
            raise Marked
        except Marked as error:
            start_response("200 OK", [PLAIN], sys.exc_info())
            return weakref.ref(error)
    reference = fail()
    gc.collect()
    assert reference() is None
    return [b"ok"]


def one_block_at_a_time(environ, start_response):
    place = rendezvous.directory(environ)
    start_response("200 OK", [PLAIN])
    yield b"o"
    rendezvous.wait_for(place, "seen")
    yield b"k"


def blocks_of_write(environ, start_response):
    place = rendezvous.directory(environ)
    write = start_response("200 OK", [PLAIN])
    write(b"o")
    rendezvous.wait_for(place, "seen")
    return [b"k"]


class Closing:
    """An iterable with the least there can be, and close()."""

    def __init__(self, place, parts):
        self.parts = parts
        self.place = place
        self.closed = 0

    def __iter__(self):
        return iter(self.parts)

    def close(self):
        self.closed += 1
        rendezvous.announce(self.place, f"closed-{self.closed}")


def closed_when_done(environ, start_response):
    start_response("200 OK", [PLAIN])
    return Closing(rendezvous.directory(environ), [b"o", b"k"])


def failing():
    yield b"begun"
    raise ValueError("in the iteration")


def closed_after_an_error(environ, start_response):
    start_response("200 OK", [PLAIN])
    return Closing(rendezvous.directory(environ), failing())


def closed_when_the_client_goes(environ, start_response):
    start_response("200 OK", [PLAIN])
    def endless():
        while True:
            time.sleep(0.002)
            yield b"x" * 65536
    return Closing(rendezvous.directory(environ), endless())


class Bare:
    """Fails when anything but `__iter__` and `close` is looked at."""

    def __iter__(self):
        return iter([b"o", b"k"])

    def __getattr__(self, name):
        if name != "close":
            raise AssertionError(f"the server looked at {name}")
        raise AttributeError(name)


def nothing_else_is_used(environ, start_response):
    start_response("200 OK", [PLAIN])
    return Bare()


def wide(environ, start_response):
    start_response("200 OK", [PLAIN])
    return ["text"]


def content_length(environ, start_response):
    start_response("200 OK", [PLAIN, ("Content-Length", "2")])
    yield b"okay"
    raise AssertionError("the server went on iterating")


def short(environ, start_response):
    start_response("200 OK", [PLAIN, ("Content-Length", "20")])
    return [b"ok"]


def line_ends(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [b"\r\n\n\r\x00\xff", bytes(range(256))]


def written_before_the_iterable(environ, start_response):
    write = start_response("200 OK", [PLAIN])
    write(b"1")
    write(b"2")
    return iter([b"3", b"", b"4"])


def hop_by_hop(environ, start_response):
    assert environ["wsgi.input"].read() == b"one two"


def file_wrapper(environ, start_response):
    wrapper = environ["wsgi.file_wrapper"]
    class Reader(io.BytesIO):
        reads = 0
        def read(self, *size):
            self.reads += 1
            return super().read(*size)
    reader = Reader(b"12345ok")
    reader.seek(5)
    iterable = wrapper(reader, 2)
    wrapper(io.BytesIO())
    raises(TypeError, wrapper)
    raises(TypeError, wrapper, reader, 2, 3)
    assert reader.reads == 0, "data was taken before the iterable was returned"
    start_response("200 OK", [PLAIN])
    return iterable


def file_wrapper_closes(environ, start_response):
    class File(io.BytesIO):
        def close(self):
            closed.append(True)
    closed = []
    iterable = environ["wsgi.file_wrapper"](File(b""))
    iterable.close()
    assert closed


def file_wrapper_is_iterable(environ, start_response):
    assert list(environ["wsgi.file_wrapper"](io.BytesIO(b"abcde"), 2)) == [b"ab", b"cd", b"e"]


def file_from_its_position(environ, start_response):
    file = open(__file__, "rb")
    file.seek(3)
    start_response("200 OK", [PLAIN, ("Content-Length", "4")])
    return environ["wsgi.file_wrapper"](file)


def twice(environ, start_response):
    twice.calls = getattr(twice, "calls", 0) + 1
    start_response("200 OK", [PLAIN])
    return [b"%d" % twice.calls]


def length_is_relied_on(environ, start_response):
    start_response("200 OK", [PLAIN])
    return [b"o", b"k"]


def threads(environ, start_response):
    assert environ["wsgi.multithread"] is True
    assert threading.current_thread() is not None


def application(environ, start_response):
    check = globals()[environ["PATH_INFO"][1:]]
    try:
        response = check(environ, start_response)
    except Exception:
        start_response("200 OK", [PLAIN], sys.exc_info())
        return [traceback.format_exc().encode()]
    if response is None:
        start_response("200 OK", [PLAIN])
        return [b"ok"]
    return response
