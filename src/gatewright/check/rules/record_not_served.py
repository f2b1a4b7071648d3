"""A record cannot be served as it is written.

DNS has limits that no server can go beyond: 63 characters to a label and 253 to a name, nothing beside a CNAME, and
for each type data of its own form.  Servers refuse a whole zone for one such record, or drop it in silence; providers
refuse the change.  Here only the record is left out, and the rest of the zone is served.

    kind: Zone
    spec:
      domain: example.com
      records:
        - {name: "@", type: MX, values: [mail.example.com]}      # an MX has a preference: "10 mail.example.com"

Correct the record, or remove it.  Where a CNAME and other records of one name come from several sources (the Zone, its
file, a DNSEndpoint), keep one of them: addresses go before a CNAME, and a CNAME before everything else.

It is no fault that a CNAME stands at the domain itself, where it is answered with the addresses of its target.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _served
from gatewright.graph.sight import Sight

ID = "record-not-served"


def check(sight: Sight) -> Iterable[Finding]:
    """Every record that is left out."""
    return _served.findings(sight, ID, "the record is left out of the zone, or the provider refuses the change")


RULE = Rule(ID, "a record that cannot be served", Severity.ERROR, Scope.WORLD, __doc__, check)
