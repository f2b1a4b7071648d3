"""The client that X-Forwarded-For names at a certain place, in a header of our own.

For peers that are believed only.  Counterpart: `access`, which compares that entry where the route is chosen.
"""

from __future__ import annotations

from typing import Final

from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import base_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2

from gatewright.engines.envoy.steps.conditions import Filter
from gatewright.engines.envoy.wire import extension

CLIENT_HEADER: Final = "x-gatewright-client"


def forwarded_client(depth: int) -> Filter:
    """Writes the entry at this place from the right, as the request arrived; nothing where there are fewer."""
    script = _SCRIPT.format(name=CLIENT_HEADER, depth=depth)
    return extension(
        "envoy.filters.http.lua", lua_pb2.Lua(default_source_code=base_pb2.DataSource(inline_string=script))
    )


def without(name: str) -> Filter:
    """Removes a request header."""
    mutation = mutation_rules_pb2.HeaderMutation(remove=name)
    mutations = header_mutation_pb2.Mutations(request_mutations=[mutation])
    return extension("envoy.filters.http.header_mutation", header_mutation_pb2.HeaderMutation(mutations=mutations))


_SCRIPT: Final = """\
function envoy_on_request(handle)
  local headers, found = handle:headers(), {{}}
  headers:remove("{name}")
  for entry in string.gmatch(headers:get("x-forwarded-for") or "", "[^,%s]+") do found[#found + 1] = entry end
  local client = found[#found - {depth}]  -- the last one is the peer
  if client then headers:replace("{name}", client) end
end
"""
