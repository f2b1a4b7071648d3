"""Intents of routing: what a request has to be like and where it goes.

Regular expressions are full-match RE2, boolean rules are in disjunctive normal form, defaults are filled in.
Counterparts: `filters`, what is done with it on the way; `doors`, where routes attach.
"""

from __future__ import annotations

import enum

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.base.percent import Reading
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.filters import Filter


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
    """The path.  `reading`, what of it is decoded before, is the gateway's business and said only where it matters."""

    kind: PathKind
    value: str
    negate: bool = False
    ignore_case: bool = False
    reading: Reading = Reading.NORMAL


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


class UpstreamTls(Struct, frozen=True, order=True):
    """TLS towards a backend, as a route asks for it.

    `server_name` is the SNI ("" the Host sent).  `verify` against the certificates in `ca` (a Secret's or ConfigMap's
    ca.crt, or its entry `ca_entry`; None: the system's) for `verify_name` ("" the server name).  `client` a Secret with
    tls.crt and tls.key.
    """

    verify: bool = False
    server_name: str = ""
    verify_name: str = ""
    ca: Key | None = None
    client: Key | None = None
    ca_entry: str = ""


class HealthCheck(Struct, frozen=True, gc=False):
    """Ask endpoints whether they are well: GET `path` ("" : a TCP connection), times in seconds.

    `statuses` (from, to) say so, () any of 200 to 399.  Unwell endpoints get no requests, and where none is well
    clients get 503; where fewer than `panic` per cent are well, all are taken to be (1: where none is, as ALB does).
    """

    path: str = ""
    interval: float = 15.0
    timeout: float = 5.0
    healthy: int = 2
    unhealthy: int = 2
    statuses: tuple[tuple[int, int], ...] = ()
    host: str = ""
    port: int = 0
    panic: int = 0


class Upstream(Struct, frozen=True):
    """How a backend is connected to where somebody says so; None: as usual.

    `balance`: "round-robin" | "least-request" | "random" | "ring-hash" | "maglev" ("" as usual).  Times in seconds.
    `max_requests`, `max_connections`, `max_pending`: at the same time, to all endpoints together; more get 503.
    `tls` None: as scheme, transport and policies say; else TLS is spoken, unless the scheme says otherwise.
    After `outlier_errors` answers of 5xx or failures to connect in a row an endpoint is left out for `outlier_seconds`.
    """

    balance: str = ""
    connect_timeout: float | None = None
    idle_timeout: float | None = None
    max_connections: int | None = None
    max_pending: int | None = None
    max_requests: int | None = None
    max_requests_per_connection: int | None = None
    tls: UpstreamTls | None = None
    health: HealthCheck | None = None
    outlier_errors: int = 0
    outlier_seconds: float = 0.0


class HashKey(Struct, frozen=True, gc=False):
    """What decides which endpoint a request goes to.

    `kind`: "client" | "header" | "cookie" | "query" | "uri" | "path" | "host".  Several are taken together.  `seconds`:
    a cookie that is not there is set for so long; 0 for a session, -1 never.
    """

    kind: str
    name: str = ""
    seconds: int = -1


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
    upstream: Upstream | None = None


class SessionPersistence(Struct, frozen=True, gc=False):
    """Stick to one endpoint by cookie or header.  `max_age` in seconds, 0 for a session cookie.

    `domain`: of the cookie, "" for the host alone.  Scripts see it in no case, whatever `http_only` says.  An endpoint
    that is gone is replaced by another.
    """

    kind: str = "cookie"
    name: str = ""
    path: str = ""
    max_age: int = 0
    secure: bool = False
    http_only: bool = False
    same_site: str = ""
    domain: str = ""


class Retry(Struct, frozen=True, gc=False):
    """Retry on these statuses (0 = connection failures only); `backoff` in seconds.

    `resets`: also when the backend closes without an answer.  `methods`: only requests with these (() all); a failure
    to connect is tried again for all of them where `connects_always`.  `timeout` seconds for each try, None no limit.
    """

    attempts: int
    codes: tuple[int, ...] = ()
    backoff: float = 0.0
    resets: bool = False
    methods: tuple[str, ...] = ()
    connects_always: bool = True
    timeout: float | None = None


class RuleIntent(Struct, frozen=True):
    """One rule: any of `matches` (empty tuple: everything), then filters in order, then the backends.

    `index` is its place in its object, `priority` the dialect's number (Traefik; larger wins), None where
    the dialect derives precedence from the match.  Timeouts in seconds; None default, 0 no limit.
    `default` marks a rule that only answers when nothing else matches (Ingress defaultBackend).
    `read_timeout`: seconds between two reads of the backend's answer, also on a WebSocket unless `tunnel_timeout` is
    said for it.  `hash` decides the endpoint where the balance goes by hash.
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
    read_timeout: float | None = None
    hash: tuple[HashKey, ...] = ()
    websocket: bool = True
    tunnel_timeout: float | None = None
