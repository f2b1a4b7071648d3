"""A load balancer Service gets no address, or not the one that it asks for.

The pools are used up, none of them is for this Service (its namespace, its labels, `autoAssign: false`), the address
that it asks for is in no pool that it may use, or another Service has it.  The Service stays `<pending>`: everything
behind it is healthy, and nobody gets in.

    kind: Service
    metadata: {name: dns, annotations: {metallb.io/loadBalancerIPs: 192.168.1.99}}     # the pool ends at .60
    spec: {type: LoadBalancer, ...}

Ask for an address of a pool, widen the pool, or let two Services share one: MetalLB's `metallb.io/allow-shared-ip` and
Cilium's `lbipam.cilium.io/sharing-key` with the same value on both, and different ports.

Only told where there are pools, since somebody else may hand out addresses where there are none, and only of Services
that no other load balancer class serves.  PreferDualStack takes what there is: one family is as it was asked for where
no pool has the other.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _announced
from gatewright.graph.network.addresses import allocations
from gatewright.graph.network.nodes import Allocation
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.material import ServiceIntent

ID = "address-not-allocated"
OTHERS = "kube-vip.io/"
TAKEN = " is "
OUTSIDE = "no pool that it may use has "
FULL = "no free "
NO_POOL = "no pool is there for it"


def check(sight: Sight) -> Iterable[Finding]:
    """Every Service that asks in vain."""
    pools = list(_announced.pools(sight))
    if not pools:
        return
    found = sight.ask(allocations)
    origins = {str(key): item.origin for key, item in found.items()}
    # Pools are of one cluster, and which Services are is not told where the map has several.
    several = len(sight.ask(topology).clusters) > 1
    for allocation in found.values():
        service = sight.get(allocation.service, ServiceIntent) if allocation.reason else None
        if service is None or any(note.startswith(OTHERS) for note, _ in service.annotations):
            continue  # it is content, nobody wrote down what it asks for, or somebody else is asked
        for reason in allocation.reason.split("; "):
            if reason.startswith(OUTSIDE):
                if not several and reason.removeprefix(OUTSIDE) in service.asked_ips:
                    yield _finding(allocation, reason, "ask for one of a pool, or add it to one", pools[0].origin)
            elif reason.endswith("'s") and reason.partition(TAKEN)[0] in service.asked_ips:
                holder = reason.partition(TAKEN)[2].removesuffix("'s")
                fix = "ask for another address, or give both the same sharing key if their ports differ"
                yield _finding(allocation, f"the address {reason} already", fix, origins.get(holder))
            elif reason.startswith(FULL):
                yield _finding(allocation, reason, "widen the pool, or free an address in it", pools[0].origin)
            elif reason == NO_POOL and not several:
                fix = "let a pool admit its namespace and labels, or name a pool that does"
                yield _finding(allocation, "none of the pools is for it", fix, pools[0].origin)


def _finding(allocation: Allocation, reason: str, fix: str, other: Origin | None) -> Finding:
    return Finding(
        ID,
        Severity.ERROR,
        f"{allocation.service} does not get the address that it wants: {reason}",
        "the Service stays pending, and nobody reaches what is behind it",
        fix,
        (allocation.origin, *((other,) if other is not None else ())),
    )


RULE = Rule(ID, "a load balancer Service without its address", Severity.ERROR, Scope.WORLD, __doc__, check)
