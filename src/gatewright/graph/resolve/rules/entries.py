"""One rule at one VirtualHost: the entries that its matches become, with all that is done and who gets the requests."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import structs

from gatewright.base import hostnames
from gatewright.base.percent import Reading
from gatewright.base.problem import Problem, Severity
from gatewright.graph.nodes import (
    Action,
    Entry,
    Family,
    Forward,
    MirrorTo,
    RedirectTo,
    Respond,
    Rule,
    VirtualHostKey,
    WeightedBackend,
)
from gatewright.graph.objects import View
from gatewright.graph.paths import stripped, uncomposable
from gatewright.graph.resolve.doors import load_balancers
from gatewright.graph.resolve.placement.canaries import Variant
from gatewright.graph.resolve.placement.nginx_hosts import expression
from gatewright.graph.resolve.rules.filters import Effects
from gatewright.graph.resolve.rules.redirects import Residual, never_matches, residual
from gatewright.graph.resolve.rules.where import Where
from gatewright.graph.resolve.upstreams.backends import broken_status
from gatewright.graph.resolve.upstreams.shares import Shares
from gatewright.graph.resolve.upstreams.variants import by_hash, limited
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.filters import HeaderEdit, InFlight, LimitBy, PathEdit, PathEditKind, RegexRedirect
from gatewright.kinds.intents.routing import Dialect, Match, PathKind, PathMatch, RuleIntent, SessionPersistence

FORWARDED_PREFIX = "X-Forwarded-Prefix"
_LITERAL = re.compile(r"(?:[A-Za-z0-9/_~%-](?![*+?{]))*")
DEFAULT_PORTS = {Family.HTTP: 80, Family.HTTPS: 443}


def entries(key: VirtualHostKey, where: Where, effects: Effects, match: Match, resolved: Rule) -> Iterator[Entry]:
    """The entries of one match of a rule; what is wrong with them goes to the problems of `effects`."""
    problems = effects.problems
    for entry in _conditional(key, effects, match, resolved):
        possible = _with_possible_edits(entry, problems)
        traefik = where.gateway.dialect is Dialect.TRAEFIK
        yield _with_forwarded_prefix(possible, problems) if traefik else possible


def resolve(
    view: View, where: Where, route: RouteIntent, rule: RuleIntent, effects: Effects, variant: Variant
) -> Rule | None:
    """The rule with its action; None when the dialect drops it: a broken reference (Traefik), a redirect in vain (ALB).

    Traefik needs the services of a rule even where a middleware always answers before them.
    """
    action: Action | None = effects.answer
    if action is None and not rule.backends and where.gateway.implementation == load_balancers.ALB:
        return None  # a redirect to where the request is already: the next rule answers
    if action is None or (where.gateway.dialect is Dialect.TRAEFIK and rule.backends):
        forward = _forward(view, where, route, rule, effects, variant)
        if forward is None:
            return None
        action = action or forward
    return Rule(
        id=f"{route.key} rule {rule.name or rule.index}{variant.label}",
        route=route.key,
        origin=rule.origin,
        action=action,
        access=tuple(effects.access),
        cors=effects.cors,
        steps=tuple(effects.steps),
        request_headers=tuple(effects.request_headers),
        response_headers=tuple(effects.response_headers),
        websocket=rule.websocket,
    )


def _forward(
    view: View, where: Where, route: RouteIntent, rule: RuleIntent, effects: Effects, variant: Variant
) -> Action | None:
    backends: list[WeightedBackend] = []
    mirrors: list[MirrorTo] = list(effects.mirrors)
    persistence: SessionPersistence | None = rule.persistence
    begins = rule.backend_timeout
    for owner, refs in variant.shares or ((route, rule.backends),):
        shares = Shares(view, where, owner)
        balanced = [structs.replace(ref, upstream=by_hash(ref.upstream, rule.hash)) for ref in refs]
        backends += shares.resolve(balanced if rule.hash else refs)
        effects.problems += shares.problems
        if shares.dropped:
            return None
        persistence = persistence or shares.persistence
        begins = begins or shares.header_timeout
        mirrors += shares.mirrors
    status = broken_status(where.gateway, route) or 503
    if not backends:
        return Respond(status, "the rule has no backends", rule.origin)
    return Forward(
        backends=_limited(tuple(backends), where, route, rule, effects),
        host=effects.host,
        paths=tuple(effects.paths),
        timeout=rule.timeout,
        backend_timeout=begins,
        retry=effects.retry or rule.retry,
        persistence=persistence,
        mirrors=tuple(mirrors),
        status=status,
        read_timeout=rule.read_timeout,
        tunnel_timeout=rule.tunnel_timeout,
        hash=rule.hash,
    )


def _limited(
    backends: tuple[WeightedBackend, ...], where: Where, route: RouteIntent, rule: RuleIntent, effects: Effects
) -> tuple[WeightedBackend, ...]:
    """The backends with the rule's own limit of requests at the same time; several cannot share one."""
    amounts = [step.amount for step in effects.steps if isinstance(step, InFlight) and step.by is LimitBy.ALL]
    keys = [share.backend for share in backends if share.backend is not None]
    if not amounts or len(keys) != 1 or len(backends) != 1:
        return backends
    whose = f"{route.key} {rule.name or rule.index} {where.family}:{where.hostname}:{where.port}"
    key = structs.replace(keys[0], variant=limited(keys[0].variant, min(amounts), whose))
    return (structs.replace(backends[0], backend=key),)


