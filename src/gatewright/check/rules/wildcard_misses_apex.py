"""A wildcard `*.x` does not cover `x` itself, and `x` is served, too.

In DNS, in TLS and in routes a wildcard stands for at least one label: `*.example.com` is `www.example.com` and
never `example.com` (RFC 4592).  Rewrites of AdGuard Home and Unbound follow it; dnsmasq's `address=/example.com/`
is the exception and covers both.  So the names below are answered inside, while the domain itself is asked upstream
or does not exist at all, and only the start page is broken.

    kind: Resolver
    metadata: {name: adguard}
    spec:
      implementation: AdGuardHome
      overrides: [{name: "*.example.com", values: [192.168.178.10]}]
    ---
    kind: HTTPRoute
    spec: {hostnames: [example.com, "*.example.com"]}

Add a second entry for the domain itself, with the same values.

It is no fault where no gateway at the wildcard's addresses serves the domain, or where the same zone has a record
of its own for it: then it was sent elsewhere on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base import hostnames
from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Row
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _names
from gatewright.graph.names import servers, zones
from gatewright.graph.names.nodes import Resolution, Status
from gatewright.graph.network.doors import gateways_at
from gatewright.graph.sight import Sight
from gatewright.trace.hops import OutcomeKind
from gatewright.trace.vantages import Standing

ID = "wildcard-misses-apex"
NOTHING = frozenset({Status.NODATA, Status.NXDOMAIN})
LEADING = frozenset({Status.ANSWER, Status.EDGE})


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """A served name that a wildcard below it leaves out."""
    if not row.served or hostnames.is_wildcard(row.host):
        return
    serving = {key.gateway for key in sight.serving(row.host)}
    found = {cell.vantage for cell in row.cells for fate in cell.fates if fate.kind != OutcomeKind.ABSENT}
    reached = {fate.gateways[0] for cell in row.cells for fate in cell.fates if fate.gateways}
    for cell in row.cells:
        if cell.vantage in found and serving <= reached:
            continue
        who = _names.client(sight, cell.vantage)
        if who is not None and not (cell.family == "6" and _has_address(sight, who, row.host)):
            yield from _missed(sight, row, who, cell.family, serving)


def _has_address(sight: Sight, who: Standing, host: str) -> bool:
    return "4" in who.families and any(item.status in LEADING for item in _names.answers(sight, who, host, "4"))


def _missed(sight: Sight, row: Row, who: Standing, family: str, serving: set[str]) -> Iterable[Finding]:
    below = _names.answers(sight, who, f"*.{row.host}", family)
    covering = [item for item in below if item.status in LEADING]
    if not covering:
        return
    own = _names.answers(sight, who, row.host, family)
    for item in covering:
        doors = {gateway for address in item.addresses for gateway in sight.ask(gateways_at, address)}
        mine = [answer for answer in own if answer.resolver == item.resolver]
        if not mine or (item.edge is None and doors.isdisjoint(serving)):
            continue
        answer = mine[0]
        absent = answer.status in NOTHING
        passed_on = answer.asked[: len(item.asked)] == item.asked != answer.asked and answer.status in LEADING
        if not absent and (not passed_on or _leads_to(sight, answer, doors)):
            continue
        told = _wildcard(sight, item, row.host, family)
        if told is None:
            continue
        teller, origin = told
        where = "has no address" if absent else f"leads to {_names.destination(answer)}"
        yield Finding(
            ID,
            Severity.ERROR if absent else Severity.WARNING,
            f"*.{row.host} of {teller} does not cover {row.host} itself, which {where}",
            "the names below work and the domain itself does not" if absent
            else "the names below stay inside while the domain itself is reached on another way",
            f"add an entry for {row.host} beside *.{row.host}: {_names.destination(item)}",
            _names.places(origin, answer.origin),
            (who.name,),
            (row.host,),
        )  # fmt: skip


def _leads_to(sight: Sight, answer: Resolution, doors: set[str]) -> bool:
    return any(not doors.isdisjoint(sight.ask(gateways_at, address)) for address in answer.addresses)


def _wildcard(sight: Sight, item: Resolution, host: str, family: str) -> tuple[str, Origin] | None:
    """Who has the wildcard directly below the name; None when it is another record that answered."""
    pattern = f"*.{host}"
    for label in item.asked:
        server = sight.ask(servers.server, label)
        if server.key is not None and server.overrides:
            own = servers.override_of(sight, server.key, pattern)
            if own:
                return server.label, own[0].origin
        for view in (*server.views, *((zones.PUBLIC_VIEW,) if server.kind == servers.ServerKind.PUBLIC else ())):
            found = zones.lookup(sight, view, pattern, _names.TYPE[family])
            if found is not None and found.owner == pattern and found.records:
                return str(found.zone), found.origin
    return None


RULE = Rule(ID, "a wildcard that leaves out the domain itself", Severity.ERROR, Scope.NAME, __doc__, check)
