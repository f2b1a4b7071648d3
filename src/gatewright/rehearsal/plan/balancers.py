"""Load balancer Services that are no gateway's: a node that has one of their pods answers at their addresses.

It hands on to its own pods only, so that answers come back the same way and clients keep their addresses.  What a
Resolver answers at is its own (`plan.names`).  Counterpart: `doors`, for gateways.
"""

from __future__ import annotations

from collections import defaultdict

from gatewright.graph.network.addresses import allocations, service_of
from gatewright.graph.network.nodes import Cluster
from gatewright.graph.network.placement import home
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.material import ServiceIntent
from gatewright.kinds.intents.naming import ResolverIntent
from gatewright.rehearsal.plan.announcers import announcing
from gatewright.rehearsal.plan.clusters import joined
from gatewright.rehearsal.plan.clusters.announced import host
from gatewright.rehearsal.plan.clusters.joined import family
from gatewright.rehearsal.plan.clusters.pods import served
from gatewright.rehearsal.plan.clusters.services import Translation, spread
from gatewright.rehearsal.world import Chain, Draft, node


def plan(draft: Draft, sight: Sight) -> None:
    """Every address that a load balancer hands out and nobody has yet."""
    doors = {sight.ask(service_of, gateway_id) for gateway_id in sight.gateways()}
    resolvers = {address for one in sight.all("Resolver", ResolverIntent) for address in one.addresses}
    for key, allocation in sorted(sight.ask(allocations).items()):
        cluster = sight.ask(topology).clusters.get(sight.ask(home, key.namespace).cluster)
        service = sight.get(key, ServiceIntent)
        if cluster is None or service is None or key in doors:
            continue
        held = joined.holders(draft)
        for address in allocation.addresses:
            if address not in held and address not in resolvers:
                _lead(draft, sight, cluster, service, address)


def _lead(draft: Draft, sight: Sight, cluster: Cluster, service: ServiceIntent, address: str) -> None:
    homes = {a: one.machine for one in joined.of_cluster(draft, cluster) for a in one.addresses}
    by_node: dict[str, list[tuple[int, str, str, int]]] = defaultdict(list)
    for one in served(sight, service):
        if family(one.at.address) == family(address) and one.at.address in homes:
            target = (one.port.port, one.port.protocol.lower(), one.at.address, one.number)
            by_node[homes[one.at.address]].append(target)
    near = [node(id_) for id_ in announcing(draft, sight, cluster, address)]
    chosen = next((name for name in near if name in by_node), "")
    if not chosen:
        draft.note(f"no node with a pod of {service.key} announces {address}", service.origin)
        return
    space = draft.spaces[chosen]
    space.address(joined.segment_of(draft, chosen, address), host(address))
    ip = "ip6" if family(address) == 6 else "ip"
    for port, protocol in dict.fromkeys(found[:2] for found in by_node[chosen]):
        targets = tuple(found[2:] for found in by_node[chosen] if found[:2] == (port, protocol))
        text = (
            f"{ip} daddr {address} {protocol} dport {port} {spread(Translation(address, port, 0, protocol, targets))}"
        )
        for chain in (Chain.PREROUTING, Chain.NAT_OUTPUT):
            space.rule(chain, text)
