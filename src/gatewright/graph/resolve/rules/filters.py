"""One rule's effects: its filters folded, in order, into what a Rule of the graph holds.

Middlewares and chains are followed here.  A protective filter that cannot be built refuses the rule; an unconditional
answer (redirect, refusal) ends the list, so that a filter behind it never counts and one before it always does.
Counterparts: `options`, which puts filters in front of a rule's own; `asking`, who is asked about requests.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct, field, structs

from gatewright.base import hostnames, htpasswd
from gatewright.base.problem import Problem, Severity
from gatewright.base.sensitive import Sensitive
from gatewright.graph.nodes import (
    Access,
    AskAuth,
    BackendKey,
    BasicAuthUsers,
    ErrorPage,
    Family,
    MirrorTo,
    RedirectTo,
    Respond,
    Step,
    TokenCheck,
)
from gatewright.graph.objects import View
from gatewright.graph.resolve.rules import header_maps
from gatewright.graph.resolve.rules.asking import Question, asked
from gatewright.graph.resolve.rules.pages import behind_denials
from gatewright.graph.resolve.rules.where import Where
from gatewright.graph.resolve.upstreams.backends import Failure, target
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.filters import (
    AllowSources,
    Authorize,
    BasicAuth,
    BodyLimit,
    ClientCertificateHeaders,
    Compress,
    Cors,
    DenySources,
    ErrorPages,
    Filter,
    FilterRef,
    ForwardAuth,
    HeaderEdit,
    HeadersFrom,
    InFlight,
    Jwt,
    JwtProvider,
    LimitBy,
    Mirror,
    PathEdit,
    RateLimit,
    Redirect,
    Refuse,
    RegexRedirect,
    RequestHeaders,
    ResponseHeaders,
    Retries,
    Rewrite,
)
from gatewright.kinds.intents.filters import Respond as FixedAnswer
from gatewright.kinds.intents.material import MiddlewareIntent, SecretIntent
from gatewright.kinds.intents.routing import Dialect, Match, Retry, ValueKind, ValueMatch

CHAIN_DEPTH = 16
BASIC_AUTH_TYPE = "kubernetes.io/basic-auth"
_SECRETS = f"give it one key with htpasswd lines, or the type {BASIC_AUTH_TYPE} with username and password"
CLOSED = "the rule answers 503 rather than serve without its protection"


class Effects(Struct):
    """What the filters of one rule add up to, while they are folded.  `answer` ends the fold.

    `unsecured`: what holds instead for requests that were sent in the clear, where believed peers say which were not.
    """

    access: list[Access] = field(default_factory=list)
    cors: Cors | None = None
    steps: list[Step] = field(default_factory=list)
    request_headers: list[HeaderEdit] = field(default_factory=list)
    response_headers: list[HeaderEdit] = field(default_factory=list)
    host: str | None = None
    paths: list[PathEdit] = field(default_factory=list)
    mirrors: list[MirrorTo] = field(default_factory=list)
    conditional: list[RegexRedirect] = field(default_factory=list)
    answer: RedirectTo | Respond | None = None
    unsecured: Effects | None = None
    retry: Retry | None = None
    problems: list[Problem] = field(default_factory=list)


def fold(view: View, where: Where, route: RouteIntent, filters: tuple[Filter, ...]) -> Effects:
    """The effects of a rule's filters, in order."""
    effects = Effects()
    _fold(view, where, route, filters, effects, ())
    return effects


