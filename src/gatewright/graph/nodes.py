"""The nodes of the graph: what `trace`, `status` and the engines read.  The contract above `graph`.

Everything here is immutable, dialect-free and fully resolved.  The VirtualHost is the unit: one
(gateway, port, hostname), compiled, traced, pushed and issued for on its own.  Order matters in exactly
two places and is decided here, once: `VirtualHost.entries` (first match wins) and `Entry.rule.filters`
(applied in order).
"""

from __future__ import annotations

import enum
from collections.abc import Hashable, Mapping

from msgspec import Struct

from gatewright.base.hostnames import Depth
from gatewright.base.keypair import CertificateFacts
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.base.sensitive import Sensitive
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import DoorSettings, EntrySettings, Redirection
from gatewright.kinds.intents.filters import (
    Authorize,
    BodyLimit,
    ClientCertificateHeaders,
    Compress,
    Cors,
    ErrorPages,
    ForwardAuth,
    HeaderEdit,
    InFlight,
    Jwt,
    PathEdit,
    RateLimit,
    Template,
)
from gatewright.kinds.intents.options import NOTHING, ClientAuth, Options
from gatewright.kinds.intents.routing import Dialect, HashKey, Match, Protocol, Retry, SessionPersistence, Upstream

# --- backends -----------------------------------------------------------------------------------


class BackendKey(Struct, frozen=True, order=True, gc=False):
    """One upstream: Service namespace, name and port number, and how it is spoken to.

    `variant` distinguishes several ways to speak to one port (scheme, transport, limits): "" for the usual one; see
    `resolve.variants`.  Without a namespace, `name` is a host outside of any cluster, by name or address.
    The string form names the Envoy cluster and is stable.
    """

    namespace: str
    name: str
    port: int
    variant: str = ""

    def __str__(self) -> str:
        text = f"{self.namespace}/{self.name}:{self.port}"
        return f"{text}:{self.variant}" if self.variant else text


class UpstreamProtocol(enum.StrEnum):
    """How to speak to a backend.

    HTTP1 may be upgraded to a WebSocket; H2 is with prior knowledge (h2c) or over TLS by ALPN.
    """

    HTTP1 = "http/1.1"
    H2 = "h2"
    TCP = "tcp"
    UDP = "udp"


class BackendTls(Struct, frozen=True):
    """TLS towards a backend.  `server_name` is sent as SNI; verification as described.

    `ca` PEM certificates; `system_ca` the system's trust store; neither and not `verify`: encrypted, unverified.
    `verify_names`: (type "Hostname"|"URI"|"IP", value) to be found in the certificate.  `follows_host`: the SNI is the
    Host of each request instead, and where it is verified without `verify_names`, that is the name to be found.
    """

    server_name: str = ""
    verify: bool = True
    ca: bytes = b""
    system_ca: bool = False
    verify_names: tuple[tuple[str, str], ...] = ()
    client_certificate: bytes = b""
    client_key: Sensitive = Sensitive(b"")
    alpn: tuple[str, ...] = ()
    follows_host: bool = False


class Endpoint(Struct, frozen=True, order=True, gc=False):
    """One address that serves a backend; `address` is an IP, or a DNS name for ExternalName Services."""

    address: str
    port: int
    pod: str = ""
    node: str = ""
    zone: str = ""


class Backend(Struct, frozen=True):
    """A resolved upstream with its ready endpoints (sorted).  `dns_name`: resolve it instead (ExternalName).

    No endpoints and no dns_name: requests get 503.  `reason` says why it has none.  `pods` says which pods would
    serve it when the Service selects some but no EndpointSlice lists them, as in manifests that were never applied.
    `usable` False: it may not be reached at all, because its TLS cannot be verified as asked.
    `origins`: the Service first, then what its endpoints came from; none for a host outside of any cluster.
    `upstream`: what else was said of connections to it; its `tls` and `connect_timeout` are those above.
    """

    key: BackendKey
    protocol: UpstreamProtocol
    origins: tuple[Origin, ...]
    endpoints: tuple[Endpoint, ...] = ()
    dns_name: str = ""
    tls: BackendTls | None = None
    connect_timeout: float = 10.0
    proxy_protocol: int = 0
    app_protocol: str = ""
    reason: str = ""
    pods: str = ""
    usable: bool = True
    upstream: Upstream = Upstream()


# --- rules --------------------------------------------------------------------------------------


class WeightedBackend(Struct, frozen=True):
    """A share of a rule's requests.

    `backend` None: this share gets `status` because of `reason` (500 for a missing reference).
    """

    weight: int
    backend: BackendKey | None
    origin: Origin
    status: int = 0
    reason: str = ""
    request_headers: tuple[HeaderEdit, ...] = ()
    response_headers: tuple[HeaderEdit, ...] = ()
    pass_host: bool = True


