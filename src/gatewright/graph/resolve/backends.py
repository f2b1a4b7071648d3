"""One upstream: from a reference in a rule to a BackendKey, and from a BackendKey to its endpoints.

`target` decides whether a reference is usable and what happens when it is not, which differs by dialect; `backend`
resolves protocol, TLS and ready endpoints.  A change of endpoints concerns only `backend`, never the VirtualHosts.
"""

from __future__ import annotations

from msgspec import Struct, structs

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.base.sensitive import Sensitive
from gatewright.graph.nodes import Backend, BackendKey, BackendTls, Endpoint, Gateway, UpstreamProtocol
from gatewright.graph.objects import View
from gatewright.graph.resolve.certificates import authorities
from gatewright.graph.resolve.references import grant, grant_hint, granted
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import RouteIntent
from gatewright.kinds.intents.material import (
    BackendTlsIntent,
    EndpointsIntent,
    ServiceIntent,
    ServicePort,
    TransportIntent,
    WorkloadIntent,
)
from gatewright.kinds.intents.routing import BackendRef, Dialect, Protocol

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

VERIFIED = "verified"


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
    """What tells apart two ways to speak to one port: scheme, verification, transport, PROXY protocol."""
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
    parts = [scheme] if scheme else []
    if ref.transport is not None:
        parts.append(f"{ref.transport.kind}={ref.transport.namespace}/{ref.transport.name}")
    elif traefik and scheme in ("https", "tls"):
        parts.append(VERIFIED)
    if ref.proxy_protocol:
        parts.append(f"proxy{ref.proxy_protocol}")
    return "+".join(parts)


def backend(view: View, key: BackendKey) -> tuple[Backend | None, tuple[Problem, ...]]:
    """Resolve an upstream; None when its Service is gone (nothing refers to it then)."""
    service_key = Key("Service", key.namespace, key.name)
    service = view.get(service_key, ServiceIntent)
    spoken = _parse(view, key.variant)
    if service is None or (port := port_of(service, key.port, udp=spoken.scheme == "udp")) is None:
        return None, ()
    protocol, encrypted = _protocol(spoken.scheme, port)
    transport = spoken.transport
    tls, reason = _tls(view, service, spoken) if encrypted else (None, "")
    policy, problems = (None, ()) if protocol is UpstreamProtocol.UDP else _policy(view, service_key, port)
    if policy is not None:
        tls, reason = _policy_tls(view, policy)
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
        connect_timeout=(transport.dial_timeout or 10.0) if transport else 10.0,
        proxy_protocol=spoken.proxy_protocol or (transport.proxy_protocol if transport else 0),
        app_protocol=port.app_protocol,
        reason=reason,
        pods="" if found or unusable else _pods(view, service),
        usable=not unusable,
    )
    return resolved, problems


class Spoken(Struct, frozen=True):
    """A variant, taken apart again.  `missing`: the transport that it names does not exist."""

    scheme: str = ""
    transport: TransportIntent | None = None
    missing: str = ""
    verified: bool = False
    proxy_protocol: int = 0


def _parse(view: View, variant: str) -> Spoken:
    spoken = Spoken()
    for part in variant.split("+"):
        kind, equals, name = part.partition("=")
        if equals:
            namespace, _, name = name.partition("/")
            key = Key(kind, namespace, name)
            transport = view.get(key, TransportIntent)
            spoken = structs.replace(spoken, transport=transport, missing="" if transport else str(key))
        elif part == VERIFIED:
            spoken = structs.replace(spoken, verified=True)
        elif part.startswith("proxy"):
            spoken = structs.replace(spoken, proxy_protocol=int(part[5:]))
        else:
            spoken = structs.replace(spoken, scheme=part)
    return spoken


def _protocol(scheme: str, port: ServicePort) -> tuple[UpstreamProtocol, bool]:
    """Protocol and whether TLS is spoken: by the reference's scheme, else by the port's appProtocol."""
    named = (scheme or port.app_protocol).lower()
    return APP_PROTOCOLS.get(named, (UpstreamProtocol.HTTP1, False))


