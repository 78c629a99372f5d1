"""The header by which a client says who it is, for Basic and Digest authentication (RFC 7617 and RFC 7616)."""

import base64
import hashlib
import re


def to_bytes(text):
    """Text in UTF-8, and bytes as they are."""
    return text.encode() if isinstance(text, str) else text


def basic(user, password):
    """The header for Basic."""
    both = to_bytes(user) + b":" + to_bytes(password)
    return ("Authorization", f"Basic {base64.b64encode(both).decode()}")


def digest(challenge, method, target, user, password):
    """The answer to the challenge of a 401 that asks for Digest with MD5."""
    said = {name: quoted or bare for name, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', challenge)}
    realm, nonce, client_nonce, count = said["realm"], said["nonce"], "0a4f113b", "00000001"

    def hashed(*parts):
        return hashlib.md5(":".join(parts).encode()).hexdigest()

    response = hashed(hashed(user, realm, password), nonce, count, client_nonce, "auth", hashed(method, target))
    fields = {"username": user, "realm": realm, "nonce": nonce, "uri": target, "cnonce": client_nonce, "response": response}
    quoted = ", ".join(f'{name}="{value}"' for name, value in fields.items())
    return ("Authorization", f"Digest {quoted}, qop=auth, nc={count}, algorithm=MD5")
