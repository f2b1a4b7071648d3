"""One upstream: from a reference in a rule to a BackendKey, and from a BackendKey to its endpoints.

`target` decides whether a reference is usable and what happens when it is not, which differs by dialect; `backend`
resolves protocol, TLS and ready endpoints.  A change of endpoints concerns only `backend`, never the VirtualHosts.
"""

from __future__ import annotations

from msgspec import Struct, structs

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.graph.nodes import Backend, BackendKey, Endpoint, Gateway, UpstreamProtocol
from gatewright.graph.objects import View
from gatewright.graph.resolve.references import grant, grant_hint, granted
from gatewright.graph.resolve.upstreams import backend_tls
from gatewright.graph.resolve.upstreams.variants import NOTHING, USUAL, Variant, decode, encode, unusual
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.material import (
    EndpointsIntent,
    ExternalBackendIntent,
    ServiceIntent,
    ServicePort,
    TransportIntent,
    WorkloadIntent,
)
from gatewright.kinds.intents.routing import BackendRef, Dialect, Protocol, Upstream

# How to speak to a port by its appProtocol (KEP-3726 and Gateway API GEP-1911): protocol, TLS.
APP_PROTOCOLS = {
    "kubernetes.io/h2c": (UpstreamProtocol.H2, False),
    "kubernetes.io/ws": (UpstreamProtocol.HTTP1, False),
    "kubernetes.io/wss": (UpstreamProtocol.HTTP1, True),
    "h2c": (UpstreamProtocol.H2, False),
    "grpc": (UpstreamProtocol.H2, False),
    "grpcs": (UpstreamProtocol.H2, True),
    "h2": (UpstreamProtocol.H2, True),
    "https": (UpstreamProtocol.HTTP1, True),
    "http": (UpstreamProtocol.HTTP1, False),
    "tcp": (UpstreamProtocol.TCP, False),
    "tls": (UpstreamProtocol.TCP, True),
    "udp": (UpstreamProtocol.UDP, False),
}


class Failure(Struct, frozen=True, gc=False):
    """A reference that cannot be used.

    `status` is what its share of the requests gets; 0: the whole rule falls away.  `severity` is less than an error
    where what is missing may well be elsewhere.
    """

    id: str
    status: int
    reason: str
    hint: str = ""
    severity: Severity = Severity.ERROR
    snippet: str = ""


def target(view: View, gateway: Gateway, route: RouteIntent, ref: BackendRef) -> BackendKey | Failure:
    """The upstream that a reference to a Service means, or why it cannot be used."""
    status = broken_status(gateway, route)
    if ref.target.kind == "Backend":
        return _listed_target(view, gateway, route, ref)
    if ref.target.kind != "Service":
        return Failure("backend-kind", status, f"{ref.target}: only Services can be backends here")
    denied = _denied(view, gateway, route, ref.target, status)
    if denied is not None:
        return denied
    service = view.get(ref.target, ServiceIntent)
    if service is None:
        return _missing(view, ref.target, status)
    if service.type == "ExternalName" and not _external_allowed(gateway, route):
        why = f"{ref.target} is an ExternalName Service, which {gateway.id} refuses by default"
        hint = "allow it in the controller's settings.allowExternalNameServices"
        if gateway.dialect is Dialect.GATEWAY_API:
            hint = "use a Service without selector and an EndpointSlice of its own"
        return Failure("external-name-refused", status, why, hint)
    port = port_of(service, ref.port, udp=route.protocol is Protocol.UDP)
    if port is None:
        has = ", ".join(f"{p.name}={p.port}" if p.name else str(p.port) for p in service.ports) or "none"
        why = f"{ref.target} has no port {ref.port if ref.port is not None else '(none given)'} (it has: {has})"
        return Failure("backend-port", status, why, "name a port that the Service has")
    return BackendKey(ref.target.namespace, ref.target.name, port.port, _variant(gateway, route, ref, port))