def _fold(
    view: View,
    where: Where,
    route: RouteIntent,
    filters: tuple[Filter, ...],
    effects: Effects,
    seen: tuple[Key, ...],
) -> None:
    for item in filters:
        if effects.answer is not None:
            return
        match item:
            case RequestHeaders():
                effects.request_headers.append(item.edit)
            case ResponseHeaders():
                effects.response_headers.append(item.edit)
            case Rewrite():
                effects.host = item.host if item.host is not None else effects.host
                effects.paths += item.paths
            case Redirect():
                _redirect(where, item, effects)
            case RegexRedirect():
                _regex_redirect(item, effects)
            case Mirror():
                _mirror(view, where, route, item, effects)
            case Cors():
                effects.cors = item
            case AllowSources() | DenySources():
                _sources(where, item, effects)
            case BasicAuth() | ForwardAuth() | Jwt():
                _credentials(view, where, route, item, effects, seen)
            case Retries():
                effects.retry = item.retry
            case RateLimit() | InFlight():
                effects.steps.append(_counted(where, item, effects))
            case BodyLimit(octets=0):
                pass
            case Authorize() | BodyLimit() | Compress() | ClientCertificateHeaders():
                effects.steps.append(item)
            case ErrorPages():
                _error_pages(view, where, route, item, effects)
            case Refuse():
                effects.answer = Respond(item.status, item.reason, item.origin)
            case FixedAnswer():
                effects.answer = _respond(item)
            case HeadersFrom():
                _headers_from(view, item, effects)
            case FilterRef():
                _reference(view, where, route, item, effects, seen)


def _headers_from(view: View, item: HeadersFrom, effects: Effects) -> None:
    """Headers as a ConfigMap says; without it nothing is answered, as in ingress-nginx."""
    found = header_maps.edit(view, item, effects.problems)
    if isinstance(found, Failure):
        effects.answer = Respond(found.status, found.reason, item.origin)
        effects.problems.append(Problem(found.id, found.reason, item.origin, Severity.ERROR, found.hint))
    elif item.to_client:
        effects.response_headers.append(found)
    else:
        effects.request_headers.append(found)


def _reference(
    view: View, where: Where, route: RouteIntent, item: FilterRef, effects: Effects, seen: tuple[Key, ...]
) -> None:
    """Follow a reference to a Middleware; what is missing, cyclic or not permitted refuses the rule."""
    traefik = where.gateway.dialect is Dialect.TRAEFIK
    status = 404 if traefik else 500
    meant = next((key for key in (item.target, *item.others) if view.exists(key)), item.target)
    middleware = view.get(meant, MiddlewareIntent)
    why = ""
    if middleware is None:
        why = f"{meant} does not exist"
    elif meant in seen or len(seen) >= CHAIN_DEPTH:
        why = f"{meant} refers to itself"
    elif not item.anywhere and meant.namespace != route.key.namespace and not where.gateway.allow_cross_namespace:
        why = f"{where.gateway.id} refuses references to other namespaces ({meant})"
    if why or middleware is None:
        effects.answer = Respond(status, why, item.origin)
        hint = "the rule answers an error rather than leave the filter out"
        effects.problems.append(Problem("filter-missing", why, item.origin, Severity.ERROR, hint))
        return
    _fold(view, where, route, middleware.filters, effects, (*seen, meant))


def _redirect(where: Where, item: Redirect, effects: Effects) -> None:
    """One to HTTPS does not count for requests that came by it to a proxy in front, which is believed."""
    found = redirect(where, item)
    if found is None or not by_word_of_peers(where, item):
        effects.answer = found
    elif effects.unsecured is None:
        effects.unsecured = structs.replace(
            effects,
            answer=found,
            problems=[],
            access=list(effects.access),
            steps=list(effects.steps),
            request_headers=list(effects.request_headers),
            response_headers=list(effects.response_headers),
            paths=list(effects.paths),
            mirrors=list(effects.mirrors),
            conditional=list(effects.conditional),
        )


def by_word_of_peers(where: Where, item: Redirect) -> bool:
    """Does the redirect to HTTPS depend on X-Forwarded-Proto?  It does where its peers are known, in these two."""
    wanted = item.only_if_scheme_differs and item.scheme == "https" and where.family is Family.HTTP
    believing = where.gateway.implementation in ("ingress-nginx", "traefik")
    return wanted and believing and bool(where.gateway.settings.forwarded_from)


