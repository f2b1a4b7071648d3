"""A Middleware or filter of a route is missing, broken or impossible, and the rule does not go on without it.

Leaving out a filter may open what it protected, so neither Traefik (404) nor Gatewright (404, 500 or 503) does.  Names
are the usual cause: Traefik's `namespace-name@kubernetescrd` splits at an unknown place, and a Middleware of another
namespace needs `allowCrossNamespace`.

    kind: IngressRoute
    spec:
      routes:
        - match: Host(`shop.example.com`)
          middlewares: [{name: auth}]          # the Middleware is in namespace traefik

Name what exists, with its namespace.  Of a redirectRegex the host has to be plain from the expression; of a path one
substitution has to be enough for all that changes it.

It is no fault when the Middleware is in another repository: give that, too.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "filter-unusable",
    "a filter that cannot be applied, so that its rule answers an error",
    Severity.ERROR,
    Scope.PROBLEM,
    __doc__,
    lifts=(
        "filter-missing",
        "invalid-middleware",
        "foreign-provider",
        "ambiguous-reference",
        "redirect-pattern",
        "path-pattern",
        "path-edits",
        "path-edits-not-composable",
        "tls-option",
        "step-unusable",
    ),
    consequence="every request of the rule gets an error instead of the backend",
    fix="correct the filter, or remove it from the rule",
)
