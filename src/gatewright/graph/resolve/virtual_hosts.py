"""One hostname at one port of one gateway: all rules that answer there, in order of precedence.

This is where everything meets: placements, host conditions, filters, backends, precedence, certificates and the SNIs
that may carry its requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from msgspec import Struct, field, structs

from gatewright.base import hostnames
from gatewright.base.problem import Problem, Severity
from gatewright.graph.nodes import (
    Action,
    Entry,
    Family,
    Forward,
    Gateway,
    Listener,
    RedirectTo,
    Respond,
    Rule,
    SniScope,
    VirtualHost,
    VirtualHostKey,
    WeightedBackend,
)
from gatewright.graph.objects import Placement, View
from gatewright.graph.resolve.attachment import owner
from gatewright.graph.resolve.backends import Failure, target
from gatewright.graph.resolve.filters import Effects, Where, fold
from gatewright.graph.resolve.hosts import overlap, specialise
from gatewright.graph.resolve.precedence import Order, order
from gatewright.graph.resolve.redirects import residual
from gatewright.kinds.intents import (
    BackendGroupIntent,
    BackendRef,
    ClassRef,
    Dialect,
    Key,
    Match,
    PathEdit,
    PathEditKind,
    PathKind,
    PathMatch,
    RegexRedirect,
    RouteIntent,
    RuleIntent,
    SessionPersistence,
)

GROUP_DEPTH = 8
DEFAULT_PORTS = {Family.HTTP: 80, Family.HTTPS: 443}


class Found(Struct):
    """What resolving one rule brought to light."""

    entries: list[tuple[Order, Entry]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def virtual_host(view: View, key: VirtualHostKey) -> tuple[VirtualHost | None, tuple[Problem, ...]]:
    """Build the VirtualHost of a key; None when neither a listener nor a route asks for it any more."""
    gateway = view.gateway(key.gateway)
    if gateway is None:
        return None, ()
    listener = _listener(view, gateway, key)
    if listener is None:
        return None, ()
    found = Found()
    for route, _ in _routes(view, gateway, key):
        _add(view, gateway, key, route, found)
    found.entries.sort(key=lambda pair: pair[0])
    entries = tuple(entry for _, entry in found.entries)
    host = VirtualHost(
        key=key,
        listener=listener.name,
        origin=entries[0].rule.origin if entries and listener.hostname != key.hostname else listener.origin,
        entries=entries,
        certificates=_certificates(view, gateway, key, listener),
        sni=_sni_scope(gateway, listener, key),
    )
    return host, tuple(dict.fromkeys(found.problems))


def _listener(view: View, gateway: Gateway, key: VirtualHostKey) -> Listener | None:
    """The listener that a VirtualHost belongs to."""
    named = {listener.name: listener for listener in gateway.listeners}
    if gateway.dialect is Dialect.GATEWAY_API:
        tls = key.family in (Family.HTTPS, Family.PASSTHROUGH, Family.TERMINATED)
        return named.get(owner(gateway, key.port, tls, key.hostname) or "")
    placed = view.placements(key)
    by_port = (item for item in gateway.listeners if item.port == key.port)
    return named.get(placed[0].listener) if placed else next(by_port, None)


def _routes(view: View, gateway: Gateway, key: VirtualHostKey) -> Iterator[tuple[RouteIntent, Placement]]:
    """The routes with rules for this hostname, sorted.

    In Traefik precedence is global per entry point, so the rules of covering wildcards and host-less rules
    answer here too; elsewhere a more specific hostname shuts out the less specific ones.
    """
    patterns: tuple[str, ...] = (key.hostname,)
    if gateway.dialect is Dialect.TRAEFIK:
        patterns = tuple(hostnames.parents(key.hostname, gateway.depth))
    seen: set[Key] = set()
    for pattern in patterns:
        for placement in view.placements(structs.replace(key, hostname=pattern)):
            if placement.route not in seen:
                seen.add(placement.route)
                route = view.get(placement.route, RouteIntent)
                if route is not None:
                    yield route, placement


def _add(view: View, gateway: Gateway, key: VirtualHostKey, route: RouteIntent, found: Found) -> None:
    where = Where(gateway, key.family, key.port)
    for rule in route.rules:
        matches = _matches(gateway, key, route, rule)
        if not matches:
            continue
        effects = fold(view, where, route, rule.filters)
        found.problems += effects.problems
        resolved = _rule(view, where, route, rule, effects, found.problems)
        if resolved is None:
            continue
        for position, match in matches:
            rank = order(gateway, route, rule, rule.matches[position] if rule.matches else match, position)
            for part, entry in enumerate(_conditional(key, rule, effects, match, resolved, found.problems)):
                found.entries.append(((*rank, part), entry))


def _matches(gateway: Gateway, key: VirtualHostKey, route: RouteIntent, rule: RuleIntent) -> list[tuple[int, Match]]:
    """The matches of a rule that can hold in this VirtualHost, with their place in the rule."""
    by_class = isinstance(route.attach, ClassRef)
    result = []
    for position, match in enumerate(rule.matches or (Match(),)):
        if by_class and gateway.dialect is not Dialect.TRAEFIK and not _same_host(match, key.hostname):
            continue
        left = specialise(match, key.hostname, gateway.depth) if by_class else match
        if left is not None:
            result.append((position, left))
    return result


def _same_host(match: Match, hostname: str) -> bool:
    """Ingress: a rule belongs to the VirtualHost of its own host and to no other."""
    return (match.hosts[0].value if match.hosts else hostnames.ANY) == hostname


def _rule(
    view: View, where: Where, route: RouteIntent, rule: RuleIntent, effects: Effects, problems: list[Problem]
) -> Rule | None:
    """The rule with its action; None when the dialect drops a rule with a broken reference (Traefik)."""
    action: Action | None = effects.answer
    if action is None:
        action = _forward(view, where.gateway, route, rule, effects, problems)
        if action is None:
            return None
    label = f"{route.key} rule {rule.name or rule.index}"
    return Rule(
        id=label,
        route=route.key,
        origin=rule.origin,
        action=action,
        access=tuple(effects.access),
        auth=effects.auth,
        cors=effects.cors,
        request_headers=tuple(effects.request_headers),
        response_headers=tuple(effects.response_headers),
    )


def _forward(
    view: View,
    gateway: Gateway,
    route: RouteIntent,
    rule: RuleIntent,
    effects: Effects,
    problems: list[Problem],
) -> Action | None:
    status = 500 if route.dialect is Dialect.GATEWAY_API else 503
    shares = Shares(view, gateway, route, effects, problems)
    backends = [share for ref in rule.backends for share in shares.resolve(ref, 1, ())]
    if shares.dropped:
        return None
    if not backends:
        if effects.host is None and not effects.paths and rule.default:
            return None
        return Respond(status, "the rule has no backends", rule.origin)
    return Forward(
        backends=tuple(backends),
        host=effects.host,
        paths=tuple(effects.paths),
        timeout=rule.timeout,
        backend_timeout=rule.backend_timeout,
        retry=rule.retry,
        persistence=rule.persistence or shares.persistence,
        mirrors=tuple(effects.mirrors),
        status=status,
    )


class Shares:
    """Resolves the weighted references of one rule, through groups of backends (TraefikService)."""

    def __init__(
        self, view: View, gateway: Gateway, route: RouteIntent, effects: Effects, problems: list[Problem]
    ) -> None:
        self._view = view
        self._gateway = gateway
        self._route = route
        self._effects = effects
        self._problems = problems
        self.dropped = False
        self.persistence: SessionPersistence | None = None

    def resolve(self, ref: BackendRef, factor: int, seen: tuple[Key, ...]) -> list[WeightedBackend]:
        """The shares of one reference, weights multiplied along nested groups."""
        if ref.target.kind == "TraefikService":
            return self._group(ref, factor, seen)
        found = target(self._view, self._gateway, self._route, ref)
        if isinstance(found, Failure):
            return self._fail(found, ref, factor)
        where = Where(self._gateway, Family.HTTP, 0)
        own = fold(self._view, where, self._route, ref.filters)
        self._problems += own.problems
        self._effects.mirrors += own.mirrors
        share = WeightedBackend(
            weight=ref.weight * factor,
            backend=found,
            origin=ref.origin,
            request_headers=tuple(own.request_headers),
            response_headers=tuple(own.response_headers),
            pass_host=ref.pass_host,
        )
        if isinstance(own.answer, Respond) or own.auth or own.access or own.paths or own.host:
            reason = own.answer.reason if isinstance(own.answer, Respond) else "a filter that a backend cannot have"
            status = own.answer.status if isinstance(own.answer, Respond) else 500
            share = structs.replace(share, backend=None, status=status, reason=reason)
        return [share]

    def _fail(self, failure: Failure, ref: BackendRef, factor: int) -> list[WeightedBackend]:
        severity = Severity.ERROR
        self._problems.append(Problem(failure.id, failure.reason, ref.origin, severity, failure.hint))
        if failure.status == 0:
            self.dropped = True
            return []
        weight = ref.weight * factor
        return [WeightedBackend(weight, None, ref.origin, failure.status, failure.reason)]

    def _group(self, ref: BackendRef, factor: int, seen: tuple[Key, ...]) -> list[WeightedBackend]:
        group = self._view.get(ref.target, BackendGroupIntent)
        if group is None or ref.target in seen or len(seen) >= GROUP_DEPTH:
            why = "refers to itself" if group else "does not exist"
            return self._fail(Failure("backend-missing", 0, f"{ref.target} {why}"), ref, factor)
        if ref.target.namespace != self._route.key.namespace and not self._gateway.allow_cross_namespace:
            why = f"{self._gateway.id} refuses references to other namespaces ({ref.target})"
            return self._fail(Failure("reference-not-permitted", 0, why), ref, factor)
        self.persistence = group.persistence or self.persistence
        more = fold(self._view, Where(self._gateway, Family.HTTP, 0), self._route, group.mirrors)
        self._problems += more.problems
        self._effects.mirrors += more.mirrors
        return [
            share for item in group.backends for share in self.resolve(item, factor * ref.weight, (*seen, ref.target))
        ]


def _conditional(
    key: VirtualHostKey,
    rule: RuleIntent,
    effects: Effects,
    match: Match,
    resolved: Rule,
    problems: list[Problem],
) -> Iterator[Entry]:
    """The entries of one match: a redirect by URL pattern goes before the rule that it belongs to."""
    entry = partial(Entry, origin=rule.origin)
    for item in effects.conditional:
        split = _residual(key, item)
        if split is None:
            why = "redirectRegex cannot be decided here: its pattern mixes host and path"
            hint = "use one pattern per host, such as ^https://old.example.com/(.*)"
            problems.append(Problem("redirect-pattern", why, item.origin, Severity.ERROR, hint))
            yield entry(match=match, rule=structs.replace(resolved, action=Respond(503, why, item.origin)))
            return
        path, redirect = split
        narrowed = structs.replace(match, paths=(*match.paths, path))
        yield entry(match=narrowed, rule=structs.replace(resolved, action=redirect))
    yield entry(match=match, rule=resolved)


def _residual(key: VirtualHostKey, item: RegexRedirect) -> tuple[PathMatch, RedirectTo] | None:
    """A URL pattern as a path condition and a redirect, for the known scheme, host and port of a VirtualHost."""
    if key.hostname == hostnames.ANY or hostnames.is_wildcard(key.hostname):
        return None
    scheme = "https" if key.family is Family.HTTPS else "http"
    port = "" if key.port == DEFAULT_PORTS.get(key.family) else f":{key.port}"
    split = residual(item.pattern, item.replacement, f"{scheme}://{key.hostname}{port}")
    if split is None:
        return None
    new_scheme, slashes, rest = split.replacement.partition("://")
    authority, slash, path = rest.partition("/")
    if not slashes or "\\" in authority or "\\" in new_scheme:
        return None
    host, colon, number = authority.partition(":")
    edit = PathEdit(PathEditKind.REGEX, value=slash + path, pattern=split.pattern)
    redirect = RedirectTo(
        origin=item.origin,
        status=item.status,
        scheme=new_scheme,
        host=host,
        port=int(number) if colon and number.isdigit() else 0,
        path=edit,
        status_other=item.status_other,
    )
    return PathMatch(PathKind.REGEX, split.pattern), redirect


def _certificates(view: View, gateway: Gateway, key: VirtualHostKey, listener: Listener) -> tuple[Key, ...]:
    if key.family not in (Family.HTTPS, Family.TERMINATED):
        return ()
    if gateway.dialect is Dialect.GATEWAY_API:
        return listener.certificates
    names = (key.hostname, *(p for p in hostnames.parents(key.hostname, gateway.depth) if p != key.hostname))
    pooled = [k for name in names for k in view.pooled(gateway.id, name) if view.certificate(k) is not None]
    default = (gateway.default_certificate,) if gateway.default_certificate else ()
    return tuple(dict.fromkeys((*pooled, *default)))


def _sni_scope(gateway: Gateway, listener: Listener, key: VirtualHostKey) -> SniScope | None:
    """Gateway API: requests must come by an SNI that selects the same listener (GEP-3567)."""
    if key.family is not Family.HTTPS or gateway.dialect is not Dialect.GATEWAY_API:
        return None
    siblings = [o.hostname for o in gateway.listeners if o.port == key.port and o.tls and not o.conflict]
    others = overlap(listener.hostname, siblings, gateway.depth)
    return SniScope(listener.hostname, others) if others or listener.hostname != hostnames.ANY else None
