"""Walks one packet through the map, station by station.

Every station returns the Way that the packet ends in.  Stations: a network (it is on the segment), a machine (it is
being sent or forwarded there), a cluster (it comes from a pod), a link, the internet.  Nothing loops: a station that
sees the same packet again ends it.  Counterparts: `ways`, which asks; `crossing` (firewalls), `forwarding`, `internet`
(translation) and `carriers` (links), which each decide one thing that stations act upon.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import structs

from gatewright.graph.network import answers, cidrs, forwarding
from gatewright.graph.network.carriers import Carriers
from gatewright.graph.network.cidrs import Address
from gatewright.graph.network.crossing import crossed
from gatewright.graph.network.firewalls import Direction, Guard, Guards, nebula
from gatewright.graph.network.internet import Border
from gatewright.graph.network.nodes import Machine, Net, Network, Place, StepKind, Topology, Tunnel, Way
from gatewright.graph.network.packets import Packet, hosts
from gatewright.graph.network.routing import Hop, Tables
from gatewright.kinds.intents.places import INTERNET, FirewallIntent, LinkType, PortForward


class Walker:
    """The stations of one map."""

    def __init__(self, topology: Topology, tables: Tables, guards: Guards) -> None:
        self._map = topology
        self._tables = tables
        self._guards = guards
        self._nodes = frozenset(id_ for cluster in topology.clusters.values() for id_ in cluster.machines)
        self._border = Border(topology, tables)
        self._carriers = Carriers(topology, self._sent)

    def walk(self, place: Place, wanted: Address, port: int, protocol: str) -> Way:
        """From a place to an address."""
        own = hosts(place.addresses)
        packet = Packet(wanted, port, protocol.lower(), own)
        if place.kind == "machine" and place.id in self._map.machines:
            machine = self._map.machines[place.id]
            packet = packet.step(StepKind.NODE, f"from the node {place.id}", machine.origin)
            sources = own or hosts(machine.addresses)
            return self._at_machine(place.id, structs.replace(packet, sources=sources))
        if place.kind == "cluster" and place.id in self._map.clusters:
            return self._at_cluster(place.id, packet, place.machines)
        if place.kind == "network" and place.id == INTERNET:
            return self._on_the_internet(packet)
        if place.kind == "network" and place.id in self._map.networks:
            network = self._map.networks[place.id]
            packet = packet.step(StepKind.NETWORK, f"from the network {place.id}", network.origin)
            packet = structs.replace(packet, sources=_of_each_family(own, network.cidrs))
            if not packet.has_source:
                return packet.failed(f"{place.id} has no IPv{wanted.version}")
            return self._at_network(place.id, packet)
        return packet.failed(f"the map has no {place.kind} {place.id}", unknown=True)

    # --- a segment ---

    def _at_network(self, id_: str, packet: Packet) -> Way:
        """On a segment: to a neighbour on it, into a link, through the site's router, or out."""
        ended = packet.again(id_)
        if ended is not None:
            return ended
        packet = packet.at(id_)
        network = self._map.networks[id_]
        packet = packet.narrowed(network.mtu, f"network {id_}", network.origin)
        connected = self._tables.connected(id_, packet.wanted)
        linked, hops = self._tables.through(id_, packet.wanted, packet.banned)
        routed, neighbours = self._tables.neighbours(network.site, packet.wanted)
        if connected >= 0 and connected >= linked:  # whatever prefix of a neighbour is longer: nobody asks the router
            return self._on_segment(network, packet)
        if hops and linked >= routed:
            return _first(self._through(id_, hop, packet) for hop in hops)
        if neighbours:
            return _first(self._routed(network, self._map.networks[other], packet) for other in neighbours)
        return self._leave(network, packet)

    def _on_segment(self, network: Network, packet: Packet) -> Way:
        packet = packet.narrowed(network.mtu, f"network {network.id}", network.origin)
        packet = packet.from_within(network)
        machine = self._tables.members.get(network.id, {}).get(str(packet.wanted))
        if machine is not None:
            return self._arrive(machine, packet)
        summary = f"{packet.wanted} is on {network.id}"
        detail = "no node of the map has it: taken to be a load balancer's address or another host there"
        return packet.step(StepKind.NETWORK, summary, network.origin, detail).arrived(segment=network.id)

    def _routed(self, network: Network, other: Network, packet: Packet) -> Way:
        """Between two networks of one site, by its router."""
        packet = packet.step(StepKind.ROUTE, f"{network.site}'s router takes it to {other.id}", other.origin)
        packet, blocked = crossed(packet, Direction.OUTBOUND, self._guards.networks.get(network.id, ()))
        if blocked is None:
            packet, blocked = crossed(packet, Direction.INBOUND, self._guards.networks.get(other.id, ()))
        return blocked or self._on_segment(other, packet)

    def _leave(self, network: Network, packet: Packet) -> Way:
        """From a segment to the internet."""
        if not cidrs.is_global(packet.wanted):
            return self._lost(network.id, packet)
        if not network.internet:
            return packet.failed(f"{network.id} has no way to the internet")
        family = [net for net in network.cidrs if net.version == packet.wanted.version]
        if network.cidrs and not family:
            return packet.failed(f"{network.id} has no IPv{packet.wanted.version}")
        guards = self._guards.networks.get(network.id, ()), self._guards.sites.get(network.site, ())
        packet, blocked = crossed(packet, Direction.OUTBOUND, *guards)
        return blocked or self._out(network.id, network.site, packet)

    def _out(self, name: str, site: str, packet: Packet) -> Way:
        """Out to the internet with a source that it routes back."""
        packet, ended = self._border.translated(packet, name, site)
        return ended or self._on_the_internet(packet)

    def _lost(self, name: str, packet: Packet) -> Way:
        """Nothing routes a private address any further."""
        wanted = packet.wanted
        holder = self._map.owners.get(str(wanted)) or next(iter(self._tables.anywhere(wanted)), "")
        for cluster in self._map.clusters.values():
            if any(
                net.version == wanted.version and wanted in net for net in cluster.pod_cidrs + cluster.service_cidrs
            ):
                holder = holder or f"the cluster {cluster.id}"
        broken = [tunnel.name for tunnel in self._map.broken if _leads_to(tunnel, wanted)]
        if broken:
            return packet.failed(f"{', '.join(broken)}, which leads to {wanted}, is down")
        if not holder:
            return packet.failed(f"the map does not say who has {wanted}", unknown=True)
        return packet.failed(
            f"nothing routes {wanted} from {name}: {holder} has it, and private addresses do not pass the internet"
        )

    # --- a machine ---

    def _at_machine(self, id_: str, packet: Packet) -> Way:
        """Sent or forwarded by a machine: by its own interfaces, links and clusters, else by way of its networks."""
        ended = packet.again(id_)
        if ended is not None:
            return ended
        packet = packet.at(id_)
        if id_ in self._map.down:
            return packet.failed(f"{id_} is down")
        machine = self._map.machines[id_]
        if self._tables.has(machine, str(packet.wanted)):
            return packet.step(StepKind.NODE, f"{packet.wanted} is {id_}'s own", machine.origin).arrived(id_)
        for name in self._tables.of_machine.get(id_, ()):
            inside = self._in_cluster(name, packet, machine)
            if inside is not None:
                return inside
        segments = [self._map.networks[n] for n in machine.networks if n != INTERNET]
        connected = {n.id: self._tables.connected(n.id, packet.wanted) for n in segments}
        direct = max(connected.values(), default=-1)
        linked, hops = self._tables.through(id_, packet.wanted, packet.banned)
        if hops and linked > direct:
            return _first(self._through(id_, hop, packet) for hop in hops)
        if not packet.has_source:
            return packet.failed(f"{id_} has no IPv{packet.wanted.version} address")
        packet, blocked = crossed(packet, Direction.OUTBOUND, self._guards.machines.get(id_, ()))
        if blocked is not None:
            return blocked
        if direct >= 0:
            return _first(self._at_network(n.id, packet) for n in segments if connected[n.id] == direct)
        return self._onward(machine, segments, packet)

    def _onward(self, machine: Machine, segments: Sequence[Network], packet: Packet) -> Way:
        """By way of the networks that a machine is in: each may know a route; the internet last."""
        version = packet.wanted.version
        able = [network for network in segments if any(net.version == version for net in network.cidrs)]
        tries = [self._at_network(network.id, packet) for network in able or segments]
        if cidrs.is_global(packet.wanted) and self._border.is_beside(machine, version):
            packet, blocked = crossed(packet, Direction.OUTBOUND, self._guards.sites.get(machine.site, ()))
            tries.append(blocked or self._out(machine.id, machine.site, packet))
        if not tries:
            return self._lost(machine.id, packet)
        return _best(tries)  # out by one of them it may arrive

    def _arrive(self, id_: str, packet: Packet) -> Way:
        """At a machine that has the address: translated and sent on, or let in."""
        if id_ in self._map.down:
            return packet.failed(f"{id_} is down")
        machine = self._map.machines[id_]
        guards = self._guards.machines.get(id_, ())
        for guard in guards:
            translated = forwarding.by_guard(guard.firewall, packet)
            if translated is not None:
                return self._at_machine(id_, translated)
        packet, blocked = crossed(packet, Direction.INBOUND, guards)
        return blocked or packet.step(StepKind.NODE, f"arrives at {id_}", machine.origin).arrived(id_)

    # --- a cluster ---

    def _at_cluster(self, id_: str, packet: Packet, machines: Sequence[str] = ()) -> Way:
        """From a pod: within the cluster, through links of the pod network, else by way of the node that it is on, some
        of `machines` (none: of the cluster)."""
        cluster = self._map.clusters[id_]
        packet = packet.step(StepKind.CLUSTER, f"from the pods of {id_}", cluster.origin)
        packet = packet.narrowed(cluster.mtu, f"pod network of {id_}", cluster.origin)
        inside = self._in_cluster(id_, packet, None)
        if inside is not None:
            return inside
        _, hops = self._tables.through(id_, packet.wanted, packet.banned)
        if hops:
            return _first(self._through(id_, hop, packet) for hop in hops)
        families = {net.version for net in (*cluster.pod_cidrs, *packet.sources)}
        if cluster.pod_cidrs and packet.wanted.version not in families:
            return packet.failed(f"the pods of {id_} have no IPv{packet.wanted.version}")
        tries = (
            self._at_machine(m, structs.replace(packet, sources=hosts(self._map.machines[m].addresses), tried=set()))
            for m in self._representatives(id_, machines)
        )
        if cluster.machines:
            return _best(tries)
        segments = [n for n in self._map.networks.values() if n.site == cluster.site]
        found = (self._at_network(n.id, structs.replace(packet, sources=n.cidrs)) for n in segments)
        return _first(found) if segments else packet.failed(f"the map does not say where {id_} runs", unknown=True)

    def _representatives(self, cluster: str, only: Sequence[str] = ()) -> Iterator[str]:
        """One machine of each kind: alike are those of the same networks without firewalls or links of their own."""
        seen: set[object] = set()
        machines = tuple(only) or self._map.clusters[cluster].machines
        for id_ in [m for m in machines if m not in self._map.down] or machines:
            special = id_ in self._tables.joints or id_ in self._guards.machines
            sort: object = id_ if special else (self._map.machines[id_].site, self._map.machines[id_].networks)
            if sort not in seen:
                seen.add(sort)
                yield id_

    def _in_cluster(self, id_: str, packet: Packet, start: Machine | None) -> Way | None:
        """To a pod or Service of a cluster from inside of it; None for other addresses."""
        cluster = self._map.clusters[id_]
        wanted = packet.wanted
        if any(net.version == wanted.version and wanted in net for net in cluster.service_cidrs):
            return packet.step(StepKind.CLUSTER, f"{wanted} is a Service address of {id_}", cluster.origin).arrived()
        if not any(net.version == wanted.version and wanted in net for net in cluster.pod_cidrs):
            return None
        if self._map.owners.get(str(wanted)) in self._nodes:  # no pod gets a node's address, whatever overlaps
            return None
        packet = packet.narrowed(cluster.mtu, f"pod network of {id_}", cluster.origin)
        homes = [m for m in self._tables.pod_homes.longest(wanted)[1] if m in cluster.machines]
        if homes or start is None:
            home = homes[0] if homes else ""
        else:
            return self._to_the_worst(id_, packet, start)
        packet = packet.step(StepKind.CLUSTER, f"{wanted} is in the pod network of {id_}", cluster.origin)
        if start is None or home in ("", start.id):
            return packet.arrived(home)
        return self._carried(id_, packet, start, home) or packet.failed(f"no node address of {home} is reached")

    def _to_the_worst(self, id_: str, packet: Packet, start: Machine) -> Way:
        """To a pod that may run on any node: what holds wherever it runs is what holds for the farthest."""
        cluster = self._map.clusters[id_]
        detail = "which node it runs on is unknown: taken to be the one with the smallest packets on its way"
        step = f"{packet.wanted} is in the pod network of {id_}"
        packet = packet.step(StepKind.CLUSTER, step, cluster.origin, detail)
        found = [self._carried(id_, packet, start, other) for other in self._representatives(id_) if other != start.id]
        ways = [way for way in found if way is not None and way.reached]
        if not ways:
            return packet.arrived()
        return structs.replace(
            min(ways, key=lambda way: (way.mtu.value if way.mtu else 0, -len(way.links))), machine=""
        )

    def _carried(self, id_: str, packet: Packet, start: Machine, home: str) -> Way | None:
        """Between nodes: the node network carries the pod's packet, encapsulated."""
        cluster = self._map.clusters[id_]
        found = sorted(hosts(self._map.machines[home].addresses), key=cidrs.is_global)
        for net in found:
            if not any(source.version == net.version for source in hosts(start.addresses)):
                continue
            outer = Packet(net.network_address, 0, "udp", hosts(start.addresses), banned=packet.banned, judged=False)
            way = self._at_machine(start.id, outer)
            if not way.reached:
                continue
            if way.mtu is not None:
                packet = packet.narrowed(way.mtu.value - cluster.overhead, way.mtu.hop, way.mtu.origin)
            links = tuple(dict.fromkeys(packet.links + way.links))
            carried = tuple(step for step in way.steps if step.kind in (StepKind.LINK, StepKind.INTERNET))
            return structs.replace(packet, links=links, steps=packet.steps + carried).arrived(home)
        return None

    # --- a link ---

    def _through(self, place: str, hop: Hop, packet: Packet) -> Way:
        """Into a link at one end, out at another."""
        tunnel = self._map.tunnels[hop.tunnel]
        enter, leave = tunnel.joints[hop.enter], tunnel.joints[hop.leave]
        ended = packet.again(leave.place)
        if ended is not None:
            return ended
        if enter.place != place:
            packet = packet.step(StepKind.ROUTE, f"{place} sends it to {enter.place}, where {tunnel.name} starts")
        clear = tunnel.type is LinkType.DIRECT
        counts = clear or enter.place in self._map.machines
        guards = self._at_end(enter.place, clear, place)
        packet, blocked = crossed(packet, Direction.OUTBOUND, guards, default_counts=counts)
        if blocked is not None:
            return blocked
        carrier = self._carriers.carrier(hop, packet)
        summary = f"through the {tunnel.type} link {tunnel.name} to {leave.place}"
        packet = packet.step(StepKind.LINK, summary, tunnel.origin, f"MTU {carrier.mtu}", *carrier.details)
        packet = packet.narrowed(carrier.mtu, f"link {tunnel.name}", tunnel.mtu_origin)
        packet = structs.replace(packet, links=tuple(dict.fromkeys((*packet.links, tunnel.name, *carrier.links))))
        if carrier.failed is not None:
            reason = f"the link {tunnel.name} does not come up: {carrier.failed.reason}"
            return packet.failed(reason, blocked_by=carrier.failed.blocked_by)
        sent = place == enter.place and place in self._map.machines and packet.seen <= {(place, str(packet.wanted))}
        if sent:  # by the end itself: what it forwards keeps its source
            packet = structs.replace(packet, sources=hosts(enter.addresses) + packet.sources)
        unsaid = enter.place in self._map.clusters or (sent and not enter.addresses)
        stranger = None if unsaid else answers.stranger(tunnel, hop, packet)
        if stranger is None:
            return self._out_of(tunnel, hop, packet)
        return self._from_stranger(tunnel, hop, packet, stranger)

    def _from_stranger(self, tunnel: Tunnel, hop: Hop, packet: Packet, stranger: Net) -> Way:
        """What comes out of a link of a sender for whom its end does not speak."""
        enter, leave = tunnel.joints[hop.enter], tunnel.joints[hop.leave]
        if tunnel.type in answers.FILTERING:
            return answers.lost(tunnel, enter, leave, packet, stranger)
        way = self._out_of(tunnel, hop, structs.replace(packet, tried=set(packet.tried)))
        back = self._sent(leave.place, answers.to(stranger))
        there = way.reached and way.links[-1] == tunnel.name and way.address == str(packet.wanted)
        if there and not (back.reached or back.unknown):
            return answers.lost(tunnel, enter, leave, packet, stranger)
        return way

    def _out_of(self, tunnel: Tunnel, hop: Hop, packet: Packet) -> Way:
        """What comes out of a link."""
        leave = tunnel.joints[hop.leave]
        clear = tunnel.type is LinkType.DIRECT
        if leave.inbound is not None and packet.judged:
            rule = nebula(leave.inbound, packet.traffic)
            if rule is None:
                reason = f"{leave.place}'s own firewall in {tunnel.name} lets no {packet.said} in"
                refused = packet.step(StepKind.FIREWALL, reason, leave.origin)
                return refused.failed(reason, blocked_by=leave.origin)
        if leave.place in self._map.machines:
            machine = self._map.machines[leave.place]
            if self._tables.has(machine, str(packet.wanted)):
                return self._arrive(leave.place, structs.replace(packet, hidden=not clear))
            return self._beyond(tunnel, leave.place, packet, self._at_machine(leave.place, packet))
        guards = self._at_end(leave.place, clear, "")
        packet, blocked = crossed(packet, Direction.INBOUND, guards, default_counts=clear)
        if blocked is not None:
            return blocked
        if leave.place in self._map.clusters:
            landed = self._in_cluster(leave.place, packet, None)
            return landed or packet.failed(f"{packet.wanted} is not in the cluster {leave.place}")
        return self._beyond(tunnel, leave.place, packet, self._at_network(leave.place, packet))

    def _beyond(self, tunnel: Tunnel, place: str, packet: Packet, way: Way) -> Way:
        """Behind the end of a link whose routes say that the address is there, although no network has it."""
        if not way.unknown or cidrs.is_global(packet.wanted):
            return way
        detail = "no network of the map has it: the link's routes are taken at their word"
        return packet.step(StepKind.ROUTE, f"{packet.wanted} is behind {place}", tunnel.origin, detail).arrived()

    def _at_end(self, place: str, clear: bool, start: str) -> tuple[Guard, ...]:
        """The firewalls at the end of a link that see what it carries."""
        if place in self._map.machines:
            found = self._guards.machines.get(place, ()) if start == place else ()
            return tuple(guard for guard in found if clear or not guard.group)
        if place in self._map.networks:
            site = self._map.networks[place].site
            return self._guards.networks.get(place, ()) + self._guards.sites.get(site, ())
        return ()

    def _sent(self, place: str, packet: Packet) -> Way:
        """Sent by whoever is there, from an address that it has."""
        if place in self._map.machines:
            sources = hosts(self._map.machines[place].addresses)
            return self._at_machine(place, structs.replace(packet, sources=sources))
        if place in self._map.clusters:
            return self._at_cluster(place, packet)
        return self._at_network(place, structs.replace(packet, sources=self._map.networks[place].cidrs))

    # --- the internet ---

    def _on_the_internet(self, packet: Packet) -> Way:
        """To whoever has a public address: a machine, a network behind a router, a port forward."""
        internet = self._map.networks[INTERNET]
        packet = packet.step(StepKind.INTERNET, "over the internet").narrowed(internet.mtu, "internet", None)
        wanted = str(packet.wanted)
        if not cidrs.is_global(packet.wanted):
            return packet.failed(f"{wanted} is private: no way leads there over the internet")
        owner = self._map.owners.get(wanted)
        if owner is not None and not self._border.routes_to(self._map.machines[owner], packet.wanted):
            return packet.failed(f"{wanted} is {owner}'s, in a network without a way from the internet")
        if owner is not None:
            return self._enter(self._map.machines[owner], packet)
        forwards = self._guards.forwards.get(wanted, ())
        if forwards:
            return self._forwarded(forwards, packet)
        for name in self._tables.anywhere(packet.wanted):
            network = self._map.networks[name]
            if network.internet:
                guards = self._guards.sites.get(network.site, ()), self._guards.networks.get(name, ())
                packet, blocked = crossed(packet, Direction.INBOUND, *guards)
                return blocked or self._on_segment(network, packet)
        return packet.failed(f"the map does not say who has {wanted}", unknown=True)

    def _enter(self, machine: Machine, packet: Packet) -> Way:
        """From the internet to a machine: past what protects its site, the network that holds the address (all that the
        machine is in, where none does) and itself."""
        segments = [name for name in machine.networks if name != INTERNET]
        holding = [name for name in segments if self._tables.connected(name, packet.wanted) >= 0]
        inner = (self._guards.networks.get(name, ()) for name in holding or segments)
        packet, blocked = crossed(packet, Direction.INBOUND, self._guards.sites.get(machine.site, ()), *inner)
        return blocked or self._arrive(machine.id, packet)

    def _forwarded(self, forwards: Sequence[tuple[FirewallIntent, PortForward]], packet: Packet) -> Way:
        """At the public address of a router: what it forwards goes on inside; it lets in what it forwards."""
        found = forwarding.first(forwards, packet)
        if found is not None:
            return _first(self._from_router(*found))
        firewall = forwards[0][0]
        reason = f"{firewall.key.name} forwards no {packet.said} from {packet.wanted}"
        return packet.step(StepKind.FIREWALL, reason, firewall.origin).failed(reason, blocked_by=firewall.origin)

    def _from_router(self, firewall: FirewallIntent, packet: Packet) -> Iterator[Way]:
        """From each place that a router's firewall protects, those that have the address first."""
        names = [*self._guards.protects.get(firewall.key, ())]
        segments = [name for name in names if name in self._map.networks]
        near = sorted(segments, key=lambda name: -self._tables.connected(name, packet.wanted))
        for name in near:
            yield self._at_network(name, packet)
        for name in names:
            if name in self._map.machines:
                yield self._at_machine(name, packet)
        if not names:
            yield self._lost(firewall.key.name, packet)


def _first(ways: Iterable[Way]) -> Way:
    """The first that arrives, else the first that fails for a reason that is known, else the first."""
    failed: list[Way] = []
    for way in ways:
        if way.reached:
            return way
        failed.append(way)
    return next((way for way in failed if not way.unknown), failed[0])


def _best(ways: Iterable[Way]) -> Way:
    """The first that arrives, else the first that may, else the first: where whoever sends it may choose."""
    failed: list[Way] = []
    for way in ways:
        if way.reached:
            return way
        failed.append(way)
    return next((way for way in failed if way.unknown), failed[0])


def _of_each_family(own: Sequence[Net], usual: Sequence[Net]) -> tuple[Net, ...]:
    """The sender's own addresses, and the usual ones of those families of which it names none."""
    named = {net.version for net in own}
    return (*own, *(net for net in usual if net.version not in named))


def _leads_to(tunnel: Tunnel, wanted: Address) -> bool:
    nets = (net for joint in tunnel.joints for net in joint.routes)
    return any(net.version == wanted.version and wanted in net for net in nets)
