"""One rule's effects: its filters folded, in order, into what a Rule of the graph holds.

Middlewares and chains are followed here.  A protective filter that cannot be built refuses the rule; an unconditional
answer (redirect, refusal) ends the list, so that a filter behind it never counts and one before it always does.
"""

from __future__ import annotations

from msgspec import Struct, field

from gatewright.base.problem import Problem, Severity
from gatewright.base.sensitive import Sensitive
from gatewright.graph.nodes import Access, BasicAuthUsers, Family, Gateway, MirrorTo, RedirectTo, Respond
from gatewright.graph.objects import View
from gatewright.graph.resolve.backends import Failure, target
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.filters import (
    AllowSources,
    BasicAuth,
    Cors,
    Filter,
    FilterRef,
    HeaderEdit,
    Mirror,
    PathEdit,
    Redirect,
    Refuse,
    RegexRedirect,
    RequestHeaders,
    ResponseHeaders,
    Rewrite,
)
from gatewright.kinds.intents.filters import Respond as FixedAnswer
from gatewright.kinds.intents.material import MiddlewareIntent, SecretIntent
from gatewright.kinds.intents.routing import Dialect

CHAIN_DEPTH = 16
SHA1 = b"{SHA}"  # the one htpasswd hash that Envoy's basic_auth filter checks


class Effects(Struct):
    """What the filters of one rule add up to, while they are folded.  `answer` ends the fold."""

    access: list[Access] = field(default_factory=list)
    auth: BasicAuthUsers | None = None
    cors: Cors | None = None
    request_headers: list[HeaderEdit] = field(default_factory=list)
    response_headers: list[HeaderEdit] = field(default_factory=list)
    host: str | None = None
    paths: list[PathEdit] = field(default_factory=list)
    mirrors: list[MirrorTo] = field(default_factory=list)
    conditional: list[RegexRedirect] = field(default_factory=list)
    answer: RedirectTo | Respond | None = None
    problems: list[Problem] = field(default_factory=list)


class Where(Struct, frozen=True):
    """The VirtualHost that a rule is resolved for: what its filters may depend on."""

    gateway: Gateway
    family: Family
    port: int


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
                effects.answer = _redirect(where, item)
            case RegexRedirect():
                _regex_redirect(item, effects)
            case Mirror():
                _mirror(view, where, route, item, effects)
            case Cors():
                effects.cors = item
            case AllowSources():
                _allow_sources(item, effects)
            case BasicAuth():
                _basic_auth(view, item, effects)
            case Refuse():
                effects.answer = Respond(item.status, item.reason, item.origin)
            case FixedAnswer():
                effects.answer = _respond(item)
            case FilterRef():
                _reference(view, where, route, item, effects, seen)


def _reference(
    view: View, where: Where, route: RouteIntent, item: FilterRef, effects: Effects, seen: tuple[Key, ...]
) -> None:
    """Follow a reference to a Middleware; what is missing, cyclic or not permitted refuses the rule."""
    traefik = where.gateway.dialect is Dialect.TRAEFIK
    status = 404 if traefik else 500
    middleware = view.get(item.target, MiddlewareIntent)
    why = ""
    if middleware is None:
        why = f"{item.target} does not exist"
    elif item.target in seen or len(seen) >= CHAIN_DEPTH:
        why = f"{item.target} refers to itself"
    elif item.target.namespace != route.key.namespace and not where.gateway.allow_cross_namespace:
        why = f"{where.gateway.id} refuses references to other namespaces ({item.target})"
    if why or middleware is None:
        effects.answer = Respond(status, why, item.origin)
        hint = "the rule answers an error rather than leave the filter out"
        effects.problems.append(Problem("filter-missing", why, item.origin, Severity.ERROR, hint))
        return
    _fold(view, where, route, middleware.filters, effects, (*seen, item.target))


def _redirect(where: Where, item: Redirect) -> RedirectTo | None:
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
    )


def _respond(item: FixedAnswer) -> Respond:
    """The fixed answer that the owner wishes."""
    reason = f"a fixed answer of {len(item.body)} octets, {item.content_type}"
    return Respond(item.status, reason, item.origin, refused=False, body=item.body, content_type=item.content_type)


def _allow_sources(item: AllowSources, effects: Effects) -> None:
    """Clients by their address.  An address in X-Forwarded-For is anybody's word, as no proxy in front is trusted."""
    if not item.depth:
        effects.access.append(Access(item.cidrs, item.origin, item.depth, item.status))
        return
    why = "the client's address would be read from X-Forwarded-For, which anybody can write"
    effects.answer = Respond(item.status, why, item.origin)
    hint = "nobody is let in; without ipStrategy the address of the connection is looked at"
    effects.problems.append(Problem("forwarded-not-trusted", why, item.origin, Severity.ERROR, hint))


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


def _basic_auth(view: View, item: BasicAuth, effects: Effects) -> None:
    """Users from the middleware and its Secret; only {SHA} hashes can be checked, anything else refuses the rule."""
    raw = item.users.reveal() if item.users else b""
    if item.secret is not None:
        secret = view.get(item.secret, SecretIntent)
        raw += b"\n" + (_users(secret) if secret else b"")
    lines = [line.strip() for line in raw.splitlines() if line.strip() and not line.startswith(b"#")]
    usable = [line for line in lines if line.partition(b":")[2].startswith(SHA1)]
    why, hint = "", "the rule answers 503 rather than serve without its protection"
    if not lines:
        why = f"{item.secret} has no users" if item.secret else "basicAuth has no users"
    elif len(usable) < len(lines):
        why = "basicAuth has passwords hashed with something other than {SHA}"
        hint = "hash them with `htpasswd -s`; " + hint
    elif effects.auth is not None:
        why = "two basicAuth filters apply to one rule, of which only one can be checked"
    if why:
        effects.answer = Respond(503, why, item.origin)
        effects.problems.append(Problem("basic-auth-unusable", why, item.origin, Severity.ERROR, hint))
        return
    effects.auth = BasicAuthUsers(
        users=Sensitive(b"\n".join(usable)),
        origin=item.origin,
        realm=item.realm,
        remove_header=item.remove_header,
        user_header=item.user_header,
    )


def _users(secret: SecretIntent) -> bytes:
    """htpasswd lines: the key `users`, or ingress-nginx's `auth`."""
    return secret.get("users") or secret.get("auth") or b""
