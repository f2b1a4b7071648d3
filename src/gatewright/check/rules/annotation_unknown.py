"""An annotation does not exist in any version of its controller.

Controllers look for the annotations that they know and pass over all others without a word.  A letter too few, the
prefix of another controller, or an annotation of another product leaves the route as it would be without.

    metadata:
      annotations:
        nginx.ingress.kubernetes.io/proxy-read-timout: "3600"      # timeout

Write the one that the finding suggests, or look it up in the documentation of the version that you run.  One that looks
like a lock (authentication, allow lists) is an error: its rules answer 503 here rather than stay open.

It is no fault when your own program reads it: then give it a prefix of your own.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "annotation-unknown",
    "an annotation that no controller knows",
    Severity.WARNING,
    Scope.PROBLEM,
    __doc__,
    lifts=("annotation-unknown",),
    consequence="what its owner wanted does not happen, and no controller says so",
    fix="correct the spelling, or remove the annotation",
)
