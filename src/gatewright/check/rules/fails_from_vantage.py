"""A name that somebody can resolve, and whose requests fail all the same.

This is what is left when no other rule knows the cause: the name has an address from that vantage, the address
leads nowhere, to a port on which nobody listens, or to a gateway, tunnel or edge that has nothing for the name.
The message names the hop at which it ends; `gatewright trace URL --from VANTAGE` prints the whole way to it.

    kind: Zone                       # the public DNS leads everybody to the outer gateway ...
    spec: {domain: example.com, records: [{name: "*", values: [203.0.113.9]}]}
    ---
    kind: Ingress                    # ... and only the inner one has a route for it
    spec: {ingressClassName: inside, rules: [{host: wiki.example.com}]}

Mend the hop that is named: a missing way, a listener, a rule of the tunnel; or do not resolve the name for those
who are not meant to use it.

A way that fails in one family while the other arrives is a warning, since clients try both (RFC 8305).  It is no
fault that an access rule refuses somebody, that a name has no address, or that the map does not know.  What a
firewall or network policy stops, a certificate that is refused and a backend that does not work have rules of their
own.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Cell, Fate, Row
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _names, cname_loop, resolver_loop
from gatewright.check.rules.resolver_points_at_resolver import dns_servers
from gatewright.graph.names import queries
from gatewright.graph.names.nodes import PUBLIC
from gatewright.graph.network import cidrs
from gatewright.graph.sight import Sight
from gatewright.trace import edges
from gatewright.trace.hops import HopKind, OutcomeKind

ID = "fails-from-vantage"
UNREACHABLE = OutcomeKind.UNREACHABLE.value
BAD = frozenset({UNREACHABLE, OutcomeKind.REFUSED.value})
WORKING = frozenset({OutcomeKind.DELIVERED.value, OutcomeKind.RESPONSE.value})

OWN = frozenset(
    {
        HopKind.VANTAGE, HopKind.RESOLVER, HopKind.ADDRESS, HopKind.NETWORK, HopKind.LINK, HopKind.NAT, HopKind.NODE,
        HopKind.EDGE, HopKind.TUNNEL,
    }
)  # fmt: skip
"""The hops of which no other rule tells: not firewalls, policies, certificates, filters and backends."""

NO_SNI = "TLS handshake fails: nothing on port "
NOT_FOUND = 404
TOLD = (
    "redirect loop: ",
    "more than ",
    "the request goes round in circles: ",
    "the edge proxies HTTP only",
)
"""How the reasons begin of which other rules tell."""

UNASKED = "resolver "
"""How the reason starts where a resolver is not reached, which resolver-unreachable tells."""
GIVEN_UP = ("asked for the second time", f"given up after {queries.MAX_STEPS} steps")
NO_GLOBAL_ADDRESS = "which the internet does not route"
"""The network has IPv6 for its own use only: its clients do not even try (RFC 6724)."""


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """A name whose requests from a vantage end at a hop that nobody else tells of."""
    for cell in row.cells:
        if not cell.vantage:
            continue
        for fate in cell.fates:
            if fate.kind in BAD and _is_mine(sight, row, cell, fate):
                yield _finding(sight, row, cell, fate)


def _is_mine(sight: Sight, row: Row, cell: Cell, fate: Fate) -> bool:
    if not row.served and fate.address not in edges.ENTRANCES:
        return False  # nobody says that the name is one of HTTP
    if fate.reason.startswith(TOLD) or fate.status in (401, 403):
        return False
    if fate.at.partition(" ")[0] not in OWN and not _has_no_route(sight, row, fate):
        return False
    if fate.reason.startswith(UNASKED) or fate.address in sight.ask(dns_servers):
        return False
    if cidrs.is_private(fate.address) and fate.kind == UNREACHABLE and fate.resolvers[-1:] == (PUBLIC,):
        return False  # private-address-public
    works = _works(row, cell)
    if works and fate.reason.find(NO_GLOBAL_ADDRESS) >= 0:
        return False
    if works and _resolved_elsewhere(row, cell, fate):
        return False  # split-view-one-family, mixed-resolvers
    return not (fate.reason.endswith(GIVEN_UP) and _is_circle(sight, row, cell))


def _has_no_route(sight: Sight, row: Row, fate: Fate) -> bool:
    """Did it come to a gateway that has nothing for the name at all?"""
    if not fate.gateways or not (fate.status == NOT_FOUND or fate.reason.startswith(NO_SNI)):
        return False
    return not fate.rule and not _names.has_route(sight, fate.gateways[-1], row.host)


def _families(row: Row, cell: Cell, fate: Fate) -> str:
    """Which family it is about; "" when all of the vantage end alike."""
    kinds = [
        {one.reason for one in other.fates}
        for other in row.cells
        if other.vantage == cell.vantage and any(one.kind != OutcomeKind.ABSENT for one in other.fates)
    ]
    return "" if all(fate.reason in reasons for reasons in kinds) else f" over {_names.FAMILY[cell.family]}"


def _is_behind_edge(fate: Fate, hop: str) -> bool:
    return fate.address in edges.ENTRANCES and hop not in (HopKind.EDGE, HopKind.TUNNEL)


def _works(row: Row, cell: Cell) -> bool:
    """Does anything arrive from the same vantage?"""
    return any(
        fate.kind in WORKING for other in row.cells if other.vantage == cell.vantage for fate in other.fates
    )  # fmt: skip


def _resolved_elsewhere(row: Row, cell: Cell, fate: Fate) -> bool:
    """Were all requests of this vantage that work answered by other resolvers?"""
    working = {
        good.resolvers for other in row.cells if other.vantage == cell.vantage
        for good in other.fates if good.kind in WORKING
    }  # fmt: skip
    return fate.resolvers not in working


def _is_circle(sight: Sight, row: Row, cell: Cell) -> bool:
    """Do aliases or resolvers go round?  `cname-loop` and `resolver-loop` say so."""
    who = _names.client(sight, cell.vantage)
    found = _names.answers(sight, who, row.host, cell.family) if who is not None else ()
    name = _names.asked(row.host)
    return any(cname_loop.circle(item, name) or cname_loop.endless(item) or resolver_loop.ring(item) for item in found)


def _finding(sight: Sight, row: Row, cell: Cell, fate: Fate) -> Finding:
    reason = fate.reason.replace(_names.asked(row.host), "the name")
    works = _works(row, cell)
    origins = fate.origins[-1:]
    if _has_no_route(sight, row, fate):
        gateway = sight.gateway(fate.gateways[-1])
        origins = (gateway.origin,) if gateway is not None else origins
        elsewhere = any(one.kind in WORKING for other in row.cells for one in other.fates)
        severity = Severity.WARNING if elsewhere else Severity.ERROR
        message = f"gateway {fate.gateways[-1]}, to which the name leads, has no route for it"
        consequence = "requests end there with 404 or a failed handshake" + (
            ", while the name works from elsewhere" if elsewhere else ""
        )
        fix = "attach the route to this gateway too, or do not lead the name there for these clients"
    else:
        severity = Severity.WARNING if works and fate.kind == UNREACHABLE else Severity.ERROR
        hop = fate.at.partition(" ")[0] or HopKind.VANTAGE.value
        families = _families(row, cell, fate)
        behind = f" behind {_names.edge_name(fate.address)}," if _is_behind_edge(fate, hop) else ""
        message = f"requests{families} end{behind} at the {hop}: {reason}"
        consequence = "clients lose time before they try another address" if severity is Severity.WARNING else (
            f"nobody there gets an answer{families}"
        )  # fmt: skip
        fix = "mend this hop, or lead the name elsewhere for these clients"
    return Finding(
        ID,
        severity,
        message,
        consequence,
        fix,
        origins,
        (cell.vantage,),
        (row.host,),
    )


RULE = Rule(ID, "requests that fail for no cause told elsewhere", Severity.ERROR, Scope.NAME, __doc__, check)
