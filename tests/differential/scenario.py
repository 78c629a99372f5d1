"""What a scenario is made of: an application, lines of configuration, and the bytes that a client sends.

In the bytes `$SCRIPT` is the path of the scenario's application in URLs; in the configuration `$FILE` is its file too.
"""

from dataclasses import dataclass, field

@dataclass(frozen=True)
class Scenario:
    """Steps on one connection, opened anew when the server closed it."""

    name: str
    application: str
    steps: tuple
    location: str = ""
    config: str = ""
    # The modes do not show the same to this application, which is what it is for (`mod_wsgi.process_group`).
    modes_differ: bool = False
    # Whether the body has a length or is chunked is compared too, and not only whether it is complete.
    exact_framing: bool = False
    # The frames of tracebacks are compared too, and not only the exceptions.
    exact_tracebacks: bool = False
    # A directive which this module may not have yet; without it the scenario is skipped.
    needs: str = ""
    # A script with this name instead of `<name>.wsgi`.
    file: str = ""
    # What of a run is not compared, because mod_wsgi itself does not do it the same twice.
    ignore: tuple = ()
    topic: str = field(default="", compare=False)

    @property
    def id(self):
        """Its name among all."""
        return f"{self.topic}-{self.name}"

    @property
    def script(self):
        """The name of its script."""
        return self.file or f"{self.id}.wsgi"


@dataclass(frozen=True)
class Pipeline:
    """Several requests in one piece."""

    requests: tuple


@dataclass(frozen=True)
class Broken:
    """A request whose answer is broken off, and may leave the client waiting: the next one is sent at once."""

    data: bytes


@dataclass(frozen=True)
class Expect:
    """The head of a request that expects 100-continue; the body goes out when the server says so."""

    head: bytes
    body: bytes


@dataclass(frozen=True)
class Abort:
    """A request of which the rest never comes: the client ends its side of the connection."""

    data: bytes


@dataclass(frozen=True)
class Write:
    """The script is replaced; by one with this modification time when it is given."""

    source: str
    seconds: int = 0


@dataclass(frozen=True)
class Remove:
    """The script is deleted."""


def request(method, target="", *headers, body=None, version="1.1", host="differential.example"):
    """The bytes of a request; the target comes after the script's path, but for one that begins with `!`."""
    target = target[1:] if target.startswith("!") else "$SCRIPT" + target
    lines = [f"{method} {target} HTTP/{version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += headers
    if body is not None and not any(line.lower().startswith(("content-length:", "transfer-encoding:")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def get(target="", *headers, **rest):
    """A GET request."""
    return request("GET", target, *headers, **rest)


def post(body, target="", *headers, **rest):
    """A POST request."""
    return request("POST", target, *headers, body=body, **rest)


def chunked(*parts, end=b"0\r\n\r\n"):
    """A chunked body."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + end


def post_chunked(body, target="", *headers, **rest):
    """A POST request whose body is chunked already."""
    return request("POST", target, "Transfer-Encoding: chunked", *headers, body=body, **rest)


def shown(*expressions, imports="", before="pass"):
    """An application that shows what each of these expressions gives."""
    return f"""
{imports}
def application(environ, start_response):
    {before}
    results = []
    for call in [{", ".join("lambda: " + expression for expression in expressions)}]:
        try:
            results.append(repr(call()))
        except Exception as error:
            results.append(type(error).__name__)
    start_response("200 OK", [])
    return ["\\n".join(results).encode()]
"""
