"""Hashes made by others (htpasswd, openssl, mkpasswd) are checked as they are."""

from __future__ import annotations

import base64
import hashlib

import bcrypt
import pytest
from passlib.hash import apr_md5_crypt, md5_crypt, sha256_crypt, sha512_crypt

from gatewright.base import htpasswd
from gatewright.engines.users.passwords import MOST_OCTETS, matches

PASSWORD = "pässword: with colon".encode()


def hashes() -> dict[str, bytes]:
    made = bcrypt.hashpw(PASSWORD, bcrypt.gensalt(4))
    return {
        "sha1": b"{SHA}" + base64.b64encode(hashlib.sha1(PASSWORD).digest()),
        "2a": made.replace(b"$2b$", b"$2a$"),
        "2b": made,
        "2y": made.replace(b"$2b$", b"$2y$"),
        "apr1": apr_md5_crypt.hash(PASSWORD).encode(),
        "md5": md5_crypt.hash(PASSWORD).encode(),
        "sha256": sha256_crypt.using(rounds=1000).hash(PASSWORD).encode(),
        "sha512": sha512_crypt.using(rounds=1000).hash(PASSWORD).encode(),
    }


@pytest.mark.parametrize("kind", sorted(hashes()))
def test_right_and_wrong(kind: str) -> None:
    hashed = hashes()[kind]
    assert htpasswd.usable(b"ada:" + hashed)
    assert matches(hashed, PASSWORD)
    assert not matches(hashed, PASSWORD + b"x")
    assert not matches(hashed, PASSWORD[:-1])
    assert not matches(hashed, b"")


@pytest.mark.parametrize(
    ("hashed", "password"),
    [
        # Made by `openssl passwd` and by crypt(3) of libxcrypt.
        (b"$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/", b"myPassword"),
        (b"$1$saltsalt$2vnaRpHa6Jxjz5n83ok8Z0", b"myPassword"),
        (b"$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC", b"myPassword"),
        (b"$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", b"Hello world!"),
        (
            b"$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
            b"Hello world!",
        ),
    ],
)
def test_hashes_that_others_made(hashed: bytes, password: bytes) -> None:
    assert matches(hashed, password)
    assert not matches(hashed, password + b".")


def test_what_can_be_nobodys_is_wrong() -> None:
    for hashed in (*hashes().values(), b"$2y$05$short", b"{PLAIN}x", b"x", b"", b"$9$x$y"):
        assert not matches(hashed, b"x" * (MOST_OCTETS + 1))
        assert not matches(hashed, b"a\0b")
        assert not matches(hashed, b"\xff\xfe")


def test_bcrypt_looks_at_72_octets() -> None:
    hashed = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4))
    assert matches(hashed, b"x" * 80)
    assert not matches(hashed, b"x" * 71)
