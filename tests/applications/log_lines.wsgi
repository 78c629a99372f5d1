"""Lines of every kind, by PATH_INFO, for each way into the error log."""

import sys
import threading


def long(put):
    put(b"begin " + b"x" * 20000 + b" end\n")


def bytes_of_no_encoding(put):
    put(b"latin caf\xe9\n")


def nul(put):
    put(b"before\0after\n")


def percent(put):
    put(b"100%s %d %n\n")


def many(put):
    for number in range(300):
        put(b"line %d of many\n" % number)


def unfinished(put):
    put(b"without ")
    put(b"an end")


def empty_lines(put):
    put(b"above\n\nbelow\n")


def application(environ, start_response):
    _, stream, name = environ["PATH_INFO"].split("/")
    function = globals()[name]
    streams = {"errors": environ["wsgi.errors"], "stdout": sys.stdout, "stderr": sys.stderr}
    if stream == "thread":
        thread = threading.Thread(target=function, args=(sys.stderr.buffer.write,))
        thread.start()
        thread.join()
        sys.stderr.flush()
    else:
        function(streams[stream].buffer.write)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"logged"]
