"""Endpoints (core/v1, the older form of EndpointSlice): addresses behind the Service of the same name."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from gatewright.base.document import Document
from gatewright.kinds import syntax
from gatewright.kinds.decode import Ignored, Lenient, Object, Path, Report, Schema, decode, has_variable, key_of
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.material import EndpointAddress, EndpointsIntent
from gatewright.kinds.kind import Kind


class TargetRef(Lenient, frozen=True):
    """The object behind an endpoint: mostly a Pod."""

    kind: str = ""
    name: str = ""


class _Address(Schema, frozen=True):
    ip: str
    node_name: str = ""
    target_ref: TargetRef = TargetRef()
    hostname: Ignored = None


class _Port(Schema, frozen=True):
    port: Annotated[int, Meta(ge=1, le=65535)]
    name: str = ""
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    app_protocol: Ignored = None


class _Subset(Schema, frozen=True):
    addresses: tuple[_Address, ...] = ()
    not_ready_addresses: tuple[_Address, ...] = ()
    ports: tuple[_Port, ...] = ()


class Endpoints(Object, frozen=True):
    subsets: tuple[_Subset, ...] = field(default=())


def check_address(address: str, report: Report, path: Path) -> None:
    """Refuse what is not an IP address."""
    if not syntax.is_ip(address) and not has_variable(address):
        hint = "for a hostname use a Service of type ExternalName"
        report.invalid(f"{address[:60]!r} is not an IP address", *path, hint=hint)


def lower(document: Document) -> Lowered:
    """Lower Endpoints; each further subset is an intent of its own within the first."""
    endpoints, problems = decode(document, Endpoints)
    report = Report(document, problems)
    if endpoints is None:
        return report.lowered(None)
    intents = [_lower_subset(subset, index, document, report) for index, subset in enumerate(endpoints.subsets)]
    service = Key("Service", document.namespace, document.name)
    if not intents:
        return report.lowered(EndpointsIntent(key_of(document), document.origin, service))
    first = intents[0]
    intent = EndpointsIntent(first.key, first.origin, first.service, first.addresses, first.ports, tuple(intents[1:]))
    return report.lowered(intent)


def _lower_subset(subset: _Subset, index: int, document: Document, report: Report) -> EndpointsIntent:
    path: Path = ("subsets", index)
    addresses = []
    for name, group in (("addresses", subset.addresses), ("notReadyAddresses", subset.not_ready_addresses)):
        for number, address in enumerate(group):
            check_address(address.ip, report, (*path, name, number, "ip"))
            pod = address.target_ref.name if address.target_ref.kind == "Pod" else ""
            ready = name == "addresses"
            addresses.append(EndpointAddress(address.ip, ready, pod, address.node_name))
    return EndpointsIntent(
        key_of(document),
        document.origin.at(*path),
        Key("Service", document.namespace, document.name),
        tuple(addresses),
        tuple((port.name, port.port) for port in subset.ports),
    )


KIND = Kind("Endpoints", ("v1",), lower)
