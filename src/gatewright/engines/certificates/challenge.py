"""How control over a name is shown to a certificate authority: the values, and what solves them.

A solver puts up what the authority will look for and takes it down again, one value at a time: an apex and its
wildcard share one TXT name and have a value each (RFC 8555, 8.4).  Solvers block and run in threads.  Counterparts:
`orders`, which decides when; the runtime, which brings solvers for our own DNS and our own gateways.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

DNS = "dns-01"
HTTP = "http-01"


class Challenge(Struct, frozen=True):
    """One challenge.  `name`: the hostname without "*."; `record`: where its TXT record is looked for.

    `value` is the TXT record's value (dns-01) or the body (http-01) at /.well-known/acme-challenge/`token`.
    """

    type: str
    name: str
    record: str
    token: str
    value: str


class SolverError(Exception):
    """A challenge could not be put up; the message is for the user: what, where, what to do.  Holds no secrets."""


class ChallengeSolver(Protocol):
    """Puts challenges up.  Both methods may be called again for what is already so."""

    def present(self, challenges: Sequence[Challenge]) -> None:
        """Put them up, and return when whoever asks the authoritative servers sees them; else SolverError."""

    def remove(self, challenges: Sequence[Challenge]) -> None:
        """Take them down, those of others at the same name stay.  SolverError when that fails."""
