"""Doors: where the Envoy of each gateway runs, and how the addresses at which clients reach it lead there.

    on a machine whose ports or address it takes       the machine's own space
    a pod of a cluster                                 a space below a node; load balancer addresses are on its `lo`,
                                                       the node announces them on the segment that holds them
    elsewhere (a cloud's load balancer)                a space on its network, or on the internet

Gateways that share an address share a space.  A load balancer that is known by hostname only is on the internet, at an
address that is made up: `plan.names` lets the hostname lead there.  Counterpart: `graph.network.doors`, which describes
where doors are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_network
from typing import Final

from gatewright.base.origin import Origin
from gatewright.graph.network import cidrs
from gatewright.graph.network.addresses import service_of
from gatewright.graph.network.doors import door_addresses, host_machines, place_of
from gatewright.graph.network.nodes import Cluster, Machine, Net, Network, Topology
from gatewright.graph.network.placement import candidates
from gatewright.graph.network.pods import pods_of
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.places import INTERNET as THE_INTERNET
from gatewright.kinds.intents.places import FirewallIntent
from gatewright.rehearsal import ranges
from gatewright.rehearsal.plan import balancers
from gatewright.rehearsal.plan.announcers import announcing
from gatewright.rehearsal.plan.clusters import NewPod, add_pod, joined
from gatewright.rehearsal.plan.clusters.announced import announce, host
from gatewright.rehearsal.plan.clusters.joined import family
from gatewright.rehearsal.world import (
    INTERNET,
    ROUTER,
    Chain,
    Draft,
    GatewaySpot,
    Role,
    SpaceDraft,
    default_routes,
    gateway,
    node,
    site,
)

CLOUD: Final = (ip_network("198.19.0.0/16"), ip_network("2001:2:0:1::/112"))
"""Where load balancers of clouds are that are known by hostname only (RFC 2544, RFC 5180)."""

DUAL: Final = "dualstack."
"""What the hostnames begin with that have IPv6 too."""

TABLE: Final = 100
"""The first routing table of a gateway's ways back to the internet."""


def plan(draft: Draft, sight: Sight) -> None:
    """A spot, or several, for every gateway that is somewhere on the map."""
    doors = _Doors(draft, sight)
    for group in _together(sight):
        doors.group(group)
    balancers.plan(draft, sight)


def _together(sight: Sight) -> list[list[str]]:
    """Gateways that are one and the same program: they share a Service, or an address with different ports."""
    group_of: dict[object, list[str]] = {}
    groups: list[list[str]] = []
    for gateway_id in sight.gateways():
        shared: list[object] = [a for a in sight.ask(door_addresses, gateway_id) if cidrs.address(a)]
        service = sight.ask(service_of, gateway_id)
        shared += [service] if service is not None else []
        group = next((group_of[one] for one in shared if one in group_of), None)
        if group is None:
            group = []
            groups.append(group)
        group.append(gateway_id)
        for one in shared:
            group_of.setdefault(one, group)
    return groups


