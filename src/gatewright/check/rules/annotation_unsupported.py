"""An annotation exists, and Gatewright does not do what it says.

Ingress controllers have hundreds of annotations.  Most are followed, some with a difference, which the finding names;
the others are named here, so that nobody takes an answer of `trace` or a gateway that Gatewright runs for the whole
truth.  The controller that the Ingress was written for still does what it says.  docs/compatibility.md lists all.

    metadata:
      annotations:
        nginx.ingress.kubernetes.io/limit-rate: "100"

What restricts access (digest authentication, a web application firewall) is never left out: the rules answer 503, and
the finding is `protection-unbuildable`.

It is no fault where another controller serves the Ingress: accept it with `gatewright.dev/ignore`.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "annotation-unsupported",
    "an annotation that Gatewright does not follow",
    Severity.WARNING,
    Scope.PROBLEM,
    __doc__,
    lifts=("unsupported-annotation", "annotation-differs"),
    consequence="a gateway of Gatewright answers as if it were not there",
    fix="let the route have what it needs in another way, or accept it with "
    "gatewright.dev/ignore where another controller serves it",
    at_most=Severity.INFO,
)
