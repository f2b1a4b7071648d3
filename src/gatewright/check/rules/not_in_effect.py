"""A file or an object cannot be used as it is now, and its last good version stays live.

One bad save must not take a site down: a gateway keeps serving what it had.  But the file and what is served are then
two different things, and the next start has no last good version to keep.

    kind: HTTPRoute
    spec: {rules: [{backendRefs: [{name: shop, port: eighty}]}]}       # was 80 before this save

Correct the document; the other findings about it say how.  A folder that is gone: mount it again, or start without it.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "not-in-effect",
    "input that is gone or unusable, so that an older version stands in for it",
    Severity.WARNING,
    Scope.PROBLEM,
    __doc__,
    lifts=(
        "held",
        "held-back",
        "input-gone",
        "not-live",
    ),
    consequence="what is served is the last good version, not what the file says",
)
