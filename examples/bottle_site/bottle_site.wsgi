"""A Bottle site in one file: a form, an upload, a stream."""

import html
import time

import bottle

application = bottle.Bottle()

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Bottle</title></head>
<body>
  <h1>Bottle</h1>
  <p>Served {where}. <a href="{root}/stream">A stream</a>.</p>
  <form method="post" action="{root}/shout"><input name="words"><button>Shout</button></form>
</body>
</html>
"""


@application.get("/")
def index():
    group = bottle.request.environ.get("mod_wsgi.process_group")
    where = f"in the daemon process group <code>{group}</code>" if group else "embedded in httpd"
    return PAGE.format(where=where, root=bottle.request.script_name.rstrip("/"))


@application.post("/shout")
def shout():
    bottle.response.content_type = "text/plain; charset=utf-8"
    return html.escape(bottle.request.forms.getunicode("words")).upper()


@application.post("/size")
def size():
    upload = bottle.request.files.get("file")
    return {"name": upload.filename, "size": len(upload.file.read())}


@application.get("/stream")
def stream():
    bottle.response.content_type = "text/plain"
    for number in range(10):
        yield f"line {number}\n"
        time.sleep(0.1)
