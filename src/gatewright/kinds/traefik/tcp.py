"""IngressRouteTCP and IngressRouteUDP: Traefik's routes for connections.

A TCP route is chosen by SNI where the object has `tls` (terminated unless it says passthrough) and by
HostSNI(`*`) alone where it has not; it goes before HTTP routes on the same entry point.  A UDP route has
no rule: it takes its entry point.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from msgspec import field, structs

from gatewright.base.document import Document
from gatewright.kinds.decode import Object, Report, Schema, decode, key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.filters import Refuse
from gatewright.kinds.intents.routing import (
    BackendRef,
    Dialect,
    Protocol,
    RuleIntent,
)
from gatewright.kinds.kind import Kind
from gatewright.kinds.traefik.common import (
    API_VERSIONS,
    NOT_FOUND,
    UNAVAILABLE,
    IntOrString,
    ProxyProtocol,
    Reference,
    class_ref,
    middlewares,
    port,
    resolve,
)
from gatewright.kinds.traefik.ingressroute import RouteMatch, Tls, lower_match, refused, tls_use
from gatewright.kinds.traefik.match import Terms
from gatewright.kinds.traefik.rule import Syntax
from gatewright.kinds.traefik.service import Weight, route_weights

_SNI_WITHOUT_TLS = (
    "without tls nothing can be known of the SNI: the rule has to be HostSNI(`*`), possibly with ClientIP; "
    "the route is not used"
)


class _Service(Schema, frozen=True):
    name: str
    port: IntOrString | None = None
    namespace: str = ""
    weight: Weight = 1
    native_lb: bool = field(default=False, name="nativeLB")
    node_port_lb: bool = field(default=False, name="nodePortLB")


class _ServiceTcp(_Service, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "terminationDelay": "a connection is closed when both sides have closed it",
    }

    proxy_protocol: ProxyProtocol | None = None
    servers_transport: str = ""
    tls: bool = False


class _TlsTcp(Tls, frozen=True):
    passthrough: bool = False


class _RouteTcp(RouteMatch, frozen=True):
    services: tuple[_ServiceTcp, ...] = ()
    middlewares: tuple[Reference, ...] = ()


class _SpecTcp(Schema, frozen=True):
    routes: tuple[_RouteTcp, ...]
    entry_points: tuple[str, ...] = ()
    ingress_class_name: str = ""
    tls: _TlsTcp | None = None


class IngressRouteTCP(Object, frozen=True, kw_only=True):
    spec: _SpecTcp


class _RouteUdp(Schema, frozen=True):
    services: tuple[_Service, ...] = ()


class _SpecUdp(Schema, frozen=True):
    routes: tuple[_RouteUdp, ...]
    entry_points: tuple[str, ...] = ()
    ingress_class_name: str = ""


class IngressRouteUDP(Object, frozen=True, kw_only=True):
    spec: _SpecUdp


def lower_tcp(document: Document) -> Lowered:
    """Lower an IngressRouteTCP."""
    route, problems = decode(document, IngressRouteTCP)
    report = Report(document, problems)
    if route is None:
        return report.lowered(None)
    spec = route.spec
    tls = spec.tls
    rules = (_lower_tcp_route(item, index, tls is not None, report, document) for index, item in enumerate(spec.routes))
    intent = RouteIntent(
        key=key_of(document),
        origin=document.origin,
        dialect=Dialect.TRAEFIK,
        protocol=Protocol.TCP if tls is None else Protocol.TLS,
        attach=class_ref(spec.ingress_class_name, route.metadata.annotations, spec.entry_points),
        rules=tuple(rule for rule in rules if rule is not None),
        tls=() if tls is None else (tls_use(tls, document.namespace, report, passthrough=tls.passthrough),),
        created=route.metadata.created,
        annotations=route.metadata.notes,
    )
    return report.lowered(intent)


def _lower_tcp_route(route: _RouteTcp, index: int, tls: bool, report: Report, document: Document) -> RuleIntent | None:
    path = ("spec", "routes", index)
    terms, priority = lower_match(route, Syntax.TCP, report, *path)
    if terms is None or not (tls or _plain(terms, report, *path)):
        return None
    own = document.namespace
    found = [
        _tcp_backend(service, own, report, *path, "services", number) for number, service in enumerate(route.services)
    ]
    backends, refuse = _all_or_none(found, report, *path)
    filters = middlewares("MiddlewareTCP", route.middlewares, own, report, *path, "middlewares")
    return RuleIntent(
        index=index,
        origin=document.origin.at(*path),
        matches=terms,
        priority=priority,
        filters=refused(filters, refuse),
        backends=backends,
    )


def _plain(terms: Terms, report: Report, *path: str | int) -> bool:
    """May these terms be used without TLS?"""
    usable = not any(term.hosts or term.alpn for term in terms)
    if not usable:
        report.error("sni-without-tls", _SNI_WITHOUT_TLS, *path, "match", hint="add tls: {} or tls.passthrough")
    return usable


def _tcp_backend(service: _ServiceTcp, own: str, report: Report, *path: str | int) -> BackendRef | Refuse:
    backend = _backend(service, own, report, *path)
    if isinstance(backend, Refuse):
        return backend
    transport = None
    if service.servers_transport:
        where = (*path, "serversTransport")
        name, namespace = service.servers_transport, backend.target.namespace
        transport = resolve("ServersTransportTCP", name, namespace, own, report, *where)
        if transport is None:
            return Refuse(backend.origin, UNAVAILABLE, f"the ServersTransportTCP {name} does not exist")
    return structs.replace(
        backend,
        scheme="tls" if service.tls else "tcp",
        transport=transport,
        proxy_protocol=service.proxy_protocol.version if service.proxy_protocol else 0,
    )


def _backend(service: _Service, own: str, report: Report, *path: str | int) -> BackendRef | Refuse:
    """What TCP and UDP backends share."""
    origin = report.origin.at(*path)
    target = resolve("Service", service.name, service.namespace, own, report, *path, "name")
    if target is None:
        return Refuse(origin, NOT_FOUND, f"the service {service.name} does not exist")
    if service.node_port_lb:
        report.unsupported("endpoints are reached directly, not through node ports", *path, "nodePortLB")
    number = port(service.port, report, (*path, "port"))
    return BackendRef(target, number, origin, service.weight, native_lb=service.native_lb)


def _all_or_none(
    found: list[BackendRef | Refuse], report: Report, *path: str | int
) -> tuple[tuple[BackendRef, ...], Refuse | None]:
    """The backends of a route; none of them if one cannot be used or there are none."""
    refuse = next((item for item in found if isinstance(item, Refuse)), None)
    if not found:
        report.error("missing-field", "a route needs a service", *path, "services")
        refuse = Refuse(report.origin.at(*path), NOT_FOUND, "the route has no service")
    backends = () if refuse else tuple(item for item in found if isinstance(item, BackendRef))
    return route_weights(backends), refuse


def lower_udp(document: Document) -> Lowered:
    """Lower an IngressRouteUDP."""
    route, problems = decode(document, IngressRouteUDP)
    report = Report(document, problems)
    if route is None:
        return report.lowered(None)
    spec = route.spec
    rules: list[RuleIntent] = []
    for index, item in enumerate(spec.routes):
        path = ("spec", "routes", index)
        found = [
            _backend(service, document.namespace, report, *path, "services", number)
            for number, service in enumerate(item.services)
        ]
        backends, refuse = _all_or_none(found, report, *path)
        udp = tuple(structs.replace(backend, scheme="udp") for backend in backends)
        origin = document.origin.at(*path)
        rules.append(RuleIntent(index, origin, priority=0, filters=refused((), refuse), backends=udp))
    intent = RouteIntent(
        key=key_of(document),
        origin=document.origin,
        dialect=Dialect.TRAEFIK,
        protocol=Protocol.UDP,
        attach=class_ref(spec.ingress_class_name, route.metadata.annotations, spec.entry_points),
        rules=tuple(rules),
        created=route.metadata.created,
        annotations=route.metadata.notes,
    )
    return report.lowered(intent)


KINDS = (
    Kind("IngressRouteTCP", API_VERSIONS, lower_tcp),
    Kind("IngressRouteUDP", API_VERSIONS, lower_udp),
)
