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
    Action,
    BasicAuthUsers,
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
)
from gatewright.graph.objects import View
from gatewright.graph.paths import stripped, uncomposable
from gatewright.graph.resolve import options, own_routes
from gatewright.graph.resolve.backends import broken_status
from gatewright.graph.resolve.filters import Effects, fold
from gatewright.graph.resolve.hosts import overlap, specialise
from gatewright.graph.resolve.precedence import Order, age, order, traefik_match
from gatewright.graph.resolve.redirects import Residual, never_matches, residual
from gatewright.graph.resolve.shares import Shares
from gatewright.graph.resolve.tls_options import tls_refusal
from gatewright.graph.resolve.where import Where
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import ClassRef, RouteIntent
from gatewright.kinds.intents.filters import (
    HeaderEdit,
    PathEdit,
    PathEditKind,
    RegexRedirect,
)
from gatewright.kinds.intents.routing import (
    Dialect,
    Match,
    PathKind,
    PathMatch,
    RuleIntent,
)

FORWARDED_PREFIX = "X-Forwarded-Prefix"
RIVALS = frozenset({"HTTPRoute", "GRPCRoute"})
DEFAULT_PORTS = {Family.HTTP: 80, Family.HTTPS: 443}


class Found(Struct):
    """What resolving one rule brought to light."""

    entries: list[tuple[Order, Entry]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def virtual_host(view: View, key: VirtualHostKey) -> tuple[VirtualHost | None, tuple[Problem, ...]]:
    """Build the VirtualHost of a key; None when neither a listener nor a route asks for it any more."""
    gateway = view.door(key.gateway)
    if gateway is None:
        return None, ()
    listener = _listener(view, gateway, key)
    if listener is None:
        return None, ()
    found = Found()
    routes = _of_one_kind(key, list(_routes(view, gateway, key)), found.problems)
    secured = key.family is Family.HTTP and any(_brings_tls(gateway, route, key.hostname) for route in routes)
    where = Where(gateway, key.family, key.port, key.hostname, secured)
    for route in routes:
        _add(view, where, listener, key, route, found)
    found.entries.sort(key=lambda pair: pair[0])
    entries = tuple(entry for _, entry in found.entries)
    host = VirtualHost(
        key=key,
        listener=listener.name,
        origin=entries[0].rule.origin if entries and listener.hostname != key.hostname else listener.origin,
        entries=entries,
        certificates=_certificates(view, gateway, key, listener),
        sni=_sni_scope(view, gateway, listener, key),
    )
    return host, tuple(dict.fromkeys(found.problems))


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

    In Traefik precedence is global per entry point, so the rules of covering wildcards and host-less rules
    answer here too; elsewhere a more specific hostname shuts out the less specific ones.
    """
    patterns: tuple[str, ...] = (key.hostname,)
    if gateway.dialect is Dialect.TRAEFIK:
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


def _add(view: View, where: Where, listener: Listener, key: VirtualHostKey, route: RouteIntent, found: Found) -> None:
    gateway = where.gateway
    traefik = gateway.dialect is Dialect.TRAEFIK
    weaker = tls_refusal(view, gateway, listener, key.family, route, found.problems)
    for asked in route.rules:
        matches = _matches(gateway, key, route, asked)
        if not matches:
            continue
        said = options.effective(view, gateway, listener.name, route, asked)
        rule = options.apply(said, asked, where, found.problems)
        effects = fold(view, where, route, rule.filters)
        effects.answer = weaker or effects.answer
        found.problems += effects.problems
        resolved = _rule(view, where, route, rule, effects, found.problems)
        if resolved is None:
            continue
        for position, match in matches:
            rank = order(gateway, route, rule, rule.matches[position] if rule.matches else match, position)
            for part, entry in enumerate(_conditional(key, rule, effects, match, resolved, found.problems)):
                possible = _with_possible_edits(entry, found.problems)
                told = _with_forwarded_prefix(possible, found.problems) if traefik else possible
                found.entries.append(((*rank, part), told))


def _matches(gateway: Gateway, key: VirtualHostKey, route: RouteIntent, rule: RuleIntent) -> list[tuple[int, Match]]:
    """The matches of a rule that can hold in this VirtualHost, with their place in the rule."""
    traefik = gateway.dialect is Dialect.TRAEFIK
    if route.doors is not None:
        return own_routes.matches(route, gateway, key.hostname)
    if not isinstance(route.attach, ClassRef):
        return list(enumerate(rule.matches or (Match(),)))
    if rule.default and not traefik:  # the default backend of an Ingress takes what its hosts leave over
        return [(0, Match())]
    result = []
    for position, match in enumerate(rule.matches or (Match(),)):
        if traefik or _same_host(match, key.hostname):
            left = specialise(match, key.hostname, gateway.depth)
            if left is not None:
                result.append((position, traefik_match(left) if traefik and _is_ingress(route) else left))
    return result


def _is_ingress(route: RouteIntent) -> bool:
    return route.dialect is Dialect.INGRESS


def _same_host(match: Match, hostname: str) -> bool:
    """Ingress: a rule belongs to the VirtualHost of its own host and to no other."""
    return (match.hosts[0].value if match.hosts else hostnames.ANY) == hostname


def _rule(
    view: View, where: Where, route: RouteIntent, rule: RuleIntent, effects: Effects, problems: list[Problem]
) -> Rule | None:
    """The rule with its action; None when the dialect drops a rule with a broken reference (Traefik).

    Traefik needs the services of a rule even where a middleware always answers before them.
    """
    action: Action | None = effects.answer
    if action is None or (where.gateway.dialect is Dialect.TRAEFIK and rule.backends):
        forward = _forward(view, where, route, rule, effects, problems)
        if forward is None:
            return None
        action = action or forward
    label = f"{route.key} rule {rule.name or rule.index}"
    return Rule(
        id=label,
        route=route.key,
        origin=rule.origin,
        action=action,
        access=tuple(effects.access),
        auth=next((step for step in effects.steps if isinstance(step, BasicAuthUsers)), None),
        cors=effects.cors,
        steps=tuple(effects.steps),
        request_headers=tuple(effects.request_headers),
        response_headers=tuple(effects.response_headers),
        websocket=rule.websocket,
    )


def _forward(
    view: View, where: Where, route: RouteIntent, rule: RuleIntent, effects: Effects, problems: list[Problem]
) -> Action | None:
    shares = Shares(view, where, route)
    backends = shares.resolve(rule.backends)
    problems += shares.problems
    if shares.dropped:
        return None
    status = broken_status(where.gateway, route) or 503
    if not backends:
        return Respond(status, "the rule has no backends", rule.origin)
    return Forward(
        backends=backends,
        host=effects.host,
        paths=tuple(effects.paths),
        timeout=rule.timeout,
        backend_timeout=rule.backend_timeout,
        retry=rule.retry,
        persistence=rule.persistence or shares.persistence,
        mirrors=(*effects.mirrors, *shares.mirrors),
        status=status,
        read_timeout=rule.read_timeout,
        hash=rule.hash,
    )


def _conditional(
    key: VirtualHostKey,
    rule: RuleIntent,
    effects: Effects,
    match: Match,
    resolved: Rule,
    problems: list[Problem],
) -> Iterator[Entry]:
    """The entries of one match: a redirect by URL pattern goes before the rule that it belongs to."""
    base = _base(key)
    for item in effects.conditional:
        if base and never_matches(item.pattern, base):
            continue
        split = residual(item.pattern, item.replacement, base) if base else None
        if split is None:
            why = f"redirectRegex {item.pattern} cannot be decided at {key.hostname}, so the rule answers 503"
            hint = "use one rule per host, and a pattern such as ^https://old.example.com/(.*)"
            problems.append(Problem("redirect-pattern", why, item.origin, Severity.ERROR, hint))
            yield Entry(match, structs.replace(resolved, action=Respond(503, why, item.origin)), rule.origin)
            return
        if not split.changes_nothing(base):
            narrowed = structs.replace(match, paths=(*match.paths, PathMatch(PathKind.REGEX, split.pattern)))
            yield Entry(narrowed, structs.replace(resolved, action=_redirect(item, split)), rule.origin)
    yield Entry(match, resolved, rule.origin)


def _with_forwarded_prefix(entry: Entry, problems: list[Problem]) -> Entry:
    """Traefik tells the backend in X-Forwarded-Prefix what stripPrefix took away, which the match may show already."""
    action = entry.rule.action
    if not isinstance(action, Forward) or not action.paths or action.paths[0].kind is not PathEditKind.STRIP_PREFIX:
        return entry
    prefix = stripped(entry.match, action.paths[0].prefixes)
    if prefix is None:
        message = f"{entry.rule.id}: the backend does not get the header {FORWARDED_PREFIX}, which Traefik would send"
        hint = "put the prefix into the match of the route"
        problems.append(Problem("forwarded-prefix", message, entry.rule.origin, Severity.INFO, hint))
        return entry
    if not prefix:
        return entry
    edits = (*entry.rule.request_headers, HeaderEdit(add=((FORWARDED_PREFIX, prefix),)))
    return structs.replace(entry, rule=structs.replace(entry.rule, request_headers=edits))


def _with_possible_edits(entry: Entry, problems: list[Problem]) -> Entry:
    """Refuse a rule whose path edits do not amount to one substitution, which is what a data plane can do."""
    action = entry.rule.action
    if isinstance(action, Forward):
        edits = action.paths
    else:
        edits = (action.path,) if isinstance(action, RedirectTo) and action.path else ()
    why = uncomposable(edits, entry.match) if edits else ""
    if not why:
        return entry
    origin = entry.rule.origin
    hint = "use fewer changes of the path, or a rule for each prefix; until then the rule answers 503"
    problems.append(Problem("path-edits", f"{entry.rule.id}: {why}", origin, Severity.ERROR, hint))
    return structs.replace(entry, rule=structs.replace(entry.rule, action=Respond(503, why, origin)))


def _base(key: VirtualHostKey) -> str:
    """What every URL of a VirtualHost starts with; "" where its requests differ in that."""
    if key.hostname == hostnames.ANY or hostnames.is_wildcard(key.hostname):
        return ""
    scheme = "https" if key.family is Family.HTTPS else "http"
    port = "" if key.port == DEFAULT_PORTS.get(key.family) else f":{key.port}"
    return f"{scheme}://{key.hostname}{port}"


def _redirect(item: RegexRedirect, split: Residual) -> RedirectTo:
    edit = PathEdit(PathEditKind.REGEX, value=split.replacement, pattern=f"^(?:{split.pattern})$")
    redirect = RedirectTo(item.origin, item.status, path=edit, status_other=item.status_other)
    if not split.base:
        return redirect
    scheme, _, authority = split.base.partition("://")
    host, _, port = authority.partition(":")
    return structs.replace(redirect, scheme=scheme, host=host, port=int(port) if port.isdigit() else 0)


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