def _conditional(key: VirtualHostKey, effects: Effects, match: Match, resolved: Rule) -> Iterator[Entry]:
    """The entries of one match: a redirect by URL pattern goes before the rule that it belongs to."""
    base = _base(key)
    for item in effects.conditional:
        if base and never_matches(item.pattern, base):
            continue
        split = residual(item.pattern, item.replacement, base) if base else None
        if split is None:
            why = f"redirectRegex {item.pattern} cannot be decided at {key.hostname}, so the rule answers 503"
            hint = "use one rule per host, and a pattern such as ^https://old.example.com/(.*)"
            effects.problems.append(Problem("redirect-pattern", why, item.origin, Severity.ERROR, hint))
            yield Entry(match, structs.replace(resolved, action=Respond(503, why, item.origin)), resolved.origin)
            return
        if not split.changes_nothing(base):
            narrowed = structs.replace(match, paths=_narrowed(match.paths, split.pattern))
            yield Entry(narrowed, structs.replace(resolved, action=_redirect(item, split)), resolved.origin)
    yield Entry(match, resolved, resolved.origin)


def _narrowed(paths: tuple[PathMatch, ...], pattern: str) -> tuple[PathMatch, ...]:
    """Paths that match an expression, too: the expression alone where all that it matches has the prefix anyway."""
    added = PathMatch(PathKind.REGEX, pattern)
    if len(paths) != 1 or paths[0].negate:
        return (*paths, added)
    (path,) = paths
    if path.kind is PathKind.REGEX and path.value == expression("/"):
        return (added,)
    if path.reading is not Reading.NORMAL:  # what is added sees the path as it was sent
        return (*paths, added)
    begin = _LITERAL.match(pattern)
    wanted = path.value.rstrip("/") + "/" if path.kind is PathKind.PREFIX else path.value
    prefixed = path.kind in (PathKind.PREFIX, PathKind.RAW_PREFIX)
    alone = wanted == "/" or (begin is not None and begin[0].startswith(wanted) and "|" not in pattern)
    return (added,) if prefixed and alone else (*paths, added)


def _with_forwarded_prefix(entry: Entry, problems: list[Problem]) -> Entry:
    """Traefik tells the backend in X-Forwarded-Prefix what stripPrefix took away, which the match may show already."""
    action = entry.rule.action
    if isinstance(action, Forward) and (late := next((edit for edit in action.paths[1:] if edit.tells), None)):
        message = f"{entry.rule.id}: the backend does not get the header {late.tells}, which Traefik would send"
        hint = "put the middleware that replaces the path before the others that change it"
        problems.append(Problem("unsupported-header", message, entry.rule.origin, Severity.INFO, hint))
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
