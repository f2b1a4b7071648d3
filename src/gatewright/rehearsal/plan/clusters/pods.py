"""Pods as spaces, each below its node, and echo backends at every endpoint of a Service.

Endpoints outside of pod networks are on the machine that has the address, or in a space of their own on the network
that holds it.  A pod is known by its name: `vantage-NAME` is a Vantage's, others those of the workload or Service that
they are named for, which is how policies tell whom they select (`labels_of`).  Counterpart: `finish`.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.engines.echo.service import EchoService, Transport
from gatewright.graph.network import cidrs
from gatewright.graph.network.nodes import Cluster, Machine, Topology
from gatewright.graph.network.placement import home, home_of
from gatewright.graph.network.spots import places
from gatewright.graph.network.starts import workloads_of
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.kinds.intents.material import EndpointAddress, EndpointsIntent, ServiceIntent, ServicePort
from gatewright.rehearsal import ranges
from gatewright.rehearsal.invent import chosen
from gatewright.rehearsal.plan.clusters import joined
from gatewright.rehearsal.plan.clusters.external import host
from gatewright.rehearsal.plan.clusters.joined import family, holders
from gatewright.rehearsal.plan.identity import VANTAGE, identify
from gatewright.rehearsal.world import Draft, Echo, Role, SpaceDraft, default_routes, node, pod


class Served(Struct, frozen=True):
    """One endpoint of one port of a Service."""

    service: ServiceIntent
    port: ServicePort
    at: EndpointAddress
    number: int


def plan(draft: Draft, sight: Sight) -> None:
    """All pods that serve something, those of Vantages, and the echo backends."""
    world = sight.ask(topology)
    for cluster in world.clusters.values():
        for machine in cluster.machines:
            draft.spaces[node(machine)].routes()
    _Pods(draft, sight).plan()
    for vantage in sight.all("Vantage", VantageIntent):
        place = next(iter(places(sight, vantage.at)), None)
        if place is not None and place.kind == "cluster" and place.id in world.clusters:
            _of_vantage(draft, sight, world.clusters[place.id], vantage)


def served(sight: Sight, service: ServiceIntent) -> Iterator[Served]:
    """The ready endpoints of a Service's ports."""
    return (one for one in listed(sight, service) if one.at.ready)


def listed(sight: Sight, service: ServiceIntent) -> Iterator[Served]:
    """All endpoints of a Service's ports: pods that are not ready are there all the same."""
    for group in ranges.endpoints(sight, service.key):
        for port in service.ports:
            number = _number(group, port, len(service.ports))
            if number is not None:
                yield from (Served(service, port, at, number) for at in group.addresses)


class NewPod(Struct, frozen=True):
    """A space on the pod network of a cluster, below one of its machines.  `addresses`: those that it has to have."""

    space: str
    cluster: Cluster
    machine: Machine
    addresses: tuple[str, ...] = ()
    role: Role = Role.POD
    origin: Origin | None = None


def add(draft: Draft, sight: Sight, new: NewPod) -> SpaceDraft:
    """Make it, with a free address of each family that its cluster has and its own leave out, and a way out in those
    families; the first device is its own.  With a default route it would reach its node in families that it has not,
    from link-local addresses."""
    had = {family(address) for address in new.addresses}
    nets = ranges.pod_ranges(sight, new.cluster, new.machine)
    more = tuple(draft.free(net) for net in nets if net.version not in had)
    space = draft.space(new.space, new.role, new.origin)
    above = draft.spaces[node(new.machine.id)]
    device, _ = draft.uplink(space, above, (*new.addresses, *more), new.cluster.mtu)
    default_routes(space, device, sorted({family(address) for address in (*new.addresses, *more)}))
    return space


def _number(group: EndpointsIntent, port: ServicePort, ports: int) -> int | None:
    """The endpoint port of a Service's port: by name; a single one serves a Service of a single port."""
    named = next((number for name, number in group.ports if name == port.name), None)
    return group.ports[0][1] if named is None and ports == 1 and len(group.ports) == 1 else named


def _of_vantage(draft: Draft, sight: Sight, cluster: Cluster, vantage: VantageIntent) -> None:
    """Where clients start that are pods."""
    name = VANTAGE + vantage.key.name
    workload = next(iter(workloads_of(sight, vantage.namespace, vantage.labels)), None)
    machine = chosen(sight, cluster, f"{vantage.namespace}/{name}", workload)
    space = pod(vantage.namespace or "default", name)
    add(draft, sight, NewPod(space, cluster, machine, vantage.addresses, origin=vantage.origin))


