"""Lines of htpasswd files are known by the form of their hash."""

from __future__ import annotations

import pytest

from gatewright.base import htpasswd

SHA = b"ada:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="
BCRYPT = b"ada:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC"
APR1 = b"ada:$apr1$NJVbWx1H$.RX2gjwJF/v/e1zenJGxe0"
MD5 = b"ada:$1$f1hBNZn8$VHsSYVU8YGpGXvs36.4E01"
SHA256 = b"ada:$5$rounds=535000$hWBRLVkMEMjuRyFn$d.vO.p5yDDYqU5axvCiSm/y9s.CO4YIOK.8YJUpLRv6"
SHA512 = (
    b"ada:$6$82PNJjpGSQUmhFgs$ERvcqMEEl3qRisilkew.R2mND4sGOnLW05yQIADupb/tIHMiNWmjg1iGOx9VSvfgWGz6sq.otgE9s9OwG6OeP1"
)


def test_envoy_checks_sha1_by_itself() -> None:
    assert htpasswd.usable(SHA)
    assert not htpasswd.needs_asking(SHA)


@pytest.mark.parametrize("line", [BCRYPT, BCRYPT.replace(b"2y", b"2a"), APR1, MD5, SHA256, SHA512])
def test_slow_hashes_are_asked_about(line: bytes) -> None:
    assert htpasswd.usable(line)
    assert htpasswd.needs_asking(line)


@pytest.mark.parametrize(
    "line",
    [
        b"ada",
        b"ada:",
        b"ada:secret",
        b"ada:{PLAIN}secret",
        b"ada:{SHA}short=",
        b"ada:rqXexS6ZhobKA",  # DES
        b":" + SHA.partition(b":")[2],
        SHA + b":more",
        BCRYPT[:-1],
        BCRYPT.replace(b"$05$", b"$31$"),
        BCRYPT.replace(b"$05$", b"$03$"),
        SHA256.replace(b"535000", b"999999999"),
        SHA256.replace(b"$5$", b"$6$"),
        APR1 + b"\n",
    ],
)
def test_what_cannot_be_checked_is_unknown(line: bytes) -> None:
    assert not htpasswd.usable(line)
    assert not htpasswd.needs_asking(line)


def test_comments_and_empty_lines_are_no_users() -> None:
    assert htpasswd.lines(b"# staff\n\n" + SHA + b"  \r\n" + APR1) == (SHA, APR1)


def test_a_user_whose_password_is_known() -> None:
    line = htpasswd.of_password(b"ann", b"secret")
    assert line == b"ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="
    assert htpasswd.usable(line)
    assert not htpasswd.of_password(b"a:b", b"secret")
    assert not htpasswd.of_password(b"", b"secret")
