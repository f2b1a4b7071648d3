"""What holds for a rule at a gateway beyond what it says itself: laid together, and turned into filters and fields.

The narrower word counts: what an implementation does when nobody says anything, then the door, its listener, the route,
the rule.  What a rule says itself wins over all of them.  Counterparts: `filters`, which folds what comes out here;
`nginx_hosts`, for what options do to a whole hostname (aliases, canaries, expressions instead of paths).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

import re2
from msgspec import structs

from gatewright.base import percent
from gatewright.base.percent import Reading
from gatewright.base.problem import Problem, Severity
from gatewright.graph.nodes import Family, Gateway, Listener
from gatewright.graph.objects import View
from gatewright.graph.resolve.doors import load_balancers
from gatewright.graph.resolve.placement.nginx_hosts import expression
from gatewright.graph.resolve.rules import policies
from gatewright.graph.resolve.rules.where import Where
from gatewright.graph.resolve.upstreams.backends import Failure, backend, target
from gatewright.kinds import syntax
from gatewright.kinds.annotations import readers
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.filters import (
    AllowSources,
    Authorize,
    BasicAuth,
    BodyLimit,
    ClientCertificateHeaders,
    DenySources,
    Filter,
    ForwardAuth,
    HeaderEdit,
    InFlight,
    Jwt,
    PathEdit,
    PathEditKind,
    RateLimit,
    Redirect,
    Refuse,
    RequestHeaders,
    ResponseHeaders,
    Rewrite,
)
from gatewright.kinds.intents.material import ServiceIntent
from gatewright.kinds.intents.options import NOTHING, ClientAuth, Options, laid_over
from gatewright.kinds.intents.routing import BackendRef, Dialect, RuleIntent, Upstream

HSTS = "Strict-Transport-Security"
FORWARDED_PREFIX = "X-Forwarded-Prefix"
_GROUP = re.compile(r"\\(\d)")
_HTTP = frozenset({Family.HTTP, Family.HTTPS})


def effective(view: View, gateway: Gateway, listener: Listener, route: RouteIntent, rule: RuleIntent | None) -> Options:
    """The options of a rule of a route at a listener; of the route as a whole without a rule."""
    if route.doors is not None:
        return NOTHING
    found = _usual(gateway, listener.options)
    if gateway.dialect is Dialect.GATEWAY_API:
        found = laid_over(found, policies.effective(view, gateway, listener.name, route, rule))
    if gateway.implementation == load_balancers.ALB:
        found = laid_over(found, load_balancers.shared(view, route))
    for implementation, said in route.options:
        if implementation in ("", gateway.implementation):
            found = laid_over(found, said)
    return found


def _usual(gateway: Gateway, listener: Options) -> Options:
    """What holds at a listener when the route says nothing."""
    settings = gateway.settings
    described = NOTHING
    if settings.idle_timeout is not None or settings.body_limit is not None:
        limit = None if settings.body_limit is None else BodyLimit(gateway.origin, settings.body_limit)
        described = Options(read_timeout=settings.idle_timeout, body_limit=limit)
    return _laid(gateway.implementation, gateway.options, described, listener)


@lru_cache(maxsize=256)
def _laid(implementation: str, door: Options, described: Options, listener: Options) -> Options:
    """As the implementation does it, as it is configured, as the site map says, as the listener says."""
    return laid_over(laid_over(laid_over(readers.usual(implementation), door), described), listener)


# --- applying -----------------------------------------------------------------------------------


def apply(options: Options, rule: RuleIntent, where: Where, problems: list[Problem]) -> RuleIntent:
    """The rule with its options in it: filters in the order of the dialect, times, and how backends are spoken to."""
    if options == NOTHING:
        return rule
    if where.family in _HTTP:
        filters = tuple(_filters(options, rule, where, problems))
    else:  # bytes are passed on: only who may connect can be decided
        admission = _admission(options, rule, problems)
        filters = (
            *_refusal(options, rule, where, problems),
            *_sources(options, any_one=False),
            *admission,
            *rule.filters,
        )
    return structs.replace(
        rule,
        filters=filters,
        backends=_backends(options, rule.backends),
        timeout=options.timeout if rule.timeout is None else rule.timeout,
        read_timeout=options.read_timeout if rule.read_timeout is None else rule.read_timeout,
        tunnel_timeout=options.tunnel_timeout if rule.tunnel_timeout is None else rule.tunnel_timeout,
        retry=rule.retry or options.retry,
        persistence=rule.persistence or options.persistence,
        hash=rule.hash or options.hash,
        websocket=rule.websocket and options.websocket is not False,
    )


def _filters(options: Options, rule: RuleIntent, where: Where, problems: list[Problem]) -> Iterable[Filter]:
    """All filters in their order; an nginx counts requests before it asks who sends them."""
    any_one = bool(options.satisfy_any and options.allow and (options.auth or _asks(options.filters)))
    excepts = options.allow.cidrs if any_one and options.allow else ()
    yield from options.first
    if options.body_limit is not None:
        yield options.body_limit
    if options.errors is not None and options.errors.statuses:
        yield options.errors
    if (redirect := tls_redirect(options, rule, where)) is not None:
        yield redirect
    # Behind the redirect to TLS, as in the originals: it tells nobody anything.
    yield from _refusal(options, rule, where, problems)
    if options.snippets and where.gateway.settings.snippets is False:
        yield Refuse(rule.origin, 503, f"{where.gateway.id} does not allow snippets, and serves no route with one")
    yield from _sources(options, any_one=any_one)
    counts, credentials, others = _sorted(options.filters, where.gateway)
    yield from (_with_status(item, options) for item in counts)
    if not _begins_like(rule, options.unasked):
        yield from (_excepting(item, excepts) for item in credentials)
        if options.auth is not None:
            yield _excepting(options.auth, excepts)
    yield from others
    yield from _headers(options, rule, where)
    yield from _rewrites(options, rule, problems)
    yield from rule.filters
    yield from options.last


def _asks(filters: tuple[Filter, ...]) -> bool:
    return any(isinstance(item, BasicAuth | ForwardAuth) for item in filters)


def _refusal(options: Options, rule: RuleIntent, where: Where, problems: list[Problem]) -> Iterable[Filter]:
    if options.unbuildable:
        yield Refuse(rule.origin, 503, options.unbuildable)
    for one in options.foreign:
        if one.use not in options.foreign_uses:
            why = f"{one.message}, which {where.gateway.id} does not allow: the rules answer 503"
            problems.append(Problem("protection-unbuildable", why, one.origin, Severity.ERROR, one.hint))
            yield Refuse(rule.origin, 503, why)
    if options.client_header:
        yield from _misjudging(options, rule, problems)


def _misjudging(options: Options, rule: RuleIntent, problems: list[Problem]) -> Iterable[Filter]:
    """Lists of addresses would judge the proxy's, which may be in one that lets pass, or in none that keeps out."""
    limits = [item for item in options.filters if isinstance(item, RateLimit) and item.excepts]
    lists = [item for item in (options.deny, options.allow, *limits) if item is not None]
    if lists:
        why = (
            f"this list would not judge the client, whom the controller looks for in {options.client_header}, but the"
            " proxy in front: the rules answer 503"
        )
        hint = "let the proxies send PROXY protocol (settings.proxyProtocol of the IngressController) instead"
        problems.append(Problem("protection-unbuildable", why, lists[0].origin, Severity.ERROR, hint))
        yield Refuse(rule.origin, 503, why)


