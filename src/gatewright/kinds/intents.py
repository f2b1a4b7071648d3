"""Intents: what an object asks for, in words that no dialect owns.  The contract between `kinds` and `graph`.

A kind file decodes one document strictly and lowers it to ONE of the intents below.  Everything that
differs between dialects is settled there: regular expressions are full-match RE2, booleans over matchers
are in disjunctive normal form, priorities are numbers, defaults are filled in.  What needs a second
object (does the Service exist? may this route attach?) is left to the graph as a reference (`Key`).

Counterpart: `gatewright.graph`, which resolves references and never asks which kind an intent came from
except through `Dialect`.
"""

from __future__ import annotations

import enum

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.base.sensitive import Sensitive
from gatewright.kinds.identity import Key as Key  # noqa: PLC0414  (the one place that others import it from)
from gatewright.kinds.identity import Selector as Selector  # noqa: PLC0414
from gatewright.kinds.world import Spot, WorldIntent


class Dialect(enum.StrEnum):
    """Whose rules of attachment and precedence a route or gateway follows."""

    GATEWAY_API = "gateway-api"
    INGRESS = "ingress"
    TRAEFIK = "traefik"


class Protocol(enum.StrEnum):
    """What a listener or route speaks to the client."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"
    TLS = "TLS"
    TCP = "TCP"
    UDP = "UDP"


# --- matching -----------------------------------------------------------------------------------


class HostKind(enum.StrEnum):
    EXACT = "exact"  # value may also be "*.x" where the dialect allows, meaning a wildcard
    REGEX = "regex"  # full-match RE2 over the normalised host


class HostMatch(Struct, frozen=True, gc=False):
    """The Host header (HTTP) or the SNI (TLS).  No HostMatch at all means any host."""

    kind: HostKind
    value: str
    negate: bool = False


class PathKind(enum.StrEnum):
    EXACT = "exact"
    PREFIX = "prefix"  # by path segments: /a matches /a and /a/b, not /ab
    RAW_PREFIX = "raw-prefix"  # by characters: /a matches /ab
    REGEX = "regex"  # full-match RE2 over the path without query


class PathMatch(Struct, frozen=True, gc=False):
    kind: PathKind
    value: str
    negate: bool = False
    ignore_case: bool = False


class ValueKind(enum.StrEnum):
    EXACT = "exact"
    REGEX = "regex"  # full-match RE2
    PRESENT = "present"


class ValueMatch(Struct, frozen=True, gc=False):
    """A header (name lower-case) or query parameter (name case-sensitive)."""

    name: str
    kind: ValueKind
    value: str = ""
    negate: bool = False


class MethodMatch(Struct, frozen=True, gc=False):
    method: str
    negate: bool = False


class SourceMatch(Struct, frozen=True, gc=False):
    """The peer's address (never X-Forwarded-For) lies in one of the CIDRs."""

    cidrs: tuple[str, ...]
    negate: bool = False


class Match(Struct, frozen=True, gc=False):
    """A conjunction: every part has to hold.  Empty means: every request.

    `hosts` is used by dialects whose rules carry their own host (Ingress, Traefik); Gateway API puts
    hostnames on the route.  `alpn` only on TLS/TCP rules.
    """

    hosts: tuple[HostMatch, ...] = ()
    paths: tuple[PathMatch, ...] = ()
    methods: tuple[MethodMatch, ...] = ()
    headers: tuple[ValueMatch, ...] = ()
    query: tuple[ValueMatch, ...] = ()
    sources: tuple[SourceMatch, ...] = ()
    alpn: tuple[str, ...] = ()


# --- filters ------------------------------------------------------------------------------------


class HeaderEdit(Struct, frozen=True, gc=False):
    """Changes to headers; applied as: remove, then set (overwrite), then add (append).  Names as written."""

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()


class RequestHeaders(Struct, frozen=True, tag=True):
    edit: HeaderEdit
    origin: Origin


class ResponseHeaders(Struct, frozen=True, tag=True):
    edit: HeaderEdit
    origin: Origin


class PathEditKind(enum.StrEnum):
    REPLACE = "replace"  # the whole path becomes `value`
    REPLACE_PREFIX = "replace-prefix"  # the matched prefix (by segments) becomes `value`
    STRIP_PREFIX = "strip-prefix"  # the first of `prefixes` that the path starts with is removed
    ADD_PREFIX = "add-prefix"  # `value` goes in front
    REGEX = "regex"  # every match of RE2 `pattern` (unanchored) becomes `value` with \1 groups


class PathEdit(Struct, frozen=True, gc=False):
    kind: PathEditKind
    value: str = ""
    prefixes: tuple[str, ...] = ()
    pattern: str = ""