def _policy(view: View, service: Key, port: ServicePort) -> tuple[BackendTlsIntent | None, tuple[Problem, ...]]:
    """The BackendTLSPolicy of a port: one for its section before one for the Service, then the oldest (GEP-1897).

    Of two that target the very same the younger is without effect, which its owner has to know.
    """
    found = sorted(
        (
            (section != port.name, policy.created or "~", f"{policy.key.namespace}/{policy.key.name}", policy)
            for policy in view.listed("backend-tls", service, BackendTlsIntent)
            for key, section in policy.targets
            if key == service and section in ("", port.name)
        ),
        key=lambda item: item[:3],
    )
    if not found:
        return None, ()
    winner = found[0]
    hint = "keep one of them, or name a port in sectionName"
    lost = [item[3] for item in found[1:] if item[0] == winner[0] and item[3].key != winner[3].key]
    problems = tuple(
        Problem(
            "policy-conflict",
            f"{policy.key} has no effect on {service}: {winner[3].key} was there first",
            policy.origin,
            Severity.WARNING,
            hint,
        )
        for policy in lost
    )
    return winner[3], problems


def _policy_tls(view: View, policy: BackendTlsIntent) -> tuple[BackendTls | None, str]:
    bundle, missing = authorities(view, policy.ca)
    if (missing and not bundle) or (not policy.ca and policy.well_known != "System"):
        names = ", ".join(str(key) for key in missing) or "no CA"
        return None, f"{policy.key}: {names} cannot verify the backend"
    names_ = policy.subject_alt_names or (("Hostname", policy.hostname),)
    return (
        BackendTls(
            server_name=policy.hostname,
            ca=bundle,
            system_ca=policy.well_known == "System",
            verify_names=names_,
        ),
        "",
    )


def _tls(view: View, service: ServiceIntent, spoken: Spoken) -> tuple[BackendTls | None, str]:
    """TLS that a scheme asks for, verified as its transport says.

    Without a transport Traefik verifies against the system's trust store, the others do not verify.  What verifies
    needs a name to look for: Traefik would take the pod's address, which is in no certificate that one can plan for.
    """
    transport = spoken.transport
    if spoken.missing:
        return None, f"{spoken.missing} does not exist"
    if transport is None:
        name = service.external_name
        if spoken.verified and not name:
            return None, "its certificate would be verified against the pod's address: name a ServersTransport"
        names = (("Hostname", name),) if spoken.verified else ()
        return BackendTls(name, verify=spoken.verified, system_ca=spoken.verified, verify_names=names), ""
    bundle, missing = authorities(view, transport.ca)
    if missing:
        return None, f"{transport.key}: {', '.join(map(str, missing))} with its CA is missing"
    certificate = view.certificate(transport.client_certificates[0]) if transport.client_certificates else None
    if transport.client_certificates and certificate is None:
        return None, f"{transport.key}: its client certificate is missing or unusable"
    name = transport.server_name or service.external_name
    if not name and not transport.insecure_skip_verify:
        return None, f"{transport.key} has no serverName to verify: the pod's address would be in no certificate"
    return (
        BackendTls(
            server_name=name,
            verify=not transport.insecure_skip_verify,
            ca=bundle,
            system_ca=not bundle,
            verify_names=(("Hostname", name),) if name else (),
            client_certificate=certificate.chain if certificate else b"",
            client_key=certificate.private_key if certificate else Sensitive(b""),
        ),
        "",
    )


def _endpoints(
    view: View, service: ServiceIntent, port: ServicePort
) -> tuple[tuple[Endpoint, ...], tuple[Origin, ...]]:
    """The ready endpoints, each address and port once although Endpoints and EndpointSlices both list it."""
    found: dict[tuple[str, int], Endpoint] = {}
    sources: list[Origin] = []
    for listed in view.listed("endpoints", service.key, EndpointsIntent):
        for group in (listed, *listed.more):
            number = _number(group, port, len(service.ports))
            if number is None:
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
