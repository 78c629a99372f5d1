"""Who may come in: the functions that WSGIAccessScript, WSGIAuthUserScript and WSGIAuthGroupScript ask (authentication.conf)."""

import hashlib
import hmac
import ipaddress

# For each user a salt, the scrypt digest of the password with it, and groups. Here both have the password "secret"; make
# digests of your own, with salts of your own, by
#   python3 -c 'import hashlib; print(hashlib.scrypt(b"secret", salt=b"some salt", n=2**12, r=8, p=1).hex())'
SECRET = (
    "116ce1dcdd0cee6b3b0b0306c9de052e19f721ed557cc688061722fecc6dbb77"
    "ef5965c35d05c6b014a9dd9a34cc57bf483d7576c8fb423988379f921e11ebbc"
)
USERS = {
    "ann": (b"some salt", SECRET, ["staff"]),
    "ben": (b"some salt", SECRET, ["guests"]),
}
NETWORKS = [ipaddress.ip_network(network) for network in ("127.0.0.0/8", "::1/128", "10.0.0.0/8")]


def allow_access(environ, host):
    """True or None to go on, False to refuse."""
    address = ipaddress.ip_address(environ["REMOTE_ADDR"])
    return any(address in network for network in NETWORKS)


def check_password(environ, user, password):
    """True, False, or None for a user that is not known."""
    if user not in USERS:
        return None
    salt, digest, _ = USERS[user]
    # httpd hands on the client's bytes as latin-1.
    found = hashlib.scrypt(password.encode("latin-1"), salt=salt, n=2**12, r=8, p=1)
    return hmac.compare_digest(found.hex(), digest)


def groups_for_user(environ, user):
    """The groups of a user whose password was right."""
    _, _, groups = USERS[user]
    return groups
