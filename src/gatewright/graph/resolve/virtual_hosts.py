"""One hostname at one port of one gateway: all rules that answer there, in order of precedence.

This is where everything meets: placements, host conditions, filters, backends, precedence, certificates and the SNIs
that may carry its requests.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, field, structs

from gatewright.base import hostnames
from gatewright.base.problem import Problem, Severity
from gatewright.graph.listeners import spoken
from gatewright.graph.nodes import (
    Entry,
    Family,
    Gateway,
    Listener,
    Rule,
    SniScope,
    VirtualHost,
    VirtualHostKey,
)
from gatewright.graph.objects import View
from gatewright.graph.resolve.doors.tls_options import host_tls
from gatewright.graph.resolve.placement import further_hosts, nginx_hosts, own_routes
from gatewright.graph.resolve.placement.canaries import ITSELF, Alternative, Canaries, Variant, canary_of
from gatewright.graph.resolve.placement.hosts import overlap, specialise
from gatewright.graph.resolve.rules import entries as rules
from gatewright.graph.resolve.rules import options, policies
from gatewright.graph.resolve.rules.displaced import displaced
from gatewright.graph.resolve.rules.entries import DEFAULT_PORTS
from gatewright.graph.resolve.rules.filters import Effects, by_word_of_peers, fold, redirect, unsecured
from gatewright.graph.resolve.rules.precedence import (
    Order,
    age,
    exact_order,
    expression_order,
    in_one_order,
    order,
    traefik_match,
)
from gatewright.graph.resolve.rules.reading import as_read, in_vain, with_undecided
from gatewright.graph.resolve.rules.unread import unread_locks
from gatewright.graph.resolve.rules.where import Where
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import ClassRef, RouteIntent
from gatewright.kinds.intents.options import Canary
from gatewright.kinds.intents.routing import Dialect, Match, Protocol, RuleIntent

RIVALS = frozenset({"HTTPRoute", "GRPCRoute"})
# What comes before the rules of an Ingress host, and behind Gatewright's own.
START_PAGE, ALIAS = -1, -0.5


class Found(Struct):
    """What resolving the rules of a host brought to light."""

    entries: list[tuple[Order, Entry]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class _Door(Struct, frozen=True):
    """A listener of a gateway, and what is seen there."""

    view: View
    gateway: Gateway
    listener: Listener


def virtual_host(view: View, key: VirtualHostKey) -> tuple[VirtualHost | None, tuple[Problem, ...]]:
    """Build the VirtualHost of a key; None when neither a listener nor a route asks for it any more."""
    gateway = view.door(key.gateway)
    if gateway is None:
        return None, ()
    listener = _listener(view, gateway, key)
    if listener is None:
        return None, ()
    found = Found()
    routes, others = _own(gateway, key, list(_routes(view, gateway, key)))
    door = _Door(view, gateway, listener)
    _serve(door, key, routes, found)
    if others:
        owners = [route for route in routes if route.doors is None]
        _stand_in(door, key, others, found, owners)
    if listener.redirection is not None:
        _redirect_all(door, key, found)
    found.entries.sort(key=lambda pair: pair[0])
    tls, problems = host_tls(view, gateway, listener, key, [*routes, *others])
    found.problems += problems
    entries = tls.kept(entry for _, entry in found.entries)
    if not in_one_order(gateway):  # there, rules of less specific hosts are asked at this one, too
        own = {gateway.key, *(route.key for route in routes if route.doors is not None)}
        found.problems += displaced(entries, key.hostname, own)
    host = VirtualHost(
        key=key,
        listener=listener.name,
        origin=entries[0].rule.origin if entries and listener.hostname != key.hostname else listener.origin,
        entries=entries,
        certificates=_certificates(view, gateway, key, listener),
        sni=_sni_scope(view, gateway, listener, key),
        tls=tls.settings,
        client=tls.client,
    )
    return host, tuple(dict.fromkeys(found.problems))


def _own(
    gateway: Gateway, key: VirtualHostKey, routes: list[RouteIntent]
) -> tuple[list[RouteIntent], list[RouteIntent]]:
    """The routes that have rules for the hostname, and those that only have to do with it otherwise (Ingress)."""
    if not any(further_hosts.asked_for(route, gateway) for route in routes):
        return routes, []
    own: list[RouteIntent] = []
    others: list[RouteIntent] = []
    for route in routes:
        belongs = route.doors is not None or key.hostname in further_hosts.own(route, gateway)
        (own if belongs else others).append(route)
        if belongs and key.hostname == hostnames.ANY and route.doors is None:
            others.append(route)  # its other hosts may have aliases that are expressions
    return own, others


def _stand_in(
    door: _Door, key: VirtualHostKey, others: list[RouteIntent], found: Found, owners: list[RouteIntent]
) -> None:
    """Serve what has no rules of `owners`: by alias like the host that is meant, else by a redirect to it."""
    gateway, taken = door.gateway, bool(owners)
    found.problems += further_hosts.lost(gateway, key, others, owners)
    steads = further_hosts.steads(gateway, key, others, taken=taken)
    for stead in steads:
        meant = Found()
        routes, _ = _own(gateway, stead.key, list(_routes(door.view, gateway, stead.key)))
        _serve(door, stead.key, routes, meant)
        found.problems += meant.problems
        for rank, entry in meant.entries:
            match = structs.replace(entry.match, hosts=(*stead.hosts, *entry.match.hosts))
            found.entries.append(((ALIAS, *rank), structs.replace(entry, match=match)))
    redirect = None if steads or taken else further_hosts.www_redirect(gateway, key, others)
    if redirect is not None:
        found.entries.append(((False,), redirect))


def _redirect_all(door: _Door, key: VirtualHostKey, found: Found) -> None:
    """The redirection of an entry point: a rule for everything, with a priority of its own, behind its middlewares."""
    gateway, listener = door.gateway, door.listener
    redirection = listener.redirection
    if redirection is None or key.family not in DEFAULT_PORTS:
        return
    where = Where(_as_at(gateway, listener), key.family, key.port, key.hostname)
    action = redirect(where, redirection.redirect)
    if action is None:
        return
    own = RouteIntent(gateway.key, listener.origin, gateway.dialect, Protocol.HTTP, (), ())
    effects = fold(door.view, where, own, listener.options.first)
    found.problems += effects.problems
    rule = Rule(
        id=f"{listener.name} redirection",
        route=gateway.key,
        origin=action.origin,
        action=effects.answer or action,
        access=tuple(effects.access),
        cors=effects.cors,
        steps=tuple(effects.steps),
        response_headers=tuple(effects.response_headers),
    )
    match = unsecured(Match()) if by_word_of_peers(where, redirection.redirect) else Match()
    for entry in rules.entries(key, where, effects, match, rule):
        found.entries.append(((-redirection.priority, ""), entry))


def _serve(door: _Door, key: VirtualHostKey, routes: list[RouteIntent], found: Found) -> None:
    """The entries of all routes that have rules for a host."""
    view, gateway, listener = door.view, door.gateway, door.listener
    routes = _of_one_kind(key, routes, found.problems)
    secured = key.family is Family.HTTP and any(_brings_tls(gateway, route, key.hostname) for route in routes)
    where = Where(_as_at(gateway, listener), key.family, key.port, key.hostname, secured)
    host = _Host(view, where, listener, key, found)
    if not any(_concerns_others(gateway, route) for route in routes):
        for route in routes:
            host.add(route)
        host.finish()
        return
    canaries = {route.key: canary for route in routes if (canary := canary_of(gateway, route)) is not None}
    host.prepare([route for route in routes if route.key in canaries], canaries, routes)
    for route in routes:
        if route.key not in canaries:
            host.add(route)
    host.finish()


def _concerns_others(gateway: Gateway, route: RouteIntent) -> bool:
    """Does a route of an Ingress say something about the rules of others at its host?"""
    if gateway.dialect is not Dialect.INGRESS or not route.options:
        return False
    return any(one.canary or one.regex_paths or one.app_root for one in further_hosts.said(gateway, route))


def _listener(view: View, gateway: Gateway, key: VirtualHostKey) -> Listener | None:
    """The listener that a VirtualHost belongs to."""
    described = gateway.dialect is Dialect.GATEWAY_API
    owner = view.owner(gateway, key.port, spoken(key.family), key.hostname) if described else None
    if owner is not None:
        return view.listener(gateway.id, owner)
    placed = view.placements(key)
    if placed:
        return view.listener(gateway.id, placed[0].listener)
    whole = None if described else view.gateway(gateway.id)
    return next((item for item in whole.listeners if item.port == key.port), None) if whole else None


def _routes(view: View, gateway: Gateway, key: VirtualHostKey) -> Iterator[RouteIntent]:
    """The routes with rules for this hostname, sorted; Gatewright's own go first.

    In Traefik and ALB precedence is global per entry point, so the rules of covering wildcards and host-less rules
    answer here too; elsewhere a more specific hostname shuts out the less specific ones.
    """
    patterns: tuple[str, ...] = (key.hostname,)
    if in_one_order(gateway):
        patterns = tuple(hostnames.parents(key.hostname, gateway.depth))
    seen: set[Key] = set()
    for own in own_routes.routes(view, gateway, key):
        seen.add(own.key)
        yield own
    for pattern in patterns:
        for placement in view.placements(structs.replace(key, hostname=pattern)):
            if placement.route not in seen:
                seen.add(placement.route)
                route = view.get(placement.route, RouteIntent)
                if route is not None:
                    yield route


def _of_one_kind(key: VirtualHostKey, routes: list[RouteIntent], problems: list[Problem]) -> list[RouteIntent]:
    """Gateway API: a hostname is served by HTTPRoutes or by GRPCRoutes; the kind of the oldest route wins."""
    rivals = [route for route in routes if route.key.kind in RIVALS]
    if len({route.key.kind for route in rivals}) < 2:
        return routes
    oldest = min(rivals, key=age)
    for route in rivals:
        if route.key.kind != oldest.key.kind:
            message = f"{route.key} is not served at {key.hostname}: {oldest.key} is there first and of another kind"
            hint = f"give the {route.key.kind} a hostname or listener of its own"
            problems.append(Problem("route-conflict", message, route.origin, Severity.ERROR, hint))
    return [route for route in routes if route not in rivals or route.key.kind == oldest.key.kind]


def _brings_tls(gateway: Gateway, route: RouteIntent, hostname: str) -> bool:
    """Does a route ask for TLS for this hostname?"""
    return any(
        not use.passthrough
        and (not use.hosts or any(hostnames.covers(name, hostname, gateway.depth) for name in use.hosts))
        for use in route.tls
    )


def _as_at(gateway: Gateway, listener: Listener) -> Gateway:
    """The gateway as one of its listeners has it, which may believe fewer peers than another."""
    own = listener.own.forwarded_from
    if own is None or own == gateway.settings.forwarded_from:
        return gateway
    return structs.replace(gateway, settings=structs.replace(gateway.settings, forwarded_from=own))


class _Host:
    """The rules of one host at a VirtualHost while they are put together."""

    def __init__(self, view: View, where: Where, listener: Listener, key: VirtualHostKey, found: Found) -> None:
        self._view = view
        self._where = where
        self._listener = listener
        self._key = key
        self._found = found
        self._canaries: Canaries | None = None
        self._by_expression = False

    def prepare(self, canaries: list[RouteIntent], told: dict[Key, Canary], routes: list[RouteIntent]) -> None:
        """What one route means for the rules of the others: canaries, expressions for paths, a start page."""
        gateway = self._where.gateway
        self._by_expression = any(
            said.regex_paths for route in routes for said in further_hosts.said(gateway, route) if route.key not in told
        )
        pages = [(age(route), route, said.app_root) for route in routes for said in further_hosts.said(gateway, route)]
        pages = [page for page in pages if page[2] and page[1].key not in told]
        if pages and self._key.family in DEFAULT_PORTS:
            _, route, root = min(pages, key=lambda page: page[0])
            self._found.entries.append(((START_PAGE,), nginx_hosts.start_page(route, root or "/")))
        self._canaries = Canaries(
            (
                Alternative(told[route.key], route, self._told(route, rule))
                for route in canaries
                for rule in route.rules
                if _matches(gateway, self._key, route, rule)
            ),
            self._key.hostname,
        )

    def _told(self, route: RouteIntent, rule: RuleIntent) -> RuleIntent:
        """A rule with its options in it."""
        said = options.effective(self._view, self._where.gateway, self._listener, route, rule)
        made = options.apply(said, rule, self._where, self._found.problems)
        if said.default_backend is None or self._key.family not in DEFAULT_PORTS:
            return made
        return options.with_default(self._view, self._where, route, made, said.default_backend)

    def add(self, route: RouteIntent) -> None:
        """Put the entries of a route in."""
        gateway, found = self._where.gateway, self._found
        found.problems += unread_locks(route, gateway)
        for asked in route.rules:
            matches = _matches(gateway, self._key, route, asked)
            if not matches:
                continue
            rule = self._told(route, asked)
            if gateway.dialect is Dialect.GATEWAY_API and route.doors is None:
                found.problems += policies.opened(self._view, gateway, self._listener.name, route, asked)
            effects = fold(self._view, self._where, route, rule.filters)
            plain = self._resolve(route, rule, effects, ITSELF[0])
            first = effects.unsecured
            clear = self._resolve(route, rule, first, ITSELF[0]) if first is not None else None
            for position, match in matches:
                if plain is not None and route.doors is None:
                    found.problems += in_vain(match, gateway, plain, by_expression=self._by_expression)
                if first is not None:
                    self._add_match(route, rule, first, clear, (position, unsecured(match)))
                self._add_match(route, rule, effects, plain, (position, match))
            found.problems += effects.problems

    def _resolve(self, route: RouteIntent, rule: RuleIntent, effects: Effects, variant: Variant) -> Rule | None:
        return rules.resolve(self._view, self._where, route, rule, effects, variant)

    def _add_match(
        self, route: RouteIntent, rule: RuleIntent, effects: Effects, plain: Rule | None, at: tuple[int, Match]
    ) -> None:
        gateway, (position, match) = self._where.gateway, at
        asked = rule.matches[position] if rule.matches else match
        rank = order(gateway, route, rule, asked, position)
        refused = None
        if self._by_expression and route.doors is None:
            rank = expression_order(route, rule, asked, position)
            refused = nginx_hosts.refused(match, rule, effects.problems)
            match = refused[0] if refused else nginx_hosts.by_expression(match)
        variants = self._canaries.variants(route, rule, asked) if self._canaries else ITSELF
        part = 0
        for variant in variants:
            resolved = plain if variant is ITSELF[0] else self._resolve(route, rule, effects, variant)
            if resolved is None:
                continue
            if refused is not None:
                resolved = structs.replace(resolved, action=refused[1])
            narrowed = structs.replace(match, headers=(*match.headers, *variant.headers)) if variant.headers else match
            narrowed = as_read(narrowed, gateway, route)
            made = rules.entries(self._key, self._where, effects, narrowed, resolved)
            for entry in with_undecided(made, narrowed, resolved, effects.problems):
                self._found.entries.append(((*rank, part), entry))
                part += 1

    def finish(self) -> None:
        """What depends on all rules of the host."""
        if self._canaries is not None:
            self._canaries.finish()
            self._found.problems += self._canaries.problems
        if self._where.gateway.implementation != "ingress-nginx" or self._by_expression:
            return
        if self._key.family not in DEFAULT_PORTS:
            return
        if not any(nginx_hosts.wants_slash(entry) for _, entry in self._found.entries):
            return
        taken = nginx_hosts.plain_paths(entry for _, entry in self._found.entries)
        added: dict[Match, tuple[Order, Entry]] = {}
        for rank, entry in self._found.entries:
            redirect_ = nginx_hosts.without_slash(entry, taken)
            if redirect_ is not None:
                added.setdefault(redirect_.match, (exact_order(redirect_.match, rank), redirect_))
        self._found.entries += added.values()


def _matches(gateway: Gateway, key: VirtualHostKey, route: RouteIntent, rule: RuleIntent) -> list[tuple[int, Match]]:
    """The matches of a rule that can hold in this VirtualHost, with their place in the rule."""
    traefik = gateway.dialect is Dialect.TRAEFIK
    by_characters = traefik and not gateway.strict_prefixes
    if route.doors is not None:
        return own_routes.matches(route, gateway, key.hostname)
    if not isinstance(route.attach, ClassRef):
        return list(enumerate(rule.matches or (Match(),)))
    if rule.default and not traefik:  # the default backend of an Ingress takes what its hosts leave over
        return [(0, Match())]
    result = []
    for position, match in enumerate(rule.matches or (Match(),)):
        if in_one_order(gateway) or _same_host(match, key.hostname):
            left = specialise(match, key.hostname, gateway.depth)
            if left is not None:
                result.append((position, traefik_match(left) if by_characters and _is_ingress(route) else left))
    return result


def _is_ingress(route: RouteIntent) -> bool:
    return route.dialect is Dialect.INGRESS


def _same_host(match: Match, hostname: str) -> bool:
    """Ingress: a rule belongs to the VirtualHost of its own host and to no other."""
    return (match.hosts[0].value if match.hosts else hostnames.ANY) == hostname


def _certificates(view: View, gateway: Gateway, key: VirtualHostKey, listener: Listener) -> tuple[Key, ...]:
    if key.family not in (Family.HTTPS, Family.TERMINATED):
        return ()
    if gateway.dialect is Dialect.GATEWAY_API:
        return listener.certificates
    names = (key.hostname, *(p for p in hostnames.parents(key.hostname, gateway.depth) if p != key.hostname))
    pooled = [k for name in names for k in view.pooled(gateway.id, name) if view.certificate(k) is not None]
    default = (gateway.default_certificate,) if gateway.default_certificate else ()
    return tuple(dict.fromkeys((*pooled, *default)))


def _sni_scope(view: View, gateway: Gateway, listener: Listener, key: VirtualHostKey) -> SniScope | None:
    """Gateway API: requests must come by an SNI that selects the same listener (GEP-3567)."""
    if key.family is not Family.HTTPS or gateway.dialect is not Dialect.GATEWAY_API:
        return None
    exact = listener.hostname != hostnames.ANY and not hostnames.is_wildcard(listener.hostname)
    others = () if exact else overlap(listener.hostname, view.secured(gateway.id, key.port), gateway.depth)
    return SniScope(listener.hostname, others) if others or listener.hostname != hostnames.ANY else None
