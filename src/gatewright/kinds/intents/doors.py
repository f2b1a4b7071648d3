"""Intents of doors and of routes at them: gateways, listeners, controllers, classes, and what attaches to which.

Counterpart: `routing`, what the rules of a route say.
"""

from __future__ import annotations

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key, Selector
from gatewright.kinds.intents.filters import Redirect
from gatewright.kinds.intents.options import NOTHING, Options
from gatewright.kinds.intents.places import Spot
from gatewright.kinds.intents.routing import Dialect, Protocol, RuleIntent


class ParentRef(Struct, frozen=True, gc=False):
    """Gateway API: attach to a Gateway or ListenerSet, optionally to one listener and/or port of it."""

    target: Key
    origin: Origin
    section: str = ""
    port: int = 0


class ClassRef(Struct, frozen=True, gc=False):
    """Ingress / Traefik: attach to every controller that serves this class, on these entry points.

    `name` None: the default class, or controllers that claim class-less objects.  `provider` is "ingress"
    for Ingress objects and "crd" for Traefik's own kinds.  `entry_points` empty: the controller's default.
    """

    name: str | None
    provider: str
    entry_points: tuple[str, ...] = ()


class AtDoors(Struct, frozen=True, gc=False):
    """Where a route of Gatewright's own answers, which no document describes: on plain HTTP, before all other rules.

    `gateways` by id, and those that serve the Ingress class `class_name` ("" for none); neither: every gateway that
    takes the route's hostnames there.
    """

    gateways: tuple[str, ...] = ()
    class_name: str = ""


class TlsUse(Struct, frozen=True):
    """TLS as a route asks for it: these secrets for these hosts (empty hosts: whatever the rules match)."""

    origin: Origin
    secret: Key | None = None
    hosts: tuple[str, ...] = ()
    passthrough: bool = False
    options: Key | None = None


