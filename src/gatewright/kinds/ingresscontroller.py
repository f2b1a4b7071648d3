"""IngressController (gatewright.dev/v1alpha1): a door that is not Gateway API, as the site map tells of it.

A Gateway describes itself; a Traefik, ingress-nginx, HAProxy or ALB is configured elsewhere (Helm values,
command lines, AWS).  This kind says what of that decides routing.  Only `implementation` is required:

    apiVersion: gatewright.dev/v1alpha1
    kind: IngressController
    metadata: {name: traefik-internal, namespace: traefik}
    spec:
      implementation: traefik        # traefik | ingress-nginx | haproxy | alb
      version: v3.7
      classes: [internal]            # ingress classes served; default: the implementation's usual one, and
                                     # every IngressClass of that implementation
      claimsClassless: false         # also serve objects without a class
      entryPoints:                   # default: web 80 and websecure 443 (traefik), http 80 and https 443
        - {name: web, port: 80, protocol: HTTP}
        - {name: websecure, port: 443, protocol: HTTPS, tls: true}
      defaultEntryPoints: [web]      # used by routes that name none; default: all
      defaultCertificate: {name: wildcard-tls}
      addresses: [192.0.2.10]        # or
      service: {name: traefik}       # the Service whose load balancer addresses are the door's
      namespaces: []                 # watched namespaces; default: all
      settings:
        allowExternalNameServices: {crd: true, ingress: false}   # or true / false for both
        allowCrossNamespace: false

docs/site-map.md explains each field.  Counterpart: the graph, which treats it like a Gateway.
"""

from __future__ import annotations

from typing import Literal

from msgspec import field

from gatewright.base.document import Document
from gatewright.kinds import gatewayapi, syntax
from gatewright.kinds.decode import Object, Report, Schema, decode, has_variable, key_of, suggest
from gatewright.kinds.intents import ControllerIntent, FrontendTls, Key, ListenerIntent, Lowered, Protocol
from gatewright.kinds.kind import Kind

API_VERSION = "gatewright.dev/v1alpha1"


class _EntryPoint(Schema, frozen=True):
    """`protocol` is what clients speak; `tls` puts TLS on every route of the entry point.

    Unset, `tls` is false for Traefik, where routers bring it, and true for HTTPS elsewhere.
    """

    name: gatewayapi.Name
    port: gatewayapi.Port
    protocol: Literal["HTTP", "HTTPS", "TLS", "TCP", "UDP"] = "HTTP"
    tls: bool | None = None


class _Reference(Schema, frozen=True):
    name: gatewayapi.Name
    namespace: str = ""


class _External(Schema, frozen=True):
    crd: bool = False
    ingress: bool = False


class _Settings(Schema, frozen=True):
    allow_external_name_services: bool | _External = False
    allow_cross_namespace: bool = False


class _Spec(Schema, frozen=True):
    implementation: Literal["traefik", "ingress-nginx", "haproxy", "alb"]
    version: str = ""
    classes: tuple[str, ...] | None = None
    claims_classless: bool | None = None
    entry_points: tuple[_EntryPoint, ...] | None = None
    default_entry_points: tuple[str, ...] | None = None
    default_certificate: _Reference | None = None
    addresses: tuple[str, ...] = ()
    service: _Reference | None = None
    namespaces: tuple[str, ...] = ()
    settings: _Settings = field(default_factory=_Settings)


class IngressController(Object, frozen=True, kw_only=True):
    spec: _Spec


# As Traefik's Helm chart sets it up; on `websecure` every router gets TLS.
_TRAEFIK_ENTRY_POINTS = (_EntryPoint("web", 80), _EntryPoint("websecure", 443, "HTTPS", True))
_OTHER_ENTRY_POINTS = (_EntryPoint("http", 80), _EntryPoint("https", 443, "HTTPS", True))


