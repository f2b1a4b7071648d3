"""Where a packet goes next: the routing tables of a map.

`Tables` answers for one place and one address, by longest prefix; it moves nothing and knows no firewall.  Links whose
routes send packets in a circle are found here too.  Counterpart: `ways`, which follows the tables step by step.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from gatewright.base.problem import Problem
from gatewright.graph.network import cidrs
from gatewright.graph.network.cidrs import Address, Prefixes
from gatewright.graph.network.nodes import Cluster, Joint, Machine, Net, Network, Tunnel

MESH = 8
"""A tunnel with more ends than this is a mesh."""


class Hop(Struct, frozen=True, order=True, gc=False):
    """Through a tunnel: by number of the tunnel and of its joints."""

    tunnel: int
    enter: int
    leave: int


class Tables:
    """All routing tables of a map, made once."""

    __slots__ = (
        "_meshes",
        "_site",
        "_starting",
        "_world",
        "clusters",
        "joints",
        "machines",
        "members",
        "networks",
        "of_machine",
        "pod_homes",
        "segments",
        "tunnels",
    )

    def __init__(
        self,
        networks: Mapping[str, Network],
        machines: Mapping[str, Machine],
        clusters: Mapping[str, Cluster],
        tunnels: Sequence[Tunnel],
    ) -> None:
        self.networks, self.machines, self.clusters, self.tunnels = networks, machines, clusters, tunnels
        self.joints: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for number, tunnel in enumerate(tunnels):
            for end, joint in enumerate(tunnel.joints):
                self.joints[joint.place].append((number, end))
        self._meshes: dict[int, Prefixes[int]] = {}
        self._starting: dict[str, tuple[Prefixes[Hop], list[tuple[int, int]]]] = {}
        self.members: dict[str, dict[str, str]] = defaultdict(dict)
        self.segments: dict[str, list[str]] = defaultdict(list)
        for machine in machines.values():
            for segment in machine.networks:
                if machine.id in self.joints:
                    self.segments[segment].append(machine.id)
            for text in (*machine.addresses, *self._tunnel_addresses(machine.id)):
                for segment in machine.networks or ("",):
                    self.members[segment].setdefault(text, machine.id)
        self.of_machine: dict[str, list[str]] = defaultdict(list)
        for cluster in clusters.values():
            for id_ in cluster.machines:
                self.of_machine[id_].append(cluster.id)
        self._site: dict[str, Prefixes[str]] = {}
        by_site: dict[str, list[tuple[Net, str]]] = defaultdict(list)
        for network in networks.values():
            by_site[network.site] += [(net, network.id) for net in network.cidrs]
        self._site = {site: Prefixes(entries) for site, entries in by_site.items()}
        self._world = Prefixes(entry for entries in by_site.values() for entry in entries)
        self.pod_homes = Prefixes((net, m.id) for m in machines.values() for net in m.pod_cidrs)

    def _tunnel_addresses(self, place: str) -> Iterator[str]:
        for tunnel, end in self.joints.get(place, ()):
            yield from self.tunnels[tunnel].joints[end].addresses

    def has(self, machine: Machine, wanted: str) -> bool:
        """Is this one of the machine's own addresses, those of its tunnels included?"""
        return wanted in machine.addresses or wanted in self._tunnel_addresses(machine.id)

    def joint(self, hop: Hop, *, leave: bool) -> Joint:
        return self.tunnels[hop.tunnel].joints[hop.leave if leave else hop.enter]

    def connected(self, network: str, wanted: Address) -> int:
        """The length of this segment's prefix that holds the address, -1 for none."""
        nets = self.networks[network].cidrs
        return max((net.prefixlen for net in nets if net.version == wanted.version and wanted in net), default=-1)

    def neighbours(self, site: str, wanted: Address) -> tuple[int, Sequence[str]]:
        """The networks of a site that hold the address, by longest prefix."""
        table = self._site.get(site)
        return table.longest(wanted) if table else (-1, ())

    def anywhere(self, wanted: Address) -> list[str]:
        """Every network that holds the address, narrowest first."""
        return [network for _, found in self._world.each(wanted) for network in found]

    def through(self, place: str, wanted: Address, banned: frozenset[int] = frozenset()) -> tuple[int, list[Hop]]:
        """The tunnels that start at a place and lead to the address, by longest prefix; none of `banned`.

        At a network also those of its machines: its router knows them, but for default routes, which concern the
        machine that has the tunnel and nobody beside it.
        """
        best, hops = -1, list[Hop]()
        if place not in self._starting:
            self._starting[place] = self._start(place)
        table, meshes = self._starting[place]
        for length, found in table.each(wanted):
            hops = [hop for hop in found if hop.tunnel not in banned]
            if hops:
                best = length
                break
        for number, enter in meshes:
            beside = self.tunnels[number].joints[enter].place != place
            for length, leave in self._matches(number, enter, wanted) if number not in banned else ():
                if beside and not length:
                    continue
                if length > best:
                    best, hops = length, []
                if length == best:
                    hops.append(Hop(number, enter, leave))
        return best, sorted(hops)

    def _start(self, place: str) -> tuple[Prefixes[Hop], list[tuple[int, int]]]:
        """One table of all small tunnels that start at a place, and the meshes: a mesh has a table of its own, since
        one for each of its ends would be quadratic in their number."""
        entries: list[tuple[Net, Hop]] = []
        meshes: list[tuple[int, int]] = []
        for starting in (place, *self.segments.get(place, ())):
            for number, enter in self.joints.get(starting, ()):
                joints = self.tunnels[number].joints
                if len(joints) > MESH:
                    meshes.append((number, enter))
                    continue
                for leave, joint in enumerate(joints):
                    if joint.place != starting:
                        nets = (net for net in joint.routes if net.prefixlen or starting == place)
                        entries += [(net, Hop(number, enter, leave)) for net in nets]
        return Prefixes(entries), meshes

    def _matches(self, number: int, enter: int, wanted: Address) -> Iterable[tuple[int, int]]:
        """The longest prefixes of a mesh that do not lead back to the end where one is."""
        joints = self.tunnels[number].joints
        if number not in self._meshes:
            self._meshes[number] = Prefixes((net, end) for end, joint in enumerate(joints) for net in joint.routes)
        here = joints[enter].place
        for length, ends in self._meshes[number].each(wanted):
            found = [(length, end) for end in ends if joints[end].place != here]
            if found:
                return found
        return ()

    def attached(self, place: str, wanted: Address) -> int:
        """How specifically a place has the address itself, -1 when it does not."""
        if place in self.machines:
            machine = self.machines[place]
            if self.has(machine, str(wanted)):
                return 128
            own = max((self.connected(network, wanted) for network in machine.networks), default=-1)
            return max([own, *(self._pods(cluster, wanted) for cluster in self.of_machine.get(place, ()))])
        return self._pods(place, wanted) if place in self.clusters else self.connected(place, wanted)

    def _pods(self, cluster: str, wanted: Address) -> int:
        nets = self.clusters[cluster].pod_cidrs
        return max((net.prefixlen for net in nets if net.version == wanted.version and wanted in net), default=-1)


