"""The public DNS leads to a private address.

Addresses of 10/8, 172.16/12, 192.168/16, 100.64/10 and fc00::/7 mean something else in every network (RFC 1918, RFC
4193): from the internet the name leads nowhere, in a hotel perhaps to the hotel's printer.  Often a tool wrote the
record: external-dns publishes the load balancer address of a gateway that is meant for the inside.  Beside a public
address it is worse: clients take one of the two by chance.  And whoever asks a resolver with rebind protection gets
no answer at all.

    kind: Zone
    spec:
      domain: example.com
      records: [{name: grafana, values: [192.168.178.10]}]

Keep inner names in a private view, or publish the address of the public door; for external-dns the annotation
`external-dns.alpha.kubernetes.io/target`, or a filter that leaves the inner gateways out.

It is no fault where everybody who is meant to use the name is inside or in a VPN, and the private names may be
known to all: then accept it with a suppression.  A proxied record and a tunnel publish no private address.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Row
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _names
from gatewright.graph.names import resolvers, zones
from gatewright.graph.names.nodes import PUBLIC, Status
from gatewright.graph.network import cidrs
from gatewright.graph.network.doors import door_addresses
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import ZoneIntent

ID = "private-address-public"
ASKED_PUBLIC = (PUBLIC,)


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """A name for which the internet is told a private address."""
    if _is_seen_public(row):
        return
    name = _names.asked(row.host)
    if zones.zone_of(sight, zones.PUBLIC_VIEW, name) is None:
        return
    found = [
        item
        for kind in ("A", "AAAA")
        for item in resolvers.resolutions(sight, (PUBLIC,), name, kind, None)
        if item.status is Status.ANSWER and item.zone is not None
    ]
    private = [item for item in found if any(map(cidrs.is_private, item.addresses))]
    if not private:
        return
    mixed = any(not cidrs.is_private(address) for item in found for address in item.addresses)
    said: dict[tuple[Key | None, Origin | None], list[str]] = {}
    for item in private:
        said.setdefault((item.zone, item.origin), []).extend(filter(cidrs.is_private, item.addresses))
    for (key, origin), addresses in said.items():
        zone = sight.get(key, ZoneIntent) if key is not None else None
        if zone is not None:
            yield _finding(sight, row, zone, origin, addresses, mixed=mixed)


def _is_seen_public(row: Row) -> bool:
    """Has somebody asked the public DNS for both families, and been told no private address?  Most often so."""
    seen = set()
    for cell in row.cells:
        for fate in cell.fates:
            if fate.resolvers == ASKED_PUBLIC:
                if cidrs.is_private(fate.address):
                    return False
                seen.add(cell.family)
    return len(seen) == len(_names.TYPE)


def _finding(
    sight: Sight, row: Row, zone: ZoneIntent, origin: Origin | None, addresses: list[str], *, mixed: bool
) -> Finding:
    wrong = _names.listing(addresses)
    written = origin is not None and _is_record_of(zone, origin)
    routed = not written and bool(zone.gateways) and not zone.external_dns
    who = f"{zone.key}" if written or routed else f"external-dns in {zone.key}"
    inside = row.served and not any(sight.ask(_has_public_door, key.gateway) for key in sight.serving(row.host))
    return Finding(
        ID,
        Severity.ERROR if mixed else Severity.INFO if inside else Severity.WARNING,
        f"{who} leads the internet to the private address{'es' if len(addresses) > 1 else ''} {wrong}",
        "some requests from the internet go to an address that means nothing there" if mixed
        else "from the internet the name leads nowhere",
        "publish the address of a public door, or keep the name in a private view",
        _names.places(origin if written else zone.origin.at("spec", "gateways" if routed else "externalDNS")),
        hosts=(row.host,),
    )  # fmt: skip


def _is_record_of(zone: ZoneIntent, origin: Origin) -> bool:
    """Does the record stand in the zone's own document or file, rather than come of a route?"""
    files = (zone.origin.file, zone.file.name if zone.file is not None else "")
    routed = zone.external_dns or bool(zone.gateways)
    return not routed or (origin.file in files and origin.document == zone.origin.document)


def _has_public_door(sight: Sight, gateway_id: str) -> bool:
    """A question: does a gateway have an address on the internet, or a hostname?"""
    return any(not cidrs.is_private(address) for address in sight.ask(door_addresses, gateway_id))


RULE = Rule(ID, "a private address in the public DNS", Severity.WARNING, Scope.NAME, __doc__, check)
