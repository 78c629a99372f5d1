"""wsgi.file_wrapper."""

from ..scenario import Broken, Scenario, get, request, shown


def wrapped(expression, headers="[]", before="", setup=""):
    """An application that returns this."""
    return f"""
import io, os, tempfile
{setup}
def content(data=b"0123456789" * 10):
    file = tempfile.TemporaryFile()
    file.write(data)
    file.flush()
    file.seek(0)
    return file
def application(environ, start_response):
    wrapper = environ["wsgi.file_wrapper"]
    {before}
    start_response("200 OK", {headers})
    return {expression}
"""


def shown_wrapper(*expressions, before="pass"):
    """An application that shows what calls of wsgi.file_wrapper give."""
    return shown(*expressions, imports="import io", before=f"wrapper = environ['wsgi.file_wrapper']; {before}")


SCENARIOS = [
    Scenario("file", wrapped("wrapper(content())"), (get(), get()), exact_framing=True),
    Scenario("file-with-block-size", wrapped("wrapper(content(), 7)"), (get(),), exact_framing=True),
    Scenario("file-head", wrapped("wrapper(content())"), (request("HEAD"), get())),
    Scenario("file-from-the-middle", wrapped("wrapper(file)", before="file = content(); file.seek(95)"), (get(),), exact_framing=True),
    Scenario("file-at-its-end", wrapped("wrapper(file)", before="file = content(); file.seek(0, 2)"), (get(), get())),
    Scenario("file-empty", wrapped("wrapper(content(b''))"), (get(), get())),
    Scenario("file-with-length", wrapped("wrapper(content())", '[("Content-Length", "100")]'), (get(),)),
    Scenario("file-with-shorter-length", wrapped("wrapper(content())", '[("Content-Length", "10")]'), (get(), get())),
    Scenario("file-with-longer-length", wrapped("wrapper(content())", '[("Content-Length", "200")]'), (Broken(get()),)),
    Scenario("range", wrapped("wrapper(content())"), (get("", "Range: bytes=2-4"),)),
    Scenario("file-large", wrapped("wrapper(content(b'x' * 3000000))"), (get(),), exact_framing=True),
    Scenario("file-after-read", wrapped("wrapper(file)", before="file = content(); file.read(3)"), (get(),)),
    Scenario("memory", wrapped("wrapper(io.BytesIO(b'from memory'))"), (get(),)),
    Scenario("memory-with-block-size", wrapped("wrapper(io.BytesIO(b'from memory'), 3)"), (get(),)),
    Scenario("pipe", wrapped("wrapper(os.fdopen(reading, 'rb'))", before="reading, writing = os.pipe(); os.write(writing, b'from a pipe'); os.close(writing)"), (get(),)),
    Scenario("text-file", wrapped("wrapper(io.StringIO('text'))"), (get(),)),
    Scenario("after-write", """
import tempfile
def application(environ, start_response):
    write = start_response("200 OK", [])
    write(b"first,")
    file = tempfile.TemporaryFile()
    file.write(b"then a file")
    file.seek(0)
    return environ["wsgi.file_wrapper"](file)
""", (get(),)),
    Scenario("file-is-closed", wrapped("wrapper(Closing())", setup="""
class Closing(io.BytesIO):
    def close(self):
        print("(application) closed")
        super().close()
"""), (get(),)),
    Scenario("close-fails", wrapped("wrapper(Closing(b'data'))", setup="""
class Closing(io.BytesIO):
    def close(self):
        raise ValueError("no")
"""), (get(),)),
    Scenario("read-only", wrapped("wrapper(Reader())", setup="""
class Reader:
    left = [b"a", b"b", b""]
    def __init__(self):
        self.left = list(self.left)
    def read(self, size):
        return self.left.pop(0)
"""), (get(),)),
    Scenario("read-fails", wrapped("wrapper(Reader())", setup="""
class Reader:
    def read(self, size):
        raise ValueError("the reason")
"""), (get(),)),
    Scenario("no-read", wrapped("wrapper(object())"), (get(),)),
    Scenario("subclass", wrapped("Mine(content())", before="Mine = type('Mine', (wrapper,), {})"), (get(),)),
    Scenario("iterated-by-the-application", wrapped("[b''.join(wrapper(content(), 30))]"), (get(),)),
    Scenario("attributes", shown_wrapper("w.blksize", "w.filelike is f", "next(w)", "list(w)", "w.close()", "w.filelike", "next(w)", before="f = io.BytesIO(b'abcdefgh'); w = wrapper(f, 3)"), (get(),)),
    Scenario("arguments", shown_wrapper("wrapper()", "type(wrapper(io.BytesIO())).__name__", "wrapper(io.BytesIO(), -1)", "wrapper(io.BytesIO(), 'x')", "wrapper(io.BytesIO(), blksize=5).blksize",
                                        "wrapper(filelike=io.BytesIO()).blksize", "wrapper(io.BytesIO(), 1, 2)", "wrapper(io.BytesIO(), 0).blksize"), (get(),)),
]
