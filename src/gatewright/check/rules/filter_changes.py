"""A filter works, except for one detail.

The detail is named: a header that the backend does not get, an address range that is looked at in another way, paths
that nobody can see inside of TLS.

    metadata:
      annotations: {nginx.ingress.kubernetes.io/ssl-passthrough: "true"}
    spec:
      rules: [{host: api.example.com, http: {paths: [{path: /v1, ...}, {path: /v2, ...}]}}]     # paths are not seen

Do without the detail, or follow the advice of the finding.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "filter-changes",
    "a filter or rule that does a little less than asked",
    Severity.INFO,
    Scope.PROBLEM,
    __doc__,
    lifts=(
        "forwarded-prefix",
        "forwarded-ipv6-range",
        "host-header-removed",
        "hash-after-rewrite",
        "sticky-within-shares",
        "step-differs",
        "passthrough-path",
        "deprecated-field",
    ),
    consequence="requests go through, and differ in this detail from what was asked for",
    fix="write it in a form that is kept whole, or accept the difference with gatewright.dev/ignore",
)
