"""The names of a door that nobody brings a certificate for, and how they are to share the ones that its issuer makes.

Counterpart: `issuing`, which asks on behalf of doors that name an issuer of their own.
"""

from __future__ import annotations

from collections.abc import Iterator

from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.base.keypair import covers
from gatewright.base.origin import Origin
from gatewright.graph import solving
from gatewright.graph.nodes import Gateway, VirtualHost, VirtualHostKey
from gatewright.graph.objects import ANNOTATED_FOR
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import GatewayIntent, RouteIntent
from gatewright.kinds.intents.issuance import IssuerIntent


def groups(sight: Sight, gateway_id: str, key: Key) -> Iterator[tuple[str, ...]]:
    """The names of a door, by the certificates that this issuer is to make for them."""
    for domain in sight.domains(gateway_id):
        yield from sight.ask(_groups, gateway_id, domain, key)


def is_promised(sight: Sight, secret: Key) -> bool:
    """Is somebody to make this Secret?"""
    return sight.count("certificates-for", secret) > 0 or sight.count(ANNOTATED_FOR, secret) > 0


def door(sight: Sight, gateway_id: str) -> tuple[Key, Origin] | None:
    """A question: the issuer that a door names, and where: what of it does not change with its listeners."""
    gateway = sight.gateway(gateway_id)
    if gateway is None or gateway.settings.issuer is None:
        return None
    return gateway.settings.issuer, gateway.origin


def _groups(sight: Sight, gateway_id: str, domain: str, key: Key) -> tuple[tuple[str, ...], ...]:
    """A question: the names directly below a domain that want a certificate, as they are to share one.

    Where DNS-01 proves the domain it is one wildcard, with the domain itself where that has nothing above it that
    could have one; else each name has its own.
    """
    hosts = sight.hosted(gateway_id, domain)
    if sight.ask(_has_wildcard, key, domain):
        if not any(_lacks(sight, host) for host in hosts):
            return ()
        return ((f"*.{domain}", *_apex(sight, gateway_id, domain)),)
    # A host more or less asks none of the others again.
    lacking = sorted({host.hostname for host in hosts if sight.ask(_lacks, host)})
    # The wildcard below a name may have the name itself, too.
    inner = [name for name in sight.domains(gateway_id) if solving.is_registry(domain) and name in lacking]
    covered = {
        name for name in inner if sight.ask(_has_wildcard, key, name) and sight.ask(_any_below, gateway_id, name)
    }
    return tuple((name,) for name in lacking if name not in covered)


def _apex(sight: Sight, gateway_id: str, domain: str) -> tuple[str, ...]:
    above = domain.partition(".")[2]
    if not solving.is_registry(above):
        return ()
    served = any(host.hostname == domain and _lacks(sight, host) for host in sight.hosted(gateway_id, above))
    return (domain,) if served else ()


def _any_below(sight: Sight, gateway_id: str, domain: str) -> bool:
    """A question: does some name directly below a domain want a certificate?"""
    return any(_lacks(sight, host) for host in sight.hosted(gateway_id, domain))


def _has_wildcard(sight: Sight, key: Key, domain: str) -> bool:
    """A question: can this issuer make a certificate for all names directly below a domain?"""
    intent = sight.get(key, IssuerIntent)
    if intent is None or solving.is_registry(domain):
        return False
    if intent.type != "acme":
        return True
    return solving.solver_for(intent, (), f"*.{domain}") is not None


def _lacks(sight: Sight, key: VirtualHostKey) -> bool:
    """A question: has a VirtualHost no certificate, and does nobody bring one?"""
    host = sight.virtual_host(key)
    if host is None or host.certificates:
        return False
    gateway = sight.gateway(key.gateway)
    if gateway is None or any(
        hostnames.covers(name, key.hostname, Depth.ONE) for name in gateway.settings.certificate_names
    ):
        return False
    if gateway.pools_certificates or gateway.default_certificate is not None:
        shown = sight.served_certificate(gateway, key.port, key.hostname)
        if shown is not None and covers(shown.facts, key.hostname):
            return False
    return not any(is_promised(sight, secret) for secret in _brought(sight, gateway, host))


def _brought(sight: Sight, gateway: Gateway, host: VirtualHost) -> Iterator[Key]:
    """The Secrets that the listener and the routes of a VirtualHost name for it."""
    owner = sight.get(gateway.key, GatewayIntent)
    for item in owner.listeners if owner is not None else ():
        if item.name == host.listener and item.tls is not None:
            yield from item.tls.certificates
    for route in dict.fromkeys(entry.rule.route for entry in host.entries):
        intent = sight.get(route, RouteIntent)
        for use in intent.tls if intent is not None else ():
            named = not use.hosts or any(hostnames.covers(one, host.key.hostname, Depth.ONE) for one in use.hosts)
            if use.secret is not None and named:
                yield use.secret
