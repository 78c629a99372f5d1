"""Starts real httpd servers for the tests, speaks HTTP with them and reads their error logs."""

from . import authorization, processes
from .client import Client, Connection, Response, Truncated, read_response
from .error_log import TRACEBACK, ErrorLog
from .http2 import Http2Connection, StreamReset
from .httpd import Httpd, StartFailed
from .machine import machine
from .mode import MODES, Mode
from .rendezvous import Rendezvous
from .wait import wait_until

__all__ = [
    "MODES",
    "TRACEBACK",
    "Client",
    "Connection",
    "ErrorLog",
    "Http2Connection",
    "Httpd",
    "Mode",
    "Rendezvous",
    "Response",
    "StartFailed",
    "StreamReset",
    "Truncated",
    "authorization",
    "machine",
    "processes",
    "read_response",
    "wait_until",
]
