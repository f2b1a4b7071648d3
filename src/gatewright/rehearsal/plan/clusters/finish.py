"""What holds for all spaces of a cluster, once everybody who adds pods has: routes between nodes, the translation of
Service addresses where connections start, ports of nodes, and the way out.

Counterpart: `pods`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from gatewright.graph.network.nodes import Cluster, Net, Topology
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.rehearsal import ranges
from gatewright.rehearsal.plan.clusters import external, joined, overlay
from gatewright.rehearsal.plan.clusters.joined import Below, family
from gatewright.rehearsal.plan.clusters.services import Translation, spread, translations
from gatewright.rehearsal.world import Chain, Draft, SpaceDraft, node

MARK = "0x67"
"""Marks connections that came to a node's own port, and go back the way they came."""

LAST = 90
"""The rank of rules that come after those of policies."""


def finish(draft: Draft, sight: Sight) -> None:
    """Join the nodes, translate Services, and let pods out."""
    world = sight.ask(topology)
    external.plan(draft, sight)
    for cluster in world.clusters.values():
        pods = joined.of_cluster(draft, cluster)
        overlay.join(draft, sight, cluster, pods)
        table = list(translations(draft, sight, cluster, pods))
        machines = [draft.spaces[node(id_)] for id_ in cluster.machines]
        for space in (*machines, *(draft.spaces[one.space] for one in pods)):
            _translate(space, [one for one in table if one.address])
            _refuse_others(space, world, cluster)
        for space in machines:
            _node_ports(space, [one for one in table if one.node_port])
            _let_out(space, world, cluster, [one for one in pods if one.machine == space.name])


def _translate(space: SpaceDraft, table: Iterable[Translation]) -> None:
    """Service addresses, where connections start: by one map for each family and protocol, and a rule for each port
    that several pods share."""
    single: dict[tuple[int, str], list[str]] = defaultdict(list)
    for one in table:
        if len(one.targets) == 1:
            single[family(one.address), one.protocol].append(
                f"{one.address} . {one.port} : {one.targets[0][0]} . {one.targets[0][1]}"
            )
        elif one.targets:
            match = f"{joined.ip(one.address)} daddr {one.address} {one.protocol} dport {one.port}"
            space.rule(Chain.NAT_OUTPUT, f"{match} {spread(one)}")
    for (version, protocol), elements in single.items():
        ip = "ip6" if version == 6 else "ip"
        text = f"dnat {ip} to {ip} daddr . {protocol} dport map {{ {', '.join(elements)} }}"
        space.rule(Chain.NAT_OUTPUT, text)


def _node_ports(space: SpaceDraft, table: Iterable[Translation]) -> None:
    """Ports of Services that every node has; what is handed on to other nodes comes back the same way."""
    marked = False
    for one in table:
        if one.targets:
            ip = joined.ip(one.targets[0][0])
            match = f"meta nfproto ipv{6 if ip == 'ip6' else 4} fib daddr type local {one.protocol} dport"
            for chain in (Chain.PREROUTING, Chain.NAT_OUTPUT):
                space.rule(chain, f"{match} {one.node_port} meta mark set {MARK} {spread(one)}")
            marked = True
    if marked:
        space.rule(Chain.POSTROUTING, f"meta mark {MARK} masquerade", 40)


def _refuse_others(space: SpaceDraft, world: Topology, cluster: Cluster) -> None:
    """Service addresses that no Service has, and ports that it has not: refused, not sent on.  It is no route that
    says so, for a way is looked for before addresses are translated."""
    nets = [net for network in world.networks.values() for net in network.cidrs]
    for net in cluster.service_cidrs:
        if not any(net.version == other.version and net.overlaps(other) for other in nets):
            ip = "ip6" if net.version == 6 else "ip"
            space.rule(Chain.OUTPUT, f"{ip} daddr {net} reject with icmpx port-unreachable", LAST)


def _let_out(space: SpaceDraft, world: Topology, cluster: Cluster, pods: list[Below]) -> None:
    """What leaves the cluster has the address of its node; links of the pod network itself take pods as they are."""
    for version in (4, 6):
        sources = [a for one in pods for a in one.addresses if family(a) == version]
        if not sources:
            continue
        stays = [net for net in (*cluster.pod_cidrs, *_linked(world, cluster)) if net.version == version]
        inner = [ranges.network(a) for a in sources]
        ip = "ip6" if version == 6 else "ip"
        names = ", ".join(str(net) for net in joined.merged([*stays, *inner]))
        text = f"{ip} saddr {{ {', '.join(sorted(set(sources)))} }} {ip} daddr != {{ {names} }} masquerade"
        space.rule(Chain.POSTROUTING, text)


def _linked(world: Topology, cluster: Cluster) -> list[Net]:
    """What is reached through links that start at the pod network."""
    return [
        net
        for tunnel in world.tunnels
        if any(joint.place == cluster.id for joint in tunnel.joints)
        for joint in tunnel.joints
        if joint.place != cluster.id
        for net in joint.routes
    ]
