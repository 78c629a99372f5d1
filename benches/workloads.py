"""What is asked for, and whether the answer is what the application itself says."""

import hashlib
import http.client
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

APPLICATIONS = Path(__file__).resolve().parent / "applications"

# With those that a client adds, the 20 headers of a browser.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.7,de;q=0.3",
    "Accept-Encoding": "gzip, deflate, br",
    "Referer": "http://app.example.test/previous/page?with=query&and=more",
    "Origin": "http://app.example.test",
    "DNT": "1",
    "Upgrade-Insecure-Requests": "1",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-User": "?1",
    "Cache-Control": "max-age=0",
    "Pragma": "no-cache",
    "X-Requested-With": "XMLHttpRequest",
    "X-Forwarded-Proto": "https",
    "X-Request-Id": "7b0a9a2e-4f53-4d7e-9f7a-1f0c5c1b2d3e",
    "X-CSRFToken": "Zk8s1fQ2bW9vXyLrT6mHc4pJ0aUeNdGi",
    "Cookie": "sessionid=3q2yz1x0w9v8u7t6s5r4q3p2o1n0m9l8; csrftoken=Zk8s1fQ2bW9vXyLrT6mHc4pJ0aUeNdGi; theme=dark; lang=en",
}


@dataclass(frozen=True)
class Workload:
    """A request that is made again and again."""

    name: str
    path: str
    about: str
    # Bytes of the request body; none for a GET.
    post: int = 0
    headers: dict = field(default_factory=dict, hash=False)
    connections: int = 16
    # So many virtual hosts take turns.
    hosts: int = 0


WORKLOADS = {
    it.name: it
    for it in (
        Workload("hello", "/hello", "13 bytes"),
        Workload("headers", "/hello", "13 bytes, 20 request headers with cookies", headers=BROWSER),
        Workload("body-10k", "/body-10k", "10 KB"),
        Workload("body-1m", "/body-1m", "1 MB"),
        Workload("stream", "/stream", "a generator, 100 pieces of 10 KB, no length"),
        Workload("upload-100k", "/upload", "100 KB are read", post=100 << 10),
        Workload("upload-10m", "/upload", "10 MB are read", post=10 << 20, connections=4),
        Workload("file-10m", "/file", "10 MB through wsgi.file_wrapper", connections=4),
        Workload("flask", "/flask", "Flask says hello"),
        Workload("django", "/django", "a Django view and template, 20 rows"),
    )
}


def stage(directory):
    """Put the application, and the file it sends, where every user can read it; its directory."""
    target = directory / "applications"
    shutil.copytree(APPLICATIONS, target, ignore=shutil.ignore_patterns("__pycache__"))
    (target / "file-10m").write_bytes(b"0123456789abcde\n" * (10 << 16))
    subprocess.run(["chmod", "-R", "a+rX", str(target)], check=True)
    return target


def answers(python, workloads):
    """What the application says to each: it is called by that Python, without a server."""
    asked = json.dumps([(it.path, it.post) for it in workloads])
    with tempfile.TemporaryDirectory() as directory:
        command = [python, str(stage(Path(directory)) / "answers.py")]
        done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{python} cannot run the application of the benchmark:\n{done.stderr}")
    return dict(zip((it.name for it in workloads), json.loads(done.stdout), strict=True))


def fetch(port, workload, host=None):
    """Status, type, length and digest of the body, as a server on that port answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        headers = {**workload.headers, **({"Host": host} if host else {})}
        connection.request("POST" if workload.post else "GET", workload.path, b"x" * workload.post or None, headers)
        response = connection.getresponse()
        body = response.read()
        return [response.status, response.getheader("Content-Type"), len(body), hashlib.sha256(body).hexdigest()]
    finally:
        connection.close()
