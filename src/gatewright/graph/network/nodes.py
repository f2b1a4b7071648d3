"""The world around the gateways, resolved: networks, machines, links, firewalls, and the ways between them.

The contract of `graph.network`: what its questions answer with.  Everything is immutable and compares by value, so that
a change which alters nothing stops there.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.places import AddressRange, FirewallIntent, FirewallRule, LinkIntent, LinkType

Net = IPv4Network | IPv6Network


class Network(Struct, frozen=True):
    """A segment: its members reach each other without a router.  `id` "site/name"; "internet" is always there."""

    id: str
    site: str
    cidrs: tuple[Net, ...]
    origin: Origin
    mtu: int = 1500
    dhcp: tuple[AddressRange, ...] = ()
    internet: bool = True


class Machine(Struct, frozen=True):
    """A node.  `id` "site/name"; `networks` are the ids of those that hold one of its addresses.

    `pod_cidrs` are those of its pods, where its Kubernetes Node says so.
    """

    id: str
    name: str
    site: str
    addresses: tuple[str, ...]
    networks: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    origin: Origin
    pod_cidrs: tuple[Net, ...] = ()


class Cluster(Struct, frozen=True):
    """A Kubernetes cluster.  `machines` ids; `mtu` of its pod network; `overhead` what its encapsulation
    takes from a packet between nodes; see `world.ClusterSpec` for the rest."""

    id: str
    site: str
    pod_cidrs: tuple[Net, ...]
    service_cidrs: tuple[Net, ...]
    machines: tuple[str, ...]
    namespaces: tuple[str, ...]
    mtu: int
    enforces_policies: bool
    resolver: str
    origin: Origin
    overhead: int = 0


class Joint(Struct, frozen=True):
    """One end of a Tunnel.  `place` is the id of a machine, network or cluster; `routes` are reached through it.

    `inbound` is what this end lets out of the tunnel (Nebula's own firewall), None for everything.
    """

    place: str
    addresses: tuple[str, ...]
    routes: tuple[Net, ...]
    origin: Origin
    endpoint: str = ""
    listen_port: int = 0
    inbound: tuple[FirewallRule, ...] | None = None


class Tunnel(Struct, frozen=True):
    """A Link, resolved.  `mtu` in octets of the inner packet, `mtu_origin` what sets it."""

    name: str
    type: LinkType
    joints: tuple[Joint, ...]
    mtu: int
    mtu_origin: Origin
    origin: Origin
    cidrs: tuple[Net, ...] = ()


class Topology(Struct, frozen=True):
    """All of the map.  `owners`: the machine of an address; `problems`: where the map contradicts itself or manifests.

    `known` False: there is no site map at all, and nothing can be said about ways.  What is down: `broken`, the links,
    which are not among the `tunnels`; `down`, the ids of machines, which are where they were.
    """

    networks: Mapping[str, Network]
    machines: Mapping[str, Machine]
    clusters: Mapping[str, Cluster]
    tunnels: tuple[Tunnel, ...]
    firewalls: tuple[FirewallIntent, ...]
    links: tuple[LinkIntent, ...]
    owners: Mapping[str, str]
    problems: tuple[Problem, ...]
    known: bool
    broken: tuple[Tunnel, ...] = ()
    down: frozenset[str] = frozenset()


class Allocation(Struct, frozen=True):
    """The addresses of one load balancer Service.  `reason`: why it has fewer than it wants.

    `certain` False: another Service would have them, had it been created before this one.
    """

    service: Key
    addresses: tuple[str, ...]
    pools: tuple[Key, ...]
    origin: Origin
    reason: str = ""
    certain: bool = True


class Place(Struct, frozen=True, order=True, gc=False):
    """Where a way starts: `kind` "network" | "machine" | "cluster", its id, and the client's own addresses if known.

    `namespace` and `labels` make it a pod, for network policies; `machines` are those on which the pod may run, none
    where it may on any of its cluster.
    """

    kind: str
    id: str
    addresses: tuple[str, ...] = ()
    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    machines: tuple[str, ...] = ()


class StepKind(enum.StrEnum):
    """The stations of a way."""

    NETWORK = "network"
    ROUTE = "route"
    LINK = "link"
    INTERNET = "internet"
    FIREWALL = "firewall"
    NAT = "nat"
    NODE = "node"
    CLUSTER = "cluster"
    POLICY = "policy"


class Step(Struct, frozen=True, gc=False):
    """One station of a way, as a sentence, with the place in the input that decided it."""

    kind: StepKind
    summary: str
    origin: Origin | None = None
    details: tuple[str, ...] = ()


class Mtu(Struct, frozen=True, gc=False):
    """The largest packet of a way in octets, and which hop sets it."""

    value: int
    hop: str
    origin: Origin | None = None


class Way(Struct, frozen=True):
    """How packets get from a Place to an address and port, or why they do not.

    `reached`: they arrive at `address` (after address translation) and `port`, on machine `machine` ("" when it is an
    address of no machine, such as a load balancer's; `segment` is the network that holds it then).  `source`: the
    client's address as the far end sees it, "" unknown.  `unknown`: the map does not say where the address is, so that
    nobody can tell (reached is False then).  `links` are the names of those passed.
    """

    reached: bool
    steps: tuple[Step, ...]
    reason: str = ""
    address: str = ""
    port: int = 0
    machine: str = ""
    segment: str = ""
    source: str = ""
    mtu: Mtu | None = None
    links: tuple[str, ...] = ()
    unknown: bool = False
    blocked_by: Origin | None = None
