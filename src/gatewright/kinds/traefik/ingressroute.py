"""IngressRoute: Traefik's HTTP routes.

Every route of the object becomes a rule with its own matches and a number for priority; which rule wins
is decided by the graph over all routes of an entry point.  A rule that does not parse is left out, as
Traefik leaves it out.  A rule whose middlewares or services cannot be built stays and refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from gatewright.base.document import Document
from gatewright.kinds.decode import Ignored, Object, Report, Schema, decode, key_of
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.doors import RouteIntent, TlsUse
from gatewright.kinds.intents.filters import Filter, Refuse
from gatewright.kinds.intents.routing import Dialect, Protocol, RuleIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.traefik.common import (
    API_VERSIONS,
    NOT_FOUND,
    Reference,
    class_ref,
    middlewares,
    resolve,
)
from gatewright.kinds.traefik.match import Terms, default_priority, lower_rule
from gatewright.kinds.traefik.rule import Syntax
from gatewright.kinds.traefik.service import LoadBalancer, hash_of, lower_services, route_weights

Priority = Annotated[int, Meta(le=9007199254740991)]


class Tls(Schema, frozen=True):
    """TLS of a route.  `domains` only say what a certResolver should ask certificates for."""

    secret_name: str = ""
    options: Reference | None = None
    store: Reference | None = None
    cert_resolver: str = ""
    domains: Ignored = None


class RouteMatch(Schema, frozen=True):
    """The part of a route that says what it matches."""

    match: str = ""
    priority: Priority = 0
    syntax: str = ""


class _Route(RouteMatch, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "observability": "logs, metrics and traces are the gateway's, not the route's"
    }

    kind: Literal["", "Rule"] = "Rule"
    services: tuple[LoadBalancer, ...] = ()
    middlewares: tuple[Reference, ...] = ()


class _Spec(Schema, frozen=True):
    routes: tuple[_Route, ...]
    entry_points: tuple[str, ...] = ()
    ingress_class_name: str = ""
    tls: Tls | None = None
    parent_refs: tuple[Reference, ...] = ()


class IngressRoute(Object, frozen=True, kw_only=True):
    spec: _Spec


def lower(document: Document) -> Lowered:
    """Lower an IngressRoute."""
    route, problems = decode(document, IngressRoute)
    report = Report(document, problems)
    if route is None:
        return report.lowered(None)
    spec = route.spec
    routes = spec.routes
    if spec.parent_refs:
        message = "routes below other routes are not supported, so none of these is used"
        report.error("unsupported-field", message, "spec", "parentRefs")
        routes = ()
    rules = (_lower_route(item, index, document, report) for index, item in enumerate(routes))
    intent = RouteIntent(
        key=key_of(document),
        origin=document.origin,
        dialect=Dialect.TRAEFIK,
        protocol=Protocol.HTTP,
        attach=class_ref(spec.ingress_class_name, route.metadata.annotations, spec.entry_points),
        rules=tuple(rule for rule in rules if rule is not None),
        tls=lower_tls(spec.tls, document.namespace, report),
        created=route.metadata.created,
        annotations=route.metadata.notes,
    )
    return report.lowered(intent)


def _lower_route(route: _Route, index: int, document: Document, report: Report) -> RuleIntent | None:
    path = ("spec", "routes", index)
    origin = document.origin.at(*path)
    terms, priority = lower_match(route, Syntax.HTTP, report, *path)
    if terms is None:
        return None
    backends, persistence, refuse = lower_services(route.services, document.namespace, report, *path, "services")
    filters = middlewares("Middleware", route.middlewares, document.namespace, report, *path, "middlewares")
    if not route.services:
        report.error("missing-field", "a route needs a service; requests get 404", *path, "services")
        refuse = Refuse(origin, NOT_FOUND, "the route has no service")
    return RuleIntent(
        index=index,
        origin=origin,
        matches=terms,
        priority=priority,
        filters=refused(filters, refuse),
        backends=route_weights(backends),
        persistence=persistence,
        hash=hash_of(route.services),
    )


def refused(filters: tuple[Filter, ...], refuse: Refuse | None) -> tuple[Filter, ...]:
    """The filters of a rule whose services are refused: middlewares may still answer before that."""
    return filters if refuse is None else (*filters, refuse)


def lower_match(route: RouteMatch, syntax: Syntax, report: Report, *path: str | int) -> tuple[Terms | None, int]:
    """The matches of a route (None: leave it out) and its priority."""
    where = report.origin.at(*path, "match")
    if not route.match.strip():
        report.error("missing-field", "a route without a rule is not used", *path, "match")
        return None, 0
    if route.syntax == "v2":
        syntax = Syntax.HTTP_V2 if syntax is Syntax.HTTP else Syntax.TCP_V2
    elif route.syntax not in ("", "v3"):
        report.warning("invalid-value", f"{route.syntax!r} is read as v3", *path, "syntax")
    terms, problems = lower_rule(route.match, syntax, where)
    for problem in problems:
        report.add(problem.severity, problem.id, problem.message, (*path, "match"), problem.hint)
    return terms, route.priority or default_priority(route.match, syntax)


def lower_tls(tls: Tls | None, namespace: str, report: Report) -> tuple[TlsUse, ...]:
    """TLS as an HTTP route asks for it."""
    return () if tls is None else (tls_use(tls, namespace, report, passthrough=False),)


def tls_use(tls: Tls, namespace: str, report: Report, *, passthrough: bool) -> TlsUse:
    """One use of TLS; only the TLSStore named default counts in Traefik."""
    path = ("spec", "tls")
    options = None
    if tls.options is not None and tls.options.name:
        where = (*path, "options")
        name = tls.options.name
        options = resolve("TLSOption", name, tls.options.namespace, namespace, report, *where)
        # Options may ask for client certificates, so unknown ones stay a reference that finds nothing.
        options = options or Key("TLSOption", namespace, name)
    if tls.store is not None and tls.store.name != "default":
        report.unsupported("only the TLSStore named default is used", *path, "store")
    if tls.cert_resolver:
        message = "certificate resolvers are part of Traefik: no certificate is requested for this route"
        report.unsupported(message, *path, "certResolver", hint="name a Secret in secretName")
    return TlsUse(
        origin=report.origin.at(*path),
        secret=Key("Secret", namespace, tls.secret_name) if tls.secret_name else None,
        passthrough=passthrough,
        options=options,
    )


KIND = Kind("IngressRoute", API_VERSIONS, lower)
