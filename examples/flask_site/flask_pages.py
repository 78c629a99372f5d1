"""A Flask site: a form, a session, an upload which comes back, a stream."""

import io
import secrets
import time

from flask import Flask, Response, redirect, render_template, request, send_file, session, url_for

app = Flask(__name__)
# Good for one process: sessions end when it is replaced. A real site reads its key from a file.
app.secret_key = secrets.token_bytes(32)


@app.get("/")
def index():
    session["visits"] = session.get("visits", 0) + 1
    group = request.environ.get("mod_wsgi.process_group")
    return render_template("index.html", visits=session["visits"], words=session.get("words"), process_group=group)


@app.post("/say")
def say():
    session["words"] = request.form["words"]
    return redirect(url_for("index"))


@app.post("/upload")
def upload():
    """The file comes back as a download."""
    file = request.files["file"]
    return send_file(io.BytesIO(file.read()), download_name=file.filename, as_attachment=True)


@app.get("/json")
def as_json():
    return {"path": request.path, "root": request.script_root, "arguments": request.args}


@app.get("/stream")
def stream():
    def lines():
        for number in range(10):
            yield f"line {number}\n"
            time.sleep(0.1)

    return Response(lines(), mimetype="text/plain")