def _sources(options: Options, *, any_one: bool) -> Iterable[AllowSources | DenySources]:
    """Deny before allow.  With `satisfy any` an address that is not allowed has to authenticate instead."""
    if options.deny is not None:
        yield options.deny
    if options.allow is not None and not any_one:
        yield options.allow


def _sorted(
    filters: tuple[Filter, ...], gateway: Gateway
) -> tuple[tuple[Filter, ...], tuple[Filter, ...], tuple[Filter, ...]]:
    """What counts requests, what asks for credentials, and the rest; elsewhere than in Ingresses as they are."""
    if gateway.dialect is not Dialect.INGRESS or not filters:
        return (), (), filters
    counts = tuple(item for item in filters if isinstance(item, RateLimit | InFlight))
    credentials = tuple(item for item in filters if isinstance(item, BasicAuth | ForwardAuth))
    others = tuple(item for item in filters if not isinstance(item, RateLimit | InFlight | BasicAuth | ForwardAuth))
    return counts, credentials, others


def _admission(options: Options, rule: RuleIntent, problems: list[Problem]) -> Iterable[Filter]:
    """Who may connect, where no request can be looked at; what that does not decide lets nobody in."""
    asking = [item for item in options.filters if isinstance(item, BasicAuth | Jwt | Authorize)]
    for item in (*asking, *((options.auth,) if options.auth else ())):
        found = _by_address(item) if isinstance(item, Authorize) else None
        if found is None:
            why = (
                "who may pass is decided by requests, of which there are none in this protocol: connections are closed"
            )
            hint = "authorize by clientCIDRs alone: denied ones first, then allowed ones"
            problems.append(Problem("protection-unbuildable", why, item.origin, Severity.ERROR, hint))
            yield Refuse(item.origin, 503, why)
        else:
            yield from found


def _by_address(item: Authorize) -> list[Filter] | None:
    """The same by lists of addresses: deny before allow; None where the order of its rules says something else."""
    others = any(one.methods or one.headers or one.claims or one.scopes or not one.cidrs for one in item.rules)
    turns = [one.allow for one in item.rules]
    if others or turns != sorted(turns) or (item.allow and True in turns):
        return None
    denied = tuple(cidr for one in item.rules if not one.allow for cidr in one.cidrs)
    allowed = tuple(cidr for one in item.rules if one.allow for cidr in one.cidrs)
    found: list[Filter] = [DenySources(item.origin, denied)] if denied else []
    return found if item.allow else [*found, AllowSources(item.origin, allowed)]


def _with_status(item: Filter, options: Options) -> Filter:
    """A limit whose status is that of its door."""
    if isinstance(item, RateLimit) and not item.status:
        return structs.replace(item, status=options.limit_status or 429)
    return item


