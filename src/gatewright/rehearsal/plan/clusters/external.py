"""What answers outside of clusters for what ExternalName Services name.

Only where nobody else listens: a name may well lead to a gateway or to a port of a node's pods.  Where a name leads is
asked of the model, so that an echo backend is there; whether real clients come there is what a rehearsal finds out.
Counterpart: `pods`, for endpoints that are listed.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.engines.echo.service import EchoService
from gatewright.graph.names.resolvers import resolutions
from gatewright.graph.names.servers import cluster_resolver
from gatewright.graph.network import cidrs
from gatewright.graph.network.nodes import Place, Topology
from gatewright.graph.network.placement import home
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.places import INTERNET as THE_INTERNET
from gatewright.rehearsal import ranges
from gatewright.rehearsal.plan.clusters import joined
from gatewright.rehearsal.world import INTERNET, Draft, Echo, Role, default_routes, node


class Wanted(Struct, frozen=True):
    """A host and port that a Service stands for."""

    key: Key
    host: str
    port: int
    cluster: str
    origin: Origin


def plan(draft: Draft, sight: Sight) -> None:
    """An echo backend for each that nobody answers at."""
    taken = {(echo.address, echo.port) for echo in draft.echoes}
    for spot in draft.gateways:
        gateway = sight.gateway(spot.gateway)
        ports = gateway.ports if gateway is not None else ()
        taken.update((address, port.number) for address in spot.addresses for port in ports)
    for one in _wanted(sight):
        addresses = _addresses(sight, one)
        draft.named[one.host] = tuple(dict.fromkeys((*draft.named.get(one.host, ()), *addresses)))
        for address in addresses:
            space = "" if (address, one.port) in taken else _space(draft, sight, one, address)
            if space:
                taken.add((address, one.port))
                identity = EchoService(one.key.namespace, one.key.name, one.port)
                draft.echoes.append(Echo(space, address, one.port, identity))


def _wanted(sight: Sight) -> Iterator[Wanted]:
    for service in ranges.services(sight):
        if service.type == "ExternalName":
            cluster = sight.ask(home, service.key.namespace).cluster
            for port in service.ports:
                if port.protocol == "TCP":
                    yield Wanted(service.key, service.external_name, port.port, cluster, service.origin)


def _addresses(sight: Sight, one: Wanted) -> tuple[str, ...]:
    if cidrs.address(one.host) is not None:
        return (one.host,)
    place = Place("cluster", one.cluster) if one.cluster else Place("network", THE_INTERNET)
    resolvers = (sight.ask(cluster_resolver, one.cluster),) if one.cluster else ()
    found = (sight.ask(resolutions, resolvers, one.host, kind, place) for kind in ("A", "AAAA"))
    return tuple(dict.fromkeys(a for answers in found for answer in answers for a in answer.addresses))


def _space(draft: Draft, sight: Sight, one: Wanted, address: str) -> str:
    """Where an address is: with whoever has it, else a host of its own; "" where only the model would be asked."""
    world: Topology = sight.ask(topology)
    value = cidrs.address(address)
    owner = world.owners.get(address)
    held = node(owner) if owner is not None else joined.holders(draft).get(address, "")
    if held or value is None:
        return held if held.startswith(("node:", "host:")) else ""
    return host(draft, world, address, one.origin)


def host(draft: Draft, world: Topology, address: str, origin: Origin) -> str:
    """A machine that the map has no node for, on the network that holds its address, or on the internet; "" where
    neither has it."""
    value = cidrs.address(address)
    if value is None:
        return ""
    name = f"host:{address}"
    for network in world.networks.values():
        net = next((net for net in network.cidrs if net.version == value.version and value in net), None)
        if net is not None and network.id in draft.networks:
            space = draft.space(name, Role.SERVER, origin)
            device = draft.join(network.id, space, (f"{value}/{net.prefixlen}",), network.mtu)
            default_routes(space, device)
            return name
    if not cidrs.is_global(value):
        return ""
    space = draft.space(name, Role.SERVER, origin)
    device, _ = draft.uplink(space, draft.spaces[INTERNET], (str(value),))
    default_routes(space, device)
    return name
