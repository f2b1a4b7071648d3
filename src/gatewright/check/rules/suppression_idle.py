"""A suppression accepts nothing: what it names is not found, or its date has passed.

`gatewright.dev/ignore` accepts a finding with a reason.  Once the fault is mended the line is of no more use, and would
hide the fault if it came back (`suppression-unused`); it is the same with a misspelt id.  From its date on, the finding
counts again, as whoever wrote the date wanted (`suppression-expired`).

    metadata:
      annotations:
        gatewright.dev/ignore: "cidr-overlap until 2020-01-31: both sides move in January"

Remove the line when the fault is gone.  Otherwise mend the fault, or set a later date.
"""

from __future__ import annotations

from gatewright.base.problem import Severity
from gatewright.check.rule import Rule, Scope

RULE = Rule(
    "suppression-idle",
    "a suppression that accepts nothing, or no longer",
    Severity.INFO,
    Scope.PROBLEM,
    __doc__,
    lifts=(
        "suppression-expired",
        "suppression-unused",
    ),
    consequence="a finding counts again, or would be hidden if it came back",
    fix="remove the annotation, or set a later date",
)
