"""Answers what httpd asks of scripts: who may come in, who it is, of which groups, and where a request runs.

What to answer is in the query (`?answer=True`), the password or the user's name, so that a test chooses it. The environ is
written to a file of the directory that the header `X-At` names.
"""

import hashlib
import json
import os
import threading
import time
import urllib.parse

# Behind these names are the answers.
ANSWERS = {
    "True": True,
    "False": False,
    "None": None,
    "one": 1,
    "zero": 0,
    "empty": "",
    "bytes": b"bytes",
    "name": "another",
    "wide": "\u4e2d",
    "nul": "root\0x",
    "surrogate": "\udce9",
}
GROUPS = {
    "list": ["guests", "staff"],
    "bytes": (b"STAFF",),
    "other": ["guests"],
    "blank": {"night shift"},
    "none": [],
    "string": "staff",
    "nothing": None,
    "wrong": ["staff", 1],
    "nul": ["staff\0x"],
    "wide": ["\u4e2d", "staff"],
}


class Reason(Exception):
    """What the tests look for in the log."""


def tell(environ, function, *arguments):
    """Write down what the function was called with, and wait if the test says so."""
    at = environ.get("HTTP_X_AT")
    if at is None:
        return
    facts = {
        "pid": os.getpid(),
        "module": __name__,
        "arguments": arguments,
        "environ": {key: value if isinstance(value, str) else repr(value) for key, value in environ.items()},
        "https": environ["mod_ssl.is_https"](),
        "protocol": environ["mod_ssl.var_lookup"]("SSL_PROTOCOL"),
    }
    # Two requests may be here at once.
    with open(os.path.join(at, f"{function}.{threading.get_ident()}"), "w") as file:
        json.dump(facts, file)
    os.rename(file.name, os.path.join(at, function))
    deadline = time.monotonic() + 20
    while environ.get("HTTP_X_WAIT") == function and time.monotonic() < deadline:
        if os.path.exists(os.path.join(at, "go")):
            break
        time.sleep(0.01)


def chosen(name, answers=ANSWERS):
    """The answer of that name."""
    if name == "raise":
        raise Reason("the reason")
    if name == "exit":
        raise SystemExit(3)
    return answers[name]


def allow_access(environ, host):
    tell(environ, "allow_access", host)
    print("asked for", host, file=environ["wsgi.errors"])
    return chosen(urllib.parse.parse_qs(environ["QUERY_STRING"]).get("answer", ["True"])[0])


def check_password(environ, user, password):
    tell(environ, "check_password", user, password)
    return chosen(password) if password in ANSWERS or password in ("raise", "exit") else user == password


def get_realm_hash(environ, user, realm):
    tell(environ, "get_realm_hash", user, realm)
    if user in ("raise", "one", "empty", "None", "nul"):
        return chosen(user)
    found = hashlib.md5(f"{user}:{realm}:secret".encode("latin-1")).hexdigest()
    return found.encode() if user == "bytes" else found


def groups_for_user(environ, user):
    tell(environ, "groups_for_user", user)
    return chosen(user, GROUPS)