class _Doors:
    """Gateways while they get their spaces."""

    def __init__(self, draft: Draft, sight: Sight) -> None:
        self._draft = draft
        self._sight = sight
        self._map: Topology = sight.ask(topology)
        forwards = (f for firewall in sight.all("Firewall", FirewallIntent) for f in firewall.forwards)
        self._forwarded = {forward.address for forward in forwards}

    def group(self, ids: list[str]) -> None:
        """One program, be it several gateways."""
        first = ids[0]
        names = dict.fromkeys(a for one in ids for a in self._sight.ask(door_addresses, one))
        addresses = [a for a in names if cidrs.address(a) is not None]
        hostnames = [a for a in names if cidrs.address(a) is None]
        machines = self._machines(ids, addresses)
        if machines:
            for machine in machines:
                self._on_machine(ids, machine, addresses, alone=len(machines) == 1)
            return
        cluster, fitting = self._cluster(first)
        if cluster is not None:
            self._pod(ids, cluster, fitting, addresses, hostnames)
        else:
            self._elsewhere(ids, addresses, hostnames)

    # --- on machines ---

    def _machines(self, ids: Iterable[str], addresses: Iterable[str]) -> list[Machine]:
        """The machines whose ports or addresses the gateways take."""
        found = dict.fromkeys(id_ for one in ids for id_ in self._sight.ask(host_machines, one))
        if not found:
            found = dict.fromkeys(self._map.owners[a] for a in addresses if a in self._map.owners)
        if not found:
            places = [place for one in ids for place in self._sight.ask(place_of, one) if place.kind == "machine"]
            found = dict.fromkeys(place.id for place in places if not self._joined(place.id))
        return [self._map.machines[id_] for id_ in found]

    def _on_machine(self, ids: Iterable[str], machine: Machine, addresses: Iterable[str], *, alone: bool) -> None:
        """In the machine's own space, at its own addresses and at those that are nobody else's."""
        space = self._draft.spaces[node(machine.id)]
        given = [a for a in addresses if alone and a not in self._map.owners and a not in self._forwarded]
        for address in given:
            device = joined.segment_of(self._draft, space.name, address) or "lo"
            space.address(device, host(address))
        own = [a for a in machine.addresses if cidrs.address(a) is not None]
        self._spots(ids, space, (*given, *own), own)

    def _joined(self, machine: str) -> list[Cluster]:
        return [cluster for cluster in self._map.clusters.values() if machine in cluster.machines]

    # --- pods ---

    def _cluster(self, gateway_id: str) -> tuple[Cluster | None, Sequence[str]]:
        """The cluster that a gateway is a pod of, and the machines on which it may be."""
        places = self._sight.ask(place_of, gateway_id)
        on = [place.id for place in places if place.kind == "machine" and self._joined(place.id)]
        if on:
            cluster = self._joined(on[0])[0]
            return cluster, [id_ for id_ in on if id_ in cluster.machines]
        found = next((place.id for place in places if place.kind == "cluster"), "")
        if found not in self._map.clusters or not self._map.clusters[found].machines:
            return None, ()
        fitting: dict[str, None] = {}
        for workload in self._sight.ask(pods_of, gateway_id).workloads:
            may = self._sight.ask(candidates, found, workload.node_name, workload.node_selector)
            fitting.update(dict.fromkeys(may))
        return self._map.clusters[found], tuple(fitting) or self._map.clusters[found].machines

    def _pod(
        self, ids: list[str], cluster: Cluster, fitting: Sequence[str], addresses: list[str], hostnames: list[str]
    ) -> None:
        """Below a node; best one that announces its addresses itself."""
        machine = self._map.machines[self._chosen(ids[0], cluster, fitting, addresses)]
        origin = self._origin(ids[0])
        elsewhere = [id_ for id_ in fitting if self._map.machines[id_].site != machine.site]
        if elsewhere:
            self._draft.note(f"{ids[0]} runs on {machine.id} here; it may as well run on {elsewhere[0]}", origin)
        space = add_pod(
            self._draft, self._sight, NewPod(gateway(ids[0]), cluster, machine, role=Role.GATEWAY, origin=origin)
        )
        own = tuple(space.addresses)
        for address in addresses:
            self._lead(space, cluster, machine, address)
        default_routes(space, space.devices[0], sorted({family(address) for address in addresses}))
        made = self._in_the_cloud(space, hostnames)
        if made:  # Service addresses lead to the pod's own, where it does not listen then
            for inside in own:
                for outside in (a for a in made if family(a) == family(inside)):
                    ip = joined.ip(inside)
                    space.rule(Chain.PREROUTING, f"{ip} daddr {inside} dnat {ip} to {outside}")
                    near = self._near(cluster, inside)
                    space.ip(*(f"{_rule(outside)} to {net} lookup main" for net in near))
        self._spots(ids, space, (*addresses, *made) if made else (*addresses, *own), own)

    def _near(self, cluster: Cluster, address: str) -> list[Net]:
        """What a pod answers by way of its node: its cluster, and the networks of the cluster's site."""
        nets = [net for network in self._map.networks.values() if network.site == cluster.site for net in network.cidrs]
        for id_ in cluster.machines:
            nets += ranges.pod_ranges(self._sight, cluster, self._map.machines[id_])
        return joined.merged(net for net in nets if net.version == family(address))

    def _chosen(self, gateway_id: str, cluster: Cluster, fitting: Sequence[str], addresses: Iterable[str]) -> str:
        for address in addresses:
            near = [id_ for id_ in self._announcing(cluster, address) if id_ in fitting]
            if near:
                fitting = near
                break
        return fitting[ranges.stable(gateway_id, len(fitting))]

    def _announcing(self, cluster: Cluster, address: str) -> list[str]:
        return announcing(self._draft, self._sight, cluster, address)

    def _lead(self, space: SpaceDraft, cluster: Cluster, machine: Machine, address: str) -> None:
        """Bring an address to a pod: from its segment, from the site's router, or from the internet."""
        value = cidrs.address(address)
        if value is None or address in self._forwarded or address in space.addresses:
            return
        near = self._announcing(cluster, address)
        announcing = machine.id if machine.id in near or not near else near[0]
        router = self._draft.spaces.get(site(cluster.site))
        if near:
            self._behind(space, machine, announcing, address)
            above = self._draft.spaces[node(announcing)]
            announce(above, joined.segment_of(self._draft, above.name, address), address)
        elif cidrs.is_global(value):
            self._on_the_internet(space, address)
        elif router is not None:
            self._behind(space, machine, machine.id, address)
            self._routed(router, machine, address)
        else:
            text = f"nothing on the map leads to {address}, the address of {space.name}"
            self._draft.note(text, space.origin)

    def _behind(self, space: SpaceDraft, machine: Machine, announcing: str, address: str) -> None:
        """An address of a pod's own, which its node routes to it, and another node that announces it to its node."""
        own = next((a for a in space.addresses if family(a) == 6 and a != address), "") if family(address) == 6 else ""
        self._bind(space, address, own)
        down = next(one.device for one in joined.below(self._draft) if one.space == space.name)
        via = f"via {own} dev {down} onlink" if own else f"dev {down}"
        self._draft.spaces[node(machine.id)].ip(f"route replace {host(address)} {via}")
        if announcing != machine.id:
            via = next((a for a in machine.addresses if family(a) == family(address)), "")
            device = joined.segment_of(self._draft, node(announcing), via) if via else ""
            if device:
                self._draft.spaces[node(announcing)].ip(f"route replace {host(address)} via {via} dev {device}")
            else:
                self._draft.note(f"{announcing} cannot hand {address} on to {machine.id}", space.origin)

    def _bind(self, space: SpaceDraft, address: str, own: str) -> None:
        """Neighbour discovery finds no addresses of `lo`: IPv6 comes by way of the pod's `own`, and where its cluster
        gives it none the address is on its device, and what answers from it goes out by a route of its own."""
        if family(address) == 4 or own:
            space.address("lo", host(address))
            return
        device, table = space.devices[0], TABLE + len(space.addresses)
        space.address(device, host(address))
        space.ip(f"{_rule(address)} lookup {table}", f"route add ::/0 via {ROUTER} dev {device} table {table}")

    def _routed(self, router: SpaceDraft, machine: Machine, address: str) -> None:
        """As BGP would have it: the site's router knows the node.  It answers for the address where that is at home."""
        for network, device, _ in joined.segments(self._draft, router.name):
            if _in(self._map.networks[network], address):
                announce(router, device, address)
        for via in (a for a in machine.addresses if family(a) == family(address)):
            found = (
                device
                for network, device, _ in joined.segments(self._draft, router.name)
                if any(name == network for name, _, _ in joined.segments(self._draft, node(machine.id)))
            )
            device = next(found, "")
            if device:
                router.ip(f"route replace {host(address)} via {via} dev {device}")
                return

    # --- elsewhere ---

    def _elsewhere(self, ids: list[str], addresses: list[str], hostnames: list[str]) -> None:
        """On the network where it is described to be, or that holds its address, or on the internet."""
        places = self._sight.ask(place_of, ids[0])
        named = next((place.id for place in places if place.kind == "network" and place.id != THE_INTERNET), "")
        network = self._map.networks.get(named) or self._holding(addresses)
        outside = [a for a in addresses if network is None or not _in(network, a)]
        if network is None and not hostnames and not any(_is_global(a) for a in outside):
            self._draft.note(f"{ids[0]} is nowhere on the map", self._origin(ids[0]))
            return
        space = self._draft.space(gateway(ids[0]), Role.GATEWAY, self._origin(ids[0]))
        own: list[str] = []
        if network is not None:
            own = self._on_network(space, network, addresses)
        reached = [a for a in outside if _is_global(a) and a not in self._forwarded]
        for address in reached:
            self._on_the_internet(space, address, only=network is None)
        made = self._in_the_cloud(space, hostnames, only=network is None)
        reached += made
        listens = (*addresses, *made)
        self._spots(ids, space, listens or own, own or reached)

    def _on_network(self, space: SpaceDraft, network: Network, addresses: Iterable[str]) -> list[str]:
        """On a segment, at its own addresses there, or at one that is free."""
        given = [a for a in addresses if _in(network, a)]
        had = {family(a) for a in given}
        given += [self._draft.free(net) for net in _firsts(network) if net.version not in had]
        lengths: dict[int, int] = {net.version: net.prefixlen for net in _firsts(network)}
        prefixed = [f"{a}/{lengths[family(a)]}" for a in given]
        device = self._draft.join(network.id, space, prefixed, network.mtu)
        default_routes(space, device)
        return given

    def _holding(self, addresses: Iterable[str]) -> Network | None:
        found = (n for a in addresses for n in self._map.networks.values() if n.id in self._draft.networks)
        return next((n for n in found if any(_in(n, a) for a in addresses)), None)

    # --- the internet ---

    def _in_the_cloud(self, space: SpaceDraft, hostnames: Iterable[str], *, only: bool = False) -> list[str]:
        """Addresses for what is known by hostname only."""
        names = list(hostnames)
        nets = [net for net in CLOUD if names and (net.version == 4 or any(n.startswith(DUAL) for n in names))]
        made = [self._draft.free(net) for net in nets]
        for address in made:
            self._on_the_internet(space, address, only=only)
        return made

    def _on_the_internet(self, space: SpaceDraft, address: str, *, only: bool = False) -> None:
        """A wire to the internet of its own; what answers from this address goes back that way.

        `only`: there is no other way out.
        """
        device, _ = self._draft.uplink(space, self._draft.spaces[INTERNET], (address,))
        if only:
            default_routes(space, device, (family(address),))
            return
        table = TABLE + len(space.devices)
        default = f"0.0.0.0/0 via inet6 {ROUTER}" if family(address) == 4 else f"::/0 via {ROUTER}"
        space.ip(f"{_rule(address)} lookup {table}", f"route add {default} dev {device} table {table}")

    # --- spots ---

    def _spots(self, ids: Iterable[str], space: SpaceDraft, addresses: Iterable[str], sources: Iterable[str]) -> None:
        listens, leaves = tuple(dict.fromkeys(addresses)), tuple(dict.fromkeys(sources))
        self._draft.gateways += [GatewaySpot(one, space.name, listens, leaves) for one in ids]

    def _origin(self, gateway_id: str) -> Origin | None:
        found = self._sight.gateway(gateway_id)
        return found.origin if found is not None else None


def _firsts(network: Network) -> list[Net]:
    """The first prefix of each family."""
    found: dict[int, Net] = {}
    for net in network.cidrs:
        found.setdefault(net.version, net)
    return list(found.values())


def _in(network: Network, address: str) -> bool:
    value = cidrs.address(address)
    return value is not None and any(value.version == net.version and value in net for net in network.cidrs)


def _is_global(address: str) -> bool:
    value = cidrs.address(address)
    return value is not None and cidrs.is_global(value)


def _rule(address: str) -> str:
    """The beginning of a rule for what comes from an address (`builder`: rules of IPv6 have to say so)."""
    return f"{'-6 ' if family(address) == 6 else ''}rule add from {host(address)}"
