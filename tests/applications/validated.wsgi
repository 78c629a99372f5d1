"""The standard library's validator around an application which uses every part of the interface."""

from wsgiref.validate import validator


def plain(environ, start_response):
    received = environ["wsgi.input"].read(1000)
    environ["wsgi.errors"].write("validated\n")
    environ["wsgi.errors"].flush()
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"written ")
    return iter([b"received ", b"%d" % len(received)])


checked = validator(plain)


def application(environ, start_response):
    try:
        return checked(environ, start_response)
    except AssertionError as error:
        message = f"not as PEP 3333 says: {error}".encode()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [message]
