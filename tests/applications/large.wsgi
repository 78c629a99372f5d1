"""Large bodies both ways, never held whole by the application."""

import hashlib
import os
import sys

BLOCK = 64 * 1024


def block(number):
    """The bytes of one block of the download: every block differs from every other."""
    return hashlib.sha256(b"%d" % number).digest() * (BLOCK // 32)


def upload(environ, start_response):
    """Reads all, or with `/begin` the first 70,000 bytes."""
    digest, size = hashlib.sha256(), 0
    most = 70_000 if environ["PATH_INFO"] == "/begin" else sys.maxsize
    while data := environ["wsgi.input"].read(min(BLOCK, most - size)):
        digest.update(data)
        size += len(data)
    answer = f"{size} {digest.hexdigest()}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer]


def download(environ, start_response):
    blocks = int(environ["QUERY_STRING"])
    headers = [("Content-Type", "application/octet-stream")]
    if environ["PATH_INFO"] == "/download":
        headers.append(("Content-Length", str(blocks * BLOCK)))
    start_response("200 OK", headers)
    return (block(number) for number in range(blocks))


def echo(environ, start_response):
    """Sends back each block as soon as it has come."""
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return iter(lambda: environ["wsgi.input"].read(BLOCK), b"")


def file(environ, start_response):
    path = environ["QUERY_STRING"]
    opened = open(path, "rb")
    start_response(
        "200 OK",
        [("Content-Type", "application/octet-stream"), ("Content-Length", str(os.fstat(opened.fileno()).st_size))],
    )
    return environ["wsgi.file_wrapper"](opened, BLOCK)


def application(environ, start_response):
    actions = {"/upload": upload, "/begin": upload, "/echo": echo, "/file": file}
    return actions.get(environ["PATH_INFO"], download)(environ, start_response)
