"""Resolvers that ask one another in a circle: nobody of them ever knows.

A resolver that does not know a name asks its upstream.  Where the upstream asks back, directly or through a third, the
question goes round until one of them gives up.  It often comes of a resolver at home whose upstream is the router, and
a router that hands out and asks that very resolver; or of a forward for one domain to a cluster's DNS, which sends what
it does not know back through the node's resolv.conf (CoreDNS' plugin `loop` stops the server when it sees that).

    kind: Resolver
    metadata: {name: adguard}
    spec: {addresses: [192.168.178.3], upstreams: [192.168.178.1]}
    ---
    kind: Resolver
    metadata: {name: fritzbox}
    spec: {addresses: [192.168.178.1], upstreams: [192.168.178.3]}

Let one of them ask somebody outside of the circle, or answer for the domain itself (`local=/domain/` in dnsmasq, no
`fallthrough` or `forward` in CoreDNS).

It is no fault where the question never comes that far, because one of them answers all names for which it is asked:
then nothing is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Row
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _names
from gatewright.check.rules.cname_loop import circle
from gatewright.graph.names import servers
from gatewright.graph.names.nodes import Resolution, Status
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.naming import ResolverIntent

ID = "resolver-loop"
FORWARDS = ": forwards "
"""In the step that tells of a forward for a domain."""


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """A name about which resolvers ask one another."""
    name = _names.asked(row.host)
    for cell, who, item in _names.unanswered(sight, row):
        found = () if circle(item, name) else ring(item)
        if found:
            yield Finding(
                ID,
                Severity.ERROR,
                f"resolvers ask one another in a circle: {' → '.join((*found, found[0]))}",
                "names that none of them knows are never answered: queries time out or get SERVFAIL",
                f"let {_names.either(found)} ask a resolver outside of the circle, or answer for the domain itself",
                _names.places(*_places(sight, item, found)) or (who.origin,),
                (cell.vantage,),
                (row.host,),
            )


def ring(item: Resolution) -> tuple[str, ...]:
    """The resolvers that asked one another, from the first of their names in order."""
    if item.status is not Status.LOOP or not item.steps:
        return ()
    again = item.steps[-1].resolver
    if again not in item.asked:
        return ()
    begin = len(item.asked) - 1 - item.asked[::-1].index(again)
    found = item.asked[begin:]
    turn = found.index(min(found))
    return found[turn:] + found[:turn]


def _places(sight: Sight, item: Resolution, found: tuple[str, ...]) -> Iterator[Origin | None]:
    """Where each of them is told to ask the next: its forward for the domain, or else its upstreams."""
    for label in found:
        said = [step.origin for step in item.steps if step.resolver == label and FORWARDS in step.summary]
        server = sight.ask(servers.server, label)
        resolver = sight.get(server.key, ResolverIntent) if server.key is not None else None
        if said or resolver is None:
            yield said[-1] if said else server.origin
        else:
            own = bool(resolver.config.upstreams)
            yield resolver.origin.at("spec", "upstreams") if own else server.origin


RULE = Rule(ID, "resolvers that ask one another in a circle", Severity.ERROR, Scope.NAME, __doc__, check)
