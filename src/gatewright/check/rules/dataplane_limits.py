"""A rule is right, and the Envoy that Gatewright runs cannot do it.

It is refused rather than half done.  This concerns `gatewright run` only.

    kind: IngressRouteTCP
    spec: {routes: [{match: "HostSNI(`db.example.com`) && ClientIP(`10.0.0.0/8`)"}, {match: HostSNI(`db.example.com`)}]}

Give each rule a name or port of its own, or use what the finding suggests.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "dataplane-limits",
    "something that a gateway of Gatewright cannot do",
    Severity.ERROR,
    Scope.PROBLEM,
    __doc__,
    lifts=(
        "refused",
        "more",
        "not-carried-over",
        "tcp-match",
        "udp-rule",
        "unknown-cipher",
    ),
    consequence="the rule answers an error or closes its connections instead",
    at_most=Severity.INFO,
)
