"""EnvoyPatchPolicy, EnvoyExtensionPolicy and EnvoyProxy: what they change in Envoy itself is told, not carried over.

An EnvoyProxy mostly says how Envoy is deployed, which is nobody's business here; its merging and bootstrap are told.
"""

from __future__ import annotations

from msgspec import field

from gatewright.base.document import Document
from gatewright.kinds.decode import LenientObject, Report, decode
from gatewright.kinds.envoy_gateway import envoygateway
from gatewright.kinds.intents import Lowered
from gatewright.kinds.kind import Kind

_SAID = {
    "EnvoyPatchPolicy": ("its patches are not applied", "say it with routes, filters and policies"),
    "EnvoyExtensionPolicy": (
        "its extensions (Wasm, ext_proc, Lua) do not run",
        "put them behind the gateway, as a backend",
    ),
}
_OF_PROXY = {
    "bootstrap": "Envoy's bootstrap is Gatewright's own",
    "filterOrder": "filters run in the order in which they are written",
    "backendTLS": "name certificates in a BackendTLSPolicy, or the Gateway's spec.tls.backend",
    "ipFamily": "backends are reached by the addresses that they have",
}


class _Object(LenientObject, frozen=True):
    spec: dict[str, object] = field(default_factory=dict)


def lower_extension(document: Document) -> Lowered:
    """Lower an EnvoyPatchPolicy or EnvoyExtensionPolicy: to nothing."""
    report = Report(document)
    instead, hint = _SAID[document.kind]
    report.unsupported(f"{document.kind} is not carried over: {instead}", "spec", hint=hint)
    return report.lowered(None)


def lower_proxy(document: Document) -> Lowered:
    """Lower an EnvoyProxy: to nothing."""
    found, problems = decode(document, _Object)
    report = Report(document, problems)
    for name, instead in _OF_PROXY.items():
        if found is not None and name in found.spec:
            report.unsupported(f"not carried over: {instead}", "spec", name)
    return report.lowered(None)


KINDS = (
    Kind("EnvoyPatchPolicy", envoygateway.API_VERSIONS, lower_extension),
    Kind("EnvoyExtensionPolicy", envoygateway.API_VERSIONS, lower_extension),
    Kind("EnvoyProxy", envoygateway.API_VERSIONS, lower_proxy),
)
