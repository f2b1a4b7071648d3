"""EndpointSlice (discovery.k8s.io): some of the addresses behind a Service, which a label names."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from gatewright.base.document import Document
from gatewright.kinds.decode import Ignored, Object, Report, Schema, decode, key_of
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.material import EndpointAddress, EndpointsIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.kubernetes.endpoints import TargetRef, check_address

SERVICE_LABEL = "kubernetes.io/service-name"
_ZONE = "topology.kubernetes.io/zone"
_NODE = "kubernetes.io/hostname"


class _Conditions(Schema, frozen=True):
    """`ready` unset means ready, as the API says."""

    ready: bool | None = None
    serving: Ignored = None
    terminating: Ignored = None


class _Endpoint(Schema, frozen=True):
    addresses: Annotated[tuple[str, ...], Meta(min_length=1, max_length=100)]
    conditions: _Conditions = _Conditions()
    node_name: str = ""
    target_ref: TargetRef = TargetRef()
    zone: str = ""
    topology: dict[str, str] = field(default_factory=dict)  # v1beta1
    deprecated_topology: dict[str, str] = field(default_factory=dict)
    hints: Ignored = None
    hostname: Ignored = None


class _Port(Schema, frozen=True):
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    name: str = ""
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    app_protocol: Ignored = None


class EndpointSlice(Object, frozen=True, kw_only=True):
    address_type: Literal["IPv4", "IPv6", "FQDN"] = "IPv4"
    endpoints: tuple[_Endpoint, ...] = ()
    ports: tuple[_Port, ...] = ()


def lower(document: Document) -> Lowered:
    """Lower an EndpointSlice."""
    endpoint_slice, problems = decode(document, EndpointSlice)
    report = Report(document, problems)
    if endpoint_slice is None:
        return report.lowered(None)
    service = endpoint_slice.metadata.labels.get(SERVICE_LABEL, "")
    if not service:
        hint = f"add the label {SERVICE_LABEL} with the Service's name"
        report.warning("no-service", "the slice belongs to no Service", "metadata", "labels", hint=hint)
        return report.lowered(None)
    if endpoint_slice.address_type == "FQDN":
        hint = "use a Service of type ExternalName"
        report.unsupported("addresses that are names are not supported", "addressType", hint=hint)
        return report.lowered(None)
    intent = EndpointsIntent(
        key_of(document),
        document.origin,
        Key("Service", document.namespace, service),
        _addresses(endpoint_slice.endpoints, report),
        _ports(endpoint_slice.ports, report),
    )
    return report.lowered(intent)


def _addresses(endpoints: tuple[_Endpoint, ...], report: Report) -> tuple[EndpointAddress, ...]:
    lowered = []
    for index, endpoint in enumerate(endpoints):
        topology = endpoint.topology or endpoint.deprecated_topology
        pod = endpoint.target_ref.name if endpoint.target_ref.kind == "Pod" else ""
        for number, address in enumerate(endpoint.addresses):
            check_address(address, report, ("endpoints", index, "addresses", number))
            lowered.append(
                EndpointAddress(
                    address,
                    endpoint.conditions.ready is not False,
                    pod,
                    endpoint.node_name or topology.get(_NODE, ""),
                    endpoint.zone or topology.get(_ZONE, ""),
                )
            )
    return tuple(lowered)


def _ports(ports: tuple[_Port, ...], report: Report) -> tuple[tuple[str, int], ...]:
    lowered = []
    for index, port in enumerate(ports):
        if port.port is None:
            report.unsupported("a port without a number (any port) is not supported", "ports", index)
        else:
            lowered.append((port.name, port.port))
    return tuple(lowered)


KIND = Kind("EndpointSlice", ("discovery.k8s.io/v1", "discovery.k8s.io/v1beta1"), lower)
