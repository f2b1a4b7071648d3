"""One side speaks the PROXY protocol, and the other does not.

The PROXY protocol puts a line with the client's address before the first byte.  Who gets it unasked takes it for the
request and answers 400 or breaks off the TLS handshake; who waits for it in vain does the same to every client.  Health
checks and cert-manager's HTTP-01 self-check, which come without it, fail as well.

    kind: IngressController
    spec:
      implementation: traefik
      settings:
        proxyProtocol: {sentBy: [203.0.113.10]}      # trustedFrom is empty: Traefik reads it as HTTP

Let the receiver trust exactly the senders: Traefik `entryPoints.*.proxyProtocol.trustedIPs`, ingress-nginx
`use-proxy-protocol` (then everybody has to send it), HAProxy `proxy-protocol`; and switch it on at the sender: the load
balancer, or `proxyProtocol: {version: 2}` of an IngressRouteTCP.

It is no fault when the map leaves out half of it: `settings.proxyProtocol` of the IngressController has both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.rule import Rule, Scope
from gatewright.check.rules._doors import behind
from gatewright.graph.network import cidrs
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.doors import ControllerIntent, RouteIntent
from gatewright.kinds.traefik.static import EVERYBODY

ID = "proxy-protocol-mismatch"
BROKEN = "every connection that comes that way fails: 400 over HTTP, a broken handshake over TLS"


def check(sight: Sight, subject: ControllerIntent | RouteIntent) -> Iterable[Finding]:
    """A described door and what stands before it, or a route from one door to another."""
    return _between(sight, subject) if isinstance(subject, RouteIntent) else _before(subject)


def _before(door: ControllerIntent) -> Iterator[Finding]:
    """A door that gets the PROXY protocol from somebody of whom it does not expect it."""
    believed = door.settings.proxy_protocol_from
    trusted = cidrs.networks(believed)
    for sender in door.settings.sends_proxy_protocol:
        nets = cidrs.networks((sender,))
        if trusted and all(any(cidrs.within(net, one) for one in trusted) for net in nets):
            continue  # a name could be anybody's, so it may well be trusted
        expects = f"expects it from {', '.join(believed)} only" if trusted else "expects none"
        yield Finding(
            ID,
            Severity.ERROR,
            f"{sender} sends the PROXY protocol to {door.key}, which {expects}",
            BROKEN,
            f"add {sender} to those whom {door.key} trusts with it (trustedFrom), or switch it off at the sender",
            (door.origin.at("spec", "settings", "proxyProtocol"),),
        )


def _between(sight: Sight, route: RouteIntent) -> Iterator[Finding]:
    """A route whose backend is another door: does the one send what the other expects?"""
    doors = None
    for rule in route.rules:
        for ref in rule.backends:
            if doors is None:
                doors = sight.ask(behind)
            door = doors.get(ref.target)
            gateway = sight.gateway(door) if door is not None else None
            if gateway is None:
                continue
            trusted = gateway.settings.proxy_protocol_from
            everybody = any(one in trusted for one in EVERYBODY)
            if bool(ref.proxy_protocol) == bool(trusted) or (trusted and not everybody):
                continue
            said = "sends the PROXY protocol to" if ref.proxy_protocol else "sends no PROXY protocol to"
            expects = "which expects none" if ref.proxy_protocol else "which expects it from everybody"
            yield Finding(
                ID,
                Severity.ERROR,
                f"{route.key} {said} {door} (by {ref.target}), {expects}",
                BROKEN,
                f"switch it {'off here' if ref.proxy_protocol else 'on here'}, or make {door} "
                f"{'expect' if ref.proxy_protocol else 'do without'} it",
                (ref.origin, gateway.origin),
            )


RULE = Rule(
    ID,
    "PROXY protocol on one side only",
    Severity.ERROR,
    Scope.OBJECT,
    __doc__,
    check,
    (ControllerIntent, RouteIntent),
)
