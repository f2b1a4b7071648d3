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

Trust exactly the hops before: Traefik `entryPoints.*.forwardedHeaders.trustedIPs` together with `ipStrategy` of the
middleware (without it the connection's address counts), ingress-nginx
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
from gatewright.graph.network import cidrs
from gatewright.graph.nodes import Access, Entry, Gateway, VirtualHost
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.routing import Dialect
from gatewright.kinds.traefik.static import EVERYBODY
from gatewright.trace.edges import ENTRANCES
from gatewright.trace.hops import OutcomeKind

ID = "forwarded-untrusted"
LISTS = tuple(
    f"nginx.ingress.kubernetes.io/{name}"
    for name in ("whitelist-source-range", "allowlist-source-range", "denylist-source-range")
)
WIDE = {4: 24, 6: 56}
"""A prefix shorter than this is no list of proxies."""


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """Allow lists of this name that see a proxy's address instead of the client's, or one that anybody can write."""
    for served in serving(sight, row.host):
        gateway = sight.gateway(served.key.gateway)
        if gateway is None:
            continue
        if gateway.implementation == "ingress-nginx":
            if any(one in gateway.settings.forwarded_from for one in EVERYBODY):
                yield from _spoofed(sight, row.host, gateway, served)
        elif entries := [entry for entry in served.entries if entry.rule.access]:
            yield from _proxied(row, gateway, entries)


def _proxied(row: Row, gateway: Gateway, entries: list[Entry]) -> Iterator[Finding]:
    """Is something before this gateway, on the way from some vantage, that ends the client's connection?"""
    believes = (
        gateway.settings.forwarded_from and gateway.dialect is not Dialect.TRAEFIK
    )  # which asks for ipStrategy, too
    if believes or gateway.settings.proxy_protocol_from:
        return
    for cell in row.cells:
        for fate in cell.fates:
            before, cdn = _before(fate, gateway.id)
            if not before:
                continue
            for entry in entries:
                access = next((a for a in entry.rule.access if not a.depth and _meaningless(a.cidrs, fate, cdn)), None)
                if entry.rule.id == fate.rule and access is not None:
                    yield _lost(row.host, cell.vantage, gateway, before, entry, access)


def _meaningless(allowed: tuple[str, ...], fate: Fate, cdn: bool) -> bool:
    """Does an allow list decide by the proxy's address what it should decide by the client's?

    A list of the proxy's own addresses is meant so.  One of public addresses that nobody is let in by was meant for
    clients; and so was a wide range that lets in everybody because a proxy happens to be in it.
    """
    nets = cidrs.networks(allowed)
    if fate.kind == OutcomeKind.DELIVERED:
        return not cdn and any(net.prefixlen < WIDE[net.version] for net in nets)
    return fate.status in (401, 403) and any(map(cidrs.is_global, nets))


def _lost(host: str, vantage: str, gateway: Gateway, before: str, entry: Entry, access: Access) -> Finding:
    return Finding(
        ID,
        Severity.WARNING,
        f"{entry.rule.route} lets in clients by their address at {gateway.id}, which looks at that of {before} instead",
        f"all who come through {before} have one address: the allow list lets in all of them, or none",
        f"use the PROXY protocol, or trust {before} with X-Forwarded-For and look at that (ipStrategy)",
        (access.origin, gateway.origin),
        vantages=(vantage,) if vantage else (),
        hosts=(host,),
    )


def _before(fate: Fate, gateway_id: str) -> tuple[str, bool]:
    """What passes requests on to the gateway at which a branch ends, "" nothing; and whether it is a CDN."""
    if fate.gateway != gateway_id or gateway_id not in fate.gateways:
        return "", False
    place = fate.gateways.index(gateway_id)
    if place:
        return fate.gateways[place - 1], False
    return (fate.address, True) if fate.address in ENTRANCES else ("", False)


def _spoofed(sight: Sight, host: str, gateway: Gateway, served: VirtualHost) -> Iterator[Finding]:
    """An ingress-nginx believes everybody, everybody reaches it, and a route goes by the address."""
    for route_key in dict.fromkeys(entry.rule.route for entry in served.entries):
        route = sight.get(route_key, RouteIntent)
        notes = dict(route.annotations) if route is not None else {}
        name = next((name for name in LISTS if name in notes), None)
        if route is None or name is None or not sight.ask(open_ports, gateway.id):
            continue
        yield Finding(
            ID,
            Severity.ERROR,
            f"{route.key} lets in clients by their address, and {gateway.id} takes it from X-Forwarded-For, whoever "
            "sends that",
            "whoever writes an allowed address into the header gets in",
            f"name the proxies before {gateway.id} in proxy-real-ip-cidr, or switch use-forwarded-headers off",
            (gateway.origin, route.origin.at("metadata", "annotations", name)),
            hosts=(host,),
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
    fix="name the proxies in front as trusted",
)
