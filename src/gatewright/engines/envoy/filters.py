"""HTTP filters: the fixed chain of every listener, and what a route switches on in it.

What a filter does is said by the route, so a listener never changes when a route does.  Envoy decides which of the
disabled filters a request meets when it arrives; a route that only the fallback filter finds comes too late for
that.  So every filter is always there, and each scope switches off what costs something and what its routes do not
switch on again.  Where no scope was found, all of them run and do what the late route says, if anything.
Counterpart: `composite`, what a route says.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import re2
from envoy.config.core.v3 import config_source_pb2
from envoy.config.route.v3 import route_components_pb2 as route
from envoy.extensions.filters.http.composite.v3 import composite_pb2
from envoy.extensions.filters.http.cors.v3 import cors_pb2
from envoy.extensions.filters.http.custom_response.v3 import custom_response_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.http.stateful_session.v3 import stateful_session_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm
from envoy.extensions.http.stateful_session.cookie.v3 import cookie_pb2
from envoy.extensions.http.stateful_session.header.v3 import header_pb2
from envoy.type.http.v3 import cookie_pb2 as http_cookie
from envoy.type.matcher.v3 import string_pb2
from google.protobuf.any_pb2 import Any

from gatewright.engines.envoy import names
from gatewright.engines.envoy.match import regex
from gatewright.engines.envoy.steps import forward_auth
from gatewright.engines.envoy.wire import ads, extension, pack, seconds
from gatewright.graph.nodes import Family
from gatewright.kinds.intents.filters import Cors
from gatewright.kinds.intents.routing import SessionPersistence

BEFORE: Final = "gatewright.before"
RULE: Final = "gatewright.rule"
AFTER: Final = "gatewright.after"
"""These run the filters that a route carries (see `composite`), before a server is asked and after it, and behind
filters that wait."""
CORS: Final = "envoy.filters.http.cors"
PAGES: Final = "envoy.filters.http.custom_response"
SESSION: Final = "envoy.filters.http.stateful_session"
ROUTER: Final = "envoy.filters.http.router"
LUA: Final = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"

CARRIERS: Final = (BEFORE, RULE, AFTER)
UNNEEDED: Final = (PAGES, forward_auth.FILTER, *CARRIERS)
"""What a scope switches off, beside its listener's fallback filter."""


def chain(gateway: str, port: int, family: Family) -> list[hcm.HttpFilter]:
    """The filters of a listener, in the order in which requests meet them."""
    return [
        hcm.HttpFilter(
            name=names.fallback(gateway, port, family),
            config_discovery=config_source_pb2.ExtensionConfigSource(config_source=ads(), type_urls=[LUA]),
        ),
        hcm.HttpFilter(name=PAGES, typed_config=pack(custom_response_pb2.CustomResponse())),
        # A preflight carries no credentials, so it is answered before they are asked for.
        hcm.HttpFilter(name=CORS, typed_config=pack(cors_pb2.Cors())),
        hcm.HttpFilter(name=BEFORE, typed_config=pack(composite_pb2.Composite())),
        forward_auth.http_filter(),
        hcm.HttpFilter(name=RULE, typed_config=pack(composite_pb2.Composite())),
        hcm.HttpFilter(name=AFTER, typed_config=pack(composite_pb2.Composite())),
        hcm.HttpFilter(name=SESSION, typed_config=pack(stateful_session_pb2.StatefulSession())),
        hcm.HttpFilter(name=ROUTER, typed_config=pack(router_pb2.Router(suppress_envoy_headers=True))),
    ]


@cache
def switched_off() -> Any:
    """For a scope: a filter that its routes do not need unless they say so."""
    return pack(route.FilterConfig(disabled=True, is_optional=True))


# --- per route ----------------------------------------------------------------------------------


def cors(policy: Cors) -> Any:
    """CORS as described; a preflight that no origin covers is answered without permission, not passed on."""
    made = cors_pb2.CorsPolicy(
        allow_origin_string_match=[_origin(o, _LABEL if policy.one_label else "[^/]+") for o in policy.allow_origins],
        allow_methods=",".join(policy.allow_methods),
        allow_headers=",".join(policy.allow_headers),
        expose_headers=",".join(policy.expose_headers),
        max_age=str(policy.max_age),
    )
    made.allow_credentials.value = policy.allow_credentials
    made.forward_not_matching_preflights.value = False
    return pack(made)


_LABEL: Final = "[A-Za-z0-9-]+"


def _origin(origin: str, wildcard: str) -> string_pb2.StringMatcher:
    if origin == "*":
        return regex("(?s:.*)")
    if "*" not in origin:
        return string_pb2.StringMatcher(exact=origin, ignore_case=True)
    return regex("(?i:" + wildcard.join(re2.escape(part) for part in origin.split("*")) + ")")


def session(persistence: SessionPersistence, fallback_name: str) -> Any:
    """Stick to an endpoint by a cookie or a header that names it."""
    name = persistence.name or fallback_name
    if persistence.kind == "header":
        state = extension("envoy.http.stateful_session.header", header_pb2.HeaderBasedSessionState(name=name))
    else:
        state = extension(
            "envoy.http.stateful_session.cookie",
            cookie_pb2.CookieBasedSessionState(cookie=_cookie(persistence, name)),
        )
    return pack(
        stateful_session_pb2.StatefulSessionPerRoute(
            stateful_session=stateful_session_pb2.StatefulSession(session_state=state)
        )
    )


def _cookie(persistence: SessionPersistence, name: str) -> http_cookie.Cookie:
    """The cookie; Envoy makes it HttpOnly in any case."""
    made = http_cookie.Cookie(name=name, path=persistence.path or "/", ttl=seconds(persistence.max_age))
    if persistence.domain:
        made.attributes.add(name="Domain", value=persistence.domain)
    if persistence.secure:
        made.attributes.add(name="Secure")
    if persistence.same_site:
        made.attributes.add(name="SameSite", value=persistence.same_site.capitalize())
    return made