def unsecured(match: Match) -> Match:
    """The match, of requests that were sent in the clear alone."""
    said = ValueMatch("x-forwarded-proto", ValueKind.EXACT, "https", negate=True)
    return structs.replace(match, headers=(*match.headers, said))


def redirect(where: Where, item: Redirect) -> RedirectTo | None:
    """The redirect as it stands at this port; None when the request already is where it points."""
    scheme = "https" if where.family is Family.HTTPS else "http"
    # A described port may be reached by another number (443 of a Service, 8443 of the pod): without a port in the
    # redirect, requests that come by its scheme have arrived.
    if item.only_if_scheme_differs and item.scheme == scheme and (item.port or where.port) == where.port:
        return None
    return RedirectTo(
        origin=item.origin,
        status=item.status,
        scheme=item.scheme,
        host=item.host,
        port=item.port,
        path=item.path,
        status_other=item.status_other,
        keeps_query=item.keeps_query,
    )


def _respond(item: FixedAnswer) -> Respond:
    """The fixed answer that the owner wishes."""
    reason = f"a fixed answer of {len(item.body)} octets, {item.content_type}"
    return Respond(item.status, reason, item.origin, refused=False, body=item.body, content_type=item.content_type)


def _sources(where: Where, item: AllowSources | DenySources, effects: Effects) -> None:
    """Clients by their address.  One in X-Forwarded-For is anybody's word unless it is known whose is believed."""
    deny = isinstance(item, DenySources)
    trusted = where.gateway.settings.forwarded_from
    # These look at the connection, whatever is said of clients; the others at the client that believed peers speak of.
    by_peer = where.gateway.implementation in ("traefik", "haproxy", "haproxy-ingress", "alb")
    nearest = bool(trusted) and not item.depth and not by_peer and where.family in (Family.HTTP, Family.HTTPS)
    if not item.depth or trusted:
        kept = trusted if item.depth or nearest else ()
        said = where.gateway.options.door
        if nearest and said is not None and said.header.lower() not in ("", "x-forwarded-for"):
            why = f"the client's address would be read from {said.header}, which access lists cannot"
            effects.answer = Respond(item.status, why, item.origin)
            hint = "nobody is let in; have the proxies in front send X-Forwarded-For"
            effects.problems.append(Problem("forwarded-not-trusted", why, item.origin, Severity.ERROR, hint))
            return
        effects.access.append(
            Access(item.cidrs, item.origin, item.depth, item.status, deny=deny, trusted=kept, nearest=nearest)
        )
        return
    why = "the client's address would be read from X-Forwarded-For, which anybody can write"
    effects.answer = Respond(item.status, why, item.origin)
    hint = "nobody is let in; without ipStrategy the address of the connection is looked at"
    effects.problems.append(Problem("forwarded-not-trusted", why, item.origin, Severity.ERROR, hint))


def _counted(where: Where, item: RateLimit | InFlight, effects: Effects) -> RateLimit | InFlight:
    """Whose requests are counted together: by the peer, where nobody's X-Forwarded-For is believed.

    A VirtualHost of one name has one Host: those of it are all of them.
    """
    if isinstance(item, InFlight) and item.by is LimitBy.HOST and not _has_many_names(where.hostname):
        return structs.replace(item, by=LimitBy.ALL)
    if item.by is not LimitBy.CLIENT or not item.depth or where.gateway.settings.forwarded_from:
        return item
    why = "clients are counted by the address of their connection: anybody can write X-Forwarded-For"
    hint = "say whose X-Forwarded-For is believed (forwardedHeaders.trustedIPs)"
    effects.problems.append(Problem("forwarded-not-trusted", why, item.origin, Severity.WARNING, hint))
    return structs.replace(item, depth=0)


def _has_many_names(hostname: str) -> bool:
    return hostname == hostnames.ANY or hostnames.is_wildcard(hostname)


