"""IngressController (gatewright.dev/v1alpha1): a door, as the site map tells of it.

A Traefik, ingress-nginx, HAProxy or ALB is configured elsewhere (Helm values, command lines, AWS).  This kind says what
of that decides routing.  A Gateway describes its routing itself; `implementation: gateway-api` adds addresses, Service
and settings to the one of the same namespace and name.  Only `implementation` is required:

    apiVersion: gatewright.dev/v1alpha1
    kind: IngressController
    metadata: {name: traefik-internal, namespace: traefik}
    spec:
      implementation: traefik        # traefik | ingress-nginx | haproxy | haproxy-ingress | alb | gateway-api
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
        runsOn: [{node: home/k3s-node1}]
        idleTimeout: 180s            # docs/site-map.md has the others

docs/site-map.md explains each field.  Counterpart: the graph, which treats it like a Gateway.
"""

from __future__ import annotations

from typing import Literal

from msgspec import field, structs

from gatewright.base.document import Document
from gatewright.kinds import syntax
from gatewright.kinds.decode import Object, Path, Report, Schema, decode, has_variable, key_of, suggest
from gatewright.kinds.gateway_api import gatewayapi
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.doors import ControllerIntent, DoorSettings, FrontendTls, ListenerIntent
from gatewright.kinds.intents.routing import Protocol
from gatewright.kinds.kind import Kind
from gatewright.kinds.site_map import sitemap

API_VERSION = sitemap.API_VERSION

GATEWAY_API = "gateway-api"
"""The implementation that only adds to the Gateway of the same namespace and name."""


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


class _Pods(Schema, frozen=True):
    """The door's own pods, as network policies see them."""

    labels: dict[str, str]
    namespace: str = ""


class _ProxyProtocol(Schema, frozen=True):
    """`trustedFrom` must send PROXY protocol; `sentBy` stands before the door and does."""

    trusted_from: tuple[str, ...] = ()
    sent_by: tuple[str, ...] = ()


class _Forwarded(Schema, frozen=True):
    trusted_from: tuple[str, ...] = ()


class _Issuer(Schema, frozen=True):
    """Who makes the certificates of the door's own; an Issuer in the namespace of the IngressController."""

    name: gatewayapi.Name
    kind: Literal["Issuer", "ClusterIssuer"] = "ClusterIssuer"


class _Settings(Schema, frozen=True):
    allow_external_name_services: bool | _External = False
    allow_cross_namespace: bool = False
    runs_on: tuple[sitemap.Place, ...] = ()
    pods: _Pods | None = None
    host_ports: bool = False
    proxy_protocol: _ProxyProtocol = field(default_factory=_ProxyProtocol)
    forwarded_headers: _Forwarded = field(default_factory=_Forwarded)
    idle_timeout: int | float | str | None = None
    body_limit: int | str | None = None
    snippets: bool | None = None
    passthrough: bool | None = None
    certificate_names: tuple[str, ...] = ()
    publishes_status: bool | None = None
    issuer: _Issuer | None = None
    configuration: str = ""


class _Spec(Schema, frozen=True):
    implementation: Literal["traefik", "ingress-nginx", "haproxy", "haproxy-ingress", "alb", "gateway-api"]
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
    settings = _settings(spec.settings, document, report)
    _check_addresses(spec, report)
    if spec.implementation == GATEWAY_API:
        return report.lowered(_addition(spec, settings, document, report))
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
        settings=settings,
    )
    return report.lowered(intent)


# What a Gateway says itself, or has no notion of.
_OF_CONTROLLERS = (
    "version", "classes", "claims_classless", "entry_points", "default_entry_points", "default_certificate",
    "namespaces",
)  # fmt: skip
_SETTINGS_OF_CONTROLLERS = ("allow_external_name_services", "allow_cross_namespace", "snippets", "configuration")


