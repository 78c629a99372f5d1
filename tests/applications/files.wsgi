"""Files through wsgi.file_wrapper, in the way that PATH_INFO names; the query is the path."""

import io
import os
import threading

SHARED = {}
LOCK = threading.Lock()


def whole(path, start, wrap):
    start("200 OK", [])
    return wrap(open(path, "rb"))


def part(path, start, wrap):
    opened = open(path, "rb")
    size = os.fstat(opened.fileno()).st_size
    opened.seek(1000)
    start("206 Partial Content", [("Content-Length", "2000"), ("Content-Range", f"bytes 1000-2999/{size}")])
    return wrap(opened)


def rest(path, start, wrap):
    opened = open(path, "rb")
    opened.seek(-10, 2)
    start("200 OK", [])
    return wrap(opened)


def shared(path, start, wrap):
    """The same open file in every response, which nobody may move or close."""
    with LOCK:
        if path not in SHARED:
            SHARED[path] = open(path, "rb")
        opened = SHARED[path]

    class Kept(wrap):
        def close(self):
            assert opened.tell() == os.lseek(opened.fileno(), 0, os.SEEK_CUR) == 0

    start("200 OK", [])
    return Kept(opened)


def deleted(path, start, wrap):
    copy = path + ".copy"
    with open(path, "rb") as source, open(copy, "wb") as target:
        target.write(source.read())
    opened = open(copy, "rb")
    os.unlink(copy)
    start("200 OK", [])
    return wrap(opened)


def memory(path, start, wrap):
    start("200 OK", [])
    return wrap(io.BytesIO(b"in memory"))


def pipe(path, start, wrap):
    reading, writing = os.pipe()
    os.write(writing, b"through a pipe")
    os.close(writing)
    start("200 OK", [])
    return wrap(open(reading, "rb"))


def empty(path, start, wrap):
    start("200 OK", [])
    return wrap(open("/dev/null", "rb"))


def application(environ, start_response):
    def start(status, headers):
        start_response(status, [("Content-Type", "application/octet-stream"), *headers])

    return globals()[environ["PATH_INFO"][1:]](environ["QUERY_STRING"], start, environ["wsgi.file_wrapper"])