class _Pods:
    """Finds the space of every endpoint, and makes it where there is none."""

    def __init__(self, draft: Draft, sight: Sight) -> None:
        self._draft = draft
        self._sight = sight
        self._map: Topology = sight.ask(topology)
        self._spaces = holders(draft)
        self._told: set[tuple[str, str, int, Transport]] = set()

    def plan(self) -> None:
        everything = [one for service in ranges.services(self._sight) for one in listed(self._sight, service)]
        self._draft.taken.update(one.at.address for one in everything)
        together: dict[tuple[str, str], dict[str, None]] = {}
        for one in everything:
            together.setdefault((one.service.key.namespace, self._name(one)), {})[one.at.address] = None
        for one in everything:
            space = self._space(one, tuple(together[one.service.key.namespace, self._name(one)]))
            if space:
                self._echo(space, one)
                self._on_host_ports(space, one)

    def _echo(self, space: str, one: Served, at: tuple[str, int] | None = None) -> None:
        """Answer as the Service's pod at its own address and port, or `at` others."""
        transport = Transport.UDP if one.port.protocol == "UDP" else Transport.TCP
        address, number = at or (one.at.address, one.number)
        if (space, address, number, transport) not in self._told and one.port.protocol in ("TCP", "UDP"):
            self._told.add((space, address, number, transport))
            key = one.service.key
            identity = EchoService(key.namespace, key.name, one.port.port, transport, one.at.pod)
            self._draft.echoes.append(Echo(space, address, number, identity))

    def _on_host_ports(self, space: str, one: Served) -> None:
        """A port of the pod that is one of its node's too, at all addresses that this has, those in tunnels included:
        the node's own firewall sees it as it sees the node's other ports."""
        who = identify(self._sight, space)
        ports = who.workload.ports if who is not None and who.workload is not None else ()
        taken = [p.host_port for p in ports if p.host_port and (p.port, p.protocol) == (one.number, one.port.protocol)]
        if not taken:
            return
        above = next((below.machine for below in joined.below(self._draft) if below.space == space), "")
        addresses = [address for address, owner in self._map.owners.items() if node(owner) == above]
        for address in addresses:
            self._echo(above, one, (address, taken[0]))

    def _name(self, one: Served) -> str:
        """The pod's own name, else one that its Service and address make."""
        return one.at.pod or f"{one.service.key.name}-{one.at.address}"

    def _space(self, one: Served, addresses: tuple[str, ...]) -> str:
        """The space that has the address of an endpoint, "" when it is nowhere on the map."""
        address = one.at.address
        if address not in self._spaces:
            owner = self._map.owners.get(address)
            made = node(owner) if owner is not None else self._made(one, addresses)
            for each in self._draft.spaces[made].addresses if made else ():
                self._spaces.setdefault(each, made)
            self._spaces[address] = made
        return self._spaces[address]

    def _made(self, one: Served, addresses: tuple[str, ...]) -> str:
        cluster = self._cluster(one)
        if cluster is None or not cluster.machines:
            return self._outside(one)
        name = pod(one.service.key.namespace, self._name(one))
        if name in self._draft.spaces:  # its other addresses are elsewhere
            name = pod(one.service.key.namespace, f"{self._name(one)}-{one.at.address}")
        same = tuple(a for a in addresses if a not in self._spaces)
        new = NewPod(name, cluster, self._machine(cluster, one), same, origin=one.service.origin)
        add(self._draft, self._sight, new)
        return name

    def _cluster(self, one: Served) -> Cluster | None:
        """The cluster whose pod an endpoint is; None for others."""
        holding = self._sight.ask(home_of, one.at.address).cluster
        if holding:
            return self._map.clusters[holding]
        mine = self._map.clusters.get(self._sight.ask(home, one.service.key.namespace).cluster)
        if mine is None or (mine.pod_cidrs and not _within(one.at.address, mine)):
            return None
        return mine if mine.pod_cidrs or one.at.node else None

    def _machine(self, cluster: Cluster, one: Served) -> Machine:
        machines = [self._map.machines[id_] for id_ in cluster.machines]
        value = cidrs.address(one.at.address)
        for machine in machines:
            if one.at.node and machine.name == one.at.node:
                return machine
        for machine in machines:
            if value is not None and any(value.version == n.version and value in n for n in machine.pod_cidrs):
                return machine
        workload = next(iter(workloads_of(self._sight, one.service.key.namespace, one.service.selector)), None)
        return chosen(self._sight, cluster, f"{one.service.key.namespace}/{self._name(one)}", workload)

    def _outside(self, one: Served) -> str:
        """Of no cluster's pods and no machine."""
        found = host(self._draft, self._map, one.at.address, one.service.origin)
        if not found and cidrs.address(one.at.address) is not None:
            text = f"{one.at.address}, an endpoint of {one.service.key}, is nowhere on the map"
            self._draft.note(text, one.service.origin)
        return found


def _within(address: str, cluster: Cluster) -> bool:
    value = cidrs.address(address)
    return value is not None and any(value.version == net.version and value in net for net in cluster.pod_cidrs)
