"""References of Traefik routes to services, and the kind TraefikService (weighted, mirroring).

Traefik builds a route only if each of its services can be built.  So one reference that cannot be used
refuses the whole route or TraefikService; the Problem says which one it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field, structs

from gatewright.base.document import Document
from gatewright.kinds.decode import Ignored, Object, Path, Report, Schema, decode, key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.filters import Mirror, Refuse
from gatewright.kinds.intents.material import BackendGroupIntent
from gatewright.kinds.intents.routing import BackendRef, HashKey, HealthCheck, SessionPersistence, Upstream
from gatewright.kinds.kind import Kind
from gatewright.kinds.traefik.common import (
    API_VERSIONS,
    NOT_FOUND,
    UNAVAILABLE,
    IntOrString,
    Reference,
    middlewares,
    port,
    resolve,
    seconds,
)
from gatewright.kinds.traefik.sources import differs

Weight = Annotated[int, Meta(ge=0)]

_TEAPOT = 418
_NOOP = "noop@internal"
_USUAL_STATUSES = ((200, 399),)
_BALANCES = {"wrr": "round-robin", "RoundRobin": "round-robin", "p2c": "least-request", "hrw": "maglev"}
_HRW = (HashKey("client"),)
"""What decides an endpoint by highest random weight: the client's address."""


class _Cookie(Schema, frozen=True):
    name: str = ""
    path: str = "/"
    domain: str = ""
    max_age: int = 0
    secure: bool = False
    http_only: bool = False
    same_site: Literal["", "none", "lax", "strict"] = ""


class Sticky(Schema, frozen=True):
    cookie: _Cookie | None = None


class _HealthCheck(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "scheme": "endpoints are asked the way that requests go",
        "method": "endpoints are asked with GET",
        "headers": "endpoints are asked without further headers",
        "unhealthyInterval": "endpoints are asked at one interval, well or not",
    }

    path: str = ""
    mode: Literal["", "http", "grpc"] = ""
    status: Annotated[int, Meta(ge=0, le=599)] = 0
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    interval: IntOrString | None = None
    timeout: IntOrString | None = None
    hostname: str = ""
    follow_redirects: bool | None = None


class _PassiveHealthCheck(Schema, frozen=True):
    failure_window: IntOrString | None = None
    max_failed_attempts: Annotated[int, Meta(ge=0)] = 1


class LoadBalancer(Schema, frozen=True):
    """A reference to a Service or TraefikService, with how to use it."""

    name: str
    kind: Literal["", "Service", "TraefikService"] = "Service"
    namespace: str = ""
    port: IntOrString | None = None
    scheme: Literal["", "http", "https", "h2c"] = ""
    weight: Weight | None = None
    pass_host_header: bool = True
    strategy: Literal["", "wrr", "RoundRobin", "p2c", "hrw", "leasttime"] = ""
    sticky: Sticky | None = None
    servers_transport: str = ""
    middlewares: tuple[Reference, ...] = ()
    native_lb: bool = field(default=False, name="nativeLB")
    node_port_lb: bool = field(default=False, name="nodePortLB")
    response_forwarding: Ignored = None  # how often to flush: Envoy streams
    health_check: _HealthCheck | None = None
    passive_health_check: _PassiveHealthCheck | None = None


class _MirrorService(LoadBalancer, frozen=True):
    percent: Annotated[int, Meta(ge=0, le=100)] = 0


class _Weighted(Schema, frozen=True):
    services: tuple[LoadBalancer, ...] = ()
    sticky: Sticky | None = None


class _Mirroring(LoadBalancer, frozen=True):
    mirrors: tuple[_MirrorService, ...] = ()
    mirror_body: bool = True
    max_body_size: int = -1


class _Spec(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "failover": "a TraefikService can only be weighted or mirroring here",
        "highestRandomWeight": "a TraefikService can only be weighted or mirroring here",
    }

    weighted: _Weighted | None = None
    mirroring: _Mirroring | None = None


class TraefikService(Object, frozen=True):
    spec: _Spec = _Spec()


