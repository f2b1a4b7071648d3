"""Two networks that meet use the same addresses.

Nodes, pods, Services, links and LANs each have ranges of their own.  Where two that are connected overlap, a host finds
the addresses of the other close by and never sends packets there: the connection hangs, for some addresses only, and
nothing logs it.  k3s gives pods 10.42.0.0/16 and Services 10.43.0.0/16 unless told otherwise, so a mesh or a second
cluster with the same default is the classic.

    kind: Link
    spec: {type: Nebula, cidrs: [10.42.0.0/16], ...}     # and k3s with its default pod network

Renumber one of them: the overlay of a mesh is the cheapest, then a new cluster's `--cluster-cidr` and `--service-cidr`.
Pod networks of clusters that no link connects, and LANs of sites that no link connects, may be equal and are no fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.graph.network.cidrs import Prefixes, within
from gatewright.graph.network.nodes import Cluster, Net, Topology, Tunnel
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.places import INTERNET, LinkType

ID = "cidr-overlap"

MOST = 50
"""How many overlaps one range is told of: a map of thousands of equal ranges has one mistake, not millions."""


class _Range(Struct, frozen=True):
    """A range with what it is: `what` "lan" | "pods" | "services" | "overlay"; `home` the site, `of` its owner's id."""

    net: Net
    what: str
    of: str
    home: str
    told: str
    origin: Origin


def check(sight: Sight) -> Iterable[Finding]:
    """Every two ranges that overlap although packets pass from one to the other."""
    world = sight.ask(topology)
    ranges = list(_ranges(world))
    table: Prefixes[int] = Prefixes((item.net, number) for number, item in enumerate(ranges))
    joined = _Joined(world)
    for number, inner in enumerate(ranges):
        wider = (
            ranges[other]
            for length, others in table.each(inner.net.network_address)
            if length <= inner.net.prefixlen
            for other in others
            # Of two equal ranges the later one tells.
            if other != number and (length < inner.net.prefixlen or other < number)
        )
        yield from islice((_finding(outer, inner) for outer in wider if joined.meet(outer, inner)), MOST)


def _ranges(world: Topology) -> Iterator[_Range]:
    for network in world.networks.values():
        if network.id != INTERNET:
            for net in network.cidrs:
                yield _Range(net, "lan", network.id, network.site, f"the network {network.id}", network.origin)
    for cluster in world.clusters.values():
        for what, told, nets in (
            ("pods", "the pods of", cluster.pod_cidrs),
            ("services", "the Services of", cluster.service_cidrs),
        ):
            for net in nets:
                yield _Range(net, what, cluster.id, cluster.site, f"{told} {cluster.id}", cluster.origin)
    for tunnel in world.tunnels:
        for net in tunnel.cidrs:
            yield _Range(net, "overlay", tunnel.name, "", f"the link {tunnel.name}", tunnel.origin)


class _Joined:
    """Which sites and clusters exchange packets."""

    def __init__(self, world: Topology) -> None:
        self._world = world
        self._group: dict[str, int] = {}
        self._sites_of: dict[str, frozenset[str]] = {}
        for cluster in world.clusters.values():
            machines = (world.machines[m].site for m in cluster.machines if m in world.machines)
            self._unite({cluster.site, *machines})
        for tunnel in world.tunnels:
            sites = {self._site(joint.place) for joint in tunnel.joints} - {""}
            self._sites_of[tunnel.name] = frozenset(sites)
            self._unite(sites)

    def _site(self, place: str) -> str:
        world = self._world
        if place in world.machines:
            return world.machines[place].site
        found = world.clusters.get(place) or world.networks.get(place)
        return found.site if found is not None else ""

    def _unite(self, sites: set[str]) -> None:
        groups = {self._group[site] for site in sites if site in self._group}
        target = min(groups, default=len(self._group))
        for site, group in list(self._group.items()):
            if group in groups:
                self._group[site] = target
        self._group.update(dict.fromkeys(sites, target))

    def meet(self, one: _Range, other: _Range) -> bool:
        """Do packets for one of them pass where the other one is?"""
        if "overlay" in (one.what, other.what):
            return self._overlay_meets(one, other)
        if one.of == other.of:
            return one.what != other.what
        clusters = [self._world.clusters.get(item.of) for item in (one, other)]
        if clusters[0] is not None and clusters[1] is not None:
            return "services" not in (one.what, other.what) and self._pods_meet(*(c for c in clusters if c is not None))
        return self._near(one.home, other.home)

    def _near(self, one: str, other: str) -> bool:
        return one == other or (one in self._group and self._group.get(other) == self._group[one])

    def _overlay_meets(self, one: _Range, other: _Range) -> bool:
        overlay, rest = (one, other) if one.what == "overlay" else (other, one)
        if rest.what == "overlay":
            return bool(self._sites_of[overlay.of] & self._sites_of[rest.of])
        if rest.what == "lan" and self._is_end(overlay.of, rest.of):
            return False  # a tunnel that hands out addresses of the LAN that it leads to
        return any(self._near(site, rest.home) for site in self._sites_of[overlay.of])

    def _is_end(self, tunnel: str, network: str) -> bool:
        (found,) = (item for item in self._world.tunnels if item.name == tunnel)
        for joint in found.joints:
            machine = self._world.machines.get(joint.place)
            if joint.place == network or (machine is not None and network in machine.networks):
                return True
        return False

    def _pods_meet(self, one: Cluster, other: Cluster) -> bool:
        """Does a link carry pods' addresses between these clusters?"""
        return any(self._carries(tunnel, one) and self._carries(tunnel, other) for tunnel in self._world.tunnels)

    def _carries(self, tunnel: Tunnel, cluster: Cluster) -> bool:
        here = [joint for joint in tunnel.joints if joint.place == cluster.id or joint.place in cluster.machines]
        routed = (net for joint in here for net in joint.routes)
        pods = tunnel.type is LinkType.LIQO or any(within(net, pod) for net in routed for pod in cluster.pod_cidrs)
        return bool(here) and pods


def _finding(outer: _Range, inner: _Range) -> Finding:
    same = outer.net == inner.net
    told = f"both use {inner.net}" if same else f"{inner.net} lies in {outer.net}"
    return Finding(
        ID,
        Severity.ERROR,
        f"{inner.told} and {outer.told} overlap: {told}",
        "packets for one of them end up in the other, and connections hang without a word",
        f"give {_cheapest(inner, outer).told} another range",
        (inner.origin, outer.origin),
    )


def _cheapest(one: _Range, other: _Range) -> _Range:
    """The one that is easiest to renumber."""
    order = ("overlay", "services", "pods", "lan")
    return min(one, other, key=lambda item: order.index(item.what))


RULE = Rule(ID, "address ranges that overlap", Severity.ERROR, Scope.WORLD, __doc__, check)
