"""What issuing leads to, as values for whoever serves, stores or reports certificates."""

from __future__ import annotations

import enum

from msgspec import Struct

from gatewright.base.sensitive import Sensitive
from gatewright.kinds.identity import Key


class Issued(Struct, frozen=True):
    """A certificate chain (PEM, leaf first, without the root) with its private key (PEM).  `ca` PEM: who signed it,
    for `ca.crt` of its Secret, b"" when not known."""

    chain: bytes
    key: Sensitive
    ca: bytes = b""


class State(enum.StrEnum):
    """READY: there is a certificate and it is not due; WAITING: the next attempt has a time; ISSUING: being got;
    FAILED: the last attempt failed, the next one has a time; UNUSABLE: cannot be had as described."""

    READY = "ready"
    WAITING = "waiting"
    ISSUING = "issuing"
    FAILED = "failed"
    UNUSABLE = "unusable"


class CertificateStatus(Struct, frozen=True):
    """How a wanted certificate stands.  Times are POSIX seconds, 0 for none; `failures` in a row, `message` the last
    one's sentence.  `not_after` is of the certificate in use, also while a newer one is being got."""

    id: str
    target: Key
    names: tuple[str, ...]
    issuer: Key
    state: State
    not_before: float = 0.0
    not_after: float = 0.0
    renew_at: float = 0.0
    next_attempt: float = 0.0
    failures: int = 0
    message: str = ""
    serial: str = ""