def lower(document: Document) -> Lowered:
    """Lower a TraefikService; without a usable one, routes that refer to it find nothing and refuse."""
    service, problems = decode(document, TraefikService)
    report = Report(document, problems)
    if service is None:
        return report.lowered(None)
    weighted, mirroring = service.spec.weighted, service.spec.mirroring
    if weighted is not None and mirroring is not None:
        report.warning("unsupported-field", "has no effect beside weighted", "spec", "mirroring")
    if weighted is not None:
        return report.lowered(_lower_weighted(weighted, document, report))
    if mirroring is not None:
        return report.lowered(_lower_mirroring(mirroring, document, report))
    report.error("missing-field", "a TraefikService needs weighted or mirroring", "spec")
    return report.lowered(None)


def _lower_weighted(weighted: _Weighted, document: Document, report: Report) -> BackendGroupIntent | None:
    path: Path = ("spec", "weighted", "services")
    backends, inner, refuse = lower_services(weighted.services, document.namespace, report, *path)
    if refuse is not None:
        return None
    persistence = lower_sticky(weighted.sticky) or inner
    return BackendGroupIntent(key_of(document), document.origin, backends, (), persistence)


def _lower_mirroring(mirroring: _Mirroring, document: Document, report: Report) -> BackendGroupIntent | None:
    path: Path = ("spec", "mirroring")
    main = lower_service(mirroring, document.namespace, report, *path)
    mirrors: list[Mirror] = []
    for index, mirror in enumerate(mirroring.mirrors):
        where = (*path, "mirrors", index)
        backend = lower_service(mirror, document.namespace, report, *where)
        if isinstance(backend, Refuse):
            return None
        if mirror.percent:
            mirrors.append(Mirror(document.origin.at(*where), backend, mirror.percent, 100))
    if not mirroring.mirror_body:
        report.unsupported("mirrored requests carry their body", *path, "mirrorBody")
    if mirroring.max_body_size >= 0:
        report.unsupported("requests are mirrored whatever their size", *path, "maxBodySize")
    if isinstance(main, Refuse):
        return None
    sticky = lower_sticky(mirroring.sticky)
    return BackendGroupIntent(key_of(document), document.origin, (main,), tuple(mirrors), sticky)


def lower_services(
    services: tuple[LoadBalancer, ...], namespace: str, report: Report, *path: str | int
) -> tuple[tuple[BackendRef, ...], SessionPersistence | None, Refuse | None]:
    """Weighted backends, how to stick to one of their endpoints, and why the whole of them is refused."""
    backends: list[BackendRef] = []
    for index, service in enumerate(services):
        backend = lower_service(service, namespace, report, *path, index)
        if isinstance(backend, Refuse):
            return (), None, backend
        backends.append(backend)
        if service.sticky is not None and len(services) > 1:
            message = "sessions stick to endpoints only where a route has a single service"
            report.unsupported(message, *path, index, "sticky")
    persistence = lower_sticky(services[0].sticky) if len(services) == 1 else None
    return tuple(backends), persistence, None


def route_weights(backends: tuple[BackendRef, ...]) -> tuple[BackendRef, ...]:
    """The backends of a route: weights divide several services and say nothing about a single one."""
    return tuple(structs.replace(b, weight=1) for b in backends) if len(backends) == 1 else backends


def lower_service(service: LoadBalancer, own: str, report: Report, *path: str | int) -> BackendRef | Refuse:
    """One backend as seen from the namespace `own`, or why it cannot be used."""
    origin = report.origin.at(*path)
    if service.name.endswith("@internal"):
        return _internal(service, report, *path)
    kind = service.kind or "Service"
    target = resolve(kind, service.name, service.namespace, own, report, *path, "name")
    if target is None:
        return Refuse(origin, NOT_FOUND, f"the service {service.name} does not exist")
    transport = None
    if service.servers_transport and kind == "TraefikService":
        report.unsupported("has no effect on a TraefikService", *path, "serversTransport")
    elif service.servers_transport:
        where = (*path, "serversTransport")
        name = service.servers_transport
        transport = resolve("ServersTransport", name, target.namespace, own, report, *where)
        if transport is None:
            return Refuse(origin, UNAVAILABLE, f"the ServersTransport {name} does not exist")
    if service.node_port_lb:
        report.unsupported("endpoints are reached directly, not through node ports", *path, "nodePortLB")
    return BackendRef(
        target=target,
        port=port(service.port, report, (*path, "port")),
        origin=origin,
        weight=1 if service.weight is None else service.weight,
        scheme=_scheme(service),
        transport=transport,
        pass_host=service.pass_host_header,
        native_lb=service.native_lb,
        filters=middlewares("Middleware", service.middlewares, own, report, *path, "middlewares"),
        upstream=_upstream(service, report, *path),
    )