def lower(document: Document) -> Lowered:
    """Lower an IngressController, filling in what its implementation does by default."""
    controller, problems = decode(document, IngressController)
    report = Report(document, problems)
    if controller is None:
        return report.lowered(None)
    spec = controller.spec
    traefik = spec.implementation == "traefik"
    entry_points = spec.entry_points
    if entry_points is None:
        entry_points = _TRAEFIK_ENTRY_POINTS if traefik else _OTHER_ENTRY_POINTS
    _check(spec, entry_points, report)
    external = spec.settings.allow_external_name_services
    # Only Traefik asks for permission; the other controllers follow ExternalName Services as they are.
    crd, ingress = (external, external) if isinstance(external, bool) else (external.crd, external.ingress)
    defaults = spec.default_entry_points
    intent = ControllerIntent(
        key=key_of(document),
        origin=document.origin,
        implementation=spec.implementation,
        listeners=_listeners(spec, entry_points, document),
        classes=spec.classes or (),
        claims_classless=_claims_classless(spec, traefik),
        default_entry_points=tuple(e.name for e in entry_points) if defaults is None else defaults,
        tls_entry_points=tuple(e.name for e in entry_points if _is_tls(e, traefik)),
        addresses=spec.addresses,
        namespaces=spec.namespaces,
        allow_external_name_crd=crd,
        allow_external_name_ingress=ingress or not traefik,
        allow_cross_namespace=spec.settings.allow_cross_namespace,
        version=spec.version,
        service=_key("Service", spec.service, document),
    )
    return report.lowered(intent)


def _is_tls(entry_point: _EntryPoint, traefik: bool) -> bool:
    if entry_point.tls is not None:
        return entry_point.tls
    return entry_point.protocol == "HTTPS" and not traefik


def _claims_classless(spec: _Spec, traefik: bool) -> bool:
    """Traefik serves class-less objects unless it is given a class; the others have to be told to."""
    if spec.claims_classless is not None:
        return spec.claims_classless
    return traefik and spec.classes is None


def _listeners(spec: _Spec, entry_points: tuple[_EntryPoint, ...], document: Document) -> tuple[ListenerIntent, ...]:
    certificate = _key("Secret", spec.default_certificate, document)
    listeners = []
    for index, entry_point in enumerate(entry_points):
        origin = document.origin.at("spec")
        if spec.entry_points is not None:
            origin = origin.at("entryPoints", index)
        protocol = Protocol(entry_point.protocol)
        if protocol is Protocol.HTTP and entry_point.tls:
            protocol = Protocol.HTTPS
        secured = entry_point.tls or protocol in (Protocol.HTTPS, Protocol.TLS)
        tls = FrontendTls(origin, certificates=(certificate,) if certificate else ()) if secured else None
        listeners.append(ListenerIntent(entry_point.name, entry_point.port, protocol, origin, tls=tls))
    return tuple(listeners)


def _check(spec: _Spec, entry_points: tuple[_EntryPoint, ...], report: Report) -> None:
    names: list[str] = []
    ports: set[tuple[int, bool]] = set()
    for index, entry_point in enumerate(entry_points):
        path = ("spec", "entryPoints", index)
        if entry_point.name in names:
            report.invalid(f"the entry point {entry_point.name!r} is listed twice", *path, "name")
        if entry_point.tls and entry_point.protocol == "UDP":
            report.invalid("a UDP entry point has no TLS", *path, "tls")
        port = (entry_point.port, entry_point.protocol == "UDP")
        if port in ports:
            report.invalid(f"port {entry_point.port} is used twice", *path, "port")
        names.append(entry_point.name)
        ports.add(port)
    for index, name in enumerate(spec.default_entry_points or ()):
        if name not in names:
            message = f"there is no entry point {name!r}"
            report.invalid(message, "spec", "defaultEntryPoints", index, hint=suggest(name, names))
    for index, address in enumerate(spec.addresses):
        known = syntax.is_ip(address) or syntax.is_hostname(address) or has_variable(address)
        if not known:
            report.invalid(f"{address!r} is neither an IP address nor a hostname", "spec", "addresses", index)


def _key(kind: str, reference: _Reference | None, document: Document) -> Key | None:
    if reference is None:
        return None
    return Key(kind, reference.namespace or document.namespace, reference.name)


KIND = Kind("IngressController", (API_VERSION,), lower)
