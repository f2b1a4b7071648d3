"""Which nodes announce a load balancer's address on their segment: MetalLB's L2Advertisements and Cilium's policies.

Only what restricts nodes counts here; whether an address is announced at all is the model's to say (`check`).
Counterpart: `doors`.
"""

from __future__ import annotations

from gatewright.graph.network import cidrs
from gatewright.graph.network.addresses import POOLS
from gatewright.graph.network.nodes import Cluster, Machine
from gatewright.graph.network.placement import HOSTNAME
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Selector
from gatewright.kinds.intents.places import AnnouncementIntent, PoolIntent
from gatewright.rehearsal.plan.clusters import joined
from gatewright.rehearsal.world import Draft, node

KINDS = ("L2Advertisement", "CiliumL2AnnouncementPolicy")


def announcers(sight: Sight, cluster: Cluster, address: str) -> tuple[str, ...]:
    """The machines of a cluster that may announce an address; all of them where nothing restricts it."""
    pools = [pool for kind in POOLS for pool in sight.all(kind, PoolIntent) if _holds(pool, address)]
    concerning = [
        intent
        for kind in KINDS
        for intent in sight.all(kind, AnnouncementIntent)
        if intent.protocol == "l2" and _announces(intent, pools)
    ]
    if not concerning or any(not intent.nodes for intent in concerning):
        return cluster.machines
    machines = [sight.ask(topology).machines[id_] for id_ in cluster.machines]
    selectors = [selector for intent in concerning for selector in intent.nodes]
    return tuple(m.id for m in machines if any(selector.matches(_labels(m)) for selector in selectors))


def announcing(draft: Draft, sight: Sight, cluster: Cluster, address: str) -> list[str]:
    """The machines of a cluster that announce an address: those that may, of those on a segment that holds it."""
    on = [id_ for id_ in cluster.machines if joined.segment_of(draft, node(id_), address)]
    may = set(announcers(sight, cluster, address))
    return [id_ for id_ in on if id_ in may] or on


def _labels(machine: Machine) -> dict[str, str]:
    return {HOSTNAME: machine.name, **dict(machine.labels)}


def _holds(pool: PoolIntent, address: str) -> bool:
    value = cidrs.address(address)
    if value is None:
        return False
    ends = [(cidrs.address(written.first), cidrs.address(written.last)) for written in pool.ranges]
    return any(
        first is not None
        and last is not None
        and first.version == value.version
        and int(first) <= int(value) <= int(last)
        for first, last in ends
    )


def _announces(intent: AnnouncementIntent, pools: list[PoolIntent]) -> bool:
    """Is it about one of these pools?  One that names no pools is about all."""
    if not intent.pools and not intent.pool_selectors:
        return True
    return any(pool.key.name in intent.pools or _selected(intent.pool_selectors, pool) for pool in pools)


def _selected(selectors: tuple[Selector, ...], pool: PoolIntent) -> bool:
    return any(selector.matches(dict(pool.labels)) for selector in selectors)