def _addition(spec: _Spec, settings: DoorSettings, document: Document, report: Report) -> ControllerIntent:
    """What is added to a Gateway; what it has itself is refused here."""
    hint = "the Gateway itself says it, or has no such thing; remove it here"
    bare, bare_settings = _Spec("gateway-api"), _Settings()
    for names, said, usual, path in (
        (_OF_CONTROLLERS, spec, bare, ("spec",)),
        (_SETTINGS_OF_CONTROLLERS, spec.settings, bare_settings, ("spec", "settings")),
    ):
        for info in structs.fields(type(said)):
            if info.name in names and getattr(said, info.name) != getattr(usual, info.name):
                report.invalid("does not belong to a Gateway", *path, info.encode_name, hint=hint)
    return ControllerIntent(
        key=key_of(document),
        origin=document.origin,
        implementation=GATEWAY_API,
        listeners=(),
        addresses=spec.addresses,
        service=_key("Service", spec.service, document),
        settings=settings,
    )


def _settings(settings: _Settings, document: Document, report: Report) -> DoorSettings:
    path: Path = ("spec", "settings")
    runs_on = (sitemap.spot(place, report, *path, "runsOn", i) for i, place in enumerate(settings.runs_on))
    pods, proxy, forwarded = settings.pods, settings.proxy_protocol, settings.forwarded_headers
    idle, limit = settings.idle_timeout, settings.body_limit
    return DoorSettings(
        runs_on=tuple(spot for spot in runs_on if spot is not None),
        pods=sitemap.labels(pods.labels) if pods else (),
        pod_namespace=(pods.namespace or document.namespace) if pods else "",
        host_ports=settings.host_ports,
        proxy_protocol_from=sitemap.each(
            proxy.trusted_from, sitemap.cidr, report, *path, "proxyProtocol", "trustedFrom"
        ),
        sends_proxy_protocol=sitemap.each(proxy.sent_by, sitemap.sender, report, *path, "proxyProtocol", "sentBy"),
        forwarded_from=sitemap.each(
            forwarded.trusted_from, sitemap.cidr, report, *path, "forwardedHeaders", "trustedFrom"
        ),
        idle_timeout=sitemap.seconds(idle, report, *path, "idleTimeout") if idle is not None else None,
        body_limit=sitemap.octets(limit, report, *path, "bodyLimit") if limit is not None else None,
        snippets=settings.snippets,
        passthrough=settings.passthrough,
        certificate_names=sitemap.each(settings.certificate_names, sitemap.pattern, report, *path, "certificateNames"),
        publishes_status=settings.publishes_status,
        issuer=_issuer(settings.issuer, document),
        configuration=_configuration(settings.configuration, document, report),
    )


def _configuration(text: str, document: Document, report: Report) -> Key | None:
    """The ConfigMap with class-wide settings, as name or namespace/name."""
    namespace, slash, name = text.rpartition("/")
    if not text:
        return None
    if not syntax.is_dns_subdomain(name) or (slash and not syntax.is_dns_label(namespace)):
        report.invalid("expected a name or namespace/name of a ConfigMap", "spec", "settings", "configuration")
        return None
    return Key("ConfigMap", namespace or document.namespace, name)


def _issuer(issuer: _Issuer | None, document: Document) -> Key | None:
    if issuer is None:
        return None
    return Key(issuer.kind, document.namespace if issuer.kind == "Issuer" else "", issuer.name)


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


def _check_addresses(spec: _Spec, report: Report) -> None:
    for index, address in enumerate(spec.addresses):
        known = syntax.is_ip(address) or syntax.is_hostname(address) or has_variable(address)
        if not known:
            report.invalid(f"{address!r} is neither an IP address nor a hostname", "spec", "addresses", index)


def _key(kind: str, reference: _Reference | None, document: Document) -> Key | None:
    if reference is None:
        return None
    return Key(kind, reference.namespace or document.namespace, reference.name)


KIND = Kind("IngressController", (API_VERSION,), lower)
