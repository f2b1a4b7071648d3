"""What is served of the zones: views with the clients that each is for, zones with their frame, record sets by name.

The DNS engine, the exports and the plans for public zones read the same values here that `zones.look` answers from, so
that a name is served as it was traced.  Questions:

- `views(sight) -> tuple[View, ...]`: every view that a Zone or a View names, the most specific clients decide
- `zones(sight) -> tuple[Zone, ...]`: every Zone with a usable domain, sorted by domain and view
- `owners(sight, zone) -> frozenset[str]`: the names that the Zone itself has records for, not those of routes
- `record_sets(sight, zone, name) -> tuple[Record, ...]`: what the zone has at this very name (wildcards are names),
  routes and external-dns included, without SOA; TTLs filled in; an ALIAS stays one
- `contents(sight, zone) -> dict[str, tuple[Record, ...]]`: all of it, names of routes included
- `problems(sight) -> tuple[Problem, ...]`: what keeps a zone or record from being served as it is written

Counterparts: `zones`, which looks one name up; `engines.dns`, which answers it over the network.
"""

from __future__ import annotations

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key
from gatewright.kinds.world import RateLimit, Secondary, TsigKey, UpdateGrant

OURS = "gatewright"
"""The provider of the zones that `gatewright run` serves in earnest."""


class View(Struct, frozen=True):
    """Who sees which zones.  `clients`: CIDRs, `listen`: addresses of ours; `origin` None: nobody described it.

    A view that nobody describes is for private addresses, and "public" for everybody else; of several private views
    without a description none is served (it could be shown to the wrong clients), which is a Problem.
    """

    name: str
    clients: tuple[str, ...]
    listen: tuple[str, ...] = ()
    client_subnet: bool = False
    keys: tuple[TsigKey, ...] = ()
    transfer_to: tuple[str, ...] = ()
    secondaries: tuple[Secondary, ...] = ()
    updates: tuple[UpdateGrant, ...] = ()
    rate_limit: RateLimit | None = RateLimit()
    origin: Origin | None = None


class Soa(Struct, frozen=True, gc=False):
    """The SOA without its serial, which is the server's (RFC 1035, 3.3.13): names without trailing dot, seconds."""

    primary: str
    mailbox: str
    refresh: int = 3600
    retry: int = 600
    expire: int = 1209600
    negative_ttl: int = 60


class Zone(Struct, frozen=True):
    """A zone without its records.  `id` is "domain/view", unique among the zones that are served."""

    key: Key
    origin: Origin
    domain: str
    view: str
    provider: str
    soa: Soa
    nameservers: tuple[str, ...]
    ttl: int = 300

    @property
    def id(self) -> str:
        return f"{self.domain}/{self.view}"

    @property
    def is_ours(self) -> bool:
        """Do we serve it, rather than somebody else?"""
        return self.provider == OURS
