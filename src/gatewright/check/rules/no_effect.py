"""A document is valid and does nothing, or a part of it does.

Nothing refuses an Ingress without rules, egress rules of a NetworkPolicy whose `policyTypes` leaves Egress out, a
TLSStore that is not named `default`, or MetalLB's AddressPool, which nobody reads since version 0.14.

    kind: NetworkPolicy
    spec:
      policyTypes: [Ingress]
      egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]       # never looked at

Complete it as the finding says, or remove it.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "no-effect",
    "an object or part of one that does nothing",
    Severity.WARNING,
    Scope.PROBLEM,
    __doc__,
    lifts=(
        "no-rules",
        "unused-object",
        "rules-without-effect",
        "namespace-without-effect",
        "announces-nothing",
        "passthrough-host",
        "gateway-missing",
        "old-kind",
        "canary-without-effect",
    ),
    consequence="what its author wanted does not happen",
    fix="remove it, or complete what it needs to have an effect",
)
