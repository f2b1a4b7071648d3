"""Two implementations hand out addresses to the same load balancer Services.

A Service of type LoadBalancer without `loadBalancerClass` belongs to every implementation that looks at such Services.
MetalLB and Cilium's LB IPAM both do; each gives an address from its own pool and writes it into the status, over and
over.  k3s's ServiceLB (the `svclb-*` pods) does too, unless k3s runs with `--disable=servicelb`: its pods take the
Service's ports on every node, and the status holds the nodes' addresses beside the pool's.

    kind: IPAddressPool                  # MetalLB, for everybody
    ---
    kind: CiliumLoadBalancerIPPool       # and Cilium, for everybody

Keep one; or give the Services of one of them its `loadBalancerClass` and make the other look only at that: MetalLB's
`--lb-class`, Cilium's `defaultLBServiceIPAM: none` with `io.cilium/l2-announcer`.  Pools that select different Services
(`serviceSelectors`, namespaces, `autoAssign: false`) do not meet, and are no fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _announced
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.material import WorkloadIntent
from gatewright.kinds.intents.places import PoolIntent
from gatewright.kinds.intents.programs import HelmIntent

ID = "two-load-balancers"
CILIUM = "cilium"
TOLD_APART = ('"loadBalancerClass"', "lb-class", '"defaultLBServiceIPAM"')
"""What charts' values say where one of the two looks only at Services of a class."""

KUBE_SYSTEM = "kube-system"


def check(sight: Sight) -> Iterable[Finding]:
    """Pools of both implementations for everybody; pods of ServiceLB beside pools."""
    pools = [pool for pool in _announced.pools(sight) if _for_everybody(pool)]
    if not pools or _told_apart(sight):
        return
    metallb = [pool for pool in pools if pool.implementation == _announced.METALLB]
    cilium = [pool for pool in pools if pool.implementation == CILIUM]
    if metallb and cilium:
        yield Finding(
            ID,
            Severity.ERROR,
            f"{metallb[0].key} (MetalLB) and {cilium[0].key} (Cilium LB IPAM) are both for every load balancer Service "
            "without a class",
            "each gives the Service an address of its own, and which one is used changes by chance",
            "keep one of them, or give its Services a loadBalancerClass that the other does not serve",
            tuple(pool.origin for pool in (*metallb[:1], *cilium[:1])),
        )
    for pods in _service_lb(sight):
        yield Finding(
            ID,
            Severity.WARNING,
            f"k3s's ServiceLB ({pods.key}) serves the same load balancer Services as {pools[0].key}",
            "it takes their ports on every node, and its addresses stand in the status beside the pool's",
            "start k3s with --disable=servicelb",
            (pods.origin, pools[0].origin),
        )


def _for_everybody(pool: PoolIntent) -> bool:
    return pool.auto_assign and not (pool.services or pool.namespaces or pool.namespace_selectors)


def _told_apart(sight: Sight) -> bool:
    charts = (chart for name in ("metallb", CILIUM) for chart in sight.listed("charts", name, HelmIntent))
    return any(word in chart.values for chart in charts for word in TOLD_APART)


def _service_lb(sight: Sight) -> Iterator[WorkloadIntent]:
    """The DaemonSets that ServiceLB makes, one per Service; the first says it for all."""
    for pods in sight.listed("workloads-in", KUBE_SYSTEM, WorkloadIntent):
        if pods.key.name.startswith("svclb-") and pods.key.kind == "DaemonSet":
            yield pods
            return


RULE = Rule(ID, "two load balancers for the same Services", Severity.ERROR, Scope.WORLD, __doc__, check)
