"""A document has a field that does not exist, a value that cannot be, or lacks what it needs.

The API server refuses such a document, so a whole `kubectl apply` or Flux reconciliation stops; or, with validation
switched off or an unknown field in a CRD that preserves them, it takes the document and drops the field.  Either way
the cluster is not what the file says.

    kind: HTTPRoute
    metadata: {name: shop}
    spec:
      hostname: [shop.example.com]      # hostnames
      rules: [{backendRefs: [{name: shop, port: "8080"}]}]       # a number without quotes

Correct the field; the finding says what was expected and what it may have meant.

It is no fault when a newer version of the kind has the field: accept it with `gatewright.dev/ignore`.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "invalid-document",
    "a document that the API server would refuse or misread",
    Severity.ERROR,
    Scope.PROBLEM,
    __doc__,
    lifts=(
        "invalid-value",
        "missing-field",
        "unknown-field",
        "wrong-type",
        "missing-name",
        "invalid-name",
        "no-kind",
        "not-an-object",
        "unknown-version",
        "invalid-regex",
        "suppression-invalid",
    ),
    consequence="the object, or the part of it that is named, does nothing",
    fix="write what the kind's reference asks for at this field",
)
