"""What the application itself answers, called without a server: requests on stdin, answers on stdout, both JSON."""

import hashlib
import json
import sys
from io import BytesIO
from wsgiref.util import setup_testing_defaults

from bench import application


def answer(path, post):
    """Status, type, length and digest of the body."""
    started = []
    path, _, query = path.partition("?")
    environ = {"PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": "POST" if post else "GET"}
    environ.update({"CONTENT_LENGTH": str(post), "wsgi.input": BytesIO(b"x" * post)} if post else {})
    setup_testing_defaults(environ)
    result = application(environ, lambda status, headers, exc_info=None: started.append((status, dict(headers))))
    body = b"".join(result)
    status, headers = started[-1]
    return [int(status.split()[0]), headers["Content-Type"], len(body), hashlib.sha256(body).hexdigest()]


json.dump([answer(path, post) for path, post in json.load(sys.stdin)], sys.stdout)
