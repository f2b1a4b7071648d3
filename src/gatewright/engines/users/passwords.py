"""Passwords against their hashes.  Slow on purpose (up to seconds), so it is called in threads.

Counterpart: `gatewright.base.htpasswd`, which says what hashes are known at all.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

import bcrypt
from passlib.hash import apr_md5_crypt, md5_crypt, sha256_crypt, sha512_crypt

MOST_OCTETS: Final = 512
"""Of a password: the cost of some hashes rises with its length."""
_BCRYPT_OCTETS: Final = 72
"""What bcrypt looks at.  Programs that made the hashes cut longer passwords here, without a word."""

_CRYPT: Final = {b"$apr1$": apr_md5_crypt, b"$1$": md5_crypt, b"$5$": sha256_crypt, b"$6$": sha512_crypt}


def matches(hashed: bytes, password: bytes) -> bool:
    """Is it the password?  False, too, for a hash or a password that can belong to nobody."""
    if len(password) > MOST_OCTETS or b"\0" in password:
        return False
    if hashed.startswith(b"{SHA}"):
        digest = base64.b64encode(hashlib.sha1(password).digest())  # noqa: S324  (the user's choice)
        return hmac.compare_digest(hashed.removeprefix(b"{SHA}"), digest)
    try:
        if hashed.startswith(b"$2"):
            return bcrypt.checkpw(password[:_BCRYPT_OCTETS], hashed)
        for prefix, scheme in _CRYPT.items():
            if hashed.startswith(prefix):
                return bool(scheme.verify(password, hashed))
    except ValueError:
        pass
    return False