def _listed_target(view: View, gateway: Gateway, route: RouteIntent, ref: BackendRef) -> BackendKey | Failure:
    """The upstream that a Backend means: its first endpoint's port is the port, whatever a reference says."""
    status = broken_status(gateway, route)
    denied = _denied(view, gateway, route, ref.target, status)
    if denied is not None:
        return denied
    found = view.get(ref.target, ExternalBackendIntent)
    if found is None:
        return Failure(
            "backend-missing", status, f"{ref.target} does not exist", "create it or correct the name", Severity.ERROR
        )
    if not found.endpoints:
        why = f"{ref.target} has no endpoint that can be reached"
        return Failure("backend-missing", status, why, "list endpoints with fqdn or ip")
    port = found.endpoints[0][1]
    scheme = ref.scheme or (found.scheme if route.protocol is Protocol.HTTP else "")
    if route.key.kind == "GRPCRoute" and found.tls is not None:
        scheme = "grpcs"
    elif found.tls is not None and route.protocol in (Protocol.TCP, Protocol.TLS):
        scheme = "tls"
    variant = decode(_variant(gateway, route, structs.replace(ref, scheme=scheme), ServicePort("", port)))
    return BackendKey(ref.target.namespace, ref.target.name, port, encode(structs.replace(variant, listed=True)))


def _missing(view: View, service: Key, status: int) -> Failure:
    """A Service that is not there.  Where no workload of its namespace is either, a chart may make all of them."""
    if view.any("workloads-in", service.namespace):
        return Failure("backend-missing", status, f"{service} does not exist", "create it or correct the name")
    why = f"{service} is not among what was read"
    hint = "give the manifests of what makes it, such as a chart; if nothing does, create it or correct the name"
    return Failure("backend-missing", status, why, hint, Severity.WARNING)


def broken_status(gateway: Gateway, route: RouteIntent) -> int:
    """What a broken reference answers; 0: nothing, the rule falls away (Traefik drops the router).

    500 in Gateway API, but 503 for gRPC, whose clients have to see UNAVAILABLE; 503 in ingress-nginx and its like.
    """
    if route.dialect is Dialect.GATEWAY_API:
        return 503 if route.key.kind == "GRPCRoute" else 500
    return 0 if gateway.dialect is Dialect.TRAEFIK else 503


def _denied(view: View, gateway: Gateway, route: RouteIntent, key: Key, status: int) -> Failure | None:
    if route.dialect is Dialect.GATEWAY_API:
        if not granted(view, route.key, key):
            why, hint = f"{route.key} may not refer to {key}", grant_hint(route.key, key)
            return Failure("reference-not-permitted", status, why, hint, snippet=grant(route.key, key))
    elif key.namespace != route.key.namespace and not gateway.allow_cross_namespace:
        why = f"{gateway.id} refuses references to other namespaces ({key})"
        return Failure("reference-not-permitted", status, why, "set allowCrossNamespace on the controller")
    return None


def _external_allowed(gateway: Gateway, route: RouteIntent) -> bool:
    if route.dialect is Dialect.GATEWAY_API:
        return False
    if gateway.dialect is not Dialect.TRAEFIK:
        return True
    return ("crd" if route.dialect is Dialect.TRAEFIK else "ingress") in gateway.allow_external_name


def port_of(service: ServiceIntent, wanted: int | str | None, *, udp: bool = False) -> ServicePort | None:
    """The port of a Service by number or name; without one, its only port.

    One number may stand for a TCP and a UDP port: then the one that is spoken is meant.
    """
    if wanted is None:
        return service.ports[0] if len(service.ports) == 1 else None
    found = [port for port in service.ports if wanted in (port.port, port.name)]
    if found:
        return min(found, key=lambda port: (port.protocol == "UDP") != udp)
    if isinstance(wanted, str) and wanted.isdigit():
        return port_of(service, int(wanted), udp=udp)
    if service.type == "ExternalName" and isinstance(wanted, int):
        return ServicePort("", wanted)
    return None


