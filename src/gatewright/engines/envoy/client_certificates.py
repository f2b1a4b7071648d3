"""What is asked of client certificates beyond the handshake: answers of a hostname before any of its rules.

The handshake of such a host succeeds with any certificate and with none (see `tls`); its scope then turns away who has
none, or one that its authorities do not stand for.  As these are the scope's first routes, no rule can come before
them.  Counterpart in the graph: `resolve.tls_options`.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from envoy.config.route.v3 import route_components_pb2 as route

from gatewright.engines.envoy import actions, names
from gatewright.graph.nodes import VirtualHost
from gatewright.kinds.intents.options import ClientAuth

_BAD_REQUEST: Final = 400
_FORBIDDEN: Final = 403
_NAME: Final = "client certificate"


def client_refusals(host: VirtualHost) -> list[route.Route]:
    """The routes that come first in a scope; none where the handshake says it all, or nobody is asked."""
    client = host.client
    if client is None:
        return []
    made = []
    if client.mode in ("answer", "any"):
        nobody = _route(client)
        nobody.match.tls_context.presented.value = False
        made.append(nobody)
    if client.mode in ("answer", "optional"):
        invalid = _route(client)
        invalid.match.tls_context.validated.value = False
        invalid.match.tls_context.presented.value = True
        made.append(invalid)
    return made + (_others(client.common_name) if client.common_name else [])


def further_notes(host: VirtualHost) -> tuple[str, ...]:
    """The headers set on arrival for these routes, which no backend gets."""
    return (names.SUBJECT_HEADER,) if host.tls is not None and host.tls.client_mode else ()


def _others(pattern: str) -> list[route.Route]:
    """403 for whose certificate names another subject, and for one that anybody may have written."""
    unknown, other = (actions.respond(_FORBIDDEN, _NAME) for _ in range(2))
    unknown.match.prefix = other.match.prefix = ""
    unknown.match.tls_context.validated.value = False
    condition = other.match.headers.add(name=names.SUBJECT_HEADER, invert_match=True)
    condition.string_match.safe_regex.regex = pattern
    condition.treat_missing_header_as_empty = True
    return [unknown, other]


def _route(client: ClientAuth) -> route.Route:
    """400, or the page that the owner has for it."""
    page = urlsplit(client.error_page)
    if page.scheme in ("http", "https") and page.netloc:
        made = route.Route(name=_NAME)
        made.redirect.response_code = route.RedirectAction.FOUND
        made.redirect.scheme_redirect = page.scheme
        made.redirect.host_redirect = page.hostname or ""
        if page.port:
            made.redirect.port_redirect = page.port
        made.redirect.path_redirect = page.path or "/"
        if page.query:
            made.redirect.path_redirect += f"?{page.query}"
        made.redirect.strip_query = True
    else:
        made = actions.respond(_BAD_REQUEST, _NAME)
    made.match.prefix = ""
    return made