def _excepting(item: Filter, excepts: tuple[str, ...]) -> Filter:
    if excepts and isinstance(item, BasicAuth | ForwardAuth):
        return structs.replace(item, excepts=(*item.excepts, *excepts))
    return item


def tls_redirect(options: Options, rule: RuleIntent, where: Where) -> Redirect | None:
    """The redirect of plain HTTP to HTTPS, where there is to be one."""
    asked = options.tls_redirect
    if asked is None or where.family is not Family.HTTP:
        return None
    if asked.when == "never" or (asked.when == "tls" and not where.secured):
        return None
    if _begins_like(rule, asked.excepts):
        return None
    return Redirect(
        asked.origin or rule.origin, scheme="https", port=asked.port, status=asked.status, only_if_scheme_differs=True
    )


def _begins_like(rule: RuleIntent, beginnings: tuple[str, ...]) -> bool:
    """Does every path of the rule begin like one of these?"""
    paths = [path.value for match in rule.matches for path in match.paths]
    return bool(paths and beginnings) and all(path.startswith(beginnings) for path in paths)


def _headers(options: Options, rule: RuleIntent, where: Where) -> Iterable[Filter]:
    if options.hsts and where.family is Family.HTTPS:
        yield ResponseHeaders(HeaderEdit(set=((HSTS, options.hsts),)), rule.origin)
    if options.client is not None and options.client.tells:
        yield _certificate_headers(options.client, where)
    if options.forwarded_prefix:
        yield RequestHeaders(HeaderEdit(set=((FORWARDED_PREFIX, options.forwarded_prefix),)), rule.origin)


def _certificate_headers(client: ClientAuth, where: Where) -> Filter:
    """What backends are told of client certificates: nothing without TLS, and never what clients say of themselves."""
    if where.family is Family.HTTPS:
        return ClientCertificateHeaders(client.origin, client.tells)
    return RequestHeaders(HeaderEdit(remove=tuple(name for name, _ in client.tells)), client.origin)


def _rewrites(options: Options, rule: RuleIntent, problems: list[Problem]) -> Iterable[Filter]:
    """Another Host and another path for the backend."""
    if options.rewrite is None:
        if options.upstream_host is not None:
            yield Rewrite(rule.origin, host=options.upstream_host)
        return
    if "?" in options.rewrite:
        why = f"the path cannot become {options.rewrite}: what is behind the question mark is no part of a path"
        hint = "send the query along with the request, or let the backend do it; until then the rule answers 503"
        problems.append(Problem("path-edits", why, rule.origin, Severity.ERROR, hint))
        yield Refuse(rule.origin, 503, why)
        return
    edit = PathEdit(PathEditKind.REPLACE, options.rewrite)
    if options.regex_paths:
        path = next((path.value for match in rule.matches for path in match.paths), "/")
        pattern = percent.expression(f"^{expression(path)}$", Reading.DECODED)
        edit = PathEdit(PathEditKind.REGEX, _with_groups_of(path, options.rewrite), pattern=pattern)
    yield Rewrite(rule.origin, host=options.upstream_host, paths=(edit,))


def _with_groups_of(path: str, replacement: str) -> str:
    """The replacement without groups that the path does not have: nginx puts nothing in their place."""
    count = re2.compile(path).groups if not syntax.regex_error(path) else 9
    return _GROUP.sub(lambda found: found[0] if int(found[1]) <= count else "", replacement)


def _backends(options: Options, refs: tuple[BackendRef, ...]) -> tuple[BackendRef, ...]:
    """The references, told how to speak to their backends where they do not say it themselves."""
    if not refs or (options.upstream is None and options.scheme is None and options.proxy_protocol is None):
        return refs
    return tuple(
        structs.replace(
            ref,
            scheme=ref.scheme or _scheme(options),
            upstream=_upstream(options, ref.upstream),
            proxy_protocol=ref.proxy_protocol or options.proxy_protocol or 0,
        )
        for ref in refs
    )


def _scheme(options: Options) -> str:
    """How backends are spoken to; TLS that a wider asks for is not lost to a narrower's HTTP/2."""
    secured = options.upstream is not None and options.upstream.tls is not None
    return "grpcs" if secured and options.scheme == "h2c" else options.scheme or ""


def _upstream(options: Options, own: Upstream | None) -> Upstream | None:
    if own is None or options.upstream is None:
        return own or options.upstream
    return laid_over(options, Options(upstream=own)).upstream


def with_default(view: View, where: Where, route: RouteIntent, rule: RuleIntent, default: Key) -> RuleIntent:
    """The rule with another Service in the place of each backend that nobody stands behind."""
    service = view.get(default, ServiceIntent)
    port = service.ports[0].port if service is not None and service.ports else None
    refs = []
    for ref in rule.backends:
        found = target(view, where.gateway, route, ref)
        resolved = None if isinstance(found, Failure) else backend(view, found)[0]
        lost = resolved is None or not (resolved.endpoints or resolved.dns_name or resolved.pods)
        refs.append(BackendRef(default, port, ref.origin, ref.weight) if lost else ref)
    return structs.replace(rule, backends=tuple(refs))
