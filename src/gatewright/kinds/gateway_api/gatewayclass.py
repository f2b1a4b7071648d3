"""GatewayClass (Gateway API): which controller serves the Gateways that name the class."""

from __future__ import annotations

from gatewright.base.document import Document
from gatewright.base.problem import Severity
from gatewright.kinds.decode import Ignored, Object, Report, Schema, decode, key_of
from gatewright.kinds.gateway_api import gatewayapi
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.doors import GatewayClassIntent
from gatewright.kinds.kind import Kind


class _Parameters(Schema, frozen=True):
    kind: str
    name: str
    group: str = ""
    namespace: str = ""


class _Spec(Schema, frozen=True):
    controller_name: str
    parameters_ref: _Parameters | None = None
    description: Ignored = None


class GatewayClass(Object, frozen=True, kw_only=True):
    spec: _Spec


def lower(document: Document) -> Lowered:
    """Lower a GatewayClass.  Its parameters belong to one implementation, and are said to be unread."""
    gateway_class, problems = decode(document, GatewayClass)
    report = Report(document, problems)
    if gateway_class is None:
        return report.lowered(None)
    parameters = gateway_class.spec.parameters_ref
    if parameters is not None:
        message = f"spec.parametersRef: settings in a {parameters.kind} are not read"
        report.add(Severity.INFO, "parameters-not-read", message, ("spec", "parametersRef"))
    intent = GatewayClassIntent(key_of(document), document.origin, gateway_class.spec.controller_name)
    return report.lowered(intent)


KIND = Kind(
    "GatewayClass",
    tuple(f"{gatewayapi.GROUP}/{version}" for version in ("v1", "v1beta1", "v1alpha2")),
    lower,
    namespaced=False,
)
