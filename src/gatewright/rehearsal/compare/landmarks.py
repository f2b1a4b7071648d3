"""Who is where in a world: by which addresses it shows whom a client met."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeVar

from msgspec import Struct

from gatewright.graph.nodes import Backend
from gatewright.rehearsal.asking import EchoSeen, Observation
from gatewright.rehearsal.world import Role, World
from gatewright.trace.tunnels import service_key

Identity = tuple[str, str, int]
"""A Service's namespace and name, and the port."""

K = TypeVar("K")
V = TypeVar("V")

NOBODY: frozenset[str] = frozenset()


class Landmarks(Struct, frozen=True):
    """`doors`: gateways by the addresses that they listen at; `sources`: gateways by those that they connect from.

    `served`: for whom else an echo backend may answer, by its own account: Services with the same endpoints.
    `links`: the names of the links whose counters are read.
    """

    doors: Mapping[str, frozenset[str]]
    sources: Mapping[str, frozenset[str]]
    served: Mapping[Identity, frozenset[Identity]]
    links: frozenset[str] = NOBODY

    def first_gateways(self, seen: Observation) -> frozenset[str]:
        """The gateways at the address that was connected to; none: it is nobody's, or translated on the way."""
        return self.doors.get(seen.address, NOBODY)

    def last_gateways(self, seen: Observation) -> frozenset[str]:
        """The gateways that the backend may have been called by; none: by no gateway, or translated on the way."""
        return self.sources.get(seen.echo.peer, NOBODY) if seen.echo is not None else NOBODY

    def stands_for(self, echo: EchoSeen) -> frozenset[Identity]:
        """Whose backend it was that answered."""
        own = (echo.namespace, echo.service, echo.port)
        return self.served.get(own, frozenset()) | {own}


def landmarks(world: World, backends: Iterable[Backend]) -> Landmarks:
    """Those of a world.  `backends`: of the model's graph; their endpoints tell which Services share pods, a Service of
    type ExternalName with whoever answers where its name leads, which may be another Service."""
    doors: dict[str, set[str]] = defaultdict(set)
    sources: dict[str, set[str]] = defaultdict(set)
    roles = {space.name: space.role for space in world.spaces}
    for spot in world.gateways:
        for address in spot.addresses:
            doors[address].add(spot.gateway)
        for address in spot.sources if roles.get(spot.space) is not Role.MACHINE else ():
            sources[address].add(spot.gateway)  # behind the addresses of machines everybody's pods hide
    at: dict[tuple[str, int], set[Identity]] = defaultdict(set)
    called: dict[Identity, set[Identity]] = defaultdict(set)
    for backend in backends:
        serves = (backend.key.namespace, backend.key.name, backend.key.port)
        for endpoint in backend.endpoints:
            at[endpoint.address, endpoint.port].add(serves)
        for address in world.named.get(backend.dns_name, ()):
            at[address, backend.key.port].add(serves)
        within = service_key(backend.dns_name, backend.key.namespace) if backend.dns_name else None
        if within is not None:
            called[within.namespace, within.name, backend.key.port].add(serves)
    served: dict[Identity, set[Identity]] = defaultdict(set)
    for echo in world.echoes:
        own = (echo.service.namespace, echo.service.name, echo.service.port)
        served[own] |= at[echo.address, echo.port] | called[own]
    return Landmarks(_frozen(doors), _frozen(sources), _frozen(served), frozenset(world.links))


def _frozen(sets: Mapping[K, set[V]]) -> dict[K, frozenset[V]]:
    return {key: frozenset(values) for key, values in sets.items()}
