"""HTTP filters: the fixed chain of every listener, and what a route switches on in it.

What a filter does is said by the route, so a listener never changes when a route does.  Envoy decides which of the
disabled filters a request meets when it arrives; a route that only the fallback filter finds comes too late for
that.  So filters that leave other routes alone are always there, and authentication is there twice.  The fallback
filter is the other way round: every scope switches it off, so it runs only where no scope was found.
"""

from __future__ import annotations

import base64
from typing import Final

import re2
from envoy.config.core.v3 import base_pb2, config_source_pb2
from envoy.config.route.v3 import route_components_pb2 as route
from envoy.extensions.common.matching.v3 import extension_matcher_pb2
from envoy.extensions.filters.common.matcher.action.v3 import skip_action_pb2
from envoy.extensions.filters.http.basic_auth.v3 import basic_auth_pb2
from envoy.extensions.filters.http.cors.v3 import cors_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.http.stateful_session.v3 import stateful_session_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm
from envoy.extensions.http.stateful_session.cookie.v3 import cookie_pb2
from envoy.extensions.http.stateful_session.header.v3 import header_pb2
from envoy.type.http.v3 import cookie_pb2 as http_cookie
from envoy.type.matcher.v3 import http_inputs_pb2, string_pb2
from google.protobuf.any_pb2 import Any
from xds.core.v3.extension_pb2 import TypedExtensionConfig
from xds.type.matcher.v3 import regex_pb2 as xds_regex

from gatewright.engines.envoy import names
from gatewright.engines.envoy.match import regex
from gatewright.engines.envoy.wire import ads, extension, pack, seconds
from gatewright.graph.nodes import BasicAuthUsers, Family
from gatewright.kinds.intents.filters import Cors
from gatewright.kinds.intents.routing import SessionPersistence

BASIC_AUTH: Final = "envoy.filters.http.basic_auth"
LATE_BASIC_AUTH: Final = "gatewright.basic_auth"
"""Authentication for routes that the fallback filter found."""
LATE_ROUTE: Final = "gatewright.late_route"
"""Finds out whether they ask for it; a filter of its own, because a script gets to see one route only."""
CORS: Final = "envoy.filters.http.cors"
SESSION: Final = "envoy.filters.http.stateful_session"
ROUTER: Final = "envoy.filters.http.router"
LUA: Final = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"

_NOBODY: Final = "nobody:{SHA}" + base64.b64encode(bytes(20)).decode()
"""Envoy wants a user also where the filter is off: one whose password nobody can know."""


def chain(gateway: str, port: int, family: Family) -> list[hcm.HttpFilter]:
    """The filters of a listener, in the order in which requests meet them."""
    nobody = basic_auth_pb2.BasicAuth(users=base_pb2.DataSource(inline_string=_NOBODY))
    return [
        hcm.HttpFilter(
            name=names.fallback(gateway, port, family),
            config_discovery=config_source_pb2.ExtensionConfigSource(config_source=ads(), type_urls=[LUA]),
        ),
        # A preflight carries no credentials, so it is answered before they are asked for.
        hcm.HttpFilter(name=CORS, typed_config=pack(cors_pb2.Cors())),
        hcm.HttpFilter(name=BASIC_AUTH, typed_config=pack(nobody), disabled=True),
        hcm.HttpFilter(name=LATE_ROUTE, typed_config=pack(_lua(_MARK))),
        hcm.HttpFilter(name=LATE_BASIC_AUTH, typed_config=pack(_where_asked_for(nobody))),
        hcm.HttpFilter(name=SESSION, typed_config=pack(stateful_session_pb2.StatefulSession())),
        hcm.HttpFilter(name=ROUTER, typed_config=pack(router_pb2.Router(suppress_envoy_headers=True))),
    ]


def _where_asked_for(auth: basic_auth_pb2.BasicAuth) -> extension_matcher_pb2.ExtensionWithMatcher:
    """Basic authentication for requests that the fallback filter has marked, and no others."""
    made = extension_matcher_pb2.ExtensionWithMatcher(extension_config=extension(BASIC_AUTH, auth))
    marked = http_inputs_pb2.HttpRequestHeaderMatchInput(header_name=names.AUTH_HEADER)
    field = made.xds_matcher.matcher_list.matchers.add()
    single = field.predicate.not_matcher.single_predicate
    single.input.CopyFrom(TypedExtensionConfig(name="marked", typed_config=pack(marked)))
    single.value_match.safe_regex.CopyFrom(
        xds_regex.RegexMatcher(google_re2=xds_regex.RegexMatcher.GoogleRE2(), regex=".+")
    )
    skip = TypedExtensionConfig(name="skip", typed_config=pack(skip_action_pb2.SkipFilter()))
    field.on_match.action.CopyFrom(skip)
    return made


def switched_off() -> Any:
    """For a scope: the fallback filter has nothing to do where the scope was found."""
    return pack(route.FilterConfig(disabled=True, is_optional=True))


def _lua(script: str) -> lua_pb2.Lua:
    return lua_pb2.Lua(default_source_code=base_pb2.DataSource(inline_string=script))


_MARK: Final = f"""\
function envoy_on_request(handle)
  local headers = handle:headers()
  headers:replace("{names.AUTH_HEADER}", "1")  -- first: an error in a script lets its request pass
  if not handle:metadata():get("auth") then headers:remove("{names.AUTH_HEADER}") end
end
"""
"""Marks requests for whose route, as it now is, a user is asked for."""


# --- per route ----------------------------------------------------------------------------------


def basic_auth(auth: BasicAuthUsers) -> Any | None:
    """The users that Envoy can check, or None when it can check none of them."""
    lines = [line.strip() for line in auth.users.reveal().decode(errors="replace").splitlines()]
    usable = [line for line in lines if line.partition(":")[2].startswith("{SHA}")]
    if not usable:
        return None
    users = base_pb2.DataSource(inline_string="\n".join(usable))
    return pack(basic_auth_pb2.BasicAuthPerRoute(users=users))


def cors(policy: Cors) -> Any:
    """CORS as described; a preflight that no origin covers is answered without permission, not passed on."""
    made = cors_pb2.CorsPolicy(
        allow_origin_string_match=[_origin(o) for o in policy.allow_origins],
        allow_methods=",".join(policy.allow_methods),
        allow_headers=",".join(policy.allow_headers),
        expose_headers=",".join(policy.expose_headers),
        max_age=str(policy.max_age),
    )
    made.allow_credentials.value = policy.allow_credentials
    made.forward_not_matching_preflights.value = False
    return pack(made)


def _origin(origin: str) -> string_pb2.StringMatcher:
    if origin == "*":
        return regex("(?s:.*)")
    if "*" not in origin:
        return string_pb2.StringMatcher(exact=origin, ignore_case=True)
    return regex("(?i:" + "[^/]+".join(re2.escape(part) for part in origin.split("*")) + ")")


def found_late(one: route.Route) -> None:
    """A route that asks for a user does so, too, when it is the fallback filter that finds it."""
    if BASIC_AUTH in one.typed_per_filter_config:
        one.typed_per_filter_config[LATE_BASIC_AUTH].CopyFrom(one.typed_per_filter_config[BASIC_AUTH])
        one.metadata.filter_metadata[LATE_ROUTE]["auth"] = True


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
    made = http_cookie.Cookie(name=name, path=persistence.path or "/", ttl=seconds(persistence.max_age))
    if persistence.secure:
        made.attributes.add(name="Secure")
    if persistence.http_only:
        made.attributes.add(name="HttpOnly")
    if persistence.same_site:
        made.attributes.add(name="SameSite", value=persistence.same_site.capitalize())
    return made