class MirrorTo(Struct, frozen=True, gc=False):
    """Copy numerator/denominator of the requests to `backend`."""

    backend: BackendKey
    numerator: int
    denominator: int
    origin: Origin


class Forward(Struct, frozen=True, tag=True):
    """Send to one of `backends` by weight.  Timeouts in seconds: None the engine's default, 0 none.

    `read_timeout`: between two reads of the answer, also on a WebSocket unless `tunnel_timeout` holds there.
    `host` and `paths` rewrite the request as the backend sees it (paths in order).  All weights 0 or no
    backends: `status` (500 Gateway API, 503 others).
    """

    backends: tuple[WeightedBackend, ...]
    host: str | None = None
    paths: tuple[PathEdit, ...] = ()
    timeout: float | None = None
    backend_timeout: float | None = None
    retry: Retry | None = None
    persistence: SessionPersistence | None = None
    mirrors: tuple[MirrorTo, ...] = ()
    status: int = 503
    read_timeout: float | None = None
    tunnel_timeout: float | None = None
    hash: tuple[HashKey, ...] = ()


class RedirectTo(Struct, frozen=True, tag=True):
    """Answer with a redirect; None keeps that part.

    `port` 0: no port in the Location; None: that of the scheme where `scheme` is given, else the listener's.
    `status_other`: for methods but GET.  `keeps_query` False: without the query of the request.
    """

    origin: Origin
    status: int
    scheme: str | None = None
    host: str | None = None
    port: int | None = None
    path: PathEdit | None = None
    status_other: int | None = None
    keeps_query: bool = True


class Respond(Struct, frozen=True, tag=True):
    """Answer with a fixed status because of `reason`.

    `refused`: not what the owner wished (a broken or missing part).  `body` None: the status in words, as text/plain.
    """

    status: int
    reason: str
    origin: Origin | None = None
    refused: bool = True
    body: bytes | None = None
    content_type: str = ""


Action = Forward | RedirectTo | Respond


class Access(Struct, frozen=True, gc=False):
    """Only clients in one of `cidrs`, else `status`.

    `depth` n: the n-th address from the right of X-Forwarded-For as it arrived; 0: the peer.  `deny`: only clients
    outside of them.  `trusted`: peers whose X-Forwarded-For counts; from others (and without enough entries) the client
    is unknown, and nobody knows whether it may pass: it may not.  `nearest`: the client is the last address there
    that is none of `trusted`, or the first where all are, the peer itself standing behind them all.
    """

    cidrs: tuple[str, ...]
    origin: Origin
    depth: int = 0
    status: int = 403
    deny: bool = False
    trusted: tuple[str, ...] = ()
    nearest: bool = False


class BasicAuthUsers(Struct, frozen=True, tag=True):
    """HTTP basic authentication against htpasswd lines.  `excepts`: CIDRs of clients that are not asked."""

    users: Sensitive
    origin: Origin
    realm: str = ""
    remove_header: bool = False
    user_header: str = ""
    excepts: tuple[str, ...] = ()


class AskAuth(Struct, frozen=True, tag=True):
    """Ask `backend` about each request, as `question` says.

    `host` and `path` are those of the question's URL ("" host: the backend's own name).
    """

    question: ForwardAuth
    backend: BackendKey
    host: Template
    path: Template
    tls: bool = False


class TokenCheck(Struct, frozen=True, tag=True):
    """A JWT filter with keys resolved: `keys` (provider, JWKS document, or backend and path to get it from)."""

    check: Jwt
    keys: tuple[tuple[str, str | tuple[BackendKey, str, str]], ...]


class ErrorPage(Struct, frozen=True, tag=True):
    """Answers with a status in range are replaced by those of `backend`; see the intent."""

    pages: ErrorPages
    backend: BackendKey

    def covers(self, status: int) -> bool:
        """Is an answer with this status replaced?"""
        return any(low <= status <= high for low, high in self.pages.statuses)


Step = (
    BasicAuthUsers
    | AskAuth
    | TokenCheck
    | Authorize
    | RateLimit
    | InFlight
    | BodyLimit
    | Compress
    | ErrorPage
    | ClientCertificateHeaders
)
"""Something done to a request before its action, or to its answer."""


class Rule(Struct, frozen=True):
    """One rule, resolved.

    Order of effects: access, cors (a preflight carries no credentials), `steps` in their order, request headers,
    action; response headers on the way back.

    `id` is stable: "HTTPRoute ns/name rule 2" or its name.  A redirect answers after access and auth.
    """

    id: str
    route: Key
    origin: Origin
    action: Action
    access: tuple[Access, ...] = ()
    cors: Cors | None = None
    steps: tuple[Step, ...] = ()
    request_headers: tuple[HeaderEdit, ...] = ()
    response_headers: tuple[HeaderEdit, ...] = ()
    websocket: bool = True


