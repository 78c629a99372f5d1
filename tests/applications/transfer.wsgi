"""Sends what the query says, in pieces and with pauses, and tells of its threads' stack."""

import ctypes
import time
from urllib.parse import parse_qs


def stack_size():
    """The stack of this thread, as the C library says."""
    library = ctypes.CDLL(None)
    library.pthread_self.restype = ctypes.c_ulong
    attributes = ctypes.create_string_buffer(256)
    size = ctypes.c_size_t()
    if library.pthread_getattr_np(ctypes.c_ulong(library.pthread_self()), attributes):
        return -1
    library.pthread_attr_getstacksize(attributes, ctypes.byref(size))
    library.pthread_attr_destroy(attributes)
    return size.value


def application(environ, start_response):
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    time.sleep(float(query.get("sleep", 0)))
    headers = [("Content-Type", "text/plain"), ("X-Stack", str(stack_size())), ("X-Long", "x" * int(query.get("header", 0)))]
    start_response("200 OK", headers)
    if "pieces" not in query:
        return [b"done"]
    piece, pause = b"x" * int(query.get("size", 1)), float(query.get("pause", 0))

    def pieces():
        for number in range(int(query["pieces"])):
            if number:
                time.sleep(pause)
            yield piece

    return pieces()
