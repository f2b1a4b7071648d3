"""A private answer for one address family, while the other family's query is answered by the public DNS.

A resolver that overrides a name with an IPv4 address answers A queries.  What it does with the AAAA query differs: a
FritzBox, Pi-hole and dnsmasq pass it upstream, where the public zone answers with the address of the public edge.
Clients prefer IPv6 (RFC 6724), so machines beside the gateway go out to the internet and come back through the CDN or
the VPS, under other rules, other limits and another certificate, or arrive nowhere when the public door does not serve
the name.  It looks like chance: a client without IPv6 does what was meant.

    kind: Resolver
    metadata: {name: fritzbox}
    spec:
      implementation: FritzBox                 # asks upstream for the family that a local name lacks
      overrides: [{name: app.example.com, values: [192.168.178.10]}]
    ---
    kind: Zone
    spec:
      domain: example.com
      records: [{name: app, values: [203.0.113.9, "2001:db8::9"]}]

Override both families (an IPv6 address of the gateway, a ULA will do), or have the resolver answer AAAA for the name
with nothing: AdGuard Home does so for a rewrite, dnsmasq with `address=/app.example.com/` for AAAA or
`filter-AAAA`, Unbound with a `redirect` zone.  A FritzBox can do neither for a name that it does not own: ask another
resolver, or give the inside a name of its own, such as app.home.example.com, that the public zone does not have.

It is no fault where both answers lead to the same gateway, or where the public zone has no record of the other family.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Cell, Row
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _names
from gatewright.graph.names import servers
from gatewright.graph.names.nodes import Resolution, Status
from gatewright.graph.names.servers import ServerKind
from gatewright.graph.network.doors import gateways_at
from gatewright.graph.sight import Sight
from gatewright.trace.hops import OutcomeKind

ID = "split-view-one-family"
LEADING = frozenset({Status.ANSWER, Status.EDGE})


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """A name that one vantage resolves inside in one family and past the resolver in the other."""
    for four, six in _names.pairs(row):
        # Nobody was passed by one family alone: nothing leaks, and nothing needs to be asked again.
        if {fate.resolvers for fate in four.fates} == {fate.resolvers for fate in six.fates}:
            continue
        yield from _leaks(sight, row, four, six)
        yield from _leaks(sight, row, six, four)


def _leaks(sight: Sight, row: Row, kept: Cell, lost: Cell) -> Iterable[Finding]:
    who = _names.client(sight, kept.vantage)
    if who is None:
        return
    inside = [item for item in _names.answers(sight, who, row.host, kept.family) if _local(sight, item)]
    if not inside:
        return
    for item in _names.answers(sight, who, row.host, lost.family):
        if item.status not in LEADING:
            continue
        own = next((one for one in inside if item.asked[: len(one.asked)] == one.asked != item.asked), None)
        if own is None or _same_door(sight, own, item):
            continue
        resolver = sight.ask(servers.server, own.asked[-1])
        override = _names.overriding(sight, resolver, _names.asked(row.host))
        name = override.name if override is not None else row.host
        missing = _names.TYPE[lost.family]
        where = _names.destination(item)
        ends = {fate.kind for fate in lost.fates if fate.resolver == item.resolver}
        refused = bool(ends & {OutcomeKind.REFUSED.value, OutcomeKind.UNTRUSTED.value})
        yield Finding(
            ID,
            Severity.ERROR if refused else Severity.WARNING,
            f"{resolver.label} answers for {name} with {_names.TYPE[kept.family]} {_names.destination(own)} alone: "
            f"{missing} is asked upstream and leads to {where}",
            f"clients that prefer {_names.FAMILY[lost.family]} go to {where}"
            + (", which refuses them" if refused else " instead of the gateway inside"),
            f"override {missing} for {name} too, or have {resolver.label} answer {missing} for it with nothing",
            _names.places(own.origin, item.origin),
            (kept.vantage,),
            (row.host,),
        )


def _local(sight: Sight, item: Resolution) -> bool:
    """Did a resolver of the map answer by itself?"""
    if item.status is not Status.ANSWER or item.zone is not None or not item.asked:
        return False
    return sight.ask(servers.server, item.asked[-1]).kind is ServerKind.LISTED


def _same_door(sight: Sight, one: Resolution, other: Resolution) -> bool:
    """Do all addresses of one answer belong to gateways that the other leads to, too?"""
    doors = {gateway for address in one.addresses for gateway in sight.ask(gateways_at, address)}
    found = [sight.ask(gateways_at, address) for address in other.addresses]
    return other.edge is None and all(found) and all(doors.issuperset(gateways) for gateways in found)


RULE = Rule(ID, "a private answer in one address family only", Severity.WARNING, Scope.NAME, __doc__, check)
