"""Pools of load balancer addresses while they are handed out, by the rules of MetalLB and of Cilium's LB IPAM.

MetalLB tries the pools reserved for a Service first, then those open to all, each by priority and name, takes all of a
Service's families from one pool, and lets Services share an address whose sharing keys agree and whose ports differ.
Cilium takes each family from whichever pool fits.  Counterpart: `addresses`, which says who asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from msgspec import Struct, structs

from gatewright.base.origin import Origin
from gatewright.graph.network import cidrs
from gatewright.graph.network.nodes import Allocation
from gatewright.kinds.identity import Key, Selector
from gatewright.kinds.intents.places import AddressRange, PoolIntent

METALLB, CILIUM = "metallb", "cilium"
SHARING = {
    METALLB: ("metallb.io/allow-shared-ip", "metallb.universe.tf/allow-shared-ip"),
    CILIUM: ("lbipam.cilium.io/sharing-key", "io.cilium/lb-ipam-sharing-key"),
}
FROM_POOL = ("metallb.io/address-pool", "metallb.universe.tf/address-pool")
NAMESPACE_LABEL = "io.kubernetes.service.namespace"
NAME_LABEL = "io.kubernetes.service.name"

Address = tuple[int, int]
"""Version and number."""


class Request(Struct, frozen=True):
    """What one Service wants.  `asked`: the addresses that it names or has.  `foreign`: a class served by others.

    `pods` None: any node may answer for it (external traffic policy Cluster).
    """

    service: Key
    origin: Origin
    labels: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...]
    asked: tuple[str, ...]
    families: tuple[int, ...]
    prefers: bool
    ports: frozenset[tuple[str, int]]
    implementation: str = ""
    foreign: str = ""
    pods: tuple[tuple[str, str], ...] | None = None

    @property
    def namespace(self) -> str:
        return self.service.namespace

    def noted(self, names: Iterable[str]) -> str:
        """The first of these annotations that it has."""
        notes = dict(self.annotations)
        return next((notes[name] for name in names if notes.get(name)), "")


class _Range:
    """One range of a pool; `next` is the lowest number that may still be free, since nothing is given back."""

    __slots__ = ("buggy", "first", "last", "next", "version")

    def __init__(self, written: AddressRange, pool: PoolIntent) -> None:
        first, last = ip_address(written.first), ip_address(written.last)
        self.version, self.first, self.last = first.version, int(first), int(last)
        if not pool.first_last and "/" in written.text and self.last - self.first > 1:
            self.first, self.last = self.first + 1, self.last - 1
        self.buggy = pool.avoid_buggy and self.version == 4
        self.next = self.first

    def free(self, taken: Mapping[Address, object]) -> Address | None:
        while self.next <= self.last:
            candidate = (self.version, self.next)
            if candidate not in taken and not (self.buggy and self.next & 255 in (0, 255)):
                return candidate
            self.next += 1
        return None


class Lender:
    """The pools of a map, handed out one request after the other."""

    def __init__(self, pools: Iterable[PoolIntent], namespaces: Mapping[str, dict[str, str]]) -> None:
        usable = [pool for pool in pools if not pool.disabled]
        self._pools = sorted(usable, key=lambda p: (p.priority == 0, p.priority, p.key.name, p.key))
        self._ranges = {pool.key: [_Range(written, pool) for written in pool.ranges] for pool in self._pools}
        self._namespaces = namespaces
        self._taken: dict[Address, list[Request]] = {}
        self._shared: dict[tuple[str, str], list[Address]] = {}
        self._lent: Counter[Key] = Counter()

    def held(self, request: Request) -> Allocation:
        """The addresses that a Service names or has; said where no pool that it may use holds them."""
        values = [value for value in map(cidrs.address, request.asked) if value is not None]
        fitting = self._fitting(request)
        pools: dict[Key, None] = {}
        reasons: list[str] = []
        for value in values:
            number = (value.version, int(value))
            pool = next((p for p in fitting if self._holds(p, number)), None)
            others = [other for other in self._taken.get(number, ()) if not self._share(request, other, pool)]
            if others:
                reasons.append(f"{value} is {others[0].service}'s")
            elif pool is not None:
                pools[pool.key] = None
            elif self._pools and not request.foreign:
                reasons.append(f"no pool that it may use has {value}")
            self._take(request, number, pool)
        return Allocation(request.service, request.asked, tuple(pools), request.origin, "; ".join(reasons))

    def lend(self, request: Request) -> Allocation:
        """Free addresses of the first pool that has them."""
        if request.foreign:
            return self._none(request, f"its class {request.foreign} is served by nothing on the map")
        fitting = self._fitting(request)
        if not fitting:
            return self._none(request, "no pool is there for it")
        families = request.families
        found = self._from_one(request, fitting, families)
        if len(found) < len(families) and self._apart(request, fitting):
            found = [pair for family in families for pair in self._from_one(request, fitting, (family,))]
        if not found and request.prefers:
            found = next(filter(None, (self._from_one(request, fitting, (f,)) for f in families)), [])
        if not found:
            names = ", ".join(pool.key.name for pool in fitting)
            wanted = " and ".join(f"IPv{family}" for family in families)
            return self._none(request, f"no free {wanted} address in {names}")
        return self._given(request, found, fitting)

    def _given(
        self, request: Request, found: list[tuple[PoolIntent, Address]], fitting: list[PoolIntent]
    ) -> Allocation:
        for pool, number in found:
            self._take(request, number, pool)
        texts = tuple(str(cidrs.numbered(*number)) for _, number in found)
        pools = tuple(dict.fromkeys(pool.key for pool, _ in found))
        self._lent.update(pools)
        missing = [f for f in request.families if f not in {number[0] for _, number in found}]
        reason = f"no IPv{missing[0]} address is free" if missing else ""
        # Which of several open pools of one priority is used is nobody's promise.
        certain = len({(pool.priority, _reserved(pool)) for pool in fitting}) == len(fitting)
        return Allocation(request.service, texts, pools, request.origin, reason, certain)

    def settled(self, allocation: Allocation) -> Allocation:
        """An allocation, once all are made: uncertain where another Service was lent an address of the same pool."""
        if all(self._lent[pool] < 2 for pool in allocation.pools):
            return allocation
        return structs.replace(allocation, certain=False)

    def _none(self, request: Request, reason: str) -> Allocation:
        return Allocation(request.service, (), (), request.origin, reason)

    # --- pools ---

    def _fitting(self, request: Request) -> list[PoolIntent]:
        """The pools that a request may use, in the order in which they are tried."""
        implementations = {pool.implementation for pool in self._pools}
        chosen = request.implementation or (METALLB if METALLB in implementations else CILIUM)
        named = request.noted(FROM_POOL) if chosen == METALLB else ""
        found = [pool for pool in self._pools if pool.implementation == chosen and self._may(pool, request)]
        if named:
            return [pool for pool in found if pool.key.name == named]
        if not request.asked:
            found = [pool for pool in found if pool.auto_assign]
        return sorted(found, key=lambda pool: chosen == METALLB and not _reserved(pool))

    def _may(self, pool: PoolIntent, request: Request) -> bool:
        labels = dict(request.labels)
        if pool.implementation == CILIUM:
            labels |= {NAMESPACE_LABEL: request.namespace, NAME_LABEL: request.service.name}
        space = self._namespaces.get(request.namespace, {})
        named = pool.namespaces or pool.namespace_selectors
        if named and request.namespace not in pool.namespaces and not _any(pool.namespace_selectors, space):
            return False
        return not pool.services or _any(pool.services, labels)

    def _apart(self, request: Request, fitting: list[PoolIntent]) -> bool:
        return len(request.families) > 1 and fitting[0].implementation == CILIUM

    def _holds(self, pool: PoolIntent, number: Address) -> bool:
        return any(r.version == number[0] and r.first <= number[1] <= r.last for r in self._ranges[pool.key])

    def _from_one(
        self, request: Request, fitting: list[PoolIntent], families: tuple[int, ...]
    ) -> list[tuple[PoolIntent, Address]]:
        """An address of each family from the first pool that has them all."""
        for pool in fitting:
            found = [self._next(pool, request, family) for family in families]
            if all(number is not None for number in found):
                return [(pool, number) for number in found if number is not None]
        return []

    def _next(self, pool: PoolIntent, request: Request, family: int) -> Address | None:
        """The lowest address that is free, or that may be shared."""
        key = request.noted(SHARING[pool.implementation])
        shared = [
            number
            for number in self._shared.get((pool.implementation, key), ())
            if number[0] == family
            and self._holds(pool, number)
            and all(self._share(request, other, pool) for other in self._taken[number])
        ]
        free = (r.free(self._taken) for r in self._ranges[pool.key] if r.version == family)
        first = next((number for number in free if number is not None), None)
        return min([*shared, *([first] if first else [])], default=None)

    def _share(self, one: Request, other: Request, pool: PoolIntent | None) -> bool:
        """May two Services have one address?"""
        if pool is None:
            return True
        key = one.noted(SHARING[pool.implementation])
        agree = bool(key) and key == other.noted(SHARING[pool.implementation])
        return agree and not one.ports & other.ports and one.pods == other.pods

    def _take(self, request: Request, number: Address, pool: PoolIntent | None) -> None:
        self._taken.setdefault(number, []).append(request)
        key = request.noted(SHARING[pool.implementation]) if pool is not None else ""
        if key and pool is not None:
            self._shared.setdefault((pool.implementation, key), []).append(number)


def _reserved(pool: PoolIntent) -> bool:
    """Is it for some Services only?"""
    return bool(pool.services or pool.namespaces or pool.namespace_selectors)


def _any(selectors: Iterable[Selector], labels: dict[str, str]) -> bool:
    return any(selector.matches(labels) for selector in selectors)
