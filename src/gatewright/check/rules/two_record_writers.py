"""Two sources write one DNS record.

external-dns makes one record set of a name.  When two objects want it to lead to different places, one of them
wins, by no rule that anybody relies on, and after the next change the other: the record flaps.  Where a record of
the zone stands there already, external-dns leaves it alone, because its registry (TXT records) says that it is not
its own, and what the route asks for never happens; without a registry it overwrites the record every minute.

    kind: Ingress
    metadata:
      annotations: {external-dns.alpha.kubernetes.io/target: 203.0.113.9}
    spec: {rules: [{host: app.example.com}]}
    ---
    kind: Zone
    spec:
      domain: example.com
      externalDNS: true
      records: [{name: app, values: [203.0.113.20]}]

Let one of them write: remove the record, or keep the object from external-dns (its filters, or the annotation
`external-dns.alpha.kubernetes.io/controller` with another value).

It is no fault where all want the same addresses.  Where one has private and the other public addresses only, they
are taken for the two sides of split DNS, each with an external-dns of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Row
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _names
from gatewright.graph.names import announced, zones
from gatewright.graph.network import cidrs
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key

ID = "two-record-writers"
CHANCE = "one of the two wins, and after a change perhaps the other"


class Writer(Struct, frozen=True):
    """Who wants a record, and where it is to lead."""

    label: str
    targets: frozenset[str]
    origin: Origin


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """A name that several sources lead to different places."""
    key = zones.zone_of(sight, zones.PUBLIC_VIEW, row.host)
    frame = sight.ask(zones.frame_of, key) if key is not None else None
    if key is None or frame is None or not frame.external_dns:
        return
    announcing = _announcing(sight, row.host)
    if not announcing:
        return
    first = announcing[0]
    written = _written(sight, key, row.host, announcing)
    if written is not None and all(_differ(written, other) for other in announcing):
        by_hand = (written.origin.file, written.origin.document) == (frame.origin.file, frame.origin.document)
        unheard = f"{first.label} is not heard: external-dns leaves the record alone"
        yield _finding(frame.domain, row, written, first, unheard if by_hand else CHANCE)
    for other in announcing[1:]:
        if _differ(first, other):
            yield _finding(frame.domain, row, first, other, CHANCE)
            return


def _finding(domain: str, row: Row, one: Writer, other: Writer, consequence: str) -> Finding:
    lead = [", ".join(sorted(writer.targets)) for writer in (one, other)]
    return Finding(
        ID,
        Severity.WARNING,
        f"{one.label} leads {row.host} to {lead[0]}, and {other.label} leads it to {lead[1]}, in the zone {domain}",
        consequence,
        "let only one of them write the record, or give both the same target",
        _names.places(one.origin, other.origin),
        hosts=(row.host,),
    )


def _announcing(sight: Sight, host: str) -> list[Writer]:
    """The routes that external-dns makes records of this name from; all gateways of one route count together."""
    found: dict[Key, tuple[set[str], Origin]] = {}
    for item in announced.announcements(sight, host):
        targets, _ = found.setdefault(item.source, (set(), item.origin))
        targets.update(item.targets)
    return [Writer(str(source), frozenset(targets), origin) for source, (targets, origin) in found.items()]


def _written(sight: Sight, key: Key, host: str, announcing: list[Writer]) -> Writer | None:
    """Who has written the name by hand: the zone, its file, a DNSEndpoint or a Service's annotation."""
    targets: dict[str, None] = {}
    origin: Origin | None = None
    owners = {writer.origin for writer in announcing}
    for kind in ("A", "AAAA"):
        found = zones.look(sight, key, host, kind)
        if found.owner == host and found.records and found.origin not in owners:
            targets.update((value, None) for record in found.records for value in record.values)
            origin = origin or found.origin
    return Writer("the record", frozenset(targets), origin) if origin is not None else None


def _differ(one: Writer, other: Writer) -> bool:
    """Do two writers lead to different places, and not to the two sides of split DNS?  A subset is no contradiction."""
    if one.targets <= other.targets or other.targets <= one.targets:
        return False
    sides = [{cidrs.is_private(target) for target in writer.targets} for writer in (one, other)]
    return not (len(sides[0]) == len(sides[1]) == 1 and sides[0] != sides[1])


RULE = Rule(ID, "two sources of one record", Severity.WARNING, Scope.NAME, __doc__, check)
