"""Who announces which pool, and from which machines.  Shared by rules about load balancer addresses.

MetalLB's advertisements name pools or select them by label; Cilium's policies and BGP advertisements select Services,
whose labels may be anything, so that they may be for any pool.  Counterpart: `graph.network.lending`, which hands out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gatewright.graph.network.nodes import Cluster, Machine, Topology
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Selector
from gatewright.kinds.intents.places import AnnouncementIntent, PoolIntent

POOLS = ("IPAddressPool", "AddressPool", "CiliumLoadBalancerIPPool")
KINDS = ("L2Advertisement", "BGPAdvertisement", "CiliumL2AnnouncementPolicy", "CiliumBGPAdvertisement")
METALLB = "metallb"
HOSTNAME = "kubernetes.io/hostname"


def pools(sight: Sight) -> Iterator[PoolIntent]:
    """The pools that hand out addresses."""
    return (pool for kind in POOLS for pool in sight.all(kind, PoolIntent) if not pool.disabled and pool.ranges)


def every(sight: Sight) -> list[AnnouncementIntent]:
    """All announcements, also those that are not for load balancer addresses."""
    return [item for kind in KINDS for item in sight.all(kind, AnnouncementIntent)]


def concerns(item: AnnouncementIntent, pool: PoolIntent) -> bool:
    """Is the announcement for addresses of this pool, as far as pools decide it?"""
    if item.implementation != pool.implementation:
        return False
    if item.implementation != METALLB or not (item.pools or item.pool_selectors):
        return True
    labels = dict(pool.labels)
    return pool.key.name in item.pools or any(selector.matches(labels) for selector in item.pool_selectors)


def announcers(world: Topology, nodes: tuple[Selector, ...]) -> list[Machine]:
    """The machines that may answer.  Labels of which the map says nothing for any machine are not held against one."""
    cluster = _cluster(world)
    members = [world.machines[id_] for id_ in cluster.machines] if cluster is not None else []
    if not nodes:
        return members
    told = {HOSTNAME} | {key for machine in members for key, _ in machine.labels}
    for selector in nodes:
        keys = {key for key, _ in selector.labels} | {key for key, _, _ in selector.expressions}
        if not keys <= told:
            return []  # which of them are meant, nobody says
    chosen = (m for m in members if any(s.matches({HOSTNAME: m.name} | dict(m.labels)) for s in nodes))
    return list(chosen)


def _cluster(world: Topology) -> Cluster | None:
    """The cluster of the announcements: the only one of the map."""
    return next(iter(world.clusters.values())) if len(world.clusters) == 1 else None


def names(items: Iterable[AnnouncementIntent]) -> str:
    """Announcements in a sentence."""
    return " and ".join(dict.fromkeys(str(item.key) for item in items))
