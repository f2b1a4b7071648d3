"""A tunnel connects without the name by which the door behind it chooses.

For a service `https://10.0.0.50:443` cloudflared sends no SNI, because an address is not a name; for
`https://traefik.traefik.svc` it sends that name.  A door that goes by SNI (passthrough to an API server, a Gateway
listener with a hostname, Traefik's `sniStrict`) finds no route for it; users see Cloudflare's 502, or a
404.  `noTLSVerify` only hides the certificate error that would have said so.

    ingress:
      - hostname: "*.k8s.example.com"
        service: https://10.0.0.50:443
        originRequest: {noTLSVerify: true}                       # wants matchSNItoHost: true

Set `originRequest.matchSNItoHost: true`, which sends the name that was asked for (or the `httpHostHeader`, where one
is set) and leaves `originServerName` out; or set `originServerName` alone where one name will do.

It is no fault where the door ends TLS for every name and goes by the Host header, as Traefik and ingress-nginx do for
their HTTP routes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from gatewright.base import hostnames
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding, Patch
from gatewright.check.matrix import Row, serving
from gatewright.check.rule import Rule, Scope
from gatewright.graph.network.doors import gateways_at
from gatewright.graph.nodes import Family, Gateway, VirtualHost
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.programs import TunnelIntent, TunnelRule
from gatewright.trace import tunnels
from gatewright.trace.request import Request, is_address
from gatewright.trace.request import request as make_request

ID = "tunnel-drops-sni"
REMOVE_HEADER = "remove httpHostHeader, by which matchSNItoHost would go, and set originRequest.matchSNItoHost to true"
BY_SNI = (Family.PASSTHROUGH, Family.TERMINATED)


class Nameless(Struct, frozen=True):
    """A cloudflared rule that does not send the name that was asked for, and the doors that it connects to."""

    rule: TunnelRule
    doors: tuple[str, ...]
    port: int


def check(sight: Sight, row: Row) -> Iterable[Finding]:
    """A name that a tunnel carries to a door that goes by SNI, without its SNI."""
    found = sight.ask(nameless)
    if not found:
        return
    request = make_request(row.url)
    for intent, rules in found:
        taken = tunnels.choose(intent, request)
        here = next((item for item in rules if item.rule == taken), None)
        if here is not None:
            yield from _lost(sight, row, here, request)


def _lost(sight: Sight, row: Row, here: Nameless, request: Request) -> Iterator[Finding]:
    service = tunnels.service(here.rule, request)
    for host in serving(sight, row.host):
        gateway = sight.gateway(host.key.gateway) if host.key.gateway in here.doors else None
        if gateway is None or service is None or (here.port and host.key.port != here.port):
            continue
        if not _by_sni(gateway, host) or hostnames.matches(host.key.hostname, service.server_name, gateway.depth):
            continue
        origin = here.rule.origin
        renamed = bool(here.rule.host_header)
        field = None if renamed else origin.at("originRequest", "matchSNItoHost")
        yield Finding(
            ID,
            Severity.ERROR,
            f"the tunnel rule {here.rule.hostname or '*'} → {here.rule.service} sends "
            + (f"SNI {service.server_name}" if service.server_name else "no SNI")
            + f", and gateway {gateway.id} goes by SNI for these names",
            "the gateway finds no route for the connection: users get 502 or 404",
            REMOVE_HEADER if renamed else "set originRequest.matchSNItoHost to true",
            (origin, gateway.origin),
            hosts=(row.host,),
            patch=Patch(field, "true") if field is not None and origin.path[:1] == ("ingress",) else None,
        )
        return


def _by_sni(gateway: Gateway, host: VirtualHost) -> bool:
    """Does the door need the SNI to find this host?"""
    if host.key.family in BY_SNI:
        return host.key.hostname != hostnames.ANY
    if host.key.family is not Family.HTTPS:
        return False
    listener = next((item for item in gateway.listeners if item.name == host.listener), None)
    strict = listener is not None and listener.settings.sni_strict
    # Traefik goes by the Host header also where Gateway API describes it.
    lenient = gateway.allow_no_sni or "traefik" in gateway.implementation
    return strict or (not lenient and host.sni is not None and host.sni.own != hostnames.ANY)


def nameless(sight: Sight) -> tuple[tuple[TunnelIntent, tuple[Nameless, ...]], ...]:
    """A question: the tunnels with rules that do not send the name that was asked for to a door."""
    found = []
    for intent in _configured(sight):
        rules = tuple(item for rule in intent.rules if (item := _nameless(sight, intent, rule)) is not None)
        if rules:
            found.append((intent, rules))
    return tuple(found)


def _configured(sight: Sight) -> list[TunnelIntent]:
    linked = [item.intent for items in sight.ask(tunnels.cloudflareds).values() for item in items]
    return list(dict.fromkeys(linked))


def _nameless(sight: Sight, intent: TunnelIntent, rule: TunnelRule) -> Nameless | None:
    if (rule.match_sni and not rule.host_header) or not rule.service.startswith("https://"):
        return None
    service = tunnels.service(rule, make_request(f"https://{rule.server_name or 'any.invalid'}/"))
    if service is None:
        return None
    if is_address(service.host):
        doors = gateways_at(sight, service.host)
        return Nameless(rule, doors, service.port) if doors else None
    key = tunnels.service_key(service.host, intent.key.namespace)
    doors = sight.ask(tunnels.behind).get(key, ()) if key is not None else ()
    return Nameless(rule, doors, 0) if doors else None


RULE = Rule(ID, "a tunnel that sends no SNI", Severity.ERROR, Scope.NAME, __doc__, check)