def _variant(gateway: Gateway, route: RouteIntent, ref: BackendRef, port: ServicePort) -> str:
    """What tells apart two ways to speak to one port: scheme, verification, transport, limits, PROXY protocol."""
    scheme = ref.scheme
    traefik = gateway.dialect is Dialect.TRAEFIK
    if not scheme and route.key.kind == "GRPCRoute":
        scheme = "h2c"
    elif not scheme and route.protocol in (Protocol.TCP, Protocol.TLS):
        scheme = "tcp"
    elif not scheme and route.protocol is Protocol.UDP:
        scheme = "udp"
    elif not scheme and traefik and (port.port == 443 or port.name.startswith("https")):
        scheme = "https"
    # Beside a transport everything that is said counts, since a transport has values of its own.
    upstream = unusual(ref.upstream) if ref.transport is None else ref.upstream or NOTHING
    verified = traefik and ref.transport is None and upstream.tls is None and scheme in ("https", "tls")
    return encode(Variant(scheme, ref.transport, verified, ref.proxy_protocol, upstream=upstream))


def external(host: str, port: int, *, tls: bool, upstream: Upstream | None = None) -> BackendKey:
    """The upstream that is a host outside of any cluster, by name or address, spoken to by HTTP/1.1.

    TLS verifies the certificate for this host by the system's authorities unless `upstream.tls` says otherwise.
    """
    variant = Variant("https" if tls else "http", external=True, upstream=unusual(upstream))
    return BackendKey("", host, port, encode(variant))


def backend(view: View, key: BackendKey) -> tuple[Backend | None, tuple[Problem, ...]]:
    """Resolve an upstream; None when its Service is gone (nothing refers to it then)."""
    spoken = decode(key.variant)
    if spoken.external:
        return _outside(view, key, spoken), ()
    if spoken.listed:
        return _listed(view, key, spoken)
    service_key = Key("Service", key.namespace, key.name)
    service = view.get(service_key, ServiceIntent)
    if service is None or (port := port_of(service, key.port, udp=spoken.scheme == "udp")) is None:
        return None, ()
    protocol, encrypted = _protocol(spoken, port)
    transport = view.get(spoken.transport, TransportIntent) if spoken.transport else None
    tls, reason, problems = backend_tls.resolve(view, service, port, spoken, protocol, encrypted=encrypted)
    if reason:
        hint = "nothing is sent to a backend whose TLS cannot be verified as described"
        problems = (*problems, Problem("backend-tls", f"{service_key}: {reason}", service.origin, Severity.ERROR, hint))
    found, sources = _endpoints(view, service, port)
    dns_name = service.external_name if service.type == "ExternalName" else ""
    unusable = bool(reason)  # without the verification that was asked for, nothing is sent
    if not found and not dns_name and not reason:
        reason = f"{service_key} has no ready endpoints"
    resolved = Backend(
        key=key,
        protocol=protocol,
        origins=(service.origin, *sources),
        endpoints=() if unusable else found,
        dns_name="" if unusable else dns_name,
        tls=tls,
        connect_timeout=_connect_timeout(spoken.upstream, transport),
        proxy_protocol=spoken.proxy_protocol or (transport.proxy_protocol if transport else 0),
        app_protocol=port.app_protocol,
        reason=reason,
        pods="" if sources or unusable else _pods(view, service),
        usable=not unusable,
        upstream=_with_idle_timeout(spoken.upstream, transport),
    )
    return resolved, problems


def _with_idle_timeout(upstream: Upstream, transport: TransportIntent | None) -> Upstream:
    if transport is None or transport.idle_timeout is None or upstream.idle_timeout is not None:
        return upstream
    return structs.replace(upstream, idle_timeout=transport.idle_timeout)


def _connect_timeout(upstream: Upstream, transport: TransportIntent | None) -> float:
    said = upstream.connect_timeout or (transport.dial_timeout if transport else None)
    return said or USUAL.connect_timeout or 0.0


