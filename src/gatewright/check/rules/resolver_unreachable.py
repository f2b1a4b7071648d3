"""A client has a resolver in its list to which no packet gets.

The address of the resolver lies behind a link that does not carry it, in a network that has no way there, or behind a
firewall that lets port 53 through for others only.  Clients wait some seconds for it on every name before they ask the
next one of their list, and where it is the only one nothing works at all.

    kind: Vantage
    metadata: {name: cloud-pod}
    spec: {node: cloud/edge, resolvers: [192.168.178.3]}       # and the tunnel's routes leave 192.168.178.0/24 out

Add the route or the firewall rule for 53/udp (and 53/tcp), or give these clients a resolver that they reach.  Nothing
is said where the map does not tell where the resolver is.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _names
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.trace.vantages import to_resolver

ID = "resolver-unreachable"


def check(sight: Sight, vantage: VantageIntent) -> Iterable[Finding]:
    """Every resolver of a vantage's list."""
    name = vantage.key.name
    failed = []
    for index, ref in enumerate(vantage.resolvers):
        asking = sight.ask(to_resolver, name, ref)
        if asking is not None and not asking.passage.way.reached:
            failed.append((index, ref, asking))
    nothing_left = len(failed) == len(vantage.resolvers)
    for index, ref, asking in failed:
        way = asking.passage.way
        yield Finding(
            ID,
            Severity.ERROR if nothing_left else Severity.WARNING,
            f"{vantage.key} does not reach its resolver {ref}: {way.reason}",
            "no name resolves there" if nothing_left else "names resolve only after a timeout",
            "allow 53/udp and 53/tcp there"
            if way.blocked_by
            else "add a way to it, or name a resolver that is reached",
            _names.places(vantage.origin.at("spec", "resolvers", index), way.blocked_by, asking.hop.origin),
            vantages=(name,),
        )


RULE = Rule(
    ID,
    "a resolver that its clients do not reach",
    Severity.ERROR,
    Scope.OBJECT,
    __doc__,
    check,
    (VantageIntent,),
)
