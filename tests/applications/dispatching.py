"""Chooses where a request runs: as its query says (`?process_group=other&callable_object=other`)."""

import json
import os
import urllib.parse

ANSWERS = {"None": None, "one": 1, "nul": "app\0x", "wide": "\u4e2d", "True": True}


def chosen(environ, function):
    """The answer of a function."""
    query = dict(urllib.parse.parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
    # What one function writes down, the next one finds.
    environ.setdefault("asked", []).append(function)
    if environ.get("HTTP_X_AT"):
        facts = {key: value if isinstance(value, str) else repr(value) for key, value in environ.items()}
        with open(os.path.join(environ["HTTP_X_AT"], function), "w") as file:
            json.dump({"pid": os.getpid(), "environ": facts}, file)
    answer = query.get(function)
    if answer == "raise":
        raise ValueError("the reason")
    if answer is not None and answer.startswith("bytes:"):
        return answer.removeprefix("bytes:").encode()
    return ANSWERS.get(answer, answer)


def process_group(environ):
    return chosen(environ, "process_group")


def application_group(environ):
    return chosen(environ, "application_group")


def callable_object(environ):
    return chosen(environ, "callable_object")


def say(environ, start_response, what):
    names = ("process_group", "application_group", "callable_object")
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"answered": what, "pid": os.getpid(), **{name: environ[f"mod_wsgi.{name}"] for name in names}}).encode()]


def application(environ, start_response):
    return say(environ, start_response, "application")


def other(environ, start_response):
    return say(environ, start_response, "other")
