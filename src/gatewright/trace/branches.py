"""Branches: the ways in which one request can go from its vantage to its end.

The values that `journey` answers with, and the `Trail` on which it collects one of them.  Counterpart: `hops`, which
has what a single station is.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.trace.hops import Hop, HopKind, Outcome, OutcomeKind


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


NO_LIMITS = Limits()


def smaller(one: Limit | None, other: Limit | None) -> Limit | None:
    """The tighter of two limits; the earlier one where they are equal."""
    if one is None or other is None:
        return one or other
    if not other.value or (one.value and one.value <= other.value):
        return one
    return other


def tightest(one: Limits, other: Limits) -> Limits:
    """The tighter limit of each kind."""
    if other is NO_LIMITS or one is other:
        return one
    if one is NO_LIMITS:
        return other
    return Limits(
        smaller(one.idle_timeout, other.idle_timeout), smaller(one.body, other.body), smaller(one.mtu, other.mtu)
    )


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

    `gateways`, `links`, `resolvers`: what was passed, in order.  `redirects`: the locations that the client was sent
    to and followed, with the status of each; `turned`: how many of `gateways` it had passed before the last.
    """

    family: str
    resolver: str
    address: str
    hops: tuple[Hop, ...]
    outcome: Outcome
    limits: Limits = NO_LIMITS
    trust: Trust = Trust.NONE
    gateways: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    resolvers: tuple[str, ...] = ()
    redirects: tuple[tuple[int, str], ...] = ()
    turned: int = 0


class Journey(Struct, frozen=True):
    """All branches of one request from one vantage, families in the vantage's order of preference."""

    vantage: str
    url: str
    branches: tuple[Branch, ...]


class Trail:
    """A branch as it grows: what was passed so far.  Forked where the request can go several ways."""

    __slots__ = ("address", "family", "gateways", "hops", "limits", "links", "redirects", "resolver", "resolvers",
                 "trust", "turned")  # fmt: skip

    def __init__(self, family: str) -> None:
        self.family = family
        self.resolver = ""
        self.address = ""
        self.hops: tuple[Hop, ...] = ()
        self.limits = NO_LIMITS
        self.trust = Trust.NONE
        self.gateways: tuple[str, ...] = ()
        self.links: tuple[str, ...] = ()
        self.resolvers: tuple[str, ...] = ()
        self.redirects: tuple[tuple[int, str], ...] = ()
        self.turned = 0

    def fork(self) -> Trail:
        """The same way so far, to go on differently."""
        other = Trail.__new__(Trail)
        other.family, other.resolver, other.address = self.family, self.resolver, self.address
        other.hops, other.limits, other.trust = self.hops, self.limits, self.trust
        other.gateways, other.links, other.resolvers = self.gateways, self.links, self.resolvers
        other.redirects, other.turned = self.redirects, self.turned
        return other

    def hop(self, kind: HopKind, summary: str, origin: Origin | None = None, details: tuple[str, ...] = ()) -> None:
        self.hops += (Hop(kind, summary, origin, details),)

    def passed(self, hops: Iterable[Hop], limits: Limits = NO_LIMITS, links: tuple[str, ...] = ()) -> None:
        """Stations that were worked out elsewhere."""
        self.hops += tuple(hops)
        self.limits = tightest(self.limits, limits)
        self.links += links

    def end(self, outcome: Outcome) -> Branch:
        return Branch(
            self.family, self.resolver, self.address, self.hops, outcome, self.limits, self.trust,
            self.gateways, self.links, self.resolvers, self.redirects, self.turned,
        )  # fmt: skip

    def fails(self, kind: OutcomeKind, reason: str, status: int = 0) -> Branch:
        """End here because of `reason`, at no gateway."""
        return self.end(Outcome(kind, status, reason, gateway=self.gateways[-1] if self.gateways else None))
