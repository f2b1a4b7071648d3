"""What backends are told about the client's certificate.  What the client says of it himself never survives."""

from __future__ import annotations

from typing import Final

from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import base_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2

from gatewright.engines.envoy.steps.conditions import Filter, Part, parts
from gatewright.engines.envoy.steps.context import Context, Refused, is_header_name
from gatewright.engines.envoy.wire import extension
from gatewright.kinds.intents.filters import ClientCertificateHeaders

_TOLD: Final = {
    "pem": "%DOWNSTREAM_PEER_CERT%",
    "subject": "%DOWNSTREAM_PEER_SUBJECT%",
    "issuer": "%DOWNSTREAM_PEER_ISSUER%",
    "fingerprint-sha1": "%DOWNSTREAM_PEER_FINGERPRINT_1%",
    "fingerprint-sha256": "%DOWNSTREAM_PEER_FINGERPRINT_256%",
    "serial": "%DOWNSTREAM_PEER_SERIAL%",
}
_VERIFY: Final = "verify"


def filters(step: ClientCertificateHeaders, context: Context) -> list[Part] | Refused:
    """Remove the client's, then add what Envoy knows; an unknown `what` is nothing to tell."""
    if not all(is_header_name(name) for name, _ in step.headers):
        return Refused("a header about the client's certificate has no possible name", step.origin)
    mutations = [mutation_rules_pb2.HeaderMutation(remove=name.lower()) for name, _ in step.headers]
    mutations += [_add(name, _TOLD[what]) for name, what in step.headers if what in _TOLD]
    edit = header_mutation_pb2.HeaderMutation(mutations=header_mutation_pb2.Mutations(request_mutations=mutations))
    made: list[Filter] = [extension("envoy.filters.http.header_mutation", edit)]
    results = [name.lower() for name, what in step.headers if what == _VERIFY]
    if results:
        script = _SCRIPT.format(names=", ".join(f'"{name}"' for name in results))
        lua = lua_pb2.Lua(default_source_code=base_pb2.DataSource(inline_string=script))
        made.append(extension("envoy.filters.http.lua", lua))
    unknown = [what for _, what in step.headers if what not in _TOLD and what != _VERIFY]
    return Refused(f"nothing is known of a certificate's {unknown[0]}", step.origin) if unknown else parts(made)


def _add(name: str, value: str) -> mutation_rules_pb2.HeaderMutation:
    return mutation_rules_pb2.HeaderMutation(
        append=base_pb2.HeaderValueOption(
            header=base_pb2.HeaderValue(key=name.lower(), value=value),
            append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
        )
    )


_SCRIPT: Final = """\
function envoy_on_request(handle)
  local tls = handle:streamInfo():downstreamSslConnection()
  local found = "NONE"
  if tls and tls:peerCertificatePresented() then
    found = tls:peerCertificateValidated() and "SUCCESS" or "FAILED"
  end
  for _, name in ipairs({{{names}}}) do handle:headers():replace(name, found) end
end
"""
"""An error in it leaves the headers away: the client's are gone already."""
