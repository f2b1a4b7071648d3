"""Intents of routing: what a request has to be like, what is done with it, where it goes.

Regular expressions are full-match RE2, boolean rules are in disjunctive normal form, defaults are filled in.
Counterpart: `doors`, where routes attach.
"""

from __future__ import annotations

import enum

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.base.sensitive import Sensitive
from gatewright.kinds.identity import Key


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
