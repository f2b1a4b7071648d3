"""Two routes or rules claim the same requests, and only one of them can have them.

Gateway API serves a hostname by HTTPRoutes or by GRPCRoutes, whichever is older (GRPCRoute, "Accepted" condition);
of two header matches with one name only the first counts; a TCPRoute has one rule that is used.

    kind: GRPCRoute
    spec: {hostnames: [api.example.com]}     # an older HTTPRoute has api.example.com at the same listener

Implementations differ: some serve both kinds at one hostname all the same (Cilium, Envoy Gateway).

Give one of them a hostname or listener of its own, or make them one route.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "route-conflict",
    "a rule that never gets a request because of another one",
    Severity.WARNING,
    Scope.PROBLEM,
    __doc__,
    lifts=(
        "route-conflict",
        "duplicate-match",
        "unreachable-rule",
    ),
    at_most=Severity.WARNING,
    consequence="the rule is never used, and its requests go to the other one",
)
