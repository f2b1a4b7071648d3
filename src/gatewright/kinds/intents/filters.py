"""Intents of filters: what is done with a request or its answer on the way between client and backend.

A rule's filters are a list and run in its order, as far as the data plane can (see `graph.nodes.Rule`); what comes from
options of a whole route or door (`options`) is put in front of them in the order of the dialect it came from.
Regular expressions are RE2.  Counterpart: `routing`, which requests a rule takes and where they go.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.base.sensitive import Sensitive
from gatewright.kinds.identity import Key

if TYPE_CHECKING:  # a backend may have filters of its own
    from gatewright.kinds.intents.routing import BackendRef, Retry, UpstreamTls


class Variable(enum.StrEnum):
    """A part of a text that each request decides.  Values are the client's: whoever puts one in a URL escapes it."""

    HOST = "host"  # normalised, without port
    SCHEME = "scheme"
    METHOD = "method"
    PATH = "path"  # as it arrived, without query
    QUERY = "query"  # without the question mark
    URI = "uri"  # path and query
    ESCAPED_URI = "escaped-uri"  # percent-encoded as a query value
    ESCAPED_URL = "escaped-url"  # scheme://host[:port]/path?query, percent-encoded as a query value
    URL = "url"
    CLIENT = "client"  # the client's address, as the door knows it
    PORT = "port"  # that the client connected to
    REQUEST_ID = "request-id"
    STATUS = "status"  # of the answer, for error pages
    ORIGINAL_STATUS = "original-status"  # that of the backend, where an error page changes it


Template = tuple[str | Variable, ...]
"""Text with variables, in pieces: a `Variable` stands for its value, any other text for itself."""


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
    """One change of the path.  `tells`: the request header in which the backend gets the path before it, "" none."""

    kind: PathEditKind
    value: str = ""
    prefixes: tuple[str, ...] = ()
    pattern: str = ""
    tells: str = ""


class Rewrite(Struct, frozen=True, tag=True):
    """The request as the backend sees it: another Host and/or path edits, in order."""

    origin: Origin
    host: str | None = None
    paths: tuple[PathEdit, ...] = ()


class Redirect(Struct, frozen=True, tag=True):
    """Answer with a redirect.  None keeps that part of the URL; `port` 0 means: drop the port.

    `status_other` is the status for methods other than GET (Traefik: 307/308), None for the same.
    `only_if_scheme_differs`: pass the request on when it already has `scheme` (and port).  `keeps_query` False: without
    the query of the request; a `path` with a query of its own has that.
    """

    origin: Origin
    scheme: str | None = None
    host: str | None = None
    port: int | None = None
    path: PathEdit | None = None
    status: int = 302
    status_other: int | None = None
    only_if_scheme_differs: bool = False
    keeps_query: bool = True


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
    """CORS as Gateway API's HTTPCORSFilter: origins exact, `*` or with a wildcard in the host part.

    `one_label`: such a wildcard stands for letters, digits and hyphens, at least one; else for any part of the host.
    """

    origin: Origin
    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    allow_credentials: bool = False
    max_age: int = 5
    one_label: bool = False


class AllowSources(Struct, frozen=True, tag=True):
    """403 (or `status`) unless the client lies in `cidrs`.

    `depth`: which X-Forwarded-For entry from the right; 0 is the peer.
    """

    origin: Origin
    cidrs: tuple[str, ...]
    depth: int = 0
    status: int = 403


class BasicAuth(Struct, frozen=True, tag=True):
    """HTTP basic authentication.  Users come from `users` and from the Secret, as htpasswd lines.

    `entry`: the Secret's key that has the lines, "" its only one, or the one user of type kubernetes.io/basic-auth.
    `by_name`: the Secret's keys are the users, each with its hash.  `excepts`: CIDRs of clients that are not asked.
    """

    origin: Origin
    secret: Key | None = None
    users: Sensitive | None = None
    realm: str = ""
    remove_header: bool = False
    user_header: str = ""
    excepts: tuple[str, ...] = ()
    by_name: bool = False
    entry: str = ""


