"""Hello from Flask."""

from flask import Flask

application = Flask("bench")


@application.get("/flask")
def hello():
    """The page."""
    return "Hello from Flask!"
