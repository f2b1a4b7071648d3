"""Packets between pods of different nodes: routes between neighbours, encapsulation where that is described or where no
segment is shared.

Every node has at most one VXLAN device, without a peer of its own: each route says where its packets are sent, so that
nodes are joined as the map joins them, over networks and links.  What else is described (Geneve, WireGuard, IP-in-IP)
is stood in for by VXLAN, at the UDP port that firewalls have to let through, with the described MTU.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gatewright.graph.network import cidrs
from gatewright.graph.network.nodes import Cluster, Machine, Topology
from gatewright.graph.network.placement import encapsulation
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.places import INTERNET, FirewallIntent
from gatewright.rehearsal import ranges
from gatewright.rehearsal.plan.clusters import joined
from gatewright.rehearsal.plan.clusters.announced import announce, host
from gatewright.rehearsal.plan.clusters.joined import Below, family
from gatewright.rehearsal.world import Chain, Draft, node

DEVICE: Final = "vxpods"
PORTS: Final = {"vxlan": 8472, "geneve": 6081, "wireguard": 51871}
"""Where nodes receive each other's packets: Flannel's and Cilium's port of VXLAN, Cilium's of WireGuard."""

OTHER_VXLAN: Final = 4789
DIRECT: Final = ("none", "")


def join(draft: Draft, sight: Sight, cluster: Cluster, pods: list[Below]) -> None:
    """Every machine of a cluster gets routes to the pods below the others."""
    plan = _Overlay(draft, sight, cluster)
    for one in pods:
        plan.on_segment(one)
        for machine in cluster.machines:
            if node(machine) != one.machine:
                plan.route(machine, one.machine.removeprefix("node:"), one.addresses)
    plan.join_nodes()
    plan.stood_in()


class _Overlay:
    """The nodes of one cluster."""

    def __init__(self, draft: Draft, sight: Sight, cluster: Cluster) -> None:
        self._draft = draft
        self._sight = sight
        self._own: dict[str, tuple[str, ...]] = {}
        self._map: Topology = sight.ask(topology)
        self._cluster = cluster
        self._kind = sight.ask(encapsulation, cluster.id)
        self._port = PORTS.get(self._kind, PORTS["vxlan"])
        if self._port == PORTS["vxlan"] and _only_calico(sight):
            self._port = OTHER_VXLAN
        self._used = False
        self._neighbours: set[tuple[str, str]] = set()

    def on_segment(self, one: Below) -> None:
        """A pod with an address of its node's own network is found there by its neighbours."""
        for address in one.addresses:
            device = joined.segment_of(self._draft, one.machine, address)
            if device:
                announce(self._draft.spaces[one.machine], device, address)

    def route(self, source: str, target: str, addresses: tuple[str, ...]) -> None:
        """From a machine to addresses below another."""
        here = self._draft.spaces[node(source)]
        for address in addresses:
            if joined.segment_of(self._draft, here.name, address):
                continue
            hop = self._neighbour(source, target, address) if self._kind in DIRECT else None
            here.ip(f"route replace {host(address)} {hop or self._tunnel(source, target, address)}")

    def _neighbour(self, source: str, target: str, address: str) -> str | None:
        """The next hop on a segment that both are on; IPv4 takes one of IPv6 too, but not the other way round."""
        own = {network: device for network, device, _ in joined.segments(self._draft, node(source))}
        found: list[tuple[int, str]] = []
        for network, _, addresses in joined.segments(self._draft, node(target)):
            if network in own:
                found += [(family(joined.bare(a)), f"{joined.bare(a)} dev {own[network]}") for a in addresses]
        same = next((hop for version, hop in found if version == family(address)), None)
        if same is not None:
            return f"via {same}"
        other = next((hop for version, hop in found if version == 6), None)
        return f"via inet6 {other}" if other is not None and family(address) == 4 else None

    def _tunnel(self, source: str, target: str, address: str) -> str:
        """Encapsulated, to the address by which the one machine reaches the other."""
        here, number = self._draft.spaces[node(source)], self._number(target)
        for name in (source, target):
            self._device(name)
        under = self._underlay(self._map.machines[source], self._map.machines[target])
        hop = f"fe80::6777:{number:x}"
        if (here.name, hop) not in self._neighbours:
            self._neighbours.add((here.name, hop))
            here.ip(f"neigh replace {hop} lladdr {_mac(number)} dev {DEVICE} nud permanent")
        via = "via" if family(address) == 6 else "via inet6"
        carried = "ip6" if family(under) == 6 else "ip"
        self._used = True
        return f"encap {carried} id {self._id()} dst {under} {via} {hop} dev {DEVICE} onlink"

    def _device(self, machine: str) -> None:
        space = self._draft.spaces[node(machine)]
        line = (
            f"link add {DEVICE} address {_mac(self._number(machine))} mtu {self._cluster.mtu} type vxlan external"
            f" dstport {self._port} udp6zerocsumtx udp6zerocsumrx"
        )
        if not any(text.startswith(f"link add {DEVICE} ") for text in space.lines):
            space.ip(line, f"link set {DEVICE} up")
            # A Service's address makes the source be chosen for another way than the one to its pods.
            space.rule(Chain.POSTROUTING, f'oifname "{DEVICE}" fib saddr type local masquerade', 30)
        if machine not in self._own:
            nets = ranges.pod_ranges(self._sight, self._cluster, self._map.machines[machine])
            self._own[machine] = tuple(self._draft.free(net) for net in nets)
            for address in self._own[machine]:
                space.address(DEVICE, host(address))

    def join_nodes(self) -> None:
        """Nodes have addresses of the pod network themselves, where they send into it: what pods answer comes back
        through it, too."""
        for target in list(self._own):
            for source in list(self._own):
                if source != target:
                    self.route(source, target, self._own[target])

    def _number(self, machine: str) -> int:
        """A number of its own for each machine of the map: it may be in several clusters."""
        return sorted(self._map.machines).index(machine) + 1

    def _id(self) -> int:
        return 100 + sorted(self._map.clusters).index(self._cluster.id)

    def _underlay(self, source: Machine, target: Machine) -> str:
        """The address of a machine for another: on a segment that both share, within their site, in a link that
        leads there, else a public one."""
        families = {cidrs.address(a).version for a in source.addresses if cidrs.address(a)}  # type: ignore[union-attr]
        own = [a for a in target.addresses if family(a) in families] or list(target.addresses)
        if source.site == target.site and source.site:
            shared = set(source.networks) & set(target.networks) - {INTERNET}
            held = [a for a in own if any(self._on(a, network) for network in shared)]
            private = [a for a in own if not _global(a)]
            return next(iter(sorted(held, key=family) or sorted(private, key=family) or own))
        linked = sorted(self._linked(target), key=family)
        reached = [a for a in sorted(own, key=family) if self._routed(a, source)]
        public = [a for a in sorted(own, key=family) if _global(a)]
        return next(iter(linked or reached or public or own))

    def _on(self, address: str, network: str) -> bool:
        value = cidrs.address(address)
        nets = self._map.networks[network].cidrs
        return value is not None and any(value.version == net.version and value in net for net in nets)

    def _linked(self, machine: Machine) -> Iterator[str]:
        """The addresses that a machine has in tunnels."""
        for tunnel in self._map.tunnels:
            yield from (a for joint in tunnel.joints if joint.place == machine.id for a in joint.addresses)

    def _routed(self, address: str, source: Machine) -> bool:
        """Does some link that starts at a machine, or at a network that it is on, lead to an address?"""
        value = cidrs.address(address)
        starts = {source.id, *source.networks}
        return value is not None and any(
            value.version == net.version and value in net
            for tunnel in self._map.tunnels
            if any(joint.place in starts for joint in tunnel.joints)
            for joint in tunnel.joints
            if joint.place not in starts
            for net in joint.routes
        )

    def stood_in(self) -> None:
        """Say what is otherwise than described."""
        if self._used and self._kind not in ("vxlan", *DIRECT):
            text = f"{self._kind} between the nodes of {self._cluster.id} is VXLAN here, with the described MTU"
            self._draft.note(text, self._cluster.origin)


def _mac(number: int) -> str:
    return f"02:67:77:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


def _global(address: str) -> bool:
    value = cidrs.address(address)
    return value is not None and cidrs.is_global(value)


def _only_calico(sight: Sight) -> bool:
    """Do the firewalls speak of the port that the standard has for VXLAN, and not of the usual one?"""
    rules = [rule for firewall in sight.all("Firewall", FirewallIntent) for rule in firewall.inbound if rule.allow]
    listed = [ports for rule in rules for ports in rule.ports]
    return any(low <= OTHER_VXLAN <= high for low, high in listed) and not any(
        low <= PORTS["vxlan"] <= high for low, high in listed
    )
