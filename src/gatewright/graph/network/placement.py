"""Where pods run, and what packets between two machines of one cluster pass.

Manifests rarely say on which node a pod is: what they leave open is open here too, and every machine that fits counts.
Counterparts: `reach`, which asks for gateways and backends; `ways`, which knows the links between sites.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.graph.network.nodes import Cluster, Machine, Mtu, Place, Step, StepKind, Topology, Way
from gatewright.graph.network.outages import machines_down
from gatewright.graph.network.topology import topology
from gatewright.graph.network.ways import way
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.places import SiteIntent

HOSTNAME = "kubernetes.io/hostname"

# How nodes carry each other's pod packets: protocol and port, several where network plugins differ.
CARRIERS = {
    "vxlan": (("udp", 8472), ("udp", 4789)),
    "geneve": (("udp", 6081),),
    "wireguard": (("udp", 51820), ("udp", 51871)),
}


class Home(Struct, frozen=True):
    """The cluster of a namespace's pods: their possible addresses as CIDRs, and its machines."""

    cluster: str
    machines: tuple[str, ...]
    pod_cidrs: tuple[str, ...]


class Crossing(Struct, frozen=True):
    """From some machines of a cluster to others.  `mtu` None: nobody says."""

    ok: bool
    steps: tuple[Step, ...] = ()
    reason: str = ""
    mtu: Mtu | None = None
    links: tuple[str, ...] = ()
    origins: tuple[Origin, ...] = ()


NOWHERE = Home("", (), ())


def clusters(sight: Sight) -> Mapping[str, Cluster]:
    """A question: the clusters alone, for those whom a change of links or firewalls does not concern."""
    return sight.ask(topology).clusters


def home(sight: Sight, namespace: str) -> Home:
    """Where the pods of a namespace run.  NOWHERE when no cluster is described, or several may be meant."""
    all_ = sight.ask(clusters).values()
    named = [cluster for cluster in all_ if namespace in cluster.namespaces]
    mine = named or [cluster for cluster in all_ if not cluster.namespaces]
    if len(mine) != 1:
        return NOWHERE
    return Home(mine[0].id, mine[0].machines, tuple(map(str, mine[0].pod_cidrs)))


def home_of(sight: Sight, address: str) -> Home:
    """A question: the cluster whose pods have such an address, NOWHERE when none or several have."""
    all_ = sight.ask(clusters).values()
    try:
        ip = ip_address(address)
    except ValueError:
        return NOWHERE  # an EndpointSlice may list names
    mine = [cluster for cluster in all_ if any(ip in net for net in cluster.pod_cidrs)]
    return Home(mine[0].id, mine[0].machines, tuple(map(str, mine[0].pod_cidrs))) if len(mine) == 1 else NOWHERE


def candidates(
    sight: Sight, cluster_id: str, node_name: str, node_selector: tuple[tuple[str, str], ...]
) -> tuple[str, ...]:
    """The machines of a cluster on which a pod may run.

    A label that the map gives to no machine says nothing, for the map need not repeat what nodes have.  Those that are
    down run nothing, unless all are.
    """
    machines = _members(sight, cluster_id)
    if node_name:
        return _up(sight, tuple(m.id for m in machines if m.name == node_name) or tuple(m.id for m in machines))
    told = {key for machine in machines for key, _ in machine.labels} | {HOSTNAME}
    wanted = {(key, value) for key, value in node_selector if key in told}
    fitting = tuple(m.id for m in machines if wanted <= {(HOSTNAME, m.name), *m.labels})
    return _up(sight, fitting or tuple(m.id for m in machines))


