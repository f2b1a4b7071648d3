"""Where resolvers of a world run, and at which addresses they are asked.

On the machine that they are said to run on or whose address they have; as a pod of a cluster, with the addresses of
their load balancer announced by its node; else in a space of their own on the network that holds an address of theirs,
or on the internet.  Who has no address is lent one.  Counterpart: `plan.names`, which says what runs there.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Final

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.graph.network import cidrs
from gatewright.graph.network.nodes import Machine, Network, Topology
from gatewright.graph.network.spots import places
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.naming import ResolverIntent
from gatewright.kinds.intents.places import INTERNET as INTERNET_NETWORK
from gatewright.rehearsal.plan.clusters import NewPod, add_pod
from gatewright.rehearsal.plan.clusters.announced import announce
from gatewright.rehearsal.plan.clusters.joined import below, segment_of
from gatewright.rehearsal.world import (
    INTERNET,
    Chain,
    Draft,
    Net,
    Role,
    default_routes,
    node,
    resolver,
)

LENT: Final = ip_network("198.18.128.0/17")
"""Whoever has no address and no place is lent one of these (RFC 2544), on the internet."""


class Spot(Struct, frozen=True):
    """Where a resolver runs: the space, the addresses that it is asked at, and those of the space that it listens at,
    which differ where it is asked at addresses of a Service."""

    space: str
    addresses: tuple[str, ...]
    listens: tuple[str, ...]


class Places:
    """Puts resolvers into a world, each once."""

    def __init__(self, draft: Draft, sight: Sight) -> None:
        self._draft = draft
        self._sight = sight
        self._world: Topology = sight.ask(topology)

    def of(self, intent: ResolverIntent) -> Spot:
        """Where a resolver of the map runs."""
        found = places(self._sight, intent.at) if intent.at is not None else ()
        kind, id_ = (found[0].kind, found[0].id) if found else ("", "")
        name, concerns = resolver(intent.key.name), f"resolver:{intent.key.name}"
        if kind == "machine":
            return self._on_machine(self._world.machines[id_], intent.addresses)
        if kind == "cluster" and self._world.clusters[id_].machines:
            return self.in_cluster(id_, name, intent.addresses, intent.origin, concerns)
        owner = next((self._world.owners[a] for a in intent.addresses if a in self._world.owners), "")
        if owner:
            return self._on_machine(self._world.machines[owner], intent.addresses)
        for address in intent.addresses:
            for space in self._draft.spaces.values():
                if address in space.addresses:  # a pod, a gateway or another resolver has it
                    own = tuple(each for each in intent.addresses if each in space.addresses)
                    return Spot(space.name, own, own)
        networks = [self._world.networks[place.id] for place in found if place.kind == "network"]
        return self.in_network(name, intent.addresses, networks, intent.origin, concerns)

    def _on_machine(self, machine: Machine, addresses: tuple[str, ...]) -> Spot:
        """On a machine, which gets the addresses that it does not have yet."""
        space = self._draft.spaces[node(machine.id)]
        for address in addresses:
            if address not in space.addresses:
                space.address(segment_of(self._draft, space.name, address) or "lo", _host(address))
        own = [address for address in machine.addresses if cidrs.address(address) is not None]
        asked = addresses or tuple(own[:1])
        return Spot(space.name, asked, asked)

    def in_cluster(
        self, cluster: str, name: str, addresses: tuple[str, ...], origin: Origin | None, concerns: str
    ) -> Spot:
        """As a pod on the first node that is on a network with one of the addresses, which announces them."""
        members = [self._world.machines[id_] for id_ in self._world.clusters[cluster].machines]
        members = [machine for machine in members if node(machine.id) in self._draft.spaces]
        fitting = [m for m in members if any(segment_of(self._draft, node(m.id), a) for a in addresses)]
        machine = (fitting or members)[0]
        host = self._draft.spaces[node(machine.id)]
        space = add_pod(self._draft, self._sight, NewPod(name, self._world.clusters[cluster], machine, origin=origin))
        space.concerns = concerns
        own = tuple(space.addresses)
        above = self._draft.wires[-1].other.device
        of_service = [address for address in addresses if self._is_of_service(cluster, address)]
        for address in addresses:
            if address in of_service:
                self._translate(cluster, address, own)
                continue
            space.address("lo", _host(address))
            host.ip(f"route add {_host(address)} dev {above}")
            device = segment_of(self._draft, host.name, address)
            if device:
                announce(host, device, address)
        default_routes(space, space.devices[0], sorted({ip_address(address).version for address in addresses}))
        listens = (*(address for address in addresses if address not in of_service), *own)
        return Spot(name, addresses or own, listens if of_service or not addresses else addresses)

    def _is_of_service(self, cluster: str, text: str) -> bool:
        address = ip_address(text)
        nets = self._world.clusters[cluster].service_cidrs
        return any(net.version == address.version and address in net for net in nets)

    def _translate(self, cluster: str, address: str, own: tuple[str, ...]) -> None:
        """An address of a Service leads to the pod, from everywhere in the cluster."""
        target = next((each for each in own if (":" in each) == (":" in address)), "")
        machines = {node(id_) for id_ in self._world.clusters[cluster].machines}
        inside = [*machines, *(one.space for one in below(self._draft) if one.machine in machines)]
        ip, where = ("ip6", f"[{target}]") if ":" in address else ("ip", target)
        for name in inside if target else ():
            for protocol in ("udp", "tcp"):
                text = f"{ip} daddr {address} {protocol} dport 53 dnat {ip} to {where}:53"
                self._draft.spaces[name].rule(Chain.NAT_OUTPUT, text)

    def in_network(
        self,
        name: str,
        addresses: tuple[str, ...],
        networks: Iterable[Network],
        origin: Origin | None,
        concerns: str,
    ) -> Spot:
        """In a space of its own, on the networks that hold its addresses; the internet holds what no other does.

        `networks`: those that it is said to be in; who has no address gets one of theirs.
        """
        wanted = [network for network in networks if network.id in self._draft.networks]
        space = self._draft.space(name, Role.RESOLVER, origin, concerns)
        if not addresses:
            addresses = (self._draft.free(wanted[0].cidrs[0] if wanted else LENT),)
        segments: dict[str, list[str]] = {}
        outside: list[str] = []
        for address in addresses:
            held = self._holding(address, wanted or self._world.networks.values())
            if held is None:
                outside.append(address)
                if not cidrs.is_global(ip_address(address)) and ip_address(address) not in LENT:
                    self._draft.note(f"{address} of {name} is in no network of the map: it is on the internet", origin)
            else:
                segments.setdefault(held[0].id, []).append(f"{address}/{held[1].prefixlen}")
        for network, given in segments.items():
            device = self._draft.join(network, space, given, self._world.networks[network].mtu)
            if not outside:
                default_routes(space, device)
        if outside:
            device, _ = self._draft.uplink(space, self._draft.spaces[INTERNET], outside)
            default_routes(space, device)
        return Spot(name, addresses, addresses)

    def _holding(self, address: str, networks: Iterable[Network]) -> tuple[Network, Net] | None:
        """The network that holds an address, and the CIDR by which it does, the longest one."""
        value = ip_address(address)
        found = [
            (net.prefixlen, network, net)
            for network in networks
            if network.id != INTERNET_NETWORK and network.id in self._draft.networks
            for net in network.cidrs
            if net.version == value.version and value in net
        ]
        best = max(found, key=lambda item: item[0], default=None)
        return None if best is None else (best[1], best[2])


def _host(address: str) -> str:
    return str(ip_network(address))
