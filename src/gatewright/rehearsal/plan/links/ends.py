"""The ends of a Link as spaces of the world: where they are, where they are dialled, and which ports they have.

A `network` or `site` is its router, a `node` the machine, a `cluster` a node of it.  Ends of one Link in one space are
one End: a router with two networks has one device for both.  Counterparts: `wireguard`, `nebula` and `direct`, which
join ends; `routes`, which leads packets to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Final, TypeVar

from msgspec import Struct

from gatewright.graph.network import cidrs
from gatewright.graph.network.nodes import Joint, Net, Topology, Tunnel
from gatewright.graph.network.routing import endpoint_address, endpoint_port
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.places import INTERNET as THE_INTERNET
from gatewright.kinds.intents.places import LinkType
from gatewright.kinds.intents.programs import LinkFileIntent
from gatewright.rehearsal import world
from gatewright.rehearsal.world import Chain, Draft, SpaceDraft

T = TypeVar("T")

USUAL_PORTS: Final = {LinkType.WIREGUARD: 51820, LinkType.NEBULA: 4242, LinkType.LIQO: 51840}
UNDERLAY: Final = {4: ip_network("100.64.0.0/10"), 6: ip_network("fd64::/64")}
"""Where wires that only carry a Link have their addresses, by family."""


@dataclass(slots=True)
class End:
    """One space at which a Link ends.  `port`: the UDP port that its program has.  `dialled`: (address, port) that the
    others send to, None when nobody can tell."""

    space: SpaceDraft
    joints: list[Joint]
    file: LinkFileIntent | None = None
    port: int = 0
    dialled: tuple[str, int] | None = None
    own: tuple[str, ...] = ()
    """The addresses that its space had before: where its own packets come from."""

    addresses: tuple[str, ...] = field(default=())
    routes: tuple[Net, ...] = field(default=())

    def __post_init__(self) -> None:
        self.addresses = _once(address for joint in self.joints for address in joint.addresses)
        self.routes = _once(net for joint in self.joints for net in joint.routes)
        self.own = tuple(self.space.addresses)


class Carried(Struct, frozen=True):
    """How the packets of a Link itself get on their way.  `at`: where one end (by number) dials another,
    "address:port"; `needs`: the daemons of the links that carry it."""

    at: Mapping[tuple[int, int], str]
    needs: tuple[str, ...] = ()


class Places:
    """Finds the ends of Links, and sees to it that where they are dialled somebody is."""

    def __init__(self, draft: Draft, sight: Sight, known: Topology) -> None:
        self._draft = draft
        self._known = known
        self._files = {
            end.origin: sight.get(end.config, LinkFileIntent)
            for link in known.links
            for end in link.ends
            if end.config is not None
        }
        self._ports: dict[str, set[int]] = {}
        self._forwards = {
            (one.address, one.port): one.to_port
            for firewall in known.firewalls
            for one in firewall.forwards
            if one.protocol in ("udp", "any")
        }
        for tunnel in known.tunnels:  # what is described goes before what is chosen, in whichever order links come
            for joint in tunnel.joints:
                self._ports.setdefault(self._space(joint), set()).add(self._said([joint]))

    def ends(self, tunnel: Tunnel) -> list[End]:
        """The ends of a Link that there are spaces for, those that are dialled first."""
        by_space: dict[str, list[Joint]] = {}
        for joint in tunnel.joints:
            name = self._space(joint)
            if name in self._draft.spaces:
                by_space.setdefault(name, []).append(joint)
            else:
                self._draft.note(
                    f"the link {tunnel.name} has no end at {joint.place}: nothing runs there", joint.origin
                )
        found = [self._end(self._draft.spaces[name], joints) for name, joints in by_space.items()]
        if tunnel.type in USUAL_PORTS:
            for end in found:
                self._give_port(tunnel, end)
            for end in found:
                self._be_dialled(tunnel, end)
            if any(end.dialled and ":" in end.dialled[0] for end in found):
                for end in found:
                    self._global_source(end)
        return sorted(found, key=lambda end: end.dialled is None)

    def carry(self, tunnel: Tunnel, one: End, other: End) -> tuple[str, str]:
        """A wire between two ends of which neither says where it is dialled; the addresses of both on it."""
        _, near, far = self._wire(one.space, other.space, 4)
        ends = f"{one.space.name} and {other.space.name}"
        text = f"nobody says at which address {ends} dial each other for {tunnel.name}: a wire of its own carries it"
        self._draft.note(text, tunnel.origin)
        return near, far

    # --- where ---

    def _end(self, space: SpaceDraft, joints: list[Joint]) -> End:
        file = next((found for joint in joints if (found := self._files.get(joint.origin)) is not None), None)
        return End(space, joints, file)

    def _space(self, joint: Joint) -> str:
        """The name of the space that an end is in."""
        known = self._known
        if joint.place == THE_INTERNET:
            return world.INTERNET
        if joint.place in known.networks:
            return world.site(known.networks[joint.place].site)
        if joint.place in known.clusters:
            return world.node(self._speaker(joint))
        return world.node(joint.place)

    def _speaker(self, joint: Joint) -> str:
        """The node that speaks for a cluster: whose address the others dial, else one that another Link leads from."""
        machines = self._known.clusters[joint.place].machines
        wanted = endpoint_address(joint)
        owner = self._known.owners.get(str(wanted))
        if owner is not None and owner in machines:
            return owner
        linked = {other.place for tunnel in self._known.tunnels for other in tunnel.joints}
        return next((one for one in machines if one in linked), next(iter(machines), ""))

    # --- ports, and where they are dialled ---

    def _give_port(self, tunnel: Tunnel, end: End) -> None:
        """The port that is described, else one that nobody has in the space."""
        taken = self._ports.setdefault(end.space.name, set())
        usual = USUAL_PORTS[tunnel.type]
        end.port = self._said(end.joints) or next(port for port in range(usual, 65536) if port not in taken)
        taken.add(end.port)

    def _said(self, joints: Sequence[Joint]) -> int:
        """The port that is described, 0 for none."""
        said = next((joint.listen_port for joint in joints if joint.listen_port), 0)
        for joint in joints:
            port = endpoint_port(joint)
            said = said or self._forwards.get((str(endpoint_address(joint)), port), port)
        return said

    def _be_dialled(self, tunnel: Tunnel, end: End) -> None:
        """Where the others dial an end: its address is there, as described or by what is added here."""
        for joint in end.joints:
            wanted = endpoint_address(joint)
            if wanted is None:
                continue
            address, port = str(wanted), endpoint_port(joint) or end.port
            end.dialled = address, port
            if (address, port) in self._forwards or address in end.space.addresses:
                return
            holder = next((s for s in self._draft.spaces.values() if address in s.addresses), None)
            if holder is None:
                self._hold(tunnel, end, address)
            elif holder.name != world.INTERNET:
                self._hand_over(end, holder, address, port)
            return

    def _global_source(self, end: End) -> None:
        """Routers have no addresses of their own, and nobody translates IPv6: to dial they need one."""
        uplink = next(wires(self._draft, end.space, self._draft.spaces[world.INTERNET]), None)
        networks = [known for joint in end.joints if (known := self._known.networks.get(joint.place)) is not None]
        nets = [net for network in networks for net in network.cidrs if net.version == 6 and cidrs.is_global(net)]
        if uplink is not None and nets:
            end.space.address(uplink[0], f"{self._draft.free(nets[0])}/128")

    def _hold(self, tunnel: Tunnel, end: End, address: str) -> None:
        """Nobody has the address: the end has it, on its segment, its own way to the internet, or one made for it."""
        draft, space = self._draft, end.space
        for device, bridge in segments(draft, space):
            network = next((n for n, name in draft.networks.items() if name == bridge), "")
            known = self._known.networks.get(network)
            if known is not None and any(cidrs.within(cidrs.host(ip_address(address)), net) for net in known.cidrs):
                space.address(device, str(ip_network(address)))
                return
        internet = draft.spaces[world.INTERNET]
        host = str(ip_network(address))
        uplink = next(wires(draft, space, internet), None)
        if uplink is not None:
            space.address(uplink[0], host)
            internet.ip(f"route replace {host} dev {uplink[1]}")
        elif cidrs.is_global(ip_address(address)) and space is not internet:
            draft.uplink(space, internet, (address,))
        else:
            space.address("lo", host)
        text = f"{address}, where {tunnel.name} is dialled, is nobody's on the map: {space.name} has it"
        draft.note(text, tunnel.origin)

    def _hand_over(self, end: End, holder: SpaceDraft, address: str, port: int) -> None:
        """A machine of the map has the address of its network's router: it hands over what is meant for the link."""
        device, _, far = self._wire(holder, end.space, ip_address(address).version)
        holder.routes()
        ip = "ip6" if ":" in address else "ip"
        there = f"[{far}]" if ":" in far else far
        holder.rule(Chain.PREROUTING, f"{ip} daddr {address} udp dport {port} dnat {ip} to {there}:{end.port}")
        holder.rule(Chain.POSTROUTING, f'oifname "{device}" masquerade')

    def _wire(self, one: SpaceDraft, other: SpaceDraft, version: int) -> tuple[str, str, str]:
        """A wire of one family that only carries links: the device of `one`, the addresses of both."""
        near, far = self._draft.free(UNDERLAY[version]), self._draft.free(UNDERLAY[version])
        hosts = str(ip_network(near)), str(ip_network(far))
        device, beyond = self._draft.wire(one, other, hosts[:1], hosts[1:])
        one.ip(f"route add {hosts[1]} dev {device}")
        other.ip(f"route add {hosts[0]} dev {beyond}")
        return device, near, far


def segments(draft: Draft, space: SpaceDraft) -> Iterator[tuple[str, str]]:
    """The devices of a space that are on a segment, each with the segment's bridge."""
    for wire in draft.wires:
        for near, far in ((wire.one, wire.other), (wire.other, wire.one)):
            if near.space == space.name and far.bridge:
                yield near.device, far.bridge


def wires(draft: Draft, space: SpaceDraft, other: SpaceDraft) -> Iterator[tuple[str, str]]:
    """The wires between two spaces: the device of each."""
    for wire in draft.wires:
        for near, far in ((wire.one, wire.other), (wire.other, wire.one)):
            if near.space == space.name and far.space == other.name:
                yield near.device, far.device


def _once(items: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(items))
