"""Rules: what is done with a request, in which order, and where it is sent.

Everything that dialects say of filters and options is settled here.  Counterparts: `hosts` (which rules a hostname has,
in order of precedence), `backends`.
"""

from __future__ import annotations

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.base.sensitive import Sensitive
from gatewright.graph.nodes.backends import BackendKey
from gatewright.kinds.identity import Key
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
from gatewright.kinds.intents.routing import HashKey, Match, Retry, SessionPersistence


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