def _outside(view: View, key: BackendKey, spoken: Variant) -> Backend:
    """A host outside of any cluster; nobody's object, so whoever refers to it reports what is wrong with it."""
    protocol, encrypted = _protocol(spoken, ServicePort("", key.port))
    by_name = not backend_tls.is_address(key.name)
    tls, reason = backend_tls.outside(view, key.name, spoken.upstream.tls) if encrypted else (None, "")
    return Backend(
        key=key,
        protocol=protocol,
        origins=(),
        endpoints=() if reason or by_name else (Endpoint(key.name, key.port),),
        dns_name=key.name if by_name and not reason else "",
        tls=tls,
        connect_timeout=_connect_timeout(spoken.upstream, None),
        reason=reason,
        usable=not reason,
        upstream=spoken.upstream,
    )


def _listed(view: View, key: BackendKey, spoken: Variant) -> tuple[Backend | None, tuple[Problem, ...]]:
    """A Backend: by the endpoints that it lists; a single name is looked up, as that of an ExternalName Service."""
    found = view.get(Key("Backend", key.namespace, key.name), ExternalBackendIntent)
    if found is None or not found.endpoints:
        return None, ()
    protocol, _ = _protocol(spoken, ServicePort("", key.port))
    tls, reason, problems = backend_tls.listed(view, found, protocol)
    if reason:
        hint = "nothing is sent to a backend whose TLS cannot be verified as described"
        problems = (*problems, Problem("backend-tls", f"{found.key}: {reason}", found.origin, Severity.ERROR, hint))
    host, port = found.endpoints[0]
    alone = len(found.endpoints) == 1 and port == key.port and not backend_tls.is_address(host)
    endpoints = () if alone or reason else tuple(sorted(Endpoint(*one) for one in found.endpoints))
    resolved = Backend(
        key=key,
        protocol=protocol,
        origins=(found.origin,),
        endpoints=endpoints,
        dns_name=host if alone and not reason else "",
        tls=tls,
        connect_timeout=_connect_timeout(spoken.upstream, None),
        proxy_protocol=spoken.proxy_protocol,
        reason=reason,
        usable=not reason,
        upstream=spoken.upstream,
    )
    return resolved, problems


def _protocol(spoken: Variant, port: ServicePort) -> tuple[UpstreamProtocol, bool]:
    """Protocol and whether TLS is spoken: by the reference's scheme, else by its TLS and the port's appProtocol."""
    named = (spoken.scheme or port.app_protocol).lower()
    protocol, encrypted = APP_PROTOCOLS.get(named, (UpstreamProtocol.HTTP1, False))
    return protocol, encrypted or (not spoken.scheme and spoken.upstream.tls is not None)


def _endpoints(
    view: View, service: ServiceIntent, port: ServicePort
) -> tuple[tuple[Endpoint, ...], tuple[Origin, ...]]:
    """The ready endpoints, each address and port once although Endpoints and EndpointSlices both list it; and who lists
    any, ready or not."""
    found: dict[tuple[str, int], Endpoint] = {}
    sources: list[Origin] = []
    for listed in view.listed("endpoints", service.key, EndpointsIntent):
        for group in (listed, *listed.more):
            number = _number(group, port, len(service.ports))
            if number is None or not group.addresses:
                continue
            sources.append(listed.origin)
            for a in group.addresses:
                if a.ready:
                    found[a.address, number] = Endpoint(a.address, number, a.pod, a.node, a.zone)
    return tuple(sorted(found.values())), tuple(dict.fromkeys(sources))


def _pods(view: View, service: ServiceIntent) -> str:
    """The pods that a Service selects, in words: by the workload that makes them where it is among the objects."""
    if not service.selector:
        return ""
    wanted = set(service.selector)
    labels = ((service.key.namespace, label) for label in service.selector)
    for workload in view.fewest("workloads", labels, WorkloadIntent):
        if wanted <= set(workload.labels):
            return f"pods of {workload.key}"
    return "pods with " + ", ".join(f"{name}={value}" for name, value in service.selector)


def _number(group: EndpointsIntent, port: ServicePort, service_ports: int) -> int | None:
    """The endpoint port for a Service port: by name; a single unnamed one serves a single-port Service."""
    for name, number in group.ports:
        if name == port.name:
            return number
    if service_ports == 1 and len(group.ports) == 1:
        return group.ports[0][1]
    return None
