"""A node announces load balancer addresses of a network that it is not on.

Announcing by layer 2 means to answer ARP and neighbour solicitations, which no router passes on.  A node elsewhere (the
cloud node of a cluster that spans sites, a node of another VLAN) answers nobody, or answers on the wrong segment; and
which node answers for an address is elected among all that may.  So the address works until a node restarts.

    kind: L2Advertisement
    metadata: {name: home, namespace: metallb-system}
    spec: {ipAddressPools: [home]}       # no nodeSelectors: the node in the cloud may answer for 192.168.178.50

Select the nodes of the segment: `nodeSelectors` in an L2Advertisement, `nodeSelector` in a CiliumL2AnnouncementPolicy,
by a label such as `topology.kubernetes.io/zone`.  Nodes with the label
`node.kubernetes.io/exclude-from-external-load-balancers` announce nothing.  BGP has no such limit.  Nothing is said
where the map has no network for the addresses' family, or where Helm values keep the speakers off some nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _announced, _names
from gatewright.graph.network import cidrs
from gatewright.graph.network.cidrs import Prefixes
from gatewright.graph.network.nodes import Machine, Topology
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.places import INTERNET, AddressRange, AnnouncementIntent, PoolIntent
from gatewright.kinds.intents.programs import HelmIntent

ID = "announced-outside-segment"
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
MOST = 3
"""How many nodes a message names."""


def check(sight: Sight) -> Iterable[Finding]:
    """Every layer 2 announcement against the networks of the nodes that may make it."""
    world = sight.ask(topology)
    if not world.known or _placed_by_chart(sight):
        return
    segments = Prefixes((net, n.id) for n in world.networks.values() if n.id != INTERNET for net in n.cidrs)
    every = [item for item in _announced.every(sight) if item.protocol == "l2" and item.load_balancer_ips]
    for pool in _announced.pools(sight):
        for item in every:
            if _announced.concerns(item, pool):
                yield from _judged(world, segments, pool, item, _announced.announcers(world, item.nodes))
        if pool.announced == "l2":
            yield from _judged(world, segments, pool, None, _announced.announcers(world, ()))


def _placed_by_chart(sight: Sight) -> bool:
    """Does a chart's value say on which nodes MetalLB runs?"""
    charts = sight.listed("charts", "metallb", HelmIntent)
    return any(word in chart.values for chart in charts for word in ('"nodeSelector"', '"affinity"'))


def _judged(
    world: Topology,
    segments: Prefixes[str],
    pool: PoolIntent,
    item: AnnouncementIntent | None,
    machines: list[Machine],
) -> Iterator[Finding]:
    able = [machine for machine in machines if dict(machine.labels).get(EXCLUDED) is None and machine.networks]
    if not able:
        return
    told: set[frozenset[str]] = set()
    for part in pool.ranges:
        value = cidrs.address(part.first)
        if value is None or not _has_family(world, able, value.version):
            continue
        homes = frozenset(segments.longest(value)[1])
        if (not homes and cidrs.is_global(value)) or homes in told:
            continue
        told.add(homes)
        away = [machine for machine in able if not homes & set(machine.networks)]
        if away:
            yield _finding(pool, item, part, sorted(homes), away, all_of_them=len(away) == len(able))


def _has_family(world: Topology, machines: list[Machine], version: int) -> bool:
    """Does the map tell of networks of this family where the nodes are?"""
    ids = {name for machine in machines for name in machine.networks if name != INTERNET}
    return any(net.version == version for name in ids for net in world.networks[name].cidrs)


def _finding(
    pool: PoolIntent,
    item: AnnouncementIntent | None,
    part: AddressRange,
    homes: list[str],
    away: list[Machine],
    *,
    all_of_them: bool,
) -> Finding:
    who = item.key if item is not None else pool.key
    names = [f"the node {machine.id}" for machine in away[:MOST]]
    if len(away) > MOST:
        names.append(f"{len(away) - MOST} more")
    where = f"{'they are' if len(away) > 1 else 'it is'} not on {' or '.join(homes)}"
    if not homes:
        where = "no network of the map has these addresses"
    origins: tuple[Origin, ...] = (*((item.origin,) if item else ()), part.origin, *(m.origin for m in away[:MOST]))
    return Finding(
        ID,
        Severity.ERROR if all_of_them and homes else Severity.WARNING,
        f"{who} lets {_names.listing(names)} announce {part.text} of {pool.key}, but {where}",
        "nobody on that segment finds the address" if all_of_them else "the address is dead whenever they are elected",
        "select the nodes of the segment in the announcement"
        if homes
        else "take addresses of a network that the nodes are on, or announce them by BGP",
        origins,
    )


RULE = Rule(ID, "a node that announces addresses of another network", Severity.ERROR, Scope.WORLD, __doc__, check)