class Entry(Struct, frozen=True):
    """One way into a rule: `match` with hosts decided, so `match.hosts` holds only what this VirtualHost leaves open.

    For a catch-all or wildcard VirtualHost `match.hosts` may still hold HostMatches to be evaluated per request.
    """

    match: Match
    rule: Rule
    origin: Origin


# --- virtual hosts, listeners, gateways --------------------------------------------------------


class Family(enum.StrEnum):
    """What a VirtualHost does with a connection that selects it.

    HTTP (plain), HTTPS (HTTP after TLS termination), PASSTHROUGH (by SNI, TLS untouched), TERMINATED (TLS
    ended, bytes forwarded), TCP and UDP (the port decides).
    """

    HTTP = "http"
    HTTPS = "https"
    PASSTHROUGH = "passthrough"
    TERMINATED = "terminated"
    TCP = "tcp"
    UDP = "udp"


BY_TLS = frozenset({Family.HTTPS, Family.PASSTHROUGH, Family.TERMINATED})
"""The families that take part in TLS."""


class VirtualHostKey(Struct, frozen=True, order=True, gc=False):
    """(gateway, port, family, hostname): the unit of everything.  `gateway` is the Gateway's id, "namespace/name"."""

    gateway: str
    port: int
    family: Family
    hostname: str

    def __str__(self) -> str:
        return f"{self.hostname}:{self.port} on {self.gateway}"


class Certificate(Struct, frozen=True):
    """A usable certificate.  `key` is the Secret's Key; `chain` PEM; never printed: the private key."""

    key: Key
    origin: Origin
    chain: bytes
    private_key: Sensitive
    facts: CertificateFacts


class SniScope(Struct, frozen=True, gc=False):
    """Which SNIs may carry requests for this VirtualHost; others are answered 421 (Misdirected Request).

    Accepted: covered by `own` (the listener's hostname) and by none of `others` (more specific listeners of the
    same port).  A connection without SNI is accepted only when `own` is "*".
    """

    own: str
    others: tuple[str, ...] = ()


class TlsSettings(Struct, frozen=True):
    """How a port terminates TLS.  `client_ca` PEM; `client_depth`: the most certificates between one and a client's, 0
    for any number.

    `client_mode`: "" (not asked for), "require" (a handshake without a valid one fails), "request" (any is taken, and
    none), "verify" (none, or a valid one), "answer" (400 without a valid one), "any" (400 without any), "optional" (400
    for an invalid one only).
    """

    min_version: str = ""
    max_version: str = ""
    ciphers: tuple[str, ...] = ()
    alpn: tuple[str, ...] = ()
    client_ca: bytes = b""
    client_mode: str = ""
    sni_strict: bool = False
    client_depth: int = 0


class VirtualHost(Struct, frozen=True):
    """One hostname at one port of one gateway.

    `entries` in order of precedence, first match wins; nothing matches: 404 for HTTP, closed otherwise.
    `certificates` (families HTTPS and TERMINATED): candidates, best first (Keys into Graph.certificates);
    empty means: none usable, the certificate engine has to bring one.  `tls`: how TLS is ended for this hostname where
    that differs from its port's; requests for it by an SNI with other settings are answered 421.  `client`: what is
    asked of client certificates beyond the handshake, before any rule.
    """

    key: VirtualHostKey
    listener: str
    origin: Origin
    entries: tuple[Entry, ...] = ()
    certificates: tuple[Key, ...] = ()
    sni: SniScope | None = None
    tls: TlsSettings | None = None
    client: ClientAuth | None = None


class Listener(Struct, frozen=True):
    """A listener as it stands after resolution.  `conflict` (a reason) means: not programmed.

    `name` is unique in its gateway (a ListenerSet's are "namespace/set/name").  `problems` of its references.  `own`:
    what its entry point says where the door as a whole says something else; `options` and `redirection` as there.
    `apart`: its `settings` are not those of its port.  `tls_options`: the TLSOption of routes that say nothing of TLS
    (Traefik).
    """

    name: str
    port: int
    protocol: Protocol
    hostname: str
    origin: Origin
    tls: bool = False
    passthrough: bool = False
    certificates: tuple[Key, ...] = ()
    settings: TlsSettings = TlsSettings()
    conflict: str = ""
    problems: tuple[Problem, ...] = ()
    own: EntrySettings = EntrySettings()
    apart: bool = False
    tls_options: Key | None = None
    options: Options = NOTHING
    redirection: Redirection | None = None


