"""Two routes or rules claim the same requests, and only one of them can have them.

Up to release 1.5 Gateway API wants a hostname of a listener to be served by HTTPRoutes or by GRPCRoutes: the later
route of the other kind is refused, with the "Accepted" condition false (GRPCRoute, "Cross Serving"); since 1.6 an
implementation may serve both.  Gatewright serves the kind of the oldest route.  Of two header matches with one name
only the first counts; a TCPRoute has one rule that is used.  And where two Ingresses, or two routes, have a rule for
the same host and path, the older one gets all requests, whatever the other one says about who may pass.

    kind: GRPCRoute
    spec: {hostnames: [api.example.com]}     # an older HTTPRoute has api.example.com at the same listener

It is no fault for HTTPRoute and GRPCRoute where the implementation in the cluster serves both, as the condition in the
status of both routes then says: accept it with `gatewright.dev/ignore`.

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
    fix="give one of them a hostname, listener or match of its own, or make them one",
)
