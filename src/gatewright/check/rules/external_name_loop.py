"""A gateway's backend is a name that leads back to the gateway.

A Service of type ExternalName makes a name the backend.  When that name is one of the gateway's own, the gateway
sends the request to itself, again and again: clients get 508 or a timeout, and every request occupies connections
until the limits of the gateway or of its machine are met.  It is easily built by moving a host to another cluster
whose gateway sends what it does not know back to the first, or by a private view that answers inside what only the
outside was meant to see.

    kind: Service
    metadata: {name: grafana}
    spec: {type: ExternalName, externalName: grafana.example.com}     # the host that the route itself serves

Name the machine or Service that really serves it, by a name that no gateway on the way serves.

It is no fault to lead one host to another host's name at the same gateway: that is a detour, and ends.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Row, serving
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _names
from gatewright.graph.nodes import Forward
from gatewright.graph.sight import Sight
from gatewright.trace.hops import OutcomeKind

ID = "external-name-loop"
SIGN = "the request goes round in circles: "


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """A name whose requests come back to a gateway that they passed."""
    for cell in row.cells:
        for fate in cell.fates:
            if fate.kind != OutcomeKind.REFUSED or not fate.reason.startswith(SIGN):
                continue
            origins = _names.places(*_services(sight, row)) or fate.origins[-1:]
            if origins:
                yield Finding(
                    ID,
                    Severity.ERROR,
                    f"the backend leads back to the gateway: {fate.reason.removeprefix(SIGN)}",
                    "requests go round until a limit is met, and end with an error or a timeout",
                    "let the ExternalName Service name what really serves the host, not a host of the gateway",
                    origins,
                    (cell.vantage,) if cell.vantage else (),
                    (row.host,),
                )


def _services(sight: Sight, row: Row) -> Iterable[Origin]:
    """The ExternalName Services behind the name."""
    for host in serving(sight, row.host):
        for entry in host.entries:
            if not isinstance(entry.rule.action, Forward):
                continue
            for share in entry.rule.action.backends:
                backend = sight.backend(share.backend) if share.backend is not None else None
                if backend is not None and backend.dns_name:
                    yield backend.origins[0]


RULE = Rule(ID, "a backend that leads back to the gateway", Severity.ERROR, Scope.NAME, __doc__, check)