class RouteIntent(Struct, frozen=True):
    """Anything that attaches to gateways and sends requests to backends: HTTPRoute ... IngressRouteUDP, Ingress.

    `protocol` HTTP for HTTP and gRPC, TLS for SNI routing, TCP, UDP.  `hostnames` (Gateway API) empty
    means the listener's.  `options`: (implementation, what annotations ask of a door of that implementation), sorted;
    under "" what holds at any.  `created` is creationTimestamp ("" if unknown), the first tie-breaker.  `annotations`
    are all that the object has, sorted.  `doors`: a route of Gatewright's own, which attaches to nothing else; it has
    one rule, and each of its matches one exact host.  `labels` sorted, for policies that select routes.
    """

    key: Key
    origin: Origin
    dialect: Dialect
    protocol: Protocol
    attach: tuple[ParentRef, ...] | ClassRef
    rules: tuple[RuleIntent, ...]
    hostnames: tuple[str, ...] = ()
    tls: tuple[TlsUse, ...] = ()
    created: str = ""
    annotations: tuple[tuple[str, str], ...] = ()
    doors: AtDoors | None = None
    options: tuple[tuple[str, Options], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


class AllowedRoutes(Struct, frozen=True, gc=False):
    """Gateway API allowedRoutes / allowedListeners: from "All", "Same", "Selector" or "None".

    `kinds` empty: those that go with the protocol.
    """

    namespaces: str = "Same"
    selector: Selector | None = None
    kinds: tuple[str, ...] = ()


class FrontendTls(Struct, frozen=True):
    """What a listener wants of TLS: terminate with these Secrets, or passthrough.

    Versions are "1.0".."1.3" or "".  `client_ca` are ConfigMaps/Secrets whose ca.crt client certificates
    must verify against; `client_mode` as in `TlsSettings`: "" (none asked), "require",
    "any", "request" or "verify".
    """

    origin: Origin
    passthrough: bool = False
    certificates: tuple[Key, ...] = ()
    min_version: str = ""
    max_version: str = ""
    ciphers: tuple[str, ...] = ()
    alpn: tuple[str, ...] = ()
    client_ca: tuple[Key, ...] = ()
    client_mode: str = ""
    sni_strict: bool = False


class EntrySettings(Struct, frozen=True):
    """What one entry point says of itself; None: as its door.

    `forwarded_from`, `proxy_protocol_from`: see DoorSettings.  Times in seconds, 0 for none: `request_timeout` until a
    request has arrived with its body, `keepalive_timeout` between requests on a connection, `idle_timeout` without
    traffic within a request.  `trusted_hops`: the client is that entry of X-Forwarded-For from the right.
    `header`: which believed peers name the client in, "" for X-Forwarded-For.
    """

    forwarded_from: tuple[str, ...] | None = None
    proxy_protocol_from: tuple[str, ...] | None = None
    request_timeout: float | None = None
    keepalive_timeout: float | None = None
    idle_timeout: float | None = None
    trusted_hops: int | None = None
    header: str = ""


class Redirection(Struct, frozen=True):
    """What redirects all of a listener's requests, except those that a rule of a higher `priority` takes."""

    redirect: Redirect
    priority: int


class ListenerIntent(Struct, frozen=True):
    """One listener of a Gateway, ListenerSet or entry point of a controller.

    `tls_options`: the TLSOption of the routes that name none (Traefik, http.tls.options of an entry point).
    `options`: what holds for all of its rules unless they say otherwise; its `first` filters run before all others.
    """

    name: str
    port: int
    protocol: Protocol
    origin: Origin
    hostname: str = "*"
    tls: FrontendTls | None = None
    allowed: AllowedRoutes = AllowedRoutes()
    own: EntrySettings = EntrySettings()
    tls_options: Key | None = None
    options: Options = NOTHING
    redirection: Redirection | None = None


class GatewayIntent(Struct, frozen=True):
    """A Gateway API Gateway.  `addresses` as described (IP or hostname strings).

    `address_annotations` are those of spec.infrastructure, which its load balancer Service gets.
    """

    key: Key
    origin: Origin
    class_name: str
    listeners: tuple[ListenerIntent, ...]
    addresses: tuple[str, ...] = ()
    allowed_listeners: AllowedRoutes = AllowedRoutes(namespaces="None")
    backend_client_certificate: Key | None = None
    created: str = ""
    annotations: tuple[tuple[str, str], ...] = ()
    address_annotations: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


class ListenerSetIntent(Struct, frozen=True):
    """Listeners that another namespace adds to a Gateway."""

    key: Key
    origin: Origin
    parent: Key
    listeners: tuple[ListenerIntent, ...]
    created: str = ""
    labels: tuple[tuple[str, str], ...] = ()


class GatewayClassIntent(Struct, frozen=True):
    key: Key
    origin: Origin
    controller: str


class DoorSettings(Struct, frozen=True):
    """What decides the way to and through a door, beyond its routes.  None or empty: unknown, the usual holds.

    `runs_on` the nodes, networks or cluster that it runs on; `pods` the labels of its pods and `pod_namespace` where
    they are (network policies ask).  `proxy_protocol_from`: CIDRs that must send PROXY protocol;
    `sends_proxy_protocol`: what stands before it and does.  `forwarded_from`: CIDRs whose X-Forwarded-* are believed.
    `idle_timeout` seconds and `body_limit` octets (0: none) for all of its routes.  `snippets`: are configuration
    snippets switched on?  `passthrough`: is TLS passthrough?  `certificate_names`: names on certificates that it has
    from elsewhere (ACM, a CDN).  `host_ports`: it listens on its nodes' own addresses.  `publishes_status`: does it
    write its address into the status of what it serves?  `issuer`: who makes certificates for the names that it serves
    and for which nobody else brings one.  `options`: what holds for all of its routes unless they say otherwise.
    `configuration`: the ConfigMap that it reads class-wide settings from.
    """

    runs_on: tuple[Spot, ...] = ()
    pods: tuple[tuple[str, str], ...] = ()
    pod_namespace: str = ""
    host_ports: bool = False
    proxy_protocol_from: tuple[str, ...] = ()
    sends_proxy_protocol: tuple[str, ...] = ()
    forwarded_from: tuple[str, ...] = ()
    idle_timeout: float | None = None
    body_limit: int | None = None
    snippets: bool | None = None
    passthrough: bool | None = None
    certificate_names: tuple[str, ...] = ()
    publishes_status: bool | None = None
    issuer: Key | None = None
    options: Options = NOTHING
    configuration: Key | None = None


class ControllerIntent(Struct, frozen=True):
    """A door that is not Gateway API (site map kind IngressController): a Traefik, ingress-nginx, HAProxy or ALB.

    `implementation`: "traefik" | "ingress-nginx" | "haproxy" | "haproxy-ingress" | "alb"; "gateway-api" only adds
    `settings` and addresses to the Gateway of the same namespace and name.  `classes`: the class names served; empty:
    the implementation's usual one and every IngressClass of it.
    `claims_classless`: also serves objects without a class.  `listeners` are its entry points;
    `default_entry_points` those used by routes that name none; `tls_entry_points` those that put TLS on
    every router.  `allow_external_name` maps provider ("ingress", "crd") to permission.
    `allow_cross_namespace`: Traefik CRDs may refer to other namespaces.  `service`: the Service whose
    load balancer addresses are the door's, where `addresses` does not say.  `strict_prefixes`: a Prefix path of an
    Ingress goes by segments in Traefik, too.
    """

    key: Key
    origin: Origin
    implementation: str
    listeners: tuple[ListenerIntent, ...]
    classes: tuple[str, ...] = ()
    claims_classless: bool = False
    default_entry_points: tuple[str, ...] = ()
    tls_entry_points: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()  # watched namespaces; empty: all
    allow_external_name_crd: bool = False
    allow_external_name_ingress: bool = False
    allow_cross_namespace: bool = False
    version: str = ""
    service: Key | None = None
    settings: DoorSettings = DoorSettings()
    strict_prefixes: bool = False


class DoorFileIntent(Struct, frozen=True):
    """A configuration file of a program that is a door, on its own: nobody knows which machine has it."""

    key: Key
    origin: Origin
    controller: ControllerIntent


class IngressClassIntent(Struct, frozen=True):
    key: Key
    origin: Origin
    controller: str
    default: bool = False
