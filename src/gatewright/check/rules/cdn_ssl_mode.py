"""The mode in which a CDN connects to the origin does not go with the origin.

Cloudflare ends the visitor's TLS and connects to the origin as the zone's SSL mode says.  Flexible: in the clear on
port 80.  An origin that redirects http to https answers that connection with a redirect to the very URL that was asked
for, and browsers give up (ERR_TOO_MANY_REDIRECTS).  Full (strict): over TLS, and the origin's certificate must be of a
public authority or of Cloudflare's Origin CA, be valid and have the name; else visitors see 526.  Off: the edge itself
redirects https to http.

    kind: Zone
    spec: {provider: cloudflare, sslMode: flexible, records: [{name: shop, values: [203.0.113.9], proxied: true}]}
    ---
    kind: Middleware
    spec: {redirectScheme: {scheme: https, permanent: true}}

Use Full (strict) with a certificate of Let's Encrypt (DNS-01 works behind the proxy) or of the Origin CA.  Full without
strict encrypts, and takes whatever certificate comes.

It is no fault where the record is not proxied, or where the origin serves in the clear what Flexible asks it for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Fate, Row, serving
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _certificates, _names
from gatewright.graph.nodes import Family, Gateway, RedirectTo, VirtualHost
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.naming import ZoneIntent
from gatewright.trace import edges
from gatewright.trace.hops import OutcomeKind
from gatewright.trace.journey import Trust
from gatewright.trace.trust import KINDS, Roots, Shown, judge, shown

ID = "cdn-ssl-mode"
CDN = Roots(cdn=True)
IN_THE_CLEAR = {"flexible": "Flexible", "off": "Off"}


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """A name that an edge cannot fetch from its origin in the zone's mode."""
    if not sight.ask(_certificates.proxying):
        return
    if _certificates.nobody_comes(row):
        yield from _as_set(sight, row)
        return
    for cell in row.cells:
        for fate in cell.fates:
            loop, bad = _loops(row, fate), fate.status == edges.BAD_SSL
            off = fate.address in edges.ENTRANCES and row.url.startswith("https:")
            if not (loop or bad or off):
                continue
            zone = _zone(sight, row, cell.vantage, cell.family)
            gateway = sight.gateway(fate.gateways[-1]) if fate.gateways else None
            if zone is None:
                continue
            if bad and gateway is not None:
                found = _certificates.at_gateway(sight, gateway, _names.asked(row.host), _certificates.port_of(row))
                yield from _strict(row, zone, gateway, found, cell.vantage)
            elif loop and zone.ssl_mode in IN_THE_CLEAR:
                yield _loop(row, zone, gateway, cell.vantage)
            elif off and not loop and zone.ssl_mode == "off":
                yield _off(row, zone, cell.vantage)


def _zone(sight: Sight, row: Row, vantage: str, family: str) -> ZoneIntent | None:
    who = _names.client(sight, vantage)
    answers = _names.answers(sight, who, row.host, family) if who is not None else ()
    edge = next((item.edge for item in answers if item.edge is not None), None)
    return sight.get(edge.zone, ZoneIntent) if edge is not None else None


def _loops(row: Row, fate: Fate) -> bool:
    """Did the redirects end where they began, behind an edge?"""
    if fate.kind != OutcomeKind.REFUSED or not fate.reason.startswith("redirect loop"):
        return False
    try:
        parts = urlsplit(fate.location)
    except ValueError:
        return False
    return fate.address in edges.ENTRANCES and parts.scheme == "https" and parts.hostname == _names.asked(row.host)


def _as_set(sight: Sight, row: Row) -> Iterator[Finding]:
    """Where the map does not say who comes: by the zone's settings and by those who serve the name."""
    edge = next((item.edge for item in _certificates.public_answers(sight, row.host) if item.edge is not None), None)
    zone = sight.get(edge.zone, ZoneIntent) if edge is not None and not edge.tunnel else None
    if zone is None:
        return
    for host in serving(sight, row.host):
        gateway = sight.gateway(host.key.gateway)
        if gateway is None:
            continue
        if zone.ssl_mode in IN_THE_CLEAR and host.key.family is Family.HTTP and _only_redirects(host):
            yield _loop(row, zone, gateway, "")
        elif zone.ssl_mode == "strict" and host.key.family is Family.HTTPS:
            name = _names.asked(row.host)
            certificate = sight.served_certificate(gateway, host.key.port, name)
            yield from _strict(row, zone, gateway, shown(sight, gateway, host, certificate, name), "")


def _only_redirects(host: VirtualHost) -> bool:
    """Does it send every request to the same URL over https?"""
    actions = [entry.rule.action for entry in host.entries]
    return all(
        isinstance(item, RedirectTo) and item.scheme == "https" and item.host is None and item.path is None
        for item in actions
    )


def _setting(zone: ZoneIntent) -> Origin:
    return zone.origin.at("spec", "sslMode")


def _loop(row: Row, zone: ZoneIntent, gateway: Gateway | None, vantage: str) -> Finding:
    door = f"gateway {gateway.id}" if gateway is not None else "the origin"
    return Finding(
        ID,
        Severity.ERROR,
        f"zone {zone.domain} fetches in the clear (SSL mode {IN_THE_CLEAR[zone.ssl_mode]}), "
        f"and {door} redirects that to https",
        "the redirect leads to the URL that was asked for, and browsers give up on the loop",
        "set sslMode to strict, with a certificate at the origin that the CDN trusts",
        _names.places(_setting(zone), gateway.origin if gateway is not None else None),
        (vantage,) if vantage else (),
        (row.host,),
    )


def _off(row: Row, zone: ZoneIntent, vantage: str) -> Finding:
    return Finding(
        ID,
        Severity.WARNING,
        f"TLS is off in zone {zone.domain} (SSL mode Off), and its proxied names are asked for over https",
        "the edge redirects visitors to plain http",
        "set sslMode to strict, with a certificate at the origin that the CDN trusts",
        (_setting(zone),),
        (vantage,) if vantage else (),
        (row.host,),
    )


def _strict(row: Row, zone: ZoneIntent, gateway: Gateway, found: Shown | None, vantage: str) -> Iterator[Finding]:
    trust, _ = judge(found, _names.asked(row.host), CDN) if found is not None else (Trust.UNKNOWN, "")
    if found is None or trust not in (Trust.NAME_MISMATCH, Trust.UNTRUSTED, Trust.EXPIRED):
        return
    why = {
        Trust.NAME_MISMATCH: f"is for {_certificates.named(found.names or ())}, not for what is asked",
        Trust.UNTRUSTED: f"is of {KINDS.get(found.issued, 'another authority')}, which the CDN does not trust",
    }.get(trust, f"expired on {found.expired}")
    yield Finding(
        ID,
        Severity.ERROR,
        f"zone {zone.domain} verifies its origins (SSL mode Full (strict)), "
        f"and {found.label} at gateway {gateway.id} {why}",
        "visitors get 526 from the edge",
        "have a public authority or the CDN's Origin CA issue it for these names",
        _names.places(found.origin, gateway.origin, _setting(zone)),
        (vantage,) if vantage else (),
        (row.host,),
    )


RULE = Rule(ID, "a CDN's SSL mode that does not go with the origin", Severity.ERROR, Scope.NAME, __doc__, check)
