"""An annotation cannot be read as it is written, or does nothing where it stands.

Controllers read annotations as text and say nothing of what they cannot use: a time with a unit where a number of
seconds is wanted, a header name with a space, a setting that only counts beside another one.  What holds without the
annotation then holds; where that would leave something unprotected, the rules answer 503 here.

    metadata:
      annotations:
        nginx.ingress.kubernetes.io/proxy-read-timeout: 60s        # a number: "60"
        nginx.ingress.kubernetes.io/auth-signin: https://login.example.com     # nothing without auth-url

Write the value that the finding expects, or remove the annotation.  Of two that contradict each other, keep one.

It is no fault when the annotation is for another controller, which reads it differently.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "annotation-value",
    "an annotation that cannot be read as it is written",
    Severity.WARNING,
    Scope.PROBLEM,
    __doc__,
    lifts=("annotation-value", "annotation-contradiction", "annotation-without-effect"),
    consequence="what its owner wanted does not happen, and no controller says so",
    fix="write the value that is expected, or remove the annotation",
)
