"""Does a resolver reach whom it asks?  A firewall outwards, a network without internet, or a link can be in between.

What the map does not say where it is is taken to be reached, as is whoever is asked by a resolver of unknown place.
Counterparts: `resolvers`, which asks; `network.ways`, which knows the way.
"""

from __future__ import annotations

from msgspec import structs

from gatewright.graph.names import servers
from gatewright.graph.names.servers import Server, ServerKind
from gatewright.graph.network import cidrs, spots
from gatewright.graph.network.nodes import Place
from gatewright.graph.network.outages import machines_down, resolvers_down
from gatewright.graph.network.stays import only, stays
from gatewright.graph.network.topology import topology
from gatewright.graph.network.ways import way
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import ResolverIntent

ANYCAST = ("9.9.9.9", "2620:fe::fe")
"""Stand for the public DNS, which is at many addresses of both families."""

PORTS = {"https": (443, "tcp"), "h3": (443, "udp"), "tls": (853, "tcp"), "quic": (853, "udp")}
PLAIN = (53, "udp")


def unreached(sight: Sight, asker: Key | Place | None, ref: str) -> str:
    """A question: why nothing that a resolver, or somebody at a place, sends to `ref` arrives; "" where it may."""
    if sight.ask(silent, ref):
        return sight.ask(silent, ref)
    from_ = sight.ask(places, asker) if isinstance(asker, Key) else (asker,) if asker is not None else ()
    port, protocol = PORTS.get(ref.partition("://")[0], PLAIN)
    ways = [
        sight.ask(way, place, address, port, protocol)
        for place in from_
        for address in _addresses(sight, servers.server(sight, ref), servers.address_of(ref))
    ]
    if any(one.reached or one.unknown for one in ways):
        return ""
    return next((one.reason for one in ways), "")


def silent(sight: Sight, ref: str) -> str:
    """A question: why whoever is meant by `ref` answers nobody, "" where he does."""
    key = sight.ask(servers.server, ref).key
    if key is None:
        return ""
    if key.name in sight.ask(resolvers_down):
        return f"{key.name} is down"
    gone = sight.ask(machines_down)
    where = [place.id for place in sight.ask(places, key) if place.kind == "machine"] if gone else []
    return f"{where[0]}, where {key.name} runs, is down" if where and gone.issuperset(where) else ""


def places(sight: Sight, key: Key) -> tuple[Place, ...]:
    """A question: where a resolver of the map runs: as it says, else on the machine or network of an address of it."""
    resolver = sight.get(key, ResolverIntent)
    if resolver is None:
        return ()
    if resolver.at is not None:
        seen = only(sight.ask(stays).resolvers.get(key.name))
        found = spots.places(sight, resolver.at)
        return tuple(structs.replace(one, machines=seen) if one.kind == "cluster" else one for one in found)
    known = sight.ask(topology)
    machines = dict.fromkeys(known.owners[address] for address in resolver.addresses if address in known.owners)
    if machines:
        return tuple(Place("machine", id_) for id_ in machines)
    held = [found for found in map(cidrs.address, resolver.addresses) if found is not None]
    networks = [
        id_
        for id_, network in known.networks.items()
        if any(one.version == net.version and one in net for net in network.cidrs for one in held)
    ]
    return tuple(Place("network", id_, resolver.addresses) for id_ in networks)


def _addresses(sight: Sight, who: Server, literal: str) -> tuple[str, ...]:
    """Where a resolver is asked; none: nobody knows."""
    if cidrs.address(literal) is not None:
        return (literal,)
    listed = sight.get(who.key, ResolverIntent) if who.key is not None else None
    if listed is not None and listed.addresses:
        return listed.addresses
    return ANYCAST if who.kind is ServerKind.PUBLIC else ()