class DenySources(Struct, frozen=True, tag=True):
    """`status` for clients in `cidrs`.  `depth` as in AllowSources."""

    origin: Origin
    cidrs: tuple[str, ...]
    depth: int = 0
    status: int = 403


class ForwardAuth(Struct, frozen=True, tag=True):
    """Ask a server about each request before it goes on: 2xx lets it pass, anything else is the answer.

    `url` absolute, http or https. `method` "" for the request's own. `tells`: headers of the question, which win over
    the client's; `sends`: which of the client's go along (None: all but those of the connection); `sends_body` octets
    of body at most, 0 none. Of a 2xx answer, the headers in `copies` and those in which RE2 `copies_matching` finds a
    match replace the request's (what the client sent under these names never survives), and the cookies named in
    `cookies` are set at the client ("*" for all that it sets). `tells_from`: a ConfigMap with more headers of the
    question; an empty template in `tells` is a header that is not sent. `denials`: answers passed on as they are,
    others become `status_on_error`; None: all are. `signin`: where a 401 redirects to (302); () nowhere. `excepts`:
    CIDRs of clients that are not asked about. No answer within `timeout` seconds, or none at all: `status_on_error`.
    `completes_location`: a relative Location of an answer is taken to be relative to `url`. `backend`: who is asked
    where an object refers to it, then only the path of `url` counts; `referrer` is that object (None: the route), which
    has to be permitted to.
    """

    origin: Origin
    url: Template
    method: str = "GET"
    tells: tuple[tuple[str, Template], ...] = ()
    sends: tuple[str, ...] | None = None
    sends_body: int = 0
    copies: tuple[str, ...] = ()
    copies_matching: str = ""
    cookies: tuple[str, ...] = ()
    denials: tuple[int, ...] | None = None
    signin: Template = ()
    status_on_error: int = 500
    timeout: float = 30.0
    tls: UpstreamTls | None = None
    excepts: tuple[str, ...] = ()
    completes_location: bool = False
    tells_from: Key | None = None
    backend: BackendRef | None = None
    referrer: Key | None = None


class LimitBy(enum.StrEnum):
    """Whose requests are counted together."""

    CLIENT = "client"  # the client's address
    HEADER = "header"  # the value of a request header
    HOST = "host"  # the Host asked for
    ALL = "all"  # everybody's


class RateLimit(Struct, frozen=True, tag=True):
    """On average `requests` per `period` seconds, up to `burst` at once; beyond that `status`.

    `burst` counts from an idle start, so it is at least 1.  `depth` as in AllowSources, for CLIENT.  `excepts`: CIDRs
    of clients that are not limited.
    """

    origin: Origin
    requests: int
    period: float = 1.0
    burst: int = 1
    by: LimitBy = LimitBy.CLIENT
    header: str = ""
    depth: int = 0
    status: int = 429
    excepts: tuple[str, ...] = ()


class InFlight(Struct, frozen=True, tag=True):
    """At most `amount` requests at the same time, else `status`."""

    origin: Origin
    amount: int
    by: LimitBy = LimitBy.ALL
    header: str = ""
    depth: int = 0
    status: int = 429


class BodyLimit(Struct, frozen=True, tag=True):
    """413 for requests with a body of more than `octets`.

    `buffered`: the backend sees nothing of a request before its body is complete and found small enough.
    """

    origin: Origin
    octets: int
    buffered: bool = False


class Compress(Struct, frozen=True, tag=True):
    """Compress answers of `min_length` octets or more: `encodings` of "gzip", "br", "zstd", the preferred first.

    `types`: the media types that are compressed, () for the usual ones; `excluded` never.
    """

    origin: Origin
    encodings: tuple[str, ...] = ("gzip",)
    min_length: int = 1024
    types: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    level: int = 0


class Retries(Struct, frozen=True, tag=True):
    """Try again as `retry` says; the last one of a rule counts, and wins over what the rule says itself."""

    origin: Origin
    retry: Retry