def _upstream(service: LoadBalancer, report: Report, *path: str | int) -> Upstream | None:
    """How its endpoints are chosen and watched; None where nothing is said.

    Traefik takes active checks for ExternalName Services alone; here they are done for any.
    """
    if service.strategy == "leasttime":
        message = "the endpoint with the fewest requests under way is taken, not the quickest"
        differs(report, message, *path, "strategy")
    passive = service.passive_health_check
    window = seconds(passive.failure_window, report, *path, "passiveHealthCheck", "failureWindow") if passive else None
    found = Upstream(
        balance="least-request" if service.strategy == "leasttime" else _BALANCES.get(service.strategy, ""),
        health=_health(service.health_check, report, *path, "healthCheck"),
        outlier_errors=passive.max_failed_attempts if passive else 0,
        outlier_seconds=(window or 10.0) if passive else 0.0,
    )
    return None if found == Upstream() else found


def _health(check: _HealthCheck | None, report: Report, *path: str | int) -> HealthCheck | None:
    if check is None:
        return None
    if check.mode == "grpc":
        message = "gRPC's own check is not done; endpoints are asked whether they take connections"
        report.unsupported(message, *path, "mode")
    if check.follow_redirects:
        report.unsupported("a redirect is an answer like any other", *path, "followRedirects")
    return HealthCheck(
        path="" if check.mode == "grpc" else check.path or "/",
        interval=seconds(check.interval, report, *path, "interval") or 30.0,
        timeout=seconds(check.timeout, report, *path, "timeout") or 5.0,
        healthy=1,
        unhealthy=1,
        statuses=((check.status, check.status),) if check.status else _USUAL_STATUSES,
        host=check.hostname,
        port=check.port,
    )


def hash_of(services: tuple[LoadBalancer, ...]) -> tuple[HashKey, ...]:
    """What decides the endpoint of a rule's requests, where a strategy goes by the client."""
    return _HRW if any(service.strategy == "hrw" for service in services) else ()


def _scheme(service: LoadBalancer) -> str:
    """As written, else https where the reference itself shows it; the Service's port decides the rest."""
    if service.scheme or service.kind == "TraefikService":
        return service.scheme
    named = isinstance(service.port, str) and service.port.startswith("https")
    return "https" if service.port == 443 or named else ""


def _internal(service: LoadBalancer, report: Report, *path: str | int) -> Refuse:
    """Traefik's own services: only the dead end `noop` means something here."""
    origin = report.origin.at(*path)
    if service.name == _NOOP:
        return Refuse(origin, _TEAPOT, "noop@internal is Traefik's own dead end")
    report.error("unsupported-service", f"{service.name} is a part of Traefik itself", *path, "name")
    return Refuse(origin, UNAVAILABLE, f"{service.name} is a part of Traefik itself")


def lower_sticky(sticky: Sticky | None) -> SessionPersistence | None:
    """Session persistence as a cookie asks for it; an empty name leaves the choice to the engine."""
    if sticky is None or sticky.cookie is None:
        return None
    cookie = sticky.cookie
    return SessionPersistence(
        kind="cookie",
        name=cookie.name,
        path=cookie.path or "/",
        max_age=max(cookie.max_age, 0),
        secure=cookie.secure,
        http_only=cookie.http_only,
        same_site=cookie.same_site,
        domain=cookie.domain,
    )


KIND = Kind("TraefikService", API_VERSIONS, lower)
