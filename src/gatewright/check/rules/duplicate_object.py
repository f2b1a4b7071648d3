"""Two documents have the same kind, namespace and name, or claim one role that only one can have.

In a cluster whoever applies last wins, and two Kustomizations that own one object overwrite each other at every
reconciliation.  Traefik uses neither of two TLSOptions named `default`.

    # apps/base/shop.yaml and apps/old/shop.yaml
    kind: Service
    metadata: {name: shop, namespace: shop}

Remove one, or tell them apart by name or namespace.

It is no fault where two overlays of one base are given together (staging and production): check them apart.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "duplicate-object",
    "an object that is described twice",
    Severity.WARNING,
    Scope.PROBLEM,
    __doc__,
    lifts=(
        "duplicate-object",
        "duplicate-default",
        "gateway-name-taken",
    ),
    consequence="only one of them counts, and which one may differ between here and the cluster",
    fix="keep one of them, and remove or rename the other",
)