class Rewrite(Struct, frozen=True, tag=True):
    """The request as the backend sees it: another Host and/or path edits, in order."""

    origin: Origin
    host: str | None = None
    paths: tuple[PathEdit, ...] = ()


class Redirect(Struct, frozen=True, tag=True):
    """Answer with a redirect.  None keeps that part of the URL; `port` 0 means: drop the port.

    `status_other` is the status for methods other than GET (Traefik: 307/308), None for the same.
    `only_if_scheme_differs`: pass the request on when it already has `scheme` (and port).
    """

    origin: Origin
    scheme: str | None = None
    host: str | None = None
    port: int | None = None
    path: PathEdit | None = None
    status: int = 302
    status_other: int | None = None
    only_if_scheme_differs: bool = False


class RegexRedirect(Struct, frozen=True, tag=True):
    """Redirect when the URL (scheme://host[:port]/path?query) contains a match of RE2 `pattern`; else pass on."""

    origin: Origin
    pattern: str
    replacement: str  # with \1 groups
    status: int = 302
    status_other: int | None = None


class Mirror(Struct, frozen=True, tag=True):
    """Send a copy (fraction numerator/denominator) to another backend; its answer is dropped."""

    origin: Origin
    backend: BackendRef
    numerator: int = 100
    denominator: int = 100


class Cors(Struct, frozen=True, tag=True):
    """CORS as Gateway API's HTTPCORSFilter: origins exact, `*` or with a wildcard in the host part."""

    origin: Origin
    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    allow_credentials: bool = False
    max_age: int = 5


class AllowSources(Struct, frozen=True, tag=True):
    """403 (or `status`) unless the client lies in `cidrs`.

    `depth`: which X-Forwarded-For entry from the right; 0 is the peer.
    """

    origin: Origin
    cidrs: tuple[str, ...]
    depth: int = 0
    status: int = 403


class BasicAuth(Struct, frozen=True, tag=True):
    """HTTP basic authentication.  Users come from `users` (htpasswd lines) and the Secret's `users` or `auth` key."""

    origin: Origin
    secret: Key | None = None
    users: Sensitive | None = None
    realm: str = ""
    remove_header: bool = False
    user_header: str = ""


class Refuse(Struct, frozen=True, tag=True):
    """A protection or filter that cannot be built: every request of the rule gets `status`; never fail open."""

    origin: Origin
    status: int
    reason: str


class Respond(Struct, frozen=True, tag=True):
    """A fixed answer instead of a backend's, such as an ACME challenge's (RFC 8555, 8.3)."""

    origin: Origin
    status: int
    body: bytes = b""
    content_type: str = "text/plain"


class FilterRef(Struct, frozen=True, tag=True):
    """A filter defined by another object (a Traefik Middleware, an HTTPRoute ExtensionRef), resolved by the graph."""

    origin: Origin
    target: Key


Filter = (
    RequestHeaders
    | ResponseHeaders
    | Rewrite
    | Redirect
    | RegexRedirect
    | Mirror
    | Cors
    | AllowSources
    | BasicAuth
    | Refuse
    | Respond
    | FilterRef
)


# --- backends -----------------------------------------------------------------------------------


class BackendRef(Struct, frozen=True):
    """A weighted reference to a Service (or TraefikService), to be resolved from the referrer's namespace.

    `port` is a number, a port name, or None where the target has only one.  `scheme` overrides how to
    speak to it: "http", "https", "h2c", "grpc", "grpcs" (HTTP/2 over TLS), "tls", "tcp", "udp" or ""
    (decide by appProtocol).
    `transport` names a ServersTransport.  `filters` apply to this backend only.
    """

    target: Key
    port: int | str | None
    origin: Origin
    weight: int = 1
    scheme: str = ""
    transport: Key | None = None
    pass_host: bool = True
    proxy_protocol: int = 0  # version to send upstream; 0 none
    native_lb: bool = False
    filters: tuple[Filter, ...] = ()


class SessionPersistence(Struct, frozen=True, gc=False):
    """Stick to one endpoint by cookie or header.  `max_age` in seconds, 0 for a session cookie."""

    kind: str = "cookie"
    name: str = ""
    path: str = ""
    max_age: int = 0
    secure: bool = False
    http_only: bool = False
    same_site: str = ""


class Retry(Struct, frozen=True, gc=False):
    """Retry on these statuses (0 = connection failures only); `backoff` in seconds."""

    attempts: int
    codes: tuple[int, ...] = ()
    backoff: float = 0.0


