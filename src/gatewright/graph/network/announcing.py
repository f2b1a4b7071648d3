"""Who is left to announce a load balancer's address on its segment when machines are down (ARP, neighbour discovery).

MetalLB's L2Advertisements and Cilium's policies may restrict it to some nodes.  Within the cluster nobody has to be
told: every node translates the addresses of Services.  Counterparts: `lending`, which hands out addresses; `walker`, to
which an address on a segment is there.
"""

from __future__ import annotations

from gatewright.graph.network import cidrs
from gatewright.graph.network.addresses import POOLS
from gatewright.graph.network.cidrs import Address
from gatewright.graph.network.nodes import Machine, Place
from gatewright.graph.network.outages import machines_down
from gatewright.graph.network.placement import HOSTNAME
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.places import AnnouncementIntent, PoolIntent

KINDS = ("L2Advertisement", "CiliumL2AnnouncementPolicy")


def unannounced(sight: Sight, place: Place, address: str) -> str:
    """A question: why nobody announces an address to a place; "" where somebody does, or nobody ever did."""
    gone = sight.ask(machines_down)
    value = cidrs.address(address) if gone else None
    if value is None:
        return ""
    pools = [pool for kind in POOLS for pool in sight.all(kind, PoolIntent) if _holds(pool, value)]
    items = [
        item
        for kind in KINDS
        for item in sight.all(kind, AnnouncementIntent)
        if item.protocol == "l2" and any(_concerns(item, pool) for pool in pools)
    ]
    known = sight.ask(topology)
    if place.kind == "cluster" or any(place.id in cluster.machines for cluster in known.clusters.values()):
        return ""
    members = [known.machines[id_] for cluster in known.clusters.values() for id_ in cluster.machines]
    able = {m.id for m in members if any(_may(item, m) for item in items) and _is_near(sight, m, value)}
    return f"{', '.join(sorted(able))} is down, and nobody else announces {address}" if able and able <= gone else ""


def _holds(pool: PoolIntent, value: Address) -> bool:
    ends = ((cidrs.address(span.first), cidrs.address(span.last)) for span in pool.ranges)
    return any(
        first is not None
        and last is not None
        and first.version == value.version
        and int(first) <= int(value) <= int(last)
        for first, last in ends
    )


def _concerns(item: AnnouncementIntent, pool: PoolIntent) -> bool:
    if not (item.pools or item.pool_selectors):
        return True
    return pool.key.name in item.pools or any(one.matches(dict(pool.labels)) for one in item.pool_selectors)


def _may(item: AnnouncementIntent, machine: Machine) -> bool:
    labels = {HOSTNAME: machine.name, **dict(machine.labels)}
    return not item.nodes or any(selector.matches(labels) for selector in item.nodes)


def _is_near(sight: Sight, machine: Machine, value: Address) -> bool:
    """Is it on a segment that holds the address?"""
    networks = sight.ask(topology).networks
    nets = (net for name in machine.networks for net in networks[name].cidrs)
    return any(net.version == value.version and value in net for net in nets)
