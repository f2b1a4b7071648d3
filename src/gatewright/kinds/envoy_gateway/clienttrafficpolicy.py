"""ClientTrafficPolicy (Envoy Gateway): how a Gateway or one of its listeners speaks with clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field, structs

from gatewright.base.document import Document
from gatewright.kinds import syntax
from gatewright.kinds.decode import Ignored, Object, Path, Report, Schema, decode, key_of
from gatewright.kinds.envoy_gateway import envoygateway
from gatewright.kinds.envoy_gateway.envoygateway import Targets
from gatewright.kinds.gateway_api.gatewayapi import ObjectReference
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.options import ClientAuth, DoorOptions, Options, OptionsPolicyIntent
from gatewright.kinds.kind import Kind

TARGETS = ("Gateway", "ListenerSet")
_NOT_TOLD = "clients see Gatewright's own settings"


class _Validation(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {}

    optional: bool = False
    ca_certificate_refs: tuple[ObjectReference, ...] = ()
    spki_hashes: tuple[str, ...] = ()
    certificate_hashes: tuple[str, ...] = ()
    subject_alt_names: dict[str, object] | None = None
    crl: dict[str, object] | None = None


class _Tls(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "ecdhCurves": "curves are Envoy's own choice",
        "signatureAlgorithms": "signature algorithms are Envoy's own choice",
        "fingerprints": "TLS fingerprints are not taken",
    }

    min_version: Literal["Auto", "1.0", "1.1", "1.2", "1.3"] = "Auto"
    max_version: Literal["Auto", "1.0", "1.1", "1.2", "1.3"] = "Auto"
    ciphers: tuple[str, ...] = ()
    alpn_protocols: tuple[str, ...] | None = None
    client_validation: _Validation | None = None
    session: Ignored = None


class _ForwardedFor(Schema, frozen=True):
    num_trusted_hops: Annotated[int, Meta(ge=0)] | None = None
    trusted_cidrs: tuple[str, ...] = field(default=(), name="trustedCIDRs")


class _Header(Schema, frozen=True):
    name: str
    fail_closed: bool = False


class _Detection(Schema, frozen=True):
    x_forwarded_for: _ForwardedFor | None = None
    custom_header: _Header | None = None


class _ProxyProtocol(Schema, frozen=True):
    optional: bool = False


class _HttpTimeout(Schema, frozen=True):
    request_received_timeout: str = ""
    idle_timeout: str = ""
    stream_idle_timeout: str = ""


class _Timeout(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {"tcp": "connections without traffic end after an hour"}

    http: _HttpTimeout = _HttpTimeout()


class _Connection(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "connectionLimit": "connections are not limited by number",
        "maxConnectionDuration": "connections are kept as long as clients like",
        "maxRequestsPerConnection": "connections are kept as long as clients like",
    }

    buffer_limit: Ignored = None
    max_accept_per_socket_event: Ignored = None


class _Spec(Targets, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "path": "paths are always normalised, slashes merged, and escaped slashes redirected",
        "headers": f"headers are treated as usual; {_NOT_TOLD}",
        "http1": _NOT_TOLD,
        "http3": "HTTP/3 is not offered; clients use HTTP/2",
        "healthCheck": "no path answers for the gateway itself",
        "scheme": "backends see the scheme that the client used",
        "grpc": _NOT_TOLD,
    }

    merge_type: Ignored = None
    tls: _Tls | None = None
    client_ip_detection: _Detection | None = field(default=None, name="clientIPDetection")
    proxy_protocol: _ProxyProtocol | None = None
    enable_proxy_protocol: bool = False
    timeout: _Timeout = _Timeout()
    connection: _Connection | None = None
    http2: Ignored = None
    tcp_keepalive: Ignored = None


class ClientTrafficPolicy(Object, frozen=True, kw_only=True):
    spec: _Spec


def lower(document: Document) -> Lowered:
    """Lower a ClientTrafficPolicy."""
    policy, problems = decode(document, ClientTrafficPolicy)
    report = Report(document, problems)
    if policy is None:
        return _closed(document, report)
    spec = policy.spec
    refused: list[str] = []
    if spec.proxy_protocol is not None and spec.proxy_protocol.optional:
        message = "connections without PROXY protocol are closed, although it is optional"
        report.unsupported(message, "spec", "proxyProtocol", "optional")
    tls = spec.tls or _Tls()
    if tls.alpn_protocols == ():
        report.unsupported("ALPN is offered as usual: it cannot be switched off", "spec", "tls", "alpnProtocols")
    http = spec.timeout.http
    detected = _detected(spec.client_ip_detection, report, refused) if spec.client_ip_detection else DoorOptions()
    door = structs.replace(
        detected,
        proxy_protocol=True if spec.enable_proxy_protocol or spec.proxy_protocol is not None else None,
        min_version=tls.min_version.removeprefix("Auto"),
        max_version=tls.max_version.removeprefix("Auto"),
        ciphers=tls.ciphers,
        alpn=tls.alpn_protocols or (),
        request_timeout=_seconds(http.request_received_timeout, report, "requestReceivedTimeout"),
        keepalive_timeout=_seconds(http.idle_timeout, report, "idleTimeout"),
        idle_timeout=_seconds(http.stream_idle_timeout, report, "streamIdleTimeout"),
    )
    client = _client(tls.client_validation, document, report, refused) if tls.client_validation else None
    intent = OptionsPolicyIntent(
        key_of(document),
        document.origin,
        envoygateway.targets(spec, document, report, TARGETS),
        Options(door=door if door != DoorOptions() else None, client=client, unbuildable="; ".join(refused)),
        created=policy.metadata.created,
    )
    return _closed(document, report) if report.rejected else report.lowered(intent)


def _detected(detection: _Detection, report: Report, refused: list[str]) -> DoorOptions:
    """Who the client is, beyond whoever connects."""
    where: Path = ("spec", "clientIPDetection")
    listed, header = detection.x_forwarded_for, detection.custom_header
    if listed is not None and header is not None:
        report.invalid("give either xForwardedFor or customHeader", *where)
    if header is not None:
        if not syntax.is_header_name(header.name):
            report.invalid(f"{header.name!r} is no name of a header", *where, "customHeader", "name")
        if header.fail_closed:
            message = "requests without the header cannot be told apart; the Gateway answers 503"
            report.error("protection-unbuildable", message, *where, "customHeader", "failClosed")
            refused.append("clientIPDetection.customHeader.failClosed is not supported")
        return DoorOptions(forwarded=True, header=header.name.lower())
    if listed is None:
        return DoorOptions()
    if (listed.num_trusted_hops is None) == (not listed.trusted_cidrs):
        report.invalid("give either numTrustedHops or trustedCIDRs", *where, "xForwardedFor")
    envoygateway.check_networks(listed.trusted_cidrs, report, *where, "xForwardedFor", "trustedCIDRs")
    return DoorOptions(
        forwarded=True if listed.trusted_cidrs else None,
        trusted=listed.trusted_cidrs,
        trusted_hops=listed.num_trusted_hops,
    )


def _closed(document: Document, report: Report) -> Lowered:
    """A policy that cannot be used closes its Gateway where it asks for client certificates."""
    problems = report.lowered(None).problems
    data: object = document.data  # a file may hold anything
    spec = data.get("spec") if isinstance(data, dict) else None
    tls = spec.get("tls") if isinstance(spec, dict) else None
    protecting = isinstance(tls, dict) and "clientValidation" in tls
    stand_in = envoygateway.closed(document, f"{key_of(document)} cannot be used", TARGETS) if protecting else None
    return Lowered(None, problems, instead=stand_in)


def _seconds(text: str, report: Report, name: str) -> float | None:
    return envoygateway.seconds(text, report, "spec", "timeout", "http", name)


def _client(wanted: _Validation, document: Document, report: Report, refused: list[str]) -> ClientAuth | None:
    """Client certificates; what narrows them down and cannot be checked refuses everybody."""
    where: Path = ("spec", "tls", "clientValidation")
    for name, value in (
        ("spkiHashes", wanted.spki_hashes),
        ("certificateHashes", wanted.certificate_hashes),
        ("subjectAltNames", wanted.subject_alt_names),
        ("crl", wanted.crl),
    ):
        if value:
            message = f"{name} is not carried over; the Gateway answers 503"
            report.error("protection-unbuildable", message, *where, name, hint="verify against a CA of its own")
            refused.append(f"clientValidation.{name} is not supported")
    if len(wanted.ca_certificate_refs) != 1:
        report.error("protection-unbuildable", "one caCertificateRefs is expected; the Gateway answers 503", *where)
        refused.append("clientValidation needs one CA")
        return None
    ref = wanted.ca_certificate_refs[0]
    key = Key(ref.kind, ref.namespace or document.namespace, ref.name)
    return ClientAuth(report.origin.at(*where), key, "optional" if wanted.optional else "handshake")


KIND = Kind("ClientTrafficPolicy", envoygateway.API_VERSIONS, lower)
