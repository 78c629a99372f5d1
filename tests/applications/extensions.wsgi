"""Uses the extension module that the path names; each does something that is not done in Python."""

import os
import sys


def is_in_a_sub_interpreter():
    return bool(sys.modules["mod_wsgi"].application_group)


def use_numpy():
    import numpy

    return str(int((numpy.arange(10) * 2).sum()))


def use_lxml():
    from lxml import etree

    return etree.fromstring("<a><b>text</b></a>").findtext("b")


def use_cryptography():
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key, nonce = bytes(32), bytes(12)
    return AESGCM(key).decrypt(nonce, AESGCM(key).encrypt(nonce, b"secret", b""), b"").decode()


def use_psycopg():
    import psycopg
    from psycopg import sql

    # In the main interpreter the one in C is taken; where that refuses, one in Python may do, if there is a libpq.
    assert psycopg.pq.__impl__ == "binary" or is_in_a_sub_interpreter(), psycopg.pq.__impl__
    return sql.SQL("select {}").format(sql.Literal(1)).as_string(None)


def use_pydantic_core():
    from pydantic_core import SchemaValidator, core_schema

    return str(SchemaValidator(core_schema.int_schema()).validate_python("42"))


def application(environ, start_response):
    body = globals()["use_" + environ["PATH_INFO"].strip("/")]()
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    headers = [("Content-Type", "text/plain"), ("X-Pid", str(os.getpid())), ("X-Gil", "on" if gil else "off")]
    start_response("200 OK", headers)
    return [body.encode()]
