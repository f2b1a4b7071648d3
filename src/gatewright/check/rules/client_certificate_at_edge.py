"""A door demands client certificates, and clients come through a CDN's edge, which keeps them.

The edge ends the client's TLS and makes a connection of its own, in which it has no client's certificate to show.  The
door refuses the handshake for everybody, and users see Cloudflare's 520, 525 or 502.

    kind: TLSOption
    metadata: {name: default}
    spec: {clientAuth: {secretNames: [clients-ca], clientAuthType: RequireAndVerifyClientCert}}
    ---
    kind: Zone
    spec: {provider: cloudflare, sslMode: full, records: [{name: admin, values: [203.0.113.9], proxied: true}]}

Do not proxy the record, or verify the clients at the edge (Cloudflare's mTLS with its own client CA) and let the door
demand the edge's certificate only (authenticated origin pulls).

It is no fault where the CA that the door asks for is Cloudflare's for origin pulls, nor from places that
reach the door directly: only those that come through the edge are concerned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from cryptography import x509

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Row, serving
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _certificates, _names
from gatewright.graph.nodes import TlsSettings
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.naming import ZoneIntent

ID = "client-certificate-at-edge"
IN_THE_CLEAR = ("off", "flexible")


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """A name whose door demands client certificates of an edge."""
    demanding = sight.ask(demands)
    if not demanding:
        return
    hosts = [host for host in serving(sight, row.host) if (host.key.gateway, host.key.port) in demanding]
    hosts = [host for host in hosts if host.key.family in _certificates.TERMINATING]
    if not hosts:
        return
    for vantage, edge in _certificates.only_edges(sight, row):
        zone = sight.get(edge.zone, ZoneIntent)
        if zone is None or (not edge.tunnel and zone.ssl_mode in IN_THE_CLEAR):
            continue
        if edge.tunnel and not _certificates.speaks_http(sight, edge, row, "https"):
            continue
        if not _arrives(row, vantage, {host.key.gateway for host in hosts}):
            continue
        door = hosts[0].key.gateway
        gateway = sight.gateway(door)
        yield Finding(
            ID,
            Severity.ERROR,
            f"gateway {door} demands client certificates, and its clients come through "
            f"{_names.edge_name(edge.provider)}, which ends their TLS",
            "the edge has no client certificate to show, so the gateway refuses every request",
            "do not proxy the record, or verify the clients at the edge",
            _names.places(edge.origin, gateway.origin if gateway is not None else None),
            (vantage,) if vantage else (),
            (row.host,),
        )


def _arrives(row: Row, vantage: str, doors: set[str]) -> bool:
    """Does this vantage get to one of the doors, as far as the map knows?"""
    fates = [fate for cell in row.cells if cell.vantage == vantage for fate in cell.fates]
    return not vantage or any(fate.gateways and fate.gateways[0] in doors for fate in fates)


def demands(sight: Sight) -> Mapping[tuple[str, int], str]:
    """A question: the ports of gateways that demand certificates of clients, unless of the CDN itself."""
    found = {}
    for gateway_id in sight.gateways():
        gateway = sight.gateway(gateway_id)
        for port in gateway.ports if gateway is not None else ():
            if port.settings.client_mode in ("require", "any") and not _of_a_cdn(port.settings):
                found[gateway_id, port.number] = port.settings.client_mode
    return found


def _of_a_cdn(settings: TlsSettings) -> bool:
    """Is it the CDN's own certificate that is demanded?"""
    with suppress(ValueError):
        names = [item.subject.rfc4514_string().lower() for item in x509.load_pem_x509_certificates(settings.client_ca)]
        return any("cloudflare" in name for name in names)
    return False


RULE = Rule(ID, "client certificates that end at an edge", Severity.ERROR, Scope.NAME, __doc__, check)
