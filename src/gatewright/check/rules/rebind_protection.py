"""A resolver with rebind protection drops the private address of a name that is served there.

A web site that answers with an address of your own network could make browsers attack it (DNS rebinding), so a
FritzBox, dnsmasq and Pi-hole with `stop-dns-rebind`, and Unbound with `private-address` drop private addresses from
the answers of others.  They cannot tell your own domain from an attacker's: a public record or a second resolver inside
that answers 192.168.178.10 is emptied, and the name has no address, at home only.

    kind: Resolver
    metadata: {name: fritzbox}
    spec: {implementation: FritzBox, upstreams: [adguard]}       # rebind protection is always on
    ---
    kind: Resolver
    metadata: {name: adguard}
    spec: {implementation: AdGuardHome, overrides: [{name: "*.example.com", values: [192.168.178.10]}]}

Except the domain: FritzBox under Home Network, Network, Network Settings, DNS Rebind Protection (`example.com`,
which covers the names below it); dnsmasq `rebind-domain-ok=/example.com/`; Unbound `private-domain: example.com`;
in the site map `rebindProtection: {except: [example.com]}`.  Or let clients ask the resolver inside directly.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Row
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _names
from gatewright.graph.names import filtering, servers
from gatewright.graph.names.nodes import Resolution, Status
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.naming import ZoneIntent
from gatewright.trace.hops import OutcomeKind

ID = "rebind-protection"


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """A name without an address because its resolver drops what it was told."""
    for cell in row.cells:
        if not any(fate.kind == OutcomeKind.ABSENT and _dropped(fate.reason) for fate in cell.fates):
            continue
        who = _names.client(sight, cell.vantage)
        if who is None:
            continue
        for item in _names.answers(sight, who, row.host, cell.family):
            if item.status is Status.NODATA and item.steps and _dropped(item.steps[-1].summary):
                yield _finding(sight, row, cell.vantage, item, works=_works(row, cell.vantage))


def _works(row: Row, vantage: str) -> bool:
    kinds = (OutcomeKind.DELIVERED, OutcomeKind.RESPONSE)
    return any(fate.kind in kinds for cell in row.cells if cell.vantage == vantage for fate in cell.fates)


def _dropped(said: str) -> bool:
    return said.endswith(filtering.REBIND)


def _finding(sight: Sight, row: Row, vantage: str, item: Resolution, *, works: bool) -> Finding:
    label = item.steps[-1].resolver
    resolver = sight.ask(servers.server, label)
    zone = sight.get(item.zone, ZoneIntent) if item.zone is not None else None
    teller = item.asked[-1] if zone is None else f"the {zone.view} zone {zone.domain}"
    domain = zone.domain if zone is not None else "the domain"
    origin = resolver.origin or item.steps[-1].origin
    assert origin is not None  # only a resolver of the map protects
    return Finding(
        ID,
        Severity.WARNING if works else Severity.ERROR,
        f"{label} drops the private addresses that {teller} answers: its rebind protection does not except the name",
        f"whoever asks {label} gets no address for the name",
        f"except {domain} from the rebind protection of {label}, or have {label} answer for it itself",
        (origin.at("spec", "rebindProtection"), *((zone.origin,) if zone is not None else ())),
        (vantage,),
        (row.host,),
    )


RULE = Rule(ID, "private answers dropped by rebind protection", Severity.ERROR, Scope.NAME, __doc__, check)
