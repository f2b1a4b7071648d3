"""A door looks at the client's address, and does not see it, or believes whatever the client says it is.

A proxy passes the client's address on in X-Forwarded-For.  The next one replaces it by its peer's unless it is told to
trust that peer; then every client has the address of the proxy, so an allow list lets in everybody or nobody, and a
rate limit counts all as one.  Told to trust everybody, it believes what anybody writes into the header, and an allow
list by it is open to all.

    kind: IngressController
    spec:
      implementation: traefik
      settings: {forwardedHeaders: {trustedFrom: []}}        # behind a CDN: add its ranges
    ---
    kind: Middleware
    spec: {ipAllowList: {sourceRange: [192.0.2.0/24]}}       # looks at the CDN's address

Trust exactly the hops before: Traefik `entryPoints.*.forwardedHeaders.trustedIPs` and `ipStrategy`, ingress-nginx
`use-forwarded-headers` with `proxy-real-ip-cidr` (whose default is 0.0.0.0/0: everybody).  Where the hop before passes
bytes, not requests, use the PROXY protocol instead.

It is no fault when a firewall lets nobody but the trusted proxy to the door, and the map has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Fate, Row, serving
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules._doors import open_ports
from gatewright.graph.nodes import Entry, Gateway
from gatewright.graph.resolve.traefik_config import EVERYBODY
from gatewright.graph.sight import Sight
from gatewright.kinds.intents import ControllerIntent

ID = "forwarded-untrusted"


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """Allow lists of this name that see a proxy's address instead of the client's, or one that anybody can write."""
    for served in serving(sight, row.host):
        entries = [entry for entry in served.entries if entry.rule.access]
        gateway = sight.gateway(served.key.gateway) if entries else None
        if gateway is None:
            continue
        yield from _proxied(row, gateway, entries)
        yield from _spoofed(sight, row, gateway, entries)


def _proxied(row: Row, gateway: Gateway, entries: list[Entry]) -> Iterator[Finding]:
    """Is another gateway before this one, on the way from some vantage, that ends the client's connection?"""
    for cell in row.cells:
        for fate in cell.fates:
            before = _before(fate, gateway.id)
            if before is None or gateway.settings.forwarded_from or gateway.settings.proxy_protocol_from:
                continue
            for entry in entries:
                if any(not access.depth for access in entry.rule.access):
                    yield Finding(
                        ID,
                        Severity.WARNING,
                        f"{entry.rule.route} lets in clients by their address at {gateway.id}, which sees that of "
                        f"{before} and trusts nobody to name the client's",
                        f"all who come through {before} have one address: the allow list lets in all of them, or none",
                        f"make {gateway.id} trust {before} with X-Forwarded-For (forwardedHeaders) or with the PROXY "
                        "protocol",
                        (entry.rule.access[0].origin, gateway.origin),
                        vantages=(cell.vantage,) if cell.vantage else (),
                        hosts=(row.host,),
                    )


def _before(fate: Fate, gateway_id: str) -> str | None:
    """The gateway that passes requests on to this one."""
    if gateway_id not in fate.gateways:
        return None
    place = fate.gateways.index(gateway_id)
    return fate.gateways[place - 1] if place and fate.gateways[place - 1] != gateway_id else None


def _spoofed(sight: Sight, row: Row, gateway: Gateway, entries: list[Entry]) -> Iterator[Finding]:
    """Is everybody believed, on a door that everybody reaches?"""
    believed = gateway.settings.forwarded_from
    if not any(one in believed for one in EVERYBODY):
        return
    reached = {port for _, port in sight.ask(open_ports, gateway.id)}
    if gateway.implementation != "ingress-nginx" and not any(a.depth for e in entries for a in e.rule.access):
        return  # others look at the connection unless told otherwise
    if reached:
        described = sight.get(gateway.key, ControllerIntent)
        where = ("spec", "settings", "forwardedHeaders") if described is not None else ()
        yield Finding(
            ID,
            Severity.ERROR,
            f"{gateway.id} believes X-Forwarded-For of everybody, and {entries[0].rule.route} lets in clients by it",
            "whoever writes an allowed address into the header gets in",
            f"trust only the proxies before {gateway.id}",
            (gateway.origin.at(*where), entries[0].rule.access[0].origin),
            hosts=(row.host,),
        )


RULE = Rule(
    ID,
    "clients' addresses that are lost, or anybody's word",
    Severity.WARNING,
    Scope.NAME,
    __doc__,
    check,
    lifts=("forwarded-not-trusted",),
    consequence="nobody is let in there",
)
