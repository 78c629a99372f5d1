import sqlite3
import sys

import mod_wsgi


def application(environ, start_response):
    # sqlite3 takes the GIL for its callbacks, and when it drops them, as any C extension does: by PyGILState_Ensure.
    connection = sqlite3.connect(":memory:")
    # Modules are those of the interpreter that runs the function.
    connection.create_function("is_at_home", 0, lambda: __import__("sys") is sys)
    (is_at_home,) = connection.execute("SELECT is_at_home()").fetchone()
    connection.close()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{mod_wsgi.application_group} {is_at_home}".encode()]
