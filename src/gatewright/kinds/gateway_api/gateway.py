"""Gateway (Gateway API): the listeners of a door.  ListenerSets share the listeners' schema and lowering."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from gatewright.base.document import Document
from gatewright.kinds import labelselector, syntax
from gatewright.kinds.decode import (
    Ignored,
    Lenient,
    Object,
    Path,
    Report,
    Schema,
    decode,
    has_variable,
    key_of,
    suggest,
)
from gatewright.kinds.gateway_api import gatewayapi
from gatewright.kinds.gateway_api.gatewayapi import ObjectReference
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.doors import AllowedRoutes, FrontendTls, GatewayIntent, ListenerIntent
from gatewright.kinds.intents.routing import Protocol
from gatewright.kinds.kind import Kind
from gatewright.kinds.labelselector import LabelSelector


class _RouteNamespaces(Schema, frozen=True):
    from_: Literal["All", "Same", "Selector", "None"] | None = field(default=None, name="from")
    selector: LabelSelector | None = None


class _RouteKind(Schema, frozen=True):
    kind: str
    group: str = gatewayapi.GROUP


class _Allowed(Schema, frozen=True):
    namespaces: _RouteNamespaces = _RouteNamespaces()
    kinds: Annotated[tuple[_RouteKind, ...], Meta(max_length=8)] = ()


class _Validation(Schema, frozen=True):
    ca_certificate_refs: Annotated[tuple[ObjectReference, ...], Meta(min_length=1, max_length=8)]
    mode: Literal["AllowValidOnly", "AllowInsecureFallback"] = "AllowValidOnly"


class _ListenerTls(Schema, frozen=True):
    mode: Literal["Terminate", "Passthrough"] = "Terminate"
    certificate_refs: Annotated[tuple[ObjectReference, ...], Meta(max_length=64)] = ()
    frontend_validation: _Validation | None = None  # where v1.1 to v1.3 had it
    options: dict[str, str] = field(default_factory=dict)


class Listener(Schema, frozen=True):
    name: gatewayapi.Name
    port: gatewayapi.Port
    protocol: str
    hostname: str | None = None
    tls: _ListenerTls | None = None
    allowed_routes: _Allowed = _Allowed()


class _Address(Schema, frozen=True):
    type: str = "IPAddress"
    value: str = ""


class _ValidationConfig(Schema, frozen=True):
    validation: _Validation | None = None


class _PortConfig(Schema, frozen=True):
    port: gatewayapi.Port
    tls: _ValidationConfig


class _Frontend(Schema, frozen=True):
    default: _ValidationConfig = _ValidationConfig()
    per_port: tuple[_PortConfig, ...] = ()


class _BackendTls(Schema, frozen=True):
    client_certificate_ref: ObjectReference | None = None


class _Infrastructure(Schema, frozen=True):
    """Of what a cluster would run for the Gateway only the annotations of its Service say where it is reached."""

    annotations: dict[str, str] | None = field(default_factory=dict)
    labels: Ignored = None
    parameters_ref: Ignored = None


class _GatewayTls(Schema, frozen=True):
    backend: _BackendTls = _BackendTls()
    frontend: _Frontend | None = None


class _Spec(Schema, frozen=True, kw_only=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "defaultScope": "default Gateways are not supported; routes have to name this Gateway"
    }

    gateway_class_name: gatewayapi.Name
    listeners: Annotated[tuple[Listener, ...], Meta(max_length=64)] = ()
    addresses: Annotated[tuple[_Address, ...], Meta(max_length=16)] = ()
    allowed_listeners: _Allowed | None = None
    tls: _GatewayTls = _GatewayTls()
    backend_tls: _BackendTls | None = field(default=None, name="backendTLS")  # where v1.1 to v1.3 had it
    infrastructure: _Infrastructure | None = None


class _StatusAddress(Lenient, frozen=True):
    value: str = ""


class _Status(Lenient, frozen=True):
    addresses: tuple[_StatusAddress, ...] | None = ()


class Gateway(Object, frozen=True, kw_only=True):
    spec: _Spec
    status: _Status | None = None


def lower(document: Document) -> Lowered:
    """Lower a Gateway."""
    gateway, problems = decode(document, Gateway)
    report = Report(document, problems)
    if gateway is None:
        return report.lowered(None)
    spec = gateway.spec
    if not spec.listeners and spec.allowed_listeners is None:
        report.invalid("a Gateway needs at least one listener", "spec", "listeners")
    for index, address in enumerate(spec.addresses):
        fixed = address.type == "IPAddress" and address.value and not has_variable(address.value)
        if fixed and not syntax.is_ip(address.value):
            report.invalid(f"{address.value!r} is not an IP address", "spec", "addresses", index, "value")
    backend = spec.tls.backend.client_certificate_ref or (
        spec.backend_tls.client_certificate_ref if spec.backend_tls else None
    )
    infrastructure = (spec.infrastructure.annotations if spec.infrastructure else None) or {}
    intent = GatewayIntent(
        key=key_of(document),
        origin=document.origin,
        class_name=spec.gateway_class_name,
        listeners=lower_listeners(spec.listeners, document, report, spec.tls.frontend),
        addresses=_addresses(gateway),
        allowed_listeners=_lower_allowed(spec.allowed_listeners, "None"),
        backend_client_certificate=_key(backend, document.namespace) if backend else None,
        created=gateway.metadata.created,
        labels=gateway.metadata.marks,
        annotations=gateway.metadata.notes,
        address_annotations=tuple(sorted(infrastructure.items())),
    )
    return report.lowered(intent)


def _addresses(gateway: Gateway) -> tuple[str, ...]:
    """The addresses that were asked for, and those that the cluster says it has, each once."""
    found = [address.value for address in gateway.spec.addresses]
    if gateway.status is not None:
        found += [address.value for address in gateway.status.addresses or ()]
    return tuple(dict.fromkeys(value for value in found if value))


def lower_listeners(
    listeners: tuple[Listener, ...],
    document: Document,
    report: Report,
    frontend: _Frontend | None = None,
) -> tuple[ListenerIntent, ...]:
    """The listeners that can be served; each other one leaves a Problem."""
    seen: set[object] = set()
    lowered = []
    for index, listener in enumerate(listeners):
        path: Path = ("spec", "listeners", index)
        identity = (listener.port, listener.protocol.upper(), listener.hostname or None)
        for item, what in (
            (listener.name, "the name"),
            (identity, "the combination of port, protocol and hostname"),
        ):
            if item in seen:
                report.invalid(f"{what} of this listener is used twice", *path)
            seen.add(item)
        if (intent := _lower_listener(listener, document.namespace, path, report, frontend)) is not None:
            lowered.append(intent)
    return tuple(lowered)


def _lower_listener(
    listener: Listener, namespace: str, path: Path, report: Report, frontend: _Frontend | None
) -> ListenerIntent | None:
    try:
        protocol = Protocol(listener.protocol.upper())
    except ValueError:
        hint = suggest(listener.protocol, [known.value for known in Protocol])
        message = f"the protocol {listener.protocol!r} is not supported; this listener is left out"
        report.error("unsupported-protocol", message, *path, "protocol", hint=hint)
        return None
    hostname = (listener.hostname or "").lower()
    if listener.hostname:
        if protocol in (Protocol.TCP, Protocol.UDP):
            report.invalid(f"a {protocol} listener has no hostname", *path, "hostname")
        gatewayapi.check_hostname(listener.hostname, report, (*path, "hostname"))
    tls = _lower_tls(listener, protocol, namespace, path, report)
    if tls is not None and frontend is not None and protocol is Protocol.HTTPS:
        tls = _validate_clients(tls, frontend, listener.port, namespace, report)
    _check_kinds(listener.allowed_routes, path, report)
    return ListenerIntent(
        name=listener.name,
        port=listener.port,
        protocol=protocol,
        origin=report.origin.at(*path),
        hostname=hostname or "*",
        tls=tls,
        allowed=_lower_allowed(listener.allowed_routes, "Same"),
    )


def _lower_tls(
    listener: Listener, protocol: Protocol, namespace: str, path: Path, report: Report
) -> FrontendTls | None:
    tls, where = listener.tls, (*path, "tls")
    if protocol not in (Protocol.HTTPS, Protocol.TLS):
        if tls is not None:
            report.invalid(f"a {protocol} listener has no tls", *where)
        return None
    if tls is None:
        report.invalid(f"a listener of protocol {protocol} needs tls", *path)
        return None
    passthrough = tls.mode == "Passthrough"
    if passthrough and protocol is Protocol.HTTPS:
        hint = "use protocol: TLS with a TLSRoute"
        report.invalid("an HTTPS listener terminates TLS", *where, "mode", hint=hint)
    if not passthrough and not tls.certificate_refs and not tls.options:
        hint = "refer to a Secret of type kubernetes.io/tls"
        report.invalid("mode Terminate needs certificateRefs", *where, "certificateRefs", hint=hint)
    for option in sorted(tls.options):
        report.unsupported("TLS options belong to one implementation and have no effect", *where, "options", option)
    certificates = [
        _key(reference, namespace)
        for index, reference in enumerate(tls.certificate_refs)
        if _is_kind(reference, ("Secret",), (*where, "certificateRefs", index), report)
    ]
    lowered = FrontendTls(
        origin=report.origin.at(*where),
        passthrough=passthrough,
        certificates=() if passthrough else tuple(certificates),
    )
    if tls.frontend_validation is not None:
        lowered = _with_validation(lowered, tls.frontend_validation, namespace, (*where, "frontendValidation"), report)
    return lowered


def _validate_clients(tls: FrontendTls, frontend: _Frontend, port: int, namespace: str, report: Report) -> FrontendTls:
    """Client certificates as spec.tls.frontend asks: what is said for the port, else the default."""
    validation = frontend.default.validation
    path: Path = ("spec", "tls", "frontend", "default", "validation")
    for index, entry in enumerate(frontend.per_port):
        if entry.port == port:
            validation = entry.tls.validation
            path = ("spec", "tls", "frontend", "perPort", index, "tls", "validation")
    return _with_validation(tls, validation, namespace, path, report) if validation is not None else tls


def _with_validation(
    tls: FrontendTls, validation: _Validation, namespace: str, path: Path, report: Report
) -> FrontendTls:
    """A reference of a wrong kind stays in the list: it never resolves, so that clients stay refused."""
    references = validation.ca_certificate_refs
    for index, reference in enumerate(references):
        _is_kind(reference, ("ConfigMap", "Secret"), (*path, "caCertificateRefs", index), report)
    return FrontendTls(
        origin=tls.origin,
        passthrough=tls.passthrough,
        certificates=tls.certificates,
        client_ca=tuple(_key(reference, namespace) for reference in references),
        client_mode="require" if validation.mode == "AllowValidOnly" else "request",
    )


def _is_kind(reference: ObjectReference, kinds: tuple[str, ...], path: Path, report: Report) -> bool:
    key = _key(reference, "")
    if key.kind in kinds:
        return True
    message = f"a reference to a {key.kind} is not supported here"
    report.error("unsupported-reference", message, *path, hint=f"refer to a {' or '.join(kinds)}")
    return False


def _key(reference: ObjectReference, namespace: str) -> Key:
    return gatewayapi.target_key(reference.group, reference.kind, reference.namespace or namespace, reference.name)


def _check_kinds(allowed: _Allowed, path: Path, report: Report) -> None:
    for index, kind in enumerate(allowed.kinds):
        if kind.group != gatewayapi.GROUP or not kind.kind.endswith("Route"):
            message = f"routes of kind {kind.kind} ({kind.group}) are not supported; none of them attaches"
            report.error("unsupported-route-kind", message, *path, "allowedRoutes", "kinds", index)


def _lower_allowed(allowed: _Allowed | None, default: str) -> AllowedRoutes:
    if allowed is None:
        return AllowedRoutes(namespaces=default)
    namespaces = allowed.namespaces
    selector = None
    if namespaces.from_ == "Selector":
        selector = labelselector.lower(namespaces.selector or LabelSelector())
    kinds = tuple(
        kind.kind if kind.group == gatewayapi.GROUP else f"{kind.kind}.{kind.group}" for kind in allowed.kinds
    )
    return AllowedRoutes(namespaces.from_ or default, selector, kinds)


KIND = Kind("Gateway", tuple(f"{gatewayapi.GROUP}/{v}" for v in ("v1", "v1beta1", "v1alpha2")), lower)
