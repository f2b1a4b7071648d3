"""What comes back or goes on: redirect locations, CORS preflights, the request as the backend sees it."""

from __future__ import annotations

import re

from gatewright.graph.nodes import Forward, RedirectTo, Respond, Rule, WeightedBackend
from gatewright.kinds.intents.filters import Cors, HeaderEdit
from gatewright.trace.hops import Sent
from gatewright.trace.paths import edit, normalise
from gatewright.trace.request import STREAMS, Request

_LABEL = re.compile(r"[a-z0-9-]+", re.ASCII)
DEFAULT_PORTS = {"http": 80, "https": 443}
TELL_APART = frozenset({"ingress-nginx", "traefik", "alb"})
"""Doors for which a backend that refuses is a bad gateway (502), and one that cannot be reached in time a slow one."""

GRPC_STATUSES = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}


def unreached(implementation: str) -> int:
    """The status of a door that does not reach its backend, as far as it is told that at once."""
    return 502 if implementation in TELL_APART else 503


def location(action: RedirectTo, request: Request, path: str, matched: str, own: str = "") -> str:
    """The Location of a redirect; `own`: the scheme that the client uses.  Default ports are left out.

    Without a port of its own a redirect goes to that of its scheme, or, if it has no scheme either, to the listener's.
    Where a proxy in front speaks another scheme than the listener, the listener's port is not the one that clients use.
    """
    spoken = "https" if request.encrypted else "http"
    own = own or spoken
    scheme = action.scheme or own
    host = action.host or request.host
    port = action.port
    if port is None:
        port = 0 if action.scheme or own != spoken else request.port
    new_path = edit(path, action.path, matched) if action.path else path
    suffix = f":{port}" if port and port != DEFAULT_PORTS.get(scheme) else ""
    query = request.target[len(request.path) :] if action.keeps_query else ""
    return f"{scheme}://{host}{suffix}{new_path}{query}"


def sent(rule: Rule, action: Forward, share: WeightedBackend, request: Request, matched: str) -> Sent:
    """Host and path (with query) as the backend gets them."""
    path, _ = normalise(request.path)
    for change in action.paths:
        path = edit(path, change, matched)
    query = request.target[len(request.path) :]
    return Sent(_sent_host(rule, action, share, request), path + query)


def untouched(request: Request) -> Sent:
    """The request when its bytes are passed on; streams have no path."""
    return Sent(request.host, "" if request.scheme in STREAMS else request.target)


def _sent_host(rule: Rule, action: Forward, share: WeightedBackend, request: Request) -> str:
    """The Host: rewritten, set as a header, the backend's own, or the client's."""
    if action.host is not None:
        return action.host
    edits = (*rule.request_headers, *share.request_headers)
    written = [value for edit_ in edits for name, value in (*edit_.set, *edit_.add) if name.lower() == "host"]
    if written:
        return written[-1]
    return request.host if share.pass_host or share.backend is None else ""


def is_preflight(request: Request) -> bool:
    """A CORS preflight request (Fetch, clause 3.2.2)."""
    return (
        request.method == "OPTIONS"
        and request.header("origin") is not None
        and request.header("access-control-request-method") is not None
    )


def is_forwarded(action: Forward | RedirectTo | Respond) -> bool:
    """Does some backend get the requests, or does the gateway answer them all?"""
    return isinstance(action, Forward) and any(share.weight and share.backend for share in action.backends)


def origin_allowed(cors: Cors, origin: str) -> bool:
    """Is this Origin one of the allowed ones: exact, `*`, or with a `*` for part of the host?"""
    return any(_covers(allowed.lower(), origin.lower(), one_label=cors.one_label) for allowed in cors.allow_origins)


def _covers(allowed: str, origin: str, *, one_label: bool) -> bool:
    if allowed == "*":
        return True
    before, star, after = allowed.partition("*")
    if not star:
        return allowed == origin
    middle = origin[len(before) : len(origin) - len(after)]
    fits = _LABEL.fullmatch(middle) if one_label else middle and "/" not in middle
    return origin.startswith(before) and origin.endswith(after) and bool(fits)


def grpc_status(status: int) -> int:
    """The gRPC status that stands for an HTTP one (gRPC, "HTTP to gRPC Status Code Mapping")."""
    return GRPC_STATUSES.get(status, 2)


def describe(change: HeaderEdit) -> str:
    """Header changes in a line; values are shown as written."""
    parts = [f"-{name}" for name in change.remove]
    parts += [f"{name}={value}" for name, value in change.set]
    parts += [f"+{name}={value}" for name, value in change.add]
    return ", ".join(parts)
