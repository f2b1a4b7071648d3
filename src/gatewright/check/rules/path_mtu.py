"""An MTU that is larger than what carries it leaves.

Every encapsulation takes its share: WireGuard 60 octets of an IPv4 packet (80 of an IPv6 one), VXLAN 50, and they add
up where one runs inside of another.  Small packets pass, so that connections open and log-ins work; the first full
packet is dropped, and page loads and TLS handshakes hang.  Below 1280 octets IPv6 does not work at all (RFC 8200,
section 5).

    kind: Link
    metadata: {name: inner}
    spec: {type: WireGuard, mtu: 1420, ...}      # and its endpoint is reached over another WireGuard link of 1420

Lower the inner one: at most the outer MTU less the overhead, so 1360 here; or `mtu` of the cluster, and the same
in its network plugin.  MTUs that nobody writes down are derived, and derived ones fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _names
from gatewright.graph.network.carriers import OVERHEAD, USUAL_PORT
from gatewright.graph.network.nodes import Cluster, Mtu, Place, Topology, Tunnel
from gatewright.graph.network.placement import crossing
from gatewright.graph.network.routing import endpoint_address, endpoint_port
from gatewright.graph.network.topology import topology
from gatewright.graph.network.ways import way
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.places import ClusterSpec, SiteIntent

ID = "path-mtu"
LEAST = 1280
OVER_6 = 20
"""What an IPv6 header is longer than one of IPv4."""


def check(sight: Sight) -> Iterable[Finding]:
    """Links, then clusters, whose MTU somebody wrote down."""
    world = sight.ask(topology)
    explicit = {link.key.name for link in world.links if link.mtu}
    for tunnel in world.tunnels:
        if tunnel.name in explicit or tunnel.mtu_origin != tunnel.origin:
            yield from _carried(sight, tunnel)
            yield from _too_small(tunnel)
    for site in sight.all("Site", SiteIntent):
        for spec in site.clusters:
            cluster = world.clusters.get(f"{site.key.name}/{spec.name}")
            if spec.overlay_mtu and cluster is not None:
                yield from _of_cluster(sight, world, spec, cluster)


# --- links --------------------------------------------------------------------------------------


def _carried(sight: Sight, tunnel: Tunnel) -> Iterator[Finding]:
    """Over what one end dials another."""
    for end in tunnel.joints:
        address = endpoint_address(end)
        start = next((joint.place for joint in tunnel.joints if joint.place != end.place), None)
        if address is None or start is None or start not in sight.ask(topology).machines:
            continue
        port = endpoint_port(end) or USUAL_PORT.get(tunnel.type, 0)
        found = sight.ask(way, Place("machine", start), str(address), port, "udp")
        if found.mtu is None or not found.reached or tunnel.name in found.links:
            continue
        overhead = OVERHEAD.get(tunnel.type, 0) + (OVER_6 if address.version == 6 else 0)
        if overhead and tunnel.mtu > found.mtu.value - overhead:
            said = f"the link {tunnel.name} has an MTU of {tunnel.mtu}"
            fix = f"set its MTU to {found.mtu.value - overhead}"
            yield _finding(said, found.mtu, overhead, fix, tunnel.mtu_origin)
            return


def _too_small(tunnel: Tunnel) -> Iterator[Finding]:
    sixes = any(":" in text for joint in tunnel.joints for text in joint.addresses)
    sixes = sixes or any(net.version == 6 for joint in tunnel.joints for net in joint.routes)
    if tunnel.mtu < LEAST and sixes:
        yield Finding(
            ID,
            Severity.ERROR,
            f"the link {tunnel.name} has an MTU of {tunnel.mtu} and carries IPv6, which needs {LEAST}",
            "IPv6 over this link does not work at all",
            f"set its MTU to {LEAST} or more, or carry IPv4 only",
            (tunnel.mtu_origin,),
        )


# --- clusters -----------------------------------------------------------------------------------


def _of_cluster(sight: Sight, world: Topology, spec: ClusterSpec, cluster: Cluster) -> Iterator[Finding]:
    said = f"the pod network of {cluster.id} has an MTU of {spec.overlay_mtu}"
    networks = [world.networks[name] for id_ in cluster.machines for name in world.machines[id_].networks]
    under = min(networks, key=lambda network: network.mtu, default=None)
    if under is not None and spec.overlay_mtu > under.mtu - cluster.overhead:
        mtu = Mtu(under.mtu, f"the network {under.id}", under.origin)
        fix = f"set its mtu to {under.mtu - cluster.overhead}, there and in the network plugin"
        yield _finding(said, mtu, cluster.overhead, fix, spec.origin)
        return
    over = sight.ask(crossing, cluster.id, cluster.machines, cluster.machines)
    if over.mtu is not None and over.mtu.value < spec.overlay_mtu:
        carrier = Mtu(over.mtu.value + cluster.overhead, over.mtu.hop.rpartition(" over ")[2], over.mtu.origin)
        fix = f"set its mtu to {over.mtu.value}, there and in the network plugin"
        yield _finding(said, carrier, cluster.overhead, fix, spec.origin)


def _finding(said: str, carrier: Mtu, overhead: int, fix: str, origin: Origin) -> Finding:
    left = f"{carrier.value} - {overhead} = {carrier.value - overhead}" if overhead else str(carrier.value)
    return Finding(
        ID,
        Severity.WARNING,
        f"{said}, but {carrier.hop}, which carries it, leaves {left}",
        "small packets pass and full ones are dropped, so that connections open and then hang",
        fix,
        _names.places(origin, carrier.origin),
    )


RULE = Rule(ID, "an MTU that does not fit into what carries it", Severity.WARNING, Scope.WORLD, __doc__, check)
