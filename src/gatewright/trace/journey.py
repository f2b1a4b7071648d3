"""A request from a vantage to its end: names, ways, edges, gateways, backends, on every branch.

The contract of `gatewright trace --from` and of `check`'s matrix.  `journey` composes `graph.names`, `graph.network`
and `trace.walk`; it decides nothing itself.
"""

from __future__ import annotations

import enum

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.trace.hops import Hop, Outcome


class Limit(Struct, frozen=True, gc=False):
    """The smallest of its kind along a branch, the hop that sets it, and where that is written.  0: no limit."""

    value: float
    hop: str
    origin: Origin | None = None


class Limits(Struct, frozen=True, gc=False):
    """What a branch bears: seconds without traffic, octets of body, octets of a packet.  None: nobody says."""

    idle_timeout: Limit | None = None
    body: Limit | None = None
    mtu: Limit | None = None


class Trust(enum.StrEnum):
    """What the client makes of the certificate that it is shown."""

    NONE = "none"  # no TLS
    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"
    NAME_MISMATCH = "name-mismatch"
    EXPIRED = "expired"
    UNKNOWN = "unknown"  # made by a certificate engine, or passed through


class Branch(Struct, frozen=True):
    """One way in which the request can go.  `resolver` answered with `address`; `outcome` is how it ended.

    `gateways`, `links`, `resolvers`: what was passed, in order.
    """

    family: str
    resolver: str
    address: str
    hops: tuple[Hop, ...]
    outcome: Outcome
    limits: Limits = Limits()
    trust: Trust = Trust.NONE
    gateways: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    resolvers: tuple[str, ...] = ()


class Journey(Struct, frozen=True):
    """All branches of one request from one vantage, families in the vantage's order of preference."""

    vantage: str
    url: str
    branches: tuple[Branch, ...]
