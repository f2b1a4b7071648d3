"""The hostnames that a route answers for without a rule of their own: aliases, and the name with or without www.

A host that somebody has rules for is that somebody's: only where nobody has, an alias is served like the host that it
stands for, with all of its rules, and a redirect leads to the name that is described.  As ingress-nginx does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct, structs

from gatewright.base import hostnames
from gatewright.base.problem import Problem, Severity
from gatewright.graph.nodes import Entry, Gateway, RedirectTo, Rule, VirtualHostKey
from gatewright.graph.resolve.placement.hosts import candidates
from gatewright.graph.resolve.rules.precedence import age
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.options import Options
from gatewright.kinds.intents.routing import Dialect, HostKind, HostMatch, Match

WWW = "www."
REDIRECT = 308


def said(gateway: Gateway, route: RouteIntent) -> Iterable[Options]:
    """What a route's own annotations ask of this gateway."""
    return (options for name, options in route.options if name in ("", gateway.implementation))


def own(route: RouteIntent, gateway: Gateway) -> set[str]:
    """The hostnames of the rules; ingress-nginx knows the default backend of an Ingress at its own hosts only."""
    names = {candidates(match) for rule in route.rules for match in rule.matches}
    own_only = gateway.implementation == "ingress-nginx" and bool(names)
    if any(not rule.matches and not (rule.default and own_only) for rule in route.rules):
        names.add(hostnames.ANY)
    return names


def further(route: RouteIntent, gateway: Gateway) -> set[str]:
    """The other hostnames whose VirtualHosts a route has to do with; for an expression that is the catch-all."""
    if not asked_for(route, gateway):
        return set()
    found: set[str] = set()
    for options in said(gateway, route):
        found |= {alias.value if alias.kind is HostKind.EXACT else hostnames.ANY for alias in options.aliases}
        if options.www_redirect:
            found |= {other(name) for name in _exact(route, gateway)}
    return found - own(route, gateway)


def asked_for(route: RouteIntent, gateway: Gateway) -> bool:
    """Does a route ask this gateway for further hostnames?"""
    if gateway.dialect is not Dialect.INGRESS or not route.options:
        return False
    return any(options.aliases or options.www_redirect for options in said(gateway, route))


def other(name: str) -> str:
    """The name with www. in front, or without."""
    return name.removeprefix(WWW) if name.startswith(WWW) else WWW + name


def _exact(route: RouteIntent, gateway: Gateway) -> list[str]:
    return sorted(n for n in own(route, gateway) if n != hostnames.ANY and not hostnames.is_wildcard(n))


class Stead(Struct, frozen=True):
    """A host whose rules are served in another VirtualHost as well, to requests for `hosts` (() for all there)."""

    key: VirtualHostKey
    hosts: tuple[HostMatch, ...] = ()


def steads(gateway: Gateway, key: VirtualHostKey, routes: Iterable[RouteIntent], *, taken: bool) -> list[Stead]:
    """The hosts that are served at this one by alias; by its name only where it is not `taken` by rules of its own."""
    found: dict[tuple[HostMatch, ...], Stead] = {}
    for route in sorted(routes, key=age):
        bases = _exact(route, gateway)
        for options in said(gateway, route) if bases else ():
            for alias in options.aliases:
                if alias.kind is HostKind.REGEX and key.hostname == hostnames.ANY:
                    found.setdefault((alias,), Stead(structs.replace(key, hostname=bases[0]), (alias,)))
                elif alias.kind is HostKind.EXACT and alias.value == key.hostname and not taken:
                    found.setdefault((), Stead(structs.replace(key, hostname=bases[0])))
    return list(found.values())


def lost(
    gateway: Gateway, key: VirtualHostKey, routes: Iterable[RouteIntent], owners: Sequence[RouteIntent]
) -> Iterator[Problem]:
    """A Problem for each alias that is not served: rules of `owners`, or an earlier alias, have the name."""
    first = min(owners, key=age, default=None)
    for route in sorted(routes, key=age):
        named = any(HostMatch(HostKind.EXACT, key.hostname) in options.aliases for options in said(gateway, route))
        if not named or not (bases := _exact(route, gateway)):
            continue
        if first is None:
            first = route
        elif owners or bases[0] not in _exact(first, gateway):
            use = "has rules for it" if owners else "comes first and has the same alias"
            message = f"the alias {key.hostname} of {route.key} has no effect: {first.key} {use}"
            hint = "leave the alias out, or put all rules for the name into one object"
            origin = route.origin.at("metadata", "annotations")
            yield Problem("annotation-without-effect", message, origin, Severity.WARNING, hint)


def www_redirect(gateway: Gateway, key: VirtualHostKey, routes: Iterable[RouteIntent]) -> Entry | None:
    """The redirect from a name that nobody has rules for to the one with or without www. that somebody has."""
    for route in sorted(routes, key=age):
        for options in said(gateway, route):
            if options.www_redirect and other(key.hostname) in _exact(route, gateway):
                status = options.tls_redirect.status if options.tls_redirect else REDIRECT
                action = RedirectTo(route.origin, status, host=other(key.hostname))
                return Entry(Match(), Rule(f"{route.key} www", route.key, route.origin, action), route.origin)
    return None