class ErrorPages(Struct, frozen=True, tag=True):
    """Replace answers whose status lies in `statuses` (from, to) by what `backend` answers to GET `path`.

    `passes_status`: the client gets the page's own status instead of the original one.  `tells`: request headers for
    the error backend.  `rewrites`: (from, to, new status) of answers that are replaced.
    """

    origin: Origin
    statuses: tuple[tuple[int, int], ...]
    backend: BackendRef
    path: Template = ("/",)
    passes_status: bool = False
    tells: tuple[tuple[str, Template], ...] = ()
    rewrites: tuple[tuple[int, int, int], ...] = ()


class ClientCertificateHeaders(Struct, frozen=True, tag=True):
    """Tell the backend about the client's certificate: `headers` (name, what).

    `what`: "pem" (URL-encoded), "subject", "issuer", "fingerprint-sha1", "fingerprint-sha256", "serial", "verify"
    ("SUCCESS", "FAILED" or "NONE").  What the client sent under these names never survives.
    """

    origin: Origin
    headers: tuple[tuple[str, str], ...]


class JwtProvider(Struct, frozen=True):
    """Where tokens of an issuer are found and what verifies them.

    Keys come from `jwks_url`, or inline from `jwks`, or from the ConfigMap or Secret `jwks_from`.  Tokens are looked
    for in `headers` (name, prefix), query `parameters` and `cookies`; all empty: `Authorization: Bearer`.
    `claims_to_headers`: (claim, header).
    """

    name: str
    issuer: str = ""
    audiences: tuple[str, ...] = ()
    jwks_url: str = ""
    jwks: str = ""
    jwks_from: Key | None = None
    headers: tuple[tuple[str, str], ...] = ()
    parameters: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    claims_to_headers: tuple[tuple[str, str], ...] = ()
    forward: bool = True


class Jwt(Struct, frozen=True, tag=True):
    """401 unless the request carries a valid token of one of `providers`; `optional`: or none at all."""

    origin: Origin
    providers: tuple[JwtProvider, ...]
    optional: bool = False


class AuthorizeRule(Struct, frozen=True):
    """Lets pass (or not) what fulfils all that is said: client in one of `cidrs`, one of `methods`, `headers` (name,
    one of these values), `claims` (provider, claim, one of these values; an array claim holds one of them)."""

    allow: bool
    cidrs: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    claims: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    scopes: tuple[tuple[str, str], ...] = ()


class Authorize(Struct, frozen=True, tag=True):
    """The first rule that fits decides; `allow` is what holds when none does.  403 for what may not pass."""

    origin: Origin
    rules: tuple[AuthorizeRule, ...]
    allow: bool = False


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


class HeadersFrom(Struct, frozen=True, tag=True):
    """Set headers as a ConfigMap says, name by name: of answers where `to_client`, else of requests.

    Without the ConfigMap the rule answers 503, as ingress-nginx does.
    """

    origin: Origin
    source: Key
    to_client: bool = True


class FilterRef(Struct, frozen=True, tag=True):
    """A filter defined by another object (a Traefik Middleware, an HTTPRoute ExtensionRef), resolved by the graph.

    `anywhere`: who refers to it may do so across namespaces, whatever the gateway says.  `others`: what else the
    reference may mean, where `target` does not exist.
    """

    origin: Origin
    target: Key
    anywhere: bool = False
    others: tuple[Key, ...] = ()


Filter = (
    RequestHeaders
    | ResponseHeaders
    | Rewrite
    | Redirect
    | RegexRedirect
    | Mirror
    | Cors
    | AllowSources
    | DenySources
    | BasicAuth
    | ForwardAuth
    | Jwt
    | Authorize
    | RateLimit
    | InFlight
    | BodyLimit
    | Compress
    | Retries
    | ErrorPages
    | ClientCertificateHeaders
    | Refuse
    | Respond
    | HeadersFrom
    | FilterRef
)
