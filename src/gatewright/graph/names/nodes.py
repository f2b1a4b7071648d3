"""What names lead to: the contract of `graph.names`."""

from __future__ import annotations

import enum

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key

PUBLIC = "public"
"""The resolver that everybody has who has no other: it sees the public views of all zones, and nothing else."""


class Status(enum.StrEnum):
    """How a query ended.  EDGE: with the addresses of a CDN; UNREACHED: a resolver reaches nobody whom it may ask;
    UNKNOWN: the map does not know the zone."""

    ANSWER = "answer"
    EDGE = "edge"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"
    REFUSED = "refused"
    LOOP = "loop"
    UNREACHED = "unreached"
    UNKNOWN = "unknown"


class Edge(Struct, frozen=True):
    """A CDN that answers with its own addresses.  `zone` says how it treats the name; `origins` are the addresses or
    names that it connects to, or `tunnel` the id of the cloudflared that connects to it."""

    zone: Key
    provider: str
    name: str
    origin: Origin
    origins: tuple[str, ...] = ()
    tunnel: str = ""


class NameStep(Struct, frozen=True, gc=False):
    """One station of a resolution: who was asked, what it said, and the place in the input that made it say so."""

    resolver: str
    summary: str
    origin: Origin | None = None


class Resolution(Struct, frozen=True):
    """One way in which a query can be answered: every resolver of a list, and every upstream that may be the one.

    `resolver`: the id or address of the one that the client asked.  `asked` are all resolvers passed, in order.
    `addresses`: all of them may be used.  `canonical`: the name at the end of the CNAMEs.  `ttl` seconds.
    `zone`: whose record it was, when it was one's.
    """

    status: Status
    resolver: str
    asked: tuple[str, ...]
    steps: tuple[NameStep, ...]
    addresses: tuple[str, ...] = ()
    canonical: str = ""
    edge: Edge | None = None
    ttl: int = 0
    zone: Key | None = None
    origin: Origin | None = None
