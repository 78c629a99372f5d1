"""Answers with its environ as JSON: for each key the type and the value (or its repr)."""

import json
import sys


def application(environ, start_response):
    def describe(value):
        kind = type(value).__name__
        return [kind, value if isinstance(value, (str, int, float, bool, tuple)) else repr(value)]

    answer = {
        "exact_dict": type(environ) is dict,
        "environ": {key: describe(value) for key, value in environ.items()},
        "errors_methods": [name for name in ("write", "writelines", "flush") if hasattr(environ["wsgi.errors"], name)],
        "callable_file_wrapper": callable(environ.get("wsgi.file_wrapper")),
        "surrogate_keys": [key for key in environ if not key.isascii()],
        "version": sys.version_info[:2],
    }
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    # The dictionary is the application's own: nothing of this may be seen by another request.
    environ["left.behind"] = "x"
    del environ["REQUEST_METHOD"]
    return [body]
