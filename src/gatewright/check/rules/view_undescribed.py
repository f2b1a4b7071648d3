"""Several private views are ours to serve, and nobody says who sees which.

A server with split DNS has to know for each query which view the client belongs to.  With one private view the answer
is clear: private addresses see it, and the internet does not.  With two it is not: guests would be shown the names of
the house, or the house those of the lab.  So neither is shown to anybody until it is said.

    kind: Zone
    spec: {domain: example.org, view: house, provider: Gatewright}
    ---
    kind: Zone
    spec: {domain: lab.example.org, view: lab, provider: Gatewright}

Describe each with a View of its name:

    kind: View
    metadata: {name: house}
    spec: {clients: [{network: home/lan}]}

It is no fault of zones that others serve: they know their clients themselves.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _served
from gatewright.graph.sight import Sight

ID = "view-undescribed"


def check(sight: Sight) -> Iterable[Finding]:
    """Every Zone of ours that nobody sees."""
    return _served.findings(sight, ID, "who asks is refused, and looks for the name elsewhere or not at all")


RULE = Rule(ID, "private views without clients", Severity.ERROR, Scope.WORLD, __doc__, check)