def _regex_redirect(item: RegexRedirect, effects: Effects) -> None:
    """A redirect that looks at the URL has to see the one that the client sent."""
    if not effects.paths:
        effects.conditional.append(item)
        return
    why = "redirectRegex after a change of the path is not supported"
    effects.answer = Respond(503, why, item.origin)
    hint = "put the redirect first; until then the rule answers 503"
    effects.problems.append(Problem("redirect-pattern", why, item.origin, Severity.ERROR, hint))


def _mirror(view: View, where: Where, route: RouteIntent, item: Mirror, effects: Effects) -> None:
    found = target(view, where.gateway, route, item.backend)
    if isinstance(found, Failure):
        # A mirror is a copy: losing it harms no request, but nobody may believe that it is sent.
        problem = Problem(
            found.id, f"not mirrored: {found.reason}", item.origin, Severity.WARNING, found.hint, found.snippet
        )
        effects.problems.append(problem)
    else:
        effects.mirrors.append(MirrorTo(found, item.numerator, item.denominator, item.origin))


def _error_pages(view: View, where: Where, route: RouteIntent, item: ErrorPages, effects: Effects) -> None:
    """Pages protect nothing: without their backend clients get the errors as they are."""
    found = target(view, where.gateway, route, item.backend)
    if isinstance(found, Failure):
        why = f"errors are passed on as they are: {found.reason}"
        effects.problems.append(Problem(found.id, why, item.origin, Severity.WARNING, found.hint, found.snippet))
    else:
        if where.gateway.dialect is Dialect.TRAEFIK:
            item, told = behind_denials(item, effects.steps)
            effects.problems += told
        effects.steps.append(ErrorPage(item, found))


# --- credentials --------------------------------------------------------------------------------


def _credentials(
    view: View,
    where: Where,
    route: RouteIntent,
    item: BasicAuth | ForwardAuth | Jwt,
    effects: Effects,
    seen: tuple[Key, ...],
) -> None:
    """Who may pass; what cannot be checked refuses the rule."""
    identity = "protection-unbuildable"
    made: BasicAuthUsers | AskAuth | TokenCheck | Failure
    match item:
        case BasicAuth():
            identity = "basic-auth-unusable"
            made = _basic_auth(view, where, item)
        case ForwardAuth():
            made = _forward_auth(view, where, route, item, seen[-1].namespace if seen else "")
        case Jwt():
            made = _tokens(view, where, route, item)
    if not isinstance(made, Failure):
        effects.steps.append(made)
        return
    effects.answer = Respond(made.status, made.reason, item.origin)
    closed = CLOSED.replace("503", str(made.status))
    hint = f"{made.hint}; {closed}" if made.hint else closed
    effects.problems.append(Problem(identity, made.reason, item.origin, Severity.ERROR, hint))


def _basic_auth(view: View, where: Where, item: BasicAuth) -> BasicAuthUsers | Failure:
    """Users from the filter and its Secret; what cannot be checked by anybody refuses the rule.

    Without users there is no such middleware in Traefik, and hence no router.
    """
    traefik = where.gateway.dialect is Dialect.TRAEFIK
    raw = item.users.reveal() if item.users else b""
    if item.secret is not None:
        secret = view.get(item.secret, SecretIntent)
        raw += b"\n" + (_users(secret, item) if secret else b"")
    lines = htpasswd.lines(raw)
    if not lines:
        why = _unbuildable(*_nobody(view, item))
        return structs.replace(why, status=404, hint=why.hint or _SECRETS) if traefik else why
    if not all(map(htpasswd.usable, lines)):
        hint = "hash them with `htpasswd -B`, or with `htpasswd -s`"
        whose = str(item.secret or "basicAuth")
        return _unbuildable(f"{whose} has passwords in a form that nobody checks", hint)
    return BasicAuthUsers(
        users=Sensitive(b"\n".join(lines)),
        origin=item.origin,
        realm=item.realm,
        remove_header=item.remove_header,
        user_header=item.user_header,
        excepts=item.excepts,
    )