class Port(Struct, frozen=True):
    """One socket of a gateway: what its listeners amount to.  `udp` separates 53/UDP from 53/TCP.

    `tls`: TLS is expected (HTTPS, TLS listeners, TLS entry points).  A port never mixes plain and TLS HTTP
    except in dialect Traefik, where every port sniffs: `tls` and `plain` may both be true.
    """

    number: int
    udp: bool
    tls: bool
    plain: bool
    http: bool
    listeners: tuple[str, ...]
    settings: TlsSettings = TlsSettings()


class Gateway(Struct, frozen=True):
    """Any door.  `id` is "namespace/name".  `depth`: how many labels its wildcards span.

    `pools_certificates`: any certificate that a route brought may serve any name that it covers (Traefik);
    `default_certificate` serves names without one.  `default_entry_points` are those of routes that name none,
    `tls_entry_points` those that put TLS on every route; `allow_external_name` the providers ("ingress", "crd")
    whose ExternalName Services are followed.  `classes` are the class names that it serves, None standing
    for objects without a class; `namespaces` whose objects it watches, empty: all.  `settings` is what else decides the
    way to it; `service` the Service in front of it; `options` what holds for all of its rules.  `strict_prefixes`:
    a Prefix path of an Ingress goes by segments in Traefik, too.
    """

    id: str
    key: Key
    dialect: Dialect
    implementation: str
    origin: Origin
    depth: Depth
    listeners: tuple[Listener, ...]
    ports: tuple[Port, ...]
    addresses: tuple[str, ...] = ()
    classes: tuple[str | None, ...] = ()
    default_entry_points: tuple[str, ...] = ()
    tls_entry_points: tuple[str, ...] = ()
    allow_external_name: tuple[str, ...] = ()
    allow_cross_namespace: bool = True
    pools_certificates: bool = False
    default_certificate: Key | None = None
    allow_no_sni: bool = True
    settings: DoorSettings = DoorSettings()
    service: Key | None = None
    namespaces: tuple[str, ...] = ()
    options: Options = NOTHING
    strict_prefixes: bool = False


class Refusal(Struct, frozen=True, gc=False):
    """Why a route did not attach somewhere.  `reason` is Gateway API's condition reason where one exists
    (NotAllowedByListeners, NoMatchingListenerHostname, NoMatchingParent, RefNotPermitted, ...).

    `hint` says what to do about it.  `absent`: the parent is not among the input, which may be on purpose.
    """

    parent: str
    reason: str
    message: str
    origin: Origin
    hint: str = ""
    absent: bool = False


class Attachment(Struct, frozen=True):
    """Where one route attached and where it did not, and why."""

    route: Key
    origin: Origin
    virtual_hosts: tuple[VirtualHostKey, ...] = ()
    refusals: tuple[Refusal, ...] = ()


class Graph(Struct, frozen=True):
    """The whole, immutable; successive graphs share what did not change.

    Mappings are persistent (immutables.Map) keyed as typed; iteration order is unspecified: sort to print.
    `certificate_names`: which certificates routes brought to a gateway, by (gateway id, name pattern).
    `problems` are those of resolution, by the node (its string form) that has them.
    `tls_sockets`: the (gateway id, port) of which some VirtualHost looks into TLS.
    """

    gateways: Mapping[str, Gateway]
    virtual_hosts: Mapping[VirtualHostKey, VirtualHost]
    backends: Mapping[BackendKey, Backend]
    certificates: Mapping[Key, Certificate]
    certificate_names: Mapping[tuple[str, str], tuple[Key, ...]]
    attachments: Mapping[Key, Attachment]
    problems: Mapping[str, tuple[Problem, ...]]
    tls_sockets: frozenset[tuple[str, int]] = frozenset()


class Change(Struct, frozen=True):
    """What differs between two successive graphs: only these nodes need compiling, pushing, printing.

    `pooled`: the (gateway id, name pattern) whose certificates differ; `objects`: the tokens of the objects that differ
    (see `objects.Objects.update`), for whoever reads more of them than the graph holds.
    """

    gateways: frozenset[str] = frozenset()
    virtual_hosts: frozenset[VirtualHostKey] = frozenset()
    backends: frozenset[BackendKey] = frozenset()
    certificates: frozenset[Key] = frozenset()
    attachments: frozenset[Key] = frozenset()
    pooled: frozenset[tuple[str, str]] = frozenset()
    objects: frozenset[Hashable] = frozenset()


def merged(first: Change, second: Change) -> Change:
    """What differs after two changes in a row."""
    return Change(*(getattr(first, name) | getattr(second, name) for name in Change.__struct_fields__))
