"""A hosted control plane has a hostname where its API server takes an address.

`networkProfile.address` of a TenantControlPlane (Steward, Kamaji) becomes `--advertise-address` of kube-apiserver,
which takes an IP address: it is written into the endpoints of the Service `kubernetes`, and those hold addresses only.
With a hostname the API server ends with an invalid argument and its pods restart for ever.

    kind: TenantControlPlane
    spec:
      networkProfile:
        address: tenant-01.k8s.example.com     # an address belongs here
        certSANs: [tenant-01.k8s.example.com]

Give the address of the ingress controller, or leave the field out where a load balancer gives one.  The hostname
belongs to `controlPlane.ingress.hostname` and to `certSANs`.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.graph.network import cidrs
from gatewright.graph.sight import Sight
from gatewright.kinds import syntax
from gatewright.kinds.decode import has_variable
from gatewright.kinds.intents.material import TenantIntent

ID = "advertise-address-hostname"


def check(_: Sight, tenant: TenantIntent) -> Iterable[Finding]:
    """A control plane whose address is a name."""
    name = tenant.address.lower()
    if not name or cidrs.address(name) is not None or has_variable(name) or not syntax.is_hostname(name):
        return
    yield Finding(
        ID,
        Severity.ERROR,
        f"{tenant.key} has the hostname {name} as its address, and kube-apiserver's --advertise-address takes an IP",
        "the API server of this tenant does not start",
        "give the address of the ingress controller, and keep the name in controlPlane.ingress.hostname and certSANs",
        (tenant.origin.at("spec", "networkProfile", "address"),),
    )


RULE = Rule(
    ID, "a hostname where the API server takes an address", Severity.ERROR, Scope.OBJECT, __doc__, check,
    (TenantIntent,),
)  # fmt: skip
