"""Which addresses pods and Services of a cluster have, where the map leaves it open too.

A node's pods are in the podCIDRs of its Node, else in a slice of the cluster's.  A cluster without either whose pods
are not encapsulated gives them addresses of its nodes' own networks, as clouds do, and so does one of which that is not
said where a load balancer of the cloud reaches into it; others take what nobody else uses.
Counterparts: `invent`, which gives Services pods and addresses; `plan.clusters`, which gives them to spaces.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from typing import Final
from zlib import crc32

from gatewright.base.errors import UsageError
from gatewright.graph.network.addresses import allocations
from gatewright.graph.network.doors import OUTSIDE, door_addresses
from gatewright.graph.network.nodes import Cluster, Machine
from gatewright.graph.network.placement import encapsulation, home
from gatewright.graph.network.topology import topology
from gatewright.graph.objects import ALL, SERVICES
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.kinds.intents.material import EndpointsIntent, ServiceIntent
from gatewright.kinds.intents.naming import ResolverIntent
from gatewright.rehearsal.world import TOO_SMALL, Net

USUAL_SERVICES: Final = IPv4Network("10.96.0.0/12")
"""The Service addresses of kubeadm, where nobody says."""

UNUSED: Final = IPv4Network("10.128.0.0/10")
"""Clusters of which nothing is known take a /16 of it each."""

SLICES: Final = {4: 24, 6: 64}
"""The prefix length of one node's part of a cluster's podCIDR."""

FIRST: Final = 10
"""The first addresses of a range are left to what clusters have of their own (bridges, the API server, DNS)."""


def pod_ranges(sight: Sight, cluster: Cluster, machine: Machine) -> tuple[Net, ...]:
    """The ranges of the pods on a machine, one of each family that the cluster has."""
    found: dict[int, Net] = {}
    for net in machine.pod_cidrs:
        found.setdefault(net.version, net)
    number = cluster.machines.index(machine.id) if machine.id in cluster.machines else 0
    for net in cluster.pod_cidrs:
        found.setdefault(net.version, _slice(net, number))
    if found:
        return tuple(found[version] for version in sorted(found))
    world = sight.ask(topology)
    kind = sight.ask(encapsulation, cluster.id)
    if kind == "none" or (not kind and _is_reached_from_outside(sight, cluster)):
        nets = (net for name in machine.networks for net in world.networks[name].cidrs)
        for net in nets:
            found.setdefault(net.version, net)
    if found:
        return tuple(found[version] for version in sorted(found))
    return (_slice(_unused(sorted(world.clusters).index(cluster.id)), number),)


def _is_reached_from_outside(sight: Sight, cluster: Cluster) -> bool:
    """Has it a door that is none of its pods, as load balancers of clouds are?"""
    doors = (sight.gateway(gateway_id) for gateway_id in sight.gateways())
    return any(
        door.implementation in OUTSIDE and sight.ask(home, door.key.namespace).cluster == cluster.id
        for door in doors
        if door is not None
    )


def service_ranges(sight: Sight, cluster: Cluster) -> tuple[Net, ...]:
    """The ranges of a cluster's Services, the first of each family."""
    found: dict[int, Net] = {}
    for net in cluster.service_cidrs:
        found.setdefault(net.version, net)
    if found:
        return tuple(found.values())
    world = sight.ask(topology)
    nets = [net for network in world.networks.values() for net in network.cidrs]
    nets += [net for other in world.clusters.values() for net in (*other.pod_cidrs, *other.service_cidrs)]
    if not any(net.version == 4 and net.overlaps(USUAL_SERVICES) for net in nets):
        return (USUAL_SERVICES,)
    return (_unused(32 + sorted(world.clusters).index(cluster.id)),)


def service_families(sight: Sight, cluster: Cluster, service: ServiceIntent) -> tuple[int, ...]:
    """The families of a Service, in order, as the API server defaults them from the cluster's ranges."""
    if service.families:
        return tuple(6 if family == "IPv6" else 4 for family in service.families)
    served = tuple(net.version for net in service_ranges(sight, cluster))
    return served if service.family_policy in ("PreferDualStack", "RequireDualStack") else served[:1]


def mentioned(sight: Sight) -> set[str]:
    """Every address that the input gives to somebody."""
    world = sight.ask(topology)
    found = set(world.owners)
    found.update(address for tunnel in world.tunnels for joint in tunnel.joints for address in joint.addresses)
    for key in sight.values("endpoints"):
        for listed in sight.listed("endpoints", key, EndpointsIntent):
            found.update(a.address for group in (listed, *listed.more) for a in group.addresses)
    for service in services(sight):
        found.update(service.cluster_ips, service.load_balancer_ips)
    for allocation in sight.ask(allocations).values():
        found.update(allocation.addresses)
    for gateway_id in sight.gateways():
        found.update(sight.ask(door_addresses, gateway_id))
    for vantage in sight.all("Vantage", VantageIntent):
        found.update(vantage.addresses)
    for resolver in sight.all("Resolver", ResolverIntent):
        found.update(resolver.addresses)
    return found


def services(sight: Sight) -> list[ServiceIntent]:
    """All Services, sorted by Key."""
    return sight.listed(SERVICES, ALL, ServiceIntent)


def endpoints(sight: Sight, service: Key) -> list[EndpointsIntent]:
    """The lists of addresses of a Service, each with addresses and ports of its own."""
    return [group for listed in sight.listed("endpoints", service, EndpointsIntent) for group in (listed, *listed.more)]


def stable(seed: str, size: int) -> int:
    """A number below `size` that depends on the seed alone."""
    return crc32(seed.encode()) % size


def pick(net: Net, seed: str, taken: set[str]) -> str:
    """A free address of a range, always the same for a seed unless somebody has it; taken from then on.

    UsageError when none is free.
    """
    is_point = net.prefixlen >= net.max_prefixlen - 1  # without addresses of its own (RFC 3021, RFC 6164)
    last = min(net.num_addresses - (1 if is_point else 2), 0xFFFF)
    first = 0 if is_point else min(FIRST, max(last, 1))
    span = last - first + 1
    start = stable(seed, span) if span > 0 else 0
    base = int(net.network_address)
    for step in range(span):
        number = base + first + (start + step) % span
        address = str(ip_address(number)) if net.version == 4 else str(net[number - base])
        if address not in taken:
            taken.add(address)
            return address
    raise UsageError(f"no address of {net} is free for what has to be invented: {TOO_SMALL}")


def of_families(nets: Iterable[Net], families: Iterable[int]) -> list[Net]:
    """The ranges of these families, in the order of the families."""
    known = {net.version: net for net in nets}
    return [known[family] for family in families if family in known]


def _slice(net: Net, number: int) -> Net:
    """One node's part of a podCIDR; all of it where it cannot be parted."""
    length = SLICES[net.version]
    if net.prefixlen >= length or number >= 1 << (length - net.prefixlen):
        return net
    first = int(net.network_address) + (number << (net.max_prefixlen - length))
    return IPv4Network((first, length)) if isinstance(net, IPv4Network) else IPv6Network((first, length))


def _unused(number: int) -> IPv4Network:
    return IPv4Network((int(UNUSED.network_address) + (number % 64 << 16), 16))


def network(address: str) -> Net:
    """The prefix of an address alone."""
    value = ip_address(address)
    return IPv4Network(value) if isinstance(value, IPv4Address) else IPv6Network(value)
