"""ClientTrafficPolicy (Envoy Gateway): how a Gateway or one of its listeners speaks with clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from gatewright.base.document import Document
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


class _Detection(Schema, frozen=True):
    x_forwarded_for: _ForwardedFor | None = None
    custom_header: Ignored = None


class _ProxyProtocol(Schema, frozen=True):
    optional: bool = False


class _HttpTimeout(Schema, frozen=True):
    request_received_timeout: str = ""
    idle_timeout: str = ""
    stream_idle_timeout: str = ""


class _Timeout(Schema, frozen=True):
    http: _HttpTimeout = _HttpTimeout()
    tcp: Ignored = None


class _Spec(Targets, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "connection": "connections are not limited by number",
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
    detection = (spec.client_ip_detection or _Detection()).x_forwarded_for or _ForwardedFor()
    if spec.client_ip_detection is not None and spec.client_ip_detection.custom_header is not None:
        hint = "use xForwardedFor"
        message = "the client's address is not taken from a header of another name"
        report.unsupported(message, "spec", "clientIPDetection", "customHeader", hint=hint)
    if spec.proxy_protocol is not None and spec.proxy_protocol.optional:
        message = "connections without PROXY protocol are closed, although it is optional"
        report.unsupported(message, "spec", "proxyProtocol", "optional")
    tls = spec.tls or _Tls()
    http = spec.timeout.http
    door = DoorOptions(
        proxy_protocol=True if spec.enable_proxy_protocol or spec.proxy_protocol is not None else None,
        forwarded=True if detection.trusted_cidrs else None,
        trusted=detection.trusted_cidrs,
        trusted_hops=detection.num_trusted_hops,
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


def _closed(document: Document, report: Report) -> Lowered:
    """A policy that cannot be used closes its Gateway where it asks for client certificates."""
    problems = report.lowered(None).problems
    spec = document.data.get("spec")
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
