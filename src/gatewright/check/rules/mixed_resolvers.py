"""Resolvers that answer differently for one name stand side by side: which one answers is chance.

A list of resolvers is no order of precedence.  systemd-resolved, Windows and Android stay with whichever answered last
or race them, musl asks all at once, glibc goes on after a timeout; CoreDNS's `forward` picks one at random, dnsmasq and
AdGuard Home the fastest, unless told otherwise.  "This name does not exist" is an answer, too: nobody asks the next one
after it.  With a split view on one and the public view on the other, the same machine is now inside and now outside.

    kind: Vantage
    metadata: {name: laptop}
    spec:
      network: home/lan
      resolvers: [adguard, 1.1.1.1]     # adguard: 192.168.178.10; 1.1.1.1: the public edge
    ---
    kind: Resolver
    metadata: {name: coredns}
    spec: {implementation: CoreDNS, upstreams: [adguard, 1.1.1.1]}

Hand out only resolvers with the same view (a second instance with the same rewrites makes a good spare), in DHCP and
in router advertisements alike: a router that announces itself as IPv6 resolver is in the list.  Between upstreams,
forward the split domain to the one that knows it, or set a fixed order (CoreDNS `policy sequential`, dnsmasq
`strict-order`, AdGuard Home has none).

It is no fault while all of them lead to the same gateway; a resolver of which the map knows nothing is not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Cell, Fate, Row
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _names
from gatewright.graph.names import servers
from gatewright.graph.sight import Sight
from gatewright.trace.hops import OutcomeKind

ID = "mixed-resolvers"


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """A name for which the resolvers that may answer one vantage lead to different places."""
    told: set[str] = set()
    for cell in row.cells:
        if len(cell.fates) < 2 or not cell.vantage:
            continue
        for message, origin in _mixed(sight, cell):
            if message in told:
                continue
            told.add(message)
            failing = any(fate.kind in (*_names.FAILED, OutcomeKind.ABSENT) for fate in cell.fates)
            yield Finding(
                ID,
                Severity.ERROR if failing else Severity.WARNING,
                message,
                "which of them a request gets is chance"
                + (", and it fails with one of them" if failing else ": inside at one moment, outside at the next"),
                "name only resolvers that answer alike, or forward the domain to the one that has the say for it",
                (origin,),
                (cell.vantage,),
                (row.host,),
            )


def _mixed(sight: Sight, cell: Cell) -> Iterator[tuple[str, Origin]]:
    """What to say of one vantage and family, and the list of resolvers that makes it so."""
    fates = [fate for fate in cell.fates if fate.resolvers and _names.lead(fate)]
    by_first: dict[str, dict[str, None]] = {}
    for fate in fates:
        by_first.setdefault(fate.resolver, {})[_names.lead(fate)] = None
    who = _names.client(sight, cell.vantage)
    if who is None:
        return
    if _differ(by_first):
        yield (
            f"{cell.vantage} is answered by any of its resolvers: {_told(by_first)}",
            who.origin.at("spec", "resolvers"),
        )
    for first in by_first:
        found = _upstreams([fate for fate in fates if fate.resolver == first])
        if found is None:
            continue
        chooser, leads = found
        server = sight.ask(servers.server, chooser)
        if server.origin is not None and server.any_order and _differ(leads):
            yield (
                f"{chooser} is answered by any of its upstreams: {_told(leads)}",
                server.origin.at("spec", "upstreams"),
            )


def _upstreams(fates: list[Fate]) -> tuple[str, dict[str, dict[str, None]]] | None:
    """The resolver after which the ways of answers part, and where each of the next ones leads."""
    paths = list(dict.fromkeys(fate.resolvers for fate in fates))
    if len(paths) < 2:
        return None
    shared = 0
    while all(len(path) > shared for path in paths) and len({path[shared] for path in paths}) == 1:
        shared += 1
    if not shared or any(len(path) == shared for path in paths):
        return None
    leads: dict[str, dict[str, None]] = {}
    for fate in fates:
        leads.setdefault(fate.resolvers[shared], {})[_names.lead(fate)] = None
    return paths[0][shared - 1], leads


def _differ(leads: Mapping[str, Mapping[str, None]]) -> bool:
    return len({frozenset(places) for places in leads.values()}) > 1


def _told(leads: Mapping[str, Mapping[str, None]]) -> str:
    return _names.listing(f"{name} (to {_names.listing(sorted(places))})" for name, places in sorted(leads.items()))


RULE = Rule(ID, "resolvers with different views side by side", Severity.ERROR, Scope.NAME, __doc__, check)