def _nobody(view: View, item: BasicAuth) -> tuple[str, str]:
    """Why there are no users, and what would help."""
    secret = item.secret
    if secret is None:
        return "basicAuth has no users", ""
    if view.get(secret, SecretIntent) is None:
        return f"{secret} does not exist", "give it, too, where it is made elsewhere or kept sealed"
    return f"{secret} has no users" + (f" under {item.entry}" if item.entry else ""), ""


def _unbuildable(why: str, hint: str = "") -> Failure:
    return Failure("protection-unbuildable", 503, why, hint)


def _users(secret: SecretIntent, item: BasicAuth) -> bytes:
    """htpasswd lines: under the key where that controller looks, and no other; or every key is a user."""
    if item.by_name:
        return b"\n".join(name.encode() + b":" + value.reveal().strip() for name, value in secret.data)
    return (secret.get(item.entry) or b"") if item.entry else _only_users(secret)


def _only_users(secret: SecretIntent) -> bytes:
    """htpasswd lines under the only key, whatever its name, or the one user of a Secret for that; what else is none."""
    if secret.type == BASIC_AUTH_TYPE:
        name, password = secret.get("username"), secret.get("password")
        return htpasswd.of_password(name, password) if name and password else b""
    return secret.data[0][1].reveal() if len(secret.data) == 1 else b""


def _forward_auth(view: View, where: Where, route: RouteIntent, item: ForwardAuth, namespace: str) -> AskAuth | Failure:
    question = Question(item.url, item.origin, namespace, item.tls, item.backend, item.referrer)
    found = asked(view, where, route, question)
    if isinstance(found, Failure):
        return structs.replace(found, reason=f"nobody can be asked who may pass: {found.reason}")
    if item.tells_from is not None:
        more = header_maps.told(view, item.tells_from)
        if isinstance(more, Failure):
            return more
        item = structs.replace(item, tells=(*item.tells, *more), tells_from=None)
    return AskAuth(item, found.backend, found.host, found.path, found.tls)


def _tokens(view: View, where: Where, route: RouteIntent, item: Jwt) -> TokenCheck | Failure:
    """A check of tokens with the keys of every provider."""
    keys: list[tuple[str, str | tuple[BackendKey, str, str]]] = []
    for provider in item.providers:
        found = _keys(view, where, route, item, provider)
        if isinstance(found, Failure):
            return structs.replace(found, reason=f"tokens of {provider.name} cannot be checked: {found.reason}")
        keys.append((provider.name, found))
    return TokenCheck(item, tuple(keys))


def _keys(
    view: View, where: Where, route: RouteIntent, item: Jwt, provider: JwtProvider
) -> str | tuple[BackendKey, str, str] | Failure:
    """A JWKS document (RFC 7517, clause 5), or whom it is got from: upstream, Host, path."""
    if provider.jwks_url:
        found = asked(view, where, route, Question((provider.jwks_url,), item.origin))
        if isinstance(found, Failure):
            return found
        return found.backend, "".join(found.host), "".join(found.path)
    document = provider.jwks
    if provider.jwks_from is not None:
        held = view.get(provider.jwks_from, SecretIntent)
        raw = (held.get("jwks") or (held.data[0][1].reveal() if held.data else b"")) if held else b""
        document = raw.decode("utf-8", "replace")
        if not document:
            return _unbuildable(f"{provider.jwks_from} has no keys")
    return document if _is_key_set(document) else _unbuildable("its keys are no JWKS document")


def _is_key_set(document: str) -> bool:
    try:
        found = msgspec.json.decode(document)
    except msgspec.DecodeError:
        return False
    return isinstance(found, dict) and isinstance(found.get("keys"), list) and bool(found["keys"])
