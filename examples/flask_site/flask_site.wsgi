"""The WSGI script of the Flask site; `flask_pages.py` beside it is found through python-path."""

from flask_pages import app as application  # noqa: F401