def crossing(sight: Sight, cluster_id: str, sources: tuple[str, ...], targets: tuple[str, ...]) -> Crossing:
    """From any of these machines to any of those, over the cluster's network between nodes.

    Machines on the same networks are in the same position, so one of them is asked for all.
    """
    world = sight.ask(topology)
    cluster = world.clusters.get(cluster_id)
    if cluster is None:
        return Crossing(True)
    step = Step(StepKind.CLUSTER, f"pod network of {cluster.id}", cluster.origin)
    steps, links, origins = [step], dict[str, None](), [cluster.origin]
    mtu = Mtu(cluster.mtu, f"pod network of {cluster.id}", cluster.origin)
    starts, ends = (positions(world, _up(sight, ids)) for ids in (sources, targets))
    for source, target in ((world.machines[a[0]], world.machines[b[0]]) for a in starts for b in ends):
        if source.site and target.site and source.site != target.site:
            found = _between(sight, source, target, cluster)
            if found is None or found.unknown:
                continue
            if not found.reached:
                why = f"pods on {source.id} do not reach pods on {target.id}: {found.reason}"
                blocked = (found.blocked_by,) if found.blocked_by else ()
                return Crossing(False, (step, *found.steps), why, mtu, tuple(links), (*origins, *blocked))
            steps += [one for one in found.steps if one not in steps]
            links.update(dict.fromkeys(found.links))
            if found.mtu is not None and found.mtu.value - cluster.overhead < mtu.value:
                hop = f"pod network of {cluster.id} over {found.mtu.hop}"
                mtu = Mtu(found.mtu.value - cluster.overhead, hop, found.mtu.origin)
    return Crossing(True, tuple(steps), "", mtu, tuple(links), tuple(origins))


def _up(sight: Sight, ids: tuple[str, ...]) -> tuple[str, ...]:
    """Those of these machines that are not down; all where none is left."""
    gone = sight.ask(machines_down)
    return (tuple(id_ for id_ in ids if id_ not in gone) or ids) if gone else ids


def encapsulation(sight: Sight, cluster_id: str) -> str:
    """How a cluster carries packets between its nodes, "" when nobody says."""
    site_name, _, name = cluster_id.partition("/")
    sites = (site for site in sight.all("Site", SiteIntent) if site.key.name == site_name)
    return next((spec.encapsulation for site in sites for spec in site.clusters if spec.name == name), "")


def _members(sight: Sight, cluster_id: str) -> list[Machine]:
    world = sight.ask(topology)
    cluster = world.clusters.get(cluster_id)
    return [world.machines[id_] for id_ in cluster.machines] if cluster else []


def positions(world: Topology, ids: Iterable[str]) -> list[tuple[str, ...]]:
    """Machines grouped by their position on the map: those on the same networks and links reach the same."""
    links: dict[str, list[str]] = defaultdict(list)
    for tunnel in world.tunnels:
        for joint in tunnel.joints:
            links[joint.place].append(tunnel.name)
    found: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for id_ in ids:
        machine = world.machines[id_]
        found.setdefault((machine.site, machine.networks or (id_,), tuple(links.get(id_, ()))), []).append(id_)
    return [tuple(group) for group in found.values()]


def _between(sight: Sight, source: Machine, target: Machine, cluster: Cluster) -> Way | None:
    """The best way from node to node; None where it cannot be told.

    WireGuard between nodes needs one of the two to reach the other, encapsulation without connections needs both.
    """
    kind = sight.ask(encapsulation, cluster.id)
    carriers = CARRIERS.get(kind)
    best = _best(sight, source, target, carriers or CARRIERS["vxlan"])
    if best is not None and not best.reached and kind == "wireguard":
        back = _best(sight, target, source, CARRIERS[kind])
        best = back if back is not None and back.reached else best
    # Which port would a firewall have to let through?  Where nobody says, nothing is held against it.
    return best if carriers or best is None or best.blocked_by is None else None


def _best(sight: Sight, source: Machine, target: Machine, carriers: Iterable[tuple[str, int]]) -> Way | None:
    """Through links before others, and any that arrives before one that does not.

    Which of its addresses a node goes by is the cluster's secret, so every one is tried.
    """
    start = Place("machine", source.id, source.addresses)
    ways = [
        sight.ask(way, start, address, port, protocol)
        for address in _addresses(sight, target)
        for protocol, port in carriers
    ]
    return min(ways, key=lambda one: (not one.reached, one.unknown, not one.links), default=None)


def _addresses(sight: Sight, machine: Machine) -> tuple[str, ...]:
    """All that a machine has, those of its tunnels first."""
    joints = (joint for tunnel in sight.ask(topology).tunnels for joint in tunnel.joints)
    own = (address for joint in joints if joint.place == machine.id for address in joint.addresses)
    return tuple(dict.fromkeys((*own, *machine.addresses)))
