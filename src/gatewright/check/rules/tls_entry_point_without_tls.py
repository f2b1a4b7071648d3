"""A Traefik route on the TLS entry point without TLS, or with TLS on the plain one.

Traefik keeps routers with TLS and without apart on every entry point.  A route without `tls` on `websecure` is a router
for plain HTTP on port 443: who comes with TLS gets 404 and Traefik's default certificate.  A route with `tls` on `web`
answers only who speaks TLS to port 80.

    kind: IngressRoute
    spec:
      entryPoints: [websecure]
      routes: [{match: Host(`shop.example.com`), kind: Rule, services: [...]}]
      # tls: {}

Add `tls: {}` (or `tls.secretName`, `tls.certResolver`) to the route, for an Ingress the annotation
`traefik.ingress.kubernetes.io/router.tls: "true"`, or give the entry point TLS for all of its routers
(`entryPoints.websecure.http.tls`, in the Helm chart `ports.websecure.http.tls.enabled`).

It is no fault where the entry point has TLS, which is the Helm chart's default, or an admission policy adds it: this is
only reported where the input says that the entry point has none.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding, Patch
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules._doors import is_described
from gatewright.graph.nodes import Family, Gateway, VirtualHostKey
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.doors import ClassRef, RouteIntent
from gatewright.kinds.intents.routing import Dialect, Protocol

ID = "tls-entry-point-without-tls"
SECURE = ("websecure", "https")
SECURE_PORTS = (443, 8443)
PLAIN = ("web", "http")
PLAIN_PORTS = (80, 8000)


def check(sight: Sight, route: RouteIntent) -> Iterable[Finding]:
    """A route of which some host is served on one kind of entry point in the other kind's way."""
    if not isinstance(route.attach, ClassRef) or route.protocol is not Protocol.HTTP:
        return
    attachment = sight.attachment(route.key)
    for key in attachment.virtual_hosts if attachment is not None else ():
        if key.family not in (Family.HTTP, Family.HTTPS):
            continue
        gateway = sight.gateway(key.gateway)
        if gateway is None or gateway.dialect is not Dialect.TRAEFIK:
            continue
        name = next((item.name for item in gateway.listeners if item.port == key.port), "")
        secure = name in SECURE or (key.port in SECURE_PORTS and name not in PLAIN)
        plain = name in PLAIN or (key.port in PLAIN_PORTS and name not in SECURE)
        if key.family is Family.HTTP and secure and name not in gateway.tls_entry_points:
            if is_described(sight, gateway) and not _served(sight, key, Family.HTTPS):
                yield _without(route, gateway, name, key)
        elif key.family is Family.HTTPS and plain and name not in gateway.tls_entry_points:
            named = route.attach.entry_points
            if not named or _elsewhere(gateway, named) or not is_described(sight, gateway):
                continue
            if not _served(sight, key, Family.HTTP):
                yield _with(route, gateway, name, key)


def _served(sight: Sight, key: VirtualHostKey, family: Family) -> bool:
    """Has another route this name on that entry point in the right way?"""
    found = sight.virtual_host(structs.replace(key, family=family))
    return found is not None and bool(found.entries)


def _elsewhere(gateway: Gateway, named: tuple[str, ...]) -> bool:
    """Is the route on a TLS entry point, too?  Then the plain one is only superfluous."""
    return any(name in SECURE or name in gateway.tls_entry_points for name in named)


def _without(route: RouteIntent, gateway: Gateway, name: str, key: VirtualHostKey) -> Finding:
    own = route.dialect is Dialect.TRAEFIK
    return Finding(
        ID,
        Severity.ERROR,
        f"{route.key} is on entry point {name} of {gateway.id} without tls, and the entry point has none of its own",
        "clients that come with TLS get 404, and Traefik's default certificate",
        "add tls: {} to the route, or http.tls to the entry point"
        if own
        else "add the annotation traefik.ingress.kubernetes.io/router.tls, or http.tls to the entry point",
        (route.origin.at("spec"), gateway.origin),
        hosts=(key.hostname,),
        patch=Patch(route.origin.at("spec", "tls"), "{}") if own else None,
    )


def _with(route: RouteIntent, gateway: Gateway, name: str, key: VirtualHostKey) -> Finding:
    return Finding(
        ID,
        Severity.WARNING,
        f"{route.key} has tls and is only on {name}, the plain entry point of {gateway.id} (port {key.port})",
        "clients that come by plain HTTP get 404, and those with TLS do not look there",
        "put it on the TLS entry point, or leave tls out",
        (route.tls[0].origin if route.tls else route.origin, gateway.origin),
        hosts=(key.hostname,),
    )


RULE = Rule(
    ID, "TLS on one side of a Traefik entry point only", Severity.ERROR, Scope.OBJECT, __doc__, check, (RouteIntent,)
)
