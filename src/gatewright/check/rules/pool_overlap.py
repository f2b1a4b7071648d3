"""A load balancer pool hands out addresses that somebody else has.

MetalLB and Cilium take the addresses of their pools for granted.  One that a node, a DHCP lease, a DNS server or a
second pool uses as well is answered for twice: two machines reply to ARP, and connections reach either of them.

    kind: IPAddressPool
    spec: {addresses: [192.168.178.100-192.168.178.120]}     # and DHCP hands out .100-.199

Keep the pool outside of the DHCP range and of all fixed addresses, and give every address to one pool only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.naming import ResolverIntent
from gatewright.kinds.intents.places import AddressRange, PoolIntent

ID = "pool-overlap"
POOLS = ("IPAddressPool", "AddressPool", "CiliumLoadBalancerIPPool")


class _Span(Struct, frozen=True):
    """Addresses `first` to `last` as numbers, whose they are, and whether they are a pool's."""

    version: int
    first: int
    last: int
    told: str
    owner: str
    origin: Origin
    pool: bool


def check(sight: Sight) -> Iterable[Finding]:
    """Pools that overlap each other, DHCP ranges, nodes or resolvers."""
    spans = sorted(_spans(sight), key=lambda span: (span.version, span.first, -span.last, span.told))
    last: _Span | None = None  # the one that reaches furthest so far: enough to find one partner for every overlap
    last_pool: _Span | None = None
    for span in spans:
        for before in dict.fromkeys((last, last_pool)):
            if before is not None and _collide(before, span):
                yield _finding(before, span)
        last = _further(last, span)
        if span.pool:
            last_pool = _further(last_pool, span)


def _further(before: _Span | None, span: _Span) -> _Span:
    reaches = before is not None and before.version == span.version and before.last >= span.last
    return before if reaches and before is not None else span


def _collide(one: _Span, other: _Span) -> bool:
    return (
        (one.pool or other.pool)
        and one.owner != other.owner
        and one.version == other.version
        and other.first <= one.last
    )


def _spans(sight: Sight) -> Iterator[_Span]:
    for kind in POOLS:
        for pool in sight.all(kind, PoolIntent):
            if not pool.disabled:
                for part in pool.ranges:
                    yield _span(part, f"{pool.key}", f"pool {pool.key}", pool=True)
    world = sight.ask(topology)
    for network in world.networks.values():
        for part in network.dhcp:
            yield _span(part, f"DHCP of {network.id}", f"dhcp {network.id}", pool=False)
    for machine in world.machines.values():
        for text in machine.addresses:
            yield _one(text, f"the node {machine.id}", machine.id, machine.origin)
    for resolver in sight.all("Resolver", ResolverIntent):
        for text in resolver.addresses:
            # k8s_gateway and its like are Services themselves: their address is meant to come from a pool.
            if resolver.implementation not in ("k8s_gateway", "coredns"):
                yield _one(text, f"{resolver.key}", str(resolver.key), resolver.origin)


def _span(part: AddressRange, told: str, owner: str, *, pool: bool) -> _Span:
    first, last = ip_address(part.first), ip_address(part.last)
    return _Span(first.version, int(first), int(last), f"{told} ({part.text})", owner, part.origin, pool)


def _one(text: str, told: str, owner: str, origin: Origin) -> _Span:
    value = ip_address(text)
    return _Span(value.version, int(value), int(value), f"{told} ({text})", owner, origin, pool=False)


def _finding(one: _Span, other: _Span) -> Finding:
    pool, rest = (one, other) if one.pool else (other, one)
    first, last = max(one.first, other.first), min(one.last, other.last)
    kind = type(ip_address(0)) if pool.version == 4 else type(ip_address("::"))
    shared = str(kind(first)) if first == last else f"{kind(first)}-{kind(last)}"
    return Finding(
        ID,
        Severity.ERROR,
        f"{pool.told} and {rest.told} share {shared}",
        "two machines answer for one address, and connections reach either of them by chance",
        f"take {shared} out of one of them",
        (pool.origin, rest.origin),
    )


RULE = Rule(ID, "a pool whose addresses somebody else has", Severity.ERROR, Scope.WORLD, __doc__, check)
