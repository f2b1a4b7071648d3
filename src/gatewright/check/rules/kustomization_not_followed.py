"""A kustomization.yaml or a Flux Kustomization refers to what is not among the input, or uses what is not followed.

Namespaces, name prefixes, patches and variables come from it, so without it an object may be in another namespace than
it seems.

    kind: Kustomization
    resources: [../base, https://github.com/example/app//deploy?ref=v2]

Give the missing folder too, or the result of `kustomize build`, which needs no network when it is checked.

It is no fault where a remote base only brings what no route refers to.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "kustomization-not-followed",
    "a Kustomization that cannot be followed here",
    Severity.WARNING,
    Scope.PROBLEM,
    __doc__,
    lifts=(
        "kustomize-missing",
        "kustomize-circle",
        "kustomize-remote",
        "kustomize-unsupported",
        "flux-path-missing",
    ),
    consequence="namespaces, names and patches are unknown: answers are about the files as they stand",
    fix="render it, for example with kustomize build, and give the result",
)