class RuleIntent(Struct, frozen=True):
    """One rule: any of `matches` (empty tuple: everything), then filters in order, then the backends.

    `index` is its place in its object, `priority` the dialect's number (Traefik; larger wins), None where
    the dialect derives precedence from the match.  Timeouts in seconds; None default, 0 no limit.
    `default` marks a rule that only answers when nothing else matches (Ingress defaultBackend).
    """

    index: int
    origin: Origin
    matches: tuple[Match, ...] = ()
    name: str = ""
    priority: int | None = None
    filters: tuple[Filter, ...] = ()
    backends: tuple[BackendRef, ...] = ()
    timeout: float | None = None
    backend_timeout: float | None = None
    retry: Retry | None = None
    persistence: SessionPersistence | None = None
    default: bool = False


# --- attachment ---------------------------------------------------------------------------------


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
    means the listener's.  `created` is creationTimestamp ("" if unknown), the first tie-breaker.  `annotations` are all
    that the object has, sorted.  `doors`: a route of Gatewright's own, which attaches to nothing else; it has one rule,
    and each of its matches one exact host.
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
    must verify against; `client_mode` "" (none asked), "require" or "request".
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


class ListenerIntent(Struct, frozen=True):
    """One listener of a Gateway, ListenerSet or entry point of a controller."""

    name: str
    port: int
    protocol: Protocol
    origin: Origin
    hostname: str = "*"
    tls: FrontendTls | None = None
    allowed: AllowedRoutes = AllowedRoutes()


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


class ListenerSetIntent(Struct, frozen=True):
    """Listeners that another namespace adds to a Gateway."""

    key: Key
    origin: Origin
    parent: Key
    listeners: tuple[ListenerIntent, ...]
    created: str = ""


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
    and for which nobody else brings one.
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


class ControllerIntent(Struct, frozen=True):
    """A door that is not Gateway API (site map kind IngressController): a Traefik, ingress-nginx, HAProxy or ALB.

    `implementation`: "traefik" | "ingress-nginx" | "haproxy" | "alb"; "gateway-api" only adds `settings` and addresses
    to the Gateway of the same namespace and name.  `classes`: the class names served; empty: the
    implementation's usual one and every IngressClass of it.
    `claims_classless`: also serves objects without a class.  `listeners` are its entry points;
    `default_entry_points` those used by routes that name none; `tls_entry_points` those that put TLS on
    every router.  `allow_external_name` maps provider ("ingress", "crd") to permission.
    `allow_cross_namespace`: Traefik CRDs may refer to other namespaces.  `service`: the Service whose
    load balancer addresses are the door's, where `addresses` does not say.
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


class IngressClassIntent(Struct, frozen=True):
    key: Key
    origin: Origin
    controller: str
    default: bool = False


# --- backends, endpoints, policies, material ---------------------------------------------------


class ServicePort(Struct, frozen=True, gc=False):
    name: str
    port: int
    protocol: str = "TCP"
    target: int | str | None = None
    app_protocol: str = ""
    node_port: int = 0


class ServiceIntent(Struct, frozen=True):
    """A Service.  `type` ClusterIP | NodePort | LoadBalancer | ExternalName; `headless` when clusterIP is None.

    `load_balancer_ips`: the addresses that it has or wants, from wherever; `asked_ips` those of them that it asks a
    load balancer for (neither its externalIPs nor what its status has).
    """

    key: Key
    origin: Origin
    type: str = "ClusterIP"
    ports: tuple[ServicePort, ...] = ()
    selector: tuple[tuple[str, str], ...] = ()
    external_name: str = ""
    headless: bool = False
    load_balancer_ips: tuple[str, ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    families: tuple[str, ...] = ()  # of "IPv4" and "IPv6", in order; empty: the cluster's first
    family_policy: str = ""
    cluster_ips: tuple[str, ...] = ()
    load_balancer_class: str = ""
    external_traffic_policy: str = ""
    asked_ips: tuple[str, ...] = ()


class EndpointAddress(Struct, frozen=True, gc=False):
    address: str
    ready: bool = True
    pod: str = ""
    node: str = ""
    zone: str = ""


class EndpointsIntent(Struct, frozen=True):
    """An EndpointSlice or a subset of Endpoints: addresses × ports of one Service.  `ports`: (name, number).

    `more`: the further subsets of the same Endpoints object, each with addresses and ports of its own.
    """

    key: Key
    origin: Origin
    service: Key
    addresses: tuple[EndpointAddress, ...] = ()
    ports: tuple[tuple[str, int], ...] = ()
    more: tuple[EndpointsIntent, ...] = ()


class ContainerPort(Struct, frozen=True, gc=False):
    name: str
    port: int
    protocol: str = "TCP"
    host_port: int = 0


class WorkloadIntent(Struct, frozen=True):
    """A Deployment, StatefulSet, DaemonSet or Pod: what its pods are labelled and listen on.

    `strategy` "RollingUpdate" | "Recreate" | "OnDelete" | "" (none said); `max_surge`/`max_unavailable` as written, ""
    unless said.  `args` are those of all containers, commands first.  `node_name`/`node_selector` say where it may run.
    """

    key: Key
    origin: Origin
    labels: tuple[tuple[str, str], ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    host_network: bool = False
    replicas: int = 1
    strategy: str = ""
    max_surge: str = ""
    max_unavailable: str = ""
    node_selector: tuple[tuple[str, str], ...] = ()
    node_name: str = ""
    args: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


class SecretIntent(Struct, frozen=True):
    """A Secret or ConfigMap: its values by key.  Never printed."""

    key: Key
    origin: Origin
    type: str = "Opaque"
    data: tuple[tuple[str, Sensitive], ...] = ()

    def get(self, name: str) -> bytes | None:
        """The value of one key, or None."""
        return next((v.reveal() for k, v in self.data if k == name), None)


class NamespaceIntent(Struct, frozen=True):
    key: Key
    origin: Origin
    labels: tuple[tuple[str, str], ...] = ()


class Grant(Struct, frozen=True, gc=False):
    """One from×to pair of a ReferenceGrant; `to_name` empty: every object of that kind."""

    from_kind: str
    from_namespace: str
    to_kind: str
    to_name: str = ""


class GrantIntent(Struct, frozen=True):
    """A ReferenceGrant: lives in the namespace that is referred to."""

    key: Key
    origin: Origin
    grants: tuple[Grant, ...]


class BackendTlsIntent(Struct, frozen=True):
    """A BackendTLSPolicy: TLS towards Services.  `targets`: (Service key, port section name or "").

    `ca` are ConfigMaps (or Secrets) with ca.crt; `well_known` "System" uses the system's trust store.
    `subject_alt_names`: (type "Hostname"|"URI", value) that the certificate must carry instead of hostname.
    """

    key: Key
    origin: Origin
    targets: tuple[tuple[Key, str], ...]
    hostname: str
    ca: tuple[Key, ...] = ()
    well_known: str = ""
    subject_alt_names: tuple[tuple[str, str], ...] = ()
    created: str = ""


class TransportIntent(Struct, frozen=True):
    """A Traefik ServersTransport(TCP): how to speak TLS to a backend.  Timeouts in seconds, None default."""

    key: Key
    origin: Origin
    server_name: str = ""
    insecure_skip_verify: bool = False
    ca: tuple[Key, ...] = ()
    client_certificates: tuple[Key, ...] = ()
    spiffe: bool = False
    dial_timeout: float | None = None
    response_header_timeout: float | None = None
    idle_timeout: float | None = None
    disable_http2: bool = False
    proxy_protocol: int = 0


class TlsOptionIntent(Struct, frozen=True):
    """A Traefik TLSOption; `tls.origin` is the object's."""

    key: Key
    origin: Origin
    tls: FrontendTls


