"""Nobody answers for the addresses of a pool.

Handing an address to a Service and telling the network who has it are two things.  MetalLB has done nothing but the
first since 0.13 unless an L2Advertisement or BGPAdvertisement concerns the pool; Cilium needs a
CiliumL2AnnouncementPolicy with `loadBalancerIPs: true`, or BGP.  The Service shows its EXTERNAL-IP, and no connection
ever arrives: nobody answers the ARP or neighbour solicitation for it.

    kind: L2Advertisement
    spec: {ipAddressPools: [first]}      # and the pool second?

Name the pool in the advertisement, or leave `ipAddressPools` out for all of them.  An advertisement that selects pools
by label does so by those of the pool, not by those of Services.  MetalLB's old AddressPool announces itself.  Cilium is
only told of where some of its announcements are among the input: routers may know the addresses by other means.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _announced
from gatewright.graph.sight import Sight

ID = "pool-not-announced"
SNIPPET = """\
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{ipAddressPools: [{name}]}}
"""


def check(sight: Sight) -> Iterable[Finding]:
    """MetalLB's pools that no advertisement concerns, and Cilium's where nothing announces load balancer addresses."""
    every = _announced.every(sight)
    active = [item for item in every if item.load_balancer_ips]
    for pool in _announced.pools(sight):
        own = [item for item in every if item.implementation == pool.implementation]
        if pool.announced or any(_announced.concerns(item, pool) for item in active):
            continue
        metallb = pool.implementation == _announced.METALLB
        if not own and not metallb:
            continue
        who = f"{_announced.names(own)} {'does' if len(own) == 1 else 'do'} not" if own else "no advertisement does"
        yield Finding(
            ID,
            Severity.ERROR if own else Severity.WARNING,
            f"nobody announces the addresses of {pool.key}: {who}",
            "Services get an address from it at which nobody answers",
            f"name {pool.key.name} in an L2Advertisement or BGPAdvertisement"
            if metallb
            else "set loadBalancerIPs: true in a CiliumL2AnnouncementPolicy, or announce them by BGP",
            (pool.origin, *(item.origin for item in own)),
            snippet=SNIPPET.format(name=pool.key.name, namespace=pool.key.namespace) if metallb else "",
        )


RULE = Rule(ID, "a pool whose addresses nobody announces", Severity.ERROR, Scope.WORLD, __doc__, check)