def circles(tables: Tables) -> Iterator[Problem]:
    """Links that send packets round in a circle, and links that are reached through each other."""
    yield from _routes_in_a_circle(tables)
    yield from _carried_in_a_circle(tables)


def _routes_in_a_circle(tables: Tables) -> Iterator[Problem]:
    """For one address of each route (one that something has, where there is any): does following routes come back?"""
    known = sorted(
        (net.version, int(net.network_address), net.network_address)
        for network in tables.networks.values()
        for net in network.cidrs
    )
    told: set[frozenset[int]] = set()
    for number, tunnel in enumerate(tables.tunnels):
        for joint in tunnel.joints:
            start = next((other.place for other in tunnel.joints if other.place != joint.place), None)
            for net in joint.routes if start is not None else ():
                if net.prefixlen == 0:
                    continue
                at = bisect.bisect_left(known, (net.version, int(net.network_address)))
                held = at < len(known) and known[at][0] == net.version and known[at][2] in net
                passed = _circle(tables, start, known[at][2] if held else net.network_address)
                if number in passed and frozenset(passed) not in told:
                    told.add(frozenset(passed))
                    yield from _loop(tables, passed, f"send packets for {net} in a circle")


def _circle(tables: Tables, start: str | None, wanted: Address) -> list[int]:
    """The tunnels of the circle that a packet from `start` ends in; none when it ends elsewhere."""
    place, seen, passed = start, {start: 0}, []
    while place is not None:
        length, hops = tables.through(place, wanted)
        if not hops or length <= tables.attached(place, wanted):
            return []
        passed.append(hops[0].tunnel)
        place = tables.joint(hops[0], leave=True).place
        if place in seen:
            return passed[seen[place] :]
        seen[place] = len(passed)
    return []


def _carried_in_a_circle(tables: Tables) -> Iterator[Problem]:
    """Links whose own packets would have to go through themselves, directly or by way of others."""
    carried: dict[int, int] = {}
    for number, tunnel in enumerate(tables.tunnels):
        for joint in tunnel.joints:
            wanted = endpoint_address(joint)
            start = next((other.place for other in tunnel.joints if other.place != joint.place), None)
            if wanted is None or start is None:
                continue
            length, hops = tables.through(start, wanted)
            # A default route does not carry the packets of its own link: the tools that set it see to that.
            if hops and length > max(0, tables.attached(start, wanted)):
                carried[number] = hops[0].tunnel
    told: set[int] = set()
    for first in list(carried):
        number, trail = first, list[int]()
        while number in carried and number not in trail:
            trail.append(number)
            number = carried[number]
        if number in trail and not told & set(trail):
            told |= set(trail)
            yield from _loop(tables, trail[trail.index(number) :], "are reached through one another")


def _loop(tables: Tables, passed: list[int], what: str) -> Iterator[Problem]:
    """Told at each of the links."""
    links = [tables.tunnels[number] for number in dict.fromkeys(passed)]
    listed = " and ".join(f"{link.name} ({link.origin.file})" for link in links)
    message = f"the links {listed} {what}" if len(links) > 1 else f"the two ends of the link {listed} {what}"
    hint = "a prefix belongs to the one end that has it: narrow the routes of the other"
    for link in links:
        yield Problem("link-loop", message, link.origin, hint=hint)


def endpoint_address(joint: Joint) -> Address | None:
    """The address at which a joint is dialled, when it is written as one."""
    text = joint.endpoint
    if text.startswith("["):
        return cidrs.address(text[1:].partition("]")[0])
    return cidrs.address(text) or cidrs.address(text.rpartition(":")[0])


def endpoint_port(joint: Joint) -> int:
    """The port at which a joint is dialled, 0 when nobody says."""
    tail = joint.endpoint.rpartition("]")[2].rpartition(":")[2] if cidrs.address(joint.endpoint) is None else ""
    return int(tail) if tail.isdigit() else joint.listen_port
