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
from gatewright.kinds.intents.routing import BackendRef, SessionPersistence
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
)

Weight = Annotated[int, Meta(ge=0)]

_TEAPOT = 418
_NOOP = "noop@internal"
_NO_HEALTH = "endpoints are not probed; those that the cluster says are ready get the traffic"


class _Cookie(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {"domain": "the cookie is sent without a Domain attribute"}

    name: str = ""
    path: str = "/"
    max_age: int = 0
    secure: bool = False
    http_only: bool = False
    same_site: Literal["", "none", "lax", "strict"] = ""


class Sticky(Schema, frozen=True):
    cookie: _Cookie | None = None


class LoadBalancer(Schema, frozen=True):
    """A reference to a Service or TraefikService, with how to use it."""

    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "healthCheck": _NO_HEALTH,
        "passiveHealthCheck": _NO_HEALTH,
    }

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
    if service.strategy in ("p2c", "hrw", "leasttime"):
        report.unsupported("endpoints take turns (wrr)", *path, "strategy")
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
    )


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
    )


KIND = Kind("TraefikService", API_VERSIONS, lower)
