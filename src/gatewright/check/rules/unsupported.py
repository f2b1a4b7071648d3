"""A field, option, filter or middleware is known, and Gatewright does not follow it.

No field is passed over in silence.  What only changes looks or speed is left out.  What protects is not: that is
`protection-unbuildable`.  The program that the document was written for still does what it says.

    kind: Middleware
    spec:
      circuitBreaker: {expression: NetworkErrorRatio() > 0.30}

Some rules are right, and only the Envoy that `gatewright run` starts cannot do them: they are refused, not half done.

Where Gatewright only looks at the map, accept it with `gatewright.dev/ignore`; where it serves the route, use what the
finding suggests.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "unsupported",
    "something that is valid and not followed",
    Severity.WARNING,
    Scope.PROBLEM,
    __doc__,
    lifts=(
        "tcp-match",
        "udp-rule",
        "unknown-cipher",
        "unsupported-field",
        "unsupported-filter",
        "unsupported-header",
        "unsupported-option",
        "unsupported-protocol",
        "unsupported-reference",
        "unsupported-route-kind",
        "unsupported-value",
        "parameters-not-read",
    ),
    consequence="gateways of Gatewright go on without it, or refuse where that would open a route",
    fix="leave it out or do it in another way where Gatewright serves the route; accept it with "
    "gatewright.dev/ignore elsewhere",
    at_most=Severity.INFO,
)
