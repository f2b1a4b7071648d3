"""Two Zones claim one domain in the same view.

The internet asks one set of name servers for a domain, and these have one zone.  With two of them in the map, only
the first is followed, and what the other says never gets an answer.  In the world it is a zone that was moved to
another provider and left behind at the first, where people go on editing it.

    kind: Zone
    metadata: {name: example-com}
    spec: {domain: example.com, provider: route53}
    ---
    kind: Zone
    metadata: {name: example-com-new}
    spec: {domain: example.com, provider: cloudflare}

Put the records into one of them; or, when one is a private view of split DNS, give it a `view` and name that view
at the resolvers that serve it.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.graph.names import zones
from gatewright.graph.sight import Sight

ID = "zone-twice"


def check(sight: Sight) -> Iterable[Finding]:
    """Every Zone that repeats another."""
    for problem in zones.conflicts(sight):
        if problem.origin is not None:
            yield Finding(
                ID,
                problem.severity,
                problem.message,
                "its records are never answered",
                problem.hint,
                (problem.origin,),
            )


RULE = Rule(ID, "two Zones of one domain", Severity.WARNING, Scope.WORLD, __doc__, check)
