"""The listeners of one gateway, indexed: by name, and by the hostnames that they own on their port.

A gateway may have thousands of listeners (one ListenerSet per tenant).  A route or VirtualHost reads only the few that
concern it, so each entry here is a token of its own, and `differing` tells which of them a change touches.
Counterpart: `objects.View`, through which resolutions read this.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping
from typing import TypeVar

from msgspec import structs

from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.graph.nodes import Family, Gateway, Listener
from gatewright.kinds.intents.routing import Protocol

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Place = tuple[int, str, str]
"""(port, what is spoken: one of the three below, hostname)."""

PLAIN, TLS, UDP = "plain", "tls", "udp"


class Listeners:
    """A read-only index over the listeners of a gateway; those in conflict own nothing."""

    def __init__(self, listeners: tuple[Listener, ...] = ()) -> None:
        self.named: dict[str, Listener] = {item.name: item for item in listeners}
        self.owners: dict[Place, str] = {}
        secured: dict[int, set[str]] = defaultdict(set)
        for item in listeners:
            if not item.conflict:
                self.owners.setdefault((item.port, _spoken(item), item.hostname), item.name)
                if item.tls:
                    secured[item.port].add(item.hostname)
        self.secured: dict[int, tuple[str, ...]] = {port: tuple(sorted(names)) for port, names in secured.items()}

    def owner(self, port: int, spoken: str, hostname: str, depth: Depth) -> str | None:
        """The listener that a hostname belongs to: the most specific one of that port that covers it (GEP-3567)."""
        places = ((port, spoken, pattern) for pattern in hostnames.parents(hostname, depth))
        return next((self.owners[place] for place in places if place in self.owners), None)


def _spoken(listener: Listener) -> str:
    if listener.protocol is Protocol.UDP:
        return UDP
    return TLS if listener.tls else PLAIN


def spoken(family: Family) -> str:
    """What a VirtualHost's listener has to speak."""
    if family is Family.UDP:
        return UDP
    return PLAIN if family in (Family.HTTP, Family.TCP) else TLS


def differing(gateway_id: str, before: Listeners, after: Listeners) -> set[Hashable]:
    """The tokens of what is not the same in two versions of a gateway's listeners."""
    tokens: set[Hashable] = {("listener", gateway_id, name) for name in _differing(before.named, after.named)}
    tokens |= {("owner", gateway_id, *place) for place in _differing(before.owners, after.owners)}
    tokens |= {("secured", gateway_id, port) for port in _differing(before.secured, after.secured)}
    return tokens


def _differing(before: Mapping[K, V], after: Mapping[K, V]) -> set[K]:
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def door(gateway: Gateway) -> Gateway:
    """A gateway without its listeners: what of it concerns every route alike."""
    return structs.replace(gateway, listeners=(), ports=())
