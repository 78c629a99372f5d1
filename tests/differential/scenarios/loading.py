"""Scripts: how they are loaded, loaded again, and what happens when they cannot be."""

from ..scenario import Remove, Scenario, Write, get


def version(number):
    """A script that says which one it is."""
    return f"""
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"version {number}"]
"""


SCENARIOS = [
    Scenario("name-and-file", """
import sys
def application(environ, start_response):
    module = sys.modules[__name__]
    shown = [__name__[:10], len(__name__), __file__, module.application is application, globals() is vars(module), __package__ or None, sys.argv]
    start_response("200 OK", [])
    return ["\\n".join(map(repr, shown)).encode()]
""", (get(),)),
    Scenario("module-globals", """
names = sorted(globals())
def application(environ, start_response):
    start_response("200 OK", [])
    return ["\\n".join(names).encode()]
""", (get(),)),
    Scenario("loaded-once", """
count = 0
def application(environ, start_response):
    global count
    count += 1
    start_response("200 OK", [])
    return [str(count).encode()]
""", (get(), get(), get())),
    Scenario("changed", version(1), (get(), Write(version(2)), get(), get(), Write(version(3)), get())),
    Scenario("changed-to-an-older-one", version(1), (get(), Write(version(2), 1000000000), get())),
    Scenario("changed-without-reloading", version(1), (get(), Write(version(2)), get()), location="WSGIScriptReloading Off"),
    Scenario("removed", version(1), (get(), Remove(), get(), Write(version(2)), get())),
    Scenario("reload-required", """
asked = []
def reload_required(path):
    asked.append(path)
    return len(asked) > 2
def application(environ, start_response):
    start_response("200 OK", [])
    return [repr(asked).encode()]
""", (get(), get(), get(), get())),
    Scenario("reload-required-fails", """
def reload_required(path):
    raise ValueError("the reason")
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"still there"]
""", (get(), get())),
    Scenario("syntax-error", "def application(environ, start_response:\n    pass\n", (get(), get())),
    Scenario("syntax-error-mended", "def application(:\n", (get(), Write(version(2)), get())),
    Scenario("indentation-error", "def application(environ, start_response):\n    pass\n  pass\n", (get(),)),
    Scenario("import-error", "import there_is_no_such_module\n", (get(), get())),
    Scenario("exception", "raise ValueError('while loading')\n", (get(), get())),
    Scenario("exception-mended", "raise ValueError('while loading')\n", (get(), Write(version(2)), get())),
    Scenario("exception-leaves-no-module", "import sys\nprint(len([name for name in sys.modules if 'loading-exception-leaves' in str(sys.modules[name])]))\n1 / 0\n", (get(), get())),
    Scenario("system-exit", "import sys\nsys.exit(1)\n", (get(), get())),
    Scenario("empty", "", (get(),)),
    Scenario("encoding", "# -*- coding: latin-1 -*-\n" + version(1).replace("version 1", "caf\\xe9"), (get(),)),
    Scenario("encoding-unknown", "# -*- coding: nonsense -*-\n" + version(1), (get(),)),
    Scenario("byte-order-mark", "\ufeff" + version(1), (get(),)),
    Scenario("windows-lines", version(1).replace("\n", "\r\n"), (get(),)),
    Scenario("no-newline-at-the-end", version(1).rstrip(), (get(),)),
    Scenario("not-on-the-path", """
import os, sys
def application(environ, start_response):
    start_response("200 OK", [])
    return [repr(os.path.dirname(__file__) in sys.path).encode()]
""", (get(),)),
    Scenario("future-import", "from __future__ import annotations\n" + version(1), (get(),)),
    Scenario("future-is-not-inherited", """
def annotated(x: int): pass
def application(environ, start_response):
    start_response("200 OK", [])
    return [repr(annotated.__annotations__).encode()]
""", (get(),)),
    Scenario("name-is-not-main", "if __name__ == '__main__':\n    raise SystemExit\n" + version(1), (get(),)),
    Scenario("pickle-and-dataclass", """
import dataclasses, pickle
@dataclasses.dataclass
class Point:
    x: int
def application(environ, start_response):
    start_response("200 OK", [])
    return [repr(pickle.loads(pickle.dumps(Point(1))).x).encode()]
""", (get(),)),
]
