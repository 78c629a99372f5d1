"""Run by WSGIImportScript: leaves a mark in its interpreter."""

import os
import sys

sys.preloaded_by_import_script = os.getpid()


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(sys.preloaded_by_import_script).encode()]
