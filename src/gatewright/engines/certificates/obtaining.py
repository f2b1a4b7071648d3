"""The contract between the manager, which decides when, and who gets certificates: ACME, a CA of the user, itself.

Obtainers block and run in threads, several at once.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates.issued import Issued
from gatewright.graph.issuing import Wanted


class IssueError(Exception):
    """A certificate was not issued.  The message is one sentence for the user and holds no secrets.

    `retry_after`: how long the authority asks to wait, in seconds, None when it does not say.  `permanent`: no retry
    can help before something is changed (the names are refused by policy, the account is closed ...).
    """

    def __init__(self, message: str, retry_after: float | None = None, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.permanent = permanent


class Window(Struct, frozen=True):
    """When an authority wants a certificate renewed (RFC 9773): POSIX seconds; ask again after `ask_again` seconds."""

    start: float
    end: float
    ask_again: float


class Obtainer(Protocol):
    """Gets certificates from one issuer."""

    def obtain(self, wanted: Wanted, key: Sensitive) -> Issued:
        """A certificate for this private key (PEM).  IssueError when there is none; what was begun is taken up again
        by the next call for the same id and key."""

    def window(self, chain: bytes) -> Window | None:
        """When the authority wants this chain (PEM) renewed; None when it does not say.  Never raises IssueError."""