class TlsStoreIntent(Struct, frozen=True):
    """A Traefik TLSStore: only the one named `default` counts."""

    key: Key
    origin: Origin
    default_certificate: Key | None = None
    certificates: tuple[Key, ...] = ()


class MiddlewareIntent(Struct, frozen=True):
    """A reusable list of filters (Traefik Middleware, MiddlewareTCP): chain is several FilterRefs."""

    key: Key
    origin: Origin
    filters: tuple[Filter, ...]


class BackendGroupIntent(Struct, frozen=True):
    """A TraefikService: weighted backends, or one backend with mirrors."""

    key: Key
    origin: Origin
    backends: tuple[BackendRef, ...]
    mirrors: tuple[Mirror, ...] = ()
    persistence: SessionPersistence | None = None


Intent = (
    RouteIntent
    | GatewayIntent
    | ListenerSetIntent
    | GatewayClassIntent
    | ControllerIntent
    | IngressClassIntent
    | ServiceIntent
    | EndpointsIntent
    | WorkloadIntent
    | SecretIntent
    | NamespaceIntent
    | GrantIntent
    | BackendTlsIntent
    | TransportIntent
    | TlsOptionIntent
    | TlsStoreIntent
    | MiddlewareIntent
    | BackendGroupIntent
    | WorldIntent
)


class Suppression(Struct, frozen=True, gc=False):
    """An owner's word that a finding about this document is known and accepted: annotation `gatewright.dev/ignore`.

    `rule` the finding's id, `reason` why, `until` the ISO date from which it counts again ("" unless given).
    """

    rule: str
    reason: str
    until: str
    origin: Origin


class Lowered(Struct, frozen=True):
    """What a kind makes of one document: the intent (None when the document is unusable) and its Problems.

    `suppressions` are those of the document's annotations, whatever its kind.  `instead`: what stands for an unusable
    document that was never usable, where its absence would allow more than it does.
    """

    intent: Intent | None
    problems: tuple[Problem, ...] = ()
    suppressions: tuple[Suppression, ...] = ()
    instead: Intent | None = None
