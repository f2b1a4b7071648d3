"""A browser sends requests for a passed-through name over a connection to another name of the same door.

HTTP/2 clients reuse a connection for every name that its certificate covers and that leads to the same address
(RFC 9113, section 9.1.1).  Where a door ends TLS for some names with a wildcard certificate and passes others below the
same wildcard through, a browser that has just visited one of the former sends its requests for the latter over that
connection.  The door has no route for them there and answers 404, or with its default backend; a new tab or a private
window works, so it looks like chance.  Only the answer 421 (Misdirected Request) would make the browser connect anew.

    kind: TLSStore                                        # *.example.com is shown for app.example.com ...
    metadata: {name: default}
    spec: {defaultCertificate: {secretName: wildcard}}
    ---
    kind: IngressRouteTCP                                 # ... and argo.example.com is passed through
    spec: {routes: [{match: HostSNI(`argo.example.com`), services: [{name: argo, port: 443}]}],
           tls: {passthrough: true}}

Give the passed-through names a level of their own that the wildcard does not cover, or another address, or let the door
end TLS for them too.

It is no fault where the door's certificates do not cover the name, where passthrough is on another port or address, or
for clients that never ask for the other names.  Doors of Gateway API are not looked at: whether they answer 421 is up
to the implementation.
"""

from __future__ import annotations

from collections.abc import Iterable

from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules import _certificates, _names
from gatewright.graph.nodes import Family, Gateway, VirtualHost
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.issuance import CertificateIntent
from gatewright.kinds.intents.routing import Dialect

ID = "http2-coalescing"


def check(sight: Sight, host: VirtualHost) -> Iterable[Finding]:
    """A passed-through name that a certificate of the same socket covers."""
    name = host.key.hostname
    if host.key.family is not Family.PASSTHROUGH or name == hostnames.ANY or not host.entries:
        return
    gateway = sight.gateway(host.key.gateway)
    if gateway is None or gateway.dialect is Dialect.GATEWAY_API:
        return
    found = _covering(sight, gateway, host.key.port, _names.asked(name))
    if found is None:
        return
    secret, names, origin = found
    wildcard = next(own for own in names if _wide((own,), _names.asked(name)))
    yield Finding(
        ID,
        Severity.WARNING,
        f"gateway {gateway.id} shows {secret} for {wildcard} on port {host.key.port}, "
        "and passes names below it through there",
        "browsers reuse an HTTP/2 connection to another of these names and get 404",
        f"give the passed-through names an address of their own, or names that {wildcard} does not cover",
        _names.places(host.origin, origin),
        hosts=(name,),
    )


def _covering(sight: Sight, gateway: Gateway, port: int, name: str) -> tuple[Key, tuple[str, ...], Origin] | None:
    """A wildcard certificate of this socket that covers a name, as its bytes or its Certificate say."""
    served = sight.served_certificate(gateway, port, name)
    if served is not None and _wide(served.facts.names, name):
        return served.key, served.facts.names, served.origin
    secrets = dict.fromkeys(_certificates.defaults(sight, gateway))
    wildcard = f"*.{name.partition('.')[2]}"
    for key in sight.serving(wildcard):
        if (key.gateway, key.port, key.family) == (gateway.id, port, Family.HTTPS):
            secrets.update(dict.fromkeys(_secrets(sight, sight.virtual_host(key))))
    for secret in secrets:
        for item in sight.listed("certificates-for", secret, CertificateIntent):
            if _wide(item.names, name):
                return secret, item.names, item.origin
    return None


def _wide(names: tuple[str, ...], name: str) -> bool:
    return any(hostnames.is_wildcard(own) and hostnames.covers(own, name, Depth.ONE) for own in names)


def _secrets(sight: Sight, host: VirtualHost | None) -> Iterable[Key]:
    for entry in host.entries if host is not None else ():
        route = sight.get(entry.rule.route, RouteIntent)
        yield from (use.secret for use in (route.tls if route is not None else ()) if use.secret is not None)


RULE = Rule(ID, "HTTP/2 connections reused across doors", Severity.WARNING, Scope.VIRTUAL_HOST, __doc__, check)
