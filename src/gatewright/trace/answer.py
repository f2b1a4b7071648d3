"""What comes back or goes on: redirect locations, CORS preflights, the request as the backend sees it."""

from __future__ import annotations

from gatewright.graph.nodes import Forward, RedirectTo, WeightedBackend
from gatewright.kinds.intents import Cors, HeaderEdit
from gatewright.trace.hops import Sent
from gatewright.trace.paths import edit, normalise
from gatewright.trace.request import Request

DEFAULT_PORTS = {"http": 80, "https": 443}


def location(action: RedirectTo, request: Request, path: str, matched: str) -> str:
    """The Location of a redirect.  The query is kept; default ports are left out.

    `port` None keeps the request's port unless scheme or host change it away; 0 drops it.
    """
    scheme = action.scheme or ("https" if request.encrypted else "http")
    host = action.host or request.host
    port = action.port if action.port is not None else (request.port if action.scheme is None else 0)
    new_path = edit(path, action.path, matched) if action.path else path
    suffix = f":{port}" if port and port != DEFAULT_PORTS.get(scheme) else ""
    query = f"?{request.query}" if request.query else ""
    return f"{scheme}://{host}{suffix}{new_path}{query}"


def sent(action: Forward, share: WeightedBackend, request: Request, matched: str) -> Sent:
    """Host and path (with query) as the backend gets them."""
    if request.scheme in ("tcp", "udp", "tls") or not request.target:
        return Sent(request.host, "")
    path, _ = normalise(request.path)
    for change in action.paths:
        path = edit(path, change, matched)
    query = f"?{request.query}" if request.query else ""
    host = action.host or request.host
    return Sent(host, path + query)


def is_preflight(request: Request) -> bool:
    """A CORS preflight request (Fetch, clause 3.2.2)."""
    return (
        request.method == "OPTIONS"
        and request.header("origin") is not None
        and request.header("access-control-request-method") is not None
    )


def origin_allowed(cors: Cors, origin: str) -> bool:
    """Is this Origin one of the allowed ones: exact, `*`, or with `*` as the first label of the host?"""
    for allowed in cors.allow_origins:
        if allowed in ("*", origin):
            return True
        scheme, star, suffix = allowed.partition("://*.")
        if star and origin.startswith(scheme + "://") and origin.endswith("." + suffix):
            return True
    return False


def describe(change: HeaderEdit) -> str:
    """Header changes in a line; values are shown as written."""
    parts = [f"-{name}" for name in change.remove]
    parts += [f"{name}={value}" for name, value in change.set]
    parts += [f"+{name}={value}" for name, value in change.add]
    return ", ".join(parts)
