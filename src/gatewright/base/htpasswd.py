"""Lines of htpasswd files, `name:hash`, by the form of their hash.  Nothing is verified here.

Envoy checks `{SHA}` by itself; what else is known is checked by the `users` engine.  Passwords in plain text, the
DES hashes of old and whatever is spelt wrong are unknown: nobody could log in, so a rule with them is to be refused.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import blake2b, sha1
from typing import Final

MOST_COST: Final = 16
"""Of bcrypt, as a power of two: some seconds.  A higher one (31 is allowed) would take up to days for each guess."""
MOST_ROUNDS: Final = 10_000_000
"""Of crypt's SHA-2 hashes: some seconds."""

_NAME: Final = re.compile(rb"[^:\x00-\x1f\x7f]+")
_SHA1: Final = re.compile(rb"\{SHA\}[A-Za-z0-9+/]{27}=")
_BCRYPT: Final = re.compile(rb"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}")
_MD5: Final = re.compile(rb"\$(?:apr1|1)\$[./A-Za-z0-9]{0,8}\$[./A-Za-z0-9]{22}")
_SHA2: Final = re.compile(
    rb"\$(?:5\$(?:rounds=([0-9]{1,9})\$)?[./A-Za-z0-9]{0,16}\$[./A-Za-z0-9]{43}"
    rb"|6\$(?:rounds=([0-9]{1,9})\$)?[./A-Za-z0-9]{0,16}\$[./A-Za-z0-9]{86})"
)


def lines(text: bytes) -> tuple[bytes, ...]:
    """The lines of a file that are meant to be users: neither empty nor a comment."""
    found = (line.strip() for line in text.splitlines())
    return tuple(line for line in found if line and not line.startswith(b"#"))


def usable(line: bytes) -> bool:
    """Is it a user whose password can be checked, by Envoy or by asking?"""
    name, _, hashed = line.partition(b":")
    return _NAME.fullmatch(name) is not None and (_SHA1.fullmatch(hashed) is not None or _is_slow(hashed))


def of_password(name: bytes, password: bytes) -> bytes:
    """The line of a user whose password is known, hashed as Envoy checks it; b"" for a name that no line can have."""
    if _NAME.fullmatch(name) is None:
        return b""
    return name + b":{SHA}" + b64encode(sha1(password, usedforsecurity=False).digest())


def needs_asking(line: bytes) -> bool:
    """Is it a user whom Envoy cannot check: bcrypt ($2a$, $2b$, $2y$), apr1 or crypt ($1$, $5$, $6$)?"""
    name, _, hashed = line.partition(b":")
    return _NAME.fullmatch(name) is not None and _is_slow(hashed)


def asks(text: bytes) -> bool:
    """Has a file users whom Envoy cannot check?  Then all of them are asked about."""
    return any(needs_asking(line) for line in lines(text))


def digest(text: bytes, *more: str) -> str:
    """What stands for users (and what else decides) where they are spoken of: no two have the same, in any run."""
    made = blake2b(digest_size=16)
    for part in (text, *(one.encode() for one in more)):
        made.update(len(part).to_bytes(8) + part)
    return made.hexdigest()


def _is_slow(hashed: bytes) -> bool:
    if cost := _BCRYPT.fullmatch(hashed):
        return 4 <= int(cost[1]) <= MOST_COST
    if rounds := _SHA2.fullmatch(hashed):
        return 1000 <= int(rounds[1] or rounds[2] or 5000) <= MOST_ROUNDS
    return _MD5.fullmatch(hashed) is not None
