"""The fallback filter: looks for another scope where there is none for the host as it was written.

Scopes are exact: a host in another spelling, or one that only a wildcard covers, has none.  The filter runs on such a
miss and nowhere else, because every scope switches it off.  It knows the wildcards of its place, and where TLS is ended
in several ways it knows which way belongs to which name: a request that came by another answers 421.  Nothing depends
on that for safety: a connection's scopes are only those of its own TLS settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from envoy.config.core.v3 import base_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2

from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.engines.envoy import names
from gatewright.engines.envoy.wire import extension, serialise
from gatewright.graph.nodes import Family, TlsSettings


def fallback(
    place: tuple[str, int, Family], depth: Depth, served: Iterable[str], apart: Mapping[str, TlsSettings]
) -> bytes:
    """The filter's configuration for one place.

    `served` are all hostnames there, `apart` those whose TLS is ended otherwise than the port's.
    """
    gateway, port, family = place
    script = _SCRIPT.format(
        start=_quoted(names.scope_prefix(gateway, port, family).removesuffix("|")),
        names="".join(f"[{_quoted(n)}]={_quoted(p)}," for n, p in sorted(_known(depth, served, apart).items())),
        depth=1 if depth is Depth.ONE else 127,
        several="true" if apart else "false",
        scope=_quoted(names.SCOPE_HEADER),
        host=_quoted(names.HOST_HEADER),
    )
    lua = lua_pb2.Lua(default_source_code=base_pb2.DataSource(inline_string=script))
    return serialise(extension(names.fallback(gateway, port, family), lua))


def _known(depth: Depth, served: Iterable[str], apart: Mapping[str, TlsSettings]) -> dict[str, str]:
    """What the filter has to know of names: wildcards, those apart, and those that wildcards apart would take."""
    wild_apart = {name for name in apart if _is_pattern(name)}
    found = {}
    for name in served:
        if _is_pattern(name) or name in apart or (wild_apart and wild_apart.intersection(_above(name, depth))):
            settings = apart.get(name)
            found[name] = f"{names.SETTINGS_MARK}{names.settings(settings)}" if settings is not None else ""
    return found


def _above(name: str, depth: Depth) -> set[str]:
    return set(hostnames.parents(name, depth)) - {name}


def _is_pattern(name: str) -> bool:
    return name == hostnames.ANY or hostnames.is_wildcard(name)


_SCRIPT: Final = """\
local start, depth, several = {start}, {depth}, {several}
local names = {{{names}}}

local function normal(host)
  host = string.lower(host)
  if string.sub(host, 1, 1) == "[" then
    return (string.match(host, "^%[[^%]]*")) .. "]"
  end
  host = string.match(host, "^[^:]*")
  if string.sub(host, -1) == "." then host = string.sub(host, 1, -2) end
  return host
end

local function parent(host)
  local rest = host
  for _ = 1, depth do
    rest = string.match(rest, "%.(.*)$")
    if not rest then break end
    local pattern = "*." .. rest
    if names[pattern] then return pattern end
  end
  if names["*"] then return "*" end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  -- Envoy decides on upgrades when a request arrives; where it knows no route yet, it lets all of them pass.
  local upgrade = string.lower(headers:get("upgrade") or "websocket")
  if upgrade ~= "websocket" and string.find(string.lower(headers:get("connection") or ""), "upgrade", 1, true) then
    handle:respond({{[":status"] = "403"}}, "403 Forbidden\\n")
    return
  end
  local written = headers:get(":authority") or ""
  local host = normal(written)
  local rest = string.sub(headers:get({scope}) or "", #start + 1)
  local own = string.match(rest, "^[^|]*") or ""
  local prefix = start .. own .. "|"
  if host ~= written then
    headers:replace({scope}, prefix .. host)
    handle:clearRouteCache()
    handle:metadata()  -- asks for the route, which makes Envoy choose again
    if handle:streamInfo():routeName() ~= "" then return end
  end
  local pattern = names[host] and host or parent(host)
  if several and (names[pattern] or "") ~= own then
    handle:respond({{[":status"] = "421"}}, "421 Misdirected Request\\n")
    return
  end
  if pattern then
    headers:replace({scope}, prefix .. pattern)
    headers:replace({host}, host)
    handle:clearRouteCache()
  end
end
"""


def _quoted(text: str) -> str:
    """A Lua string literal: every byte that is not a plain character is escaped."""
    return '"' + "".join(c if c.isalnum() or c in "-._*/|" else f"\\{ord(c):03d}" for c in text) + '"'
