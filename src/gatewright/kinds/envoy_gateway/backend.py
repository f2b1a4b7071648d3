"""Backend (Envoy Gateway): endpoints outside of the cluster, by address or name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from gatewright.base.document import Document
from gatewright.kinds import syntax
from gatewright.kinds.decode import Ignored, Object, Report, Schema, decode, key_of
from gatewright.kinds.envoy_gateway import envoygateway
from gatewright.kinds.gateway_api.gatewayapi import ObjectReference
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.material import ExternalBackendIntent
from gatewright.kinds.intents.routing import UpstreamTls
from gatewright.kinds.kind import Kind

_PROTOCOLS = {"h2c": "h2c", "ws": "http", "wss": "https"}


class _Name(Schema, frozen=True):
    hostname: str
    port: Annotated[int, Meta(ge=1, le=65535)]


class _Address(Schema, frozen=True):
    address: str
    port: Annotated[int, Meta(ge=1, le=65535)]


class _Endpoint(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "hostname": "health checks send the Host of the check",
        "zone": "zones are not looked at",
    }

    fqdn: _Name | None = None
    ip: _Address | None = None
    unix: Ignored = None


class _Tls(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "minVersion": "TLS 1.2 and later are spoken",
        "maxVersion": "TLS 1.2 and later are spoken",
        "ciphers": "ciphers are Envoy's own choice",
        "alpnProtocols": "ALPN goes by the protocol",
    }

    ca_certificate_refs: tuple[ObjectReference, ...] = ()
    well_known_ca_certificates: str = field(default="", name="wellKnownCACertificates")
    insecure_skip_verify: bool = False
    sni: str = ""
    client_certificate_ref: ObjectReference | None = None


class _Spec(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "fallback": "a fallback is not used before the others fail; give it weight 0 and change it by hand"
    }

    type: Literal["Endpoints", "DynamicResolver"] = "Endpoints"
    endpoints: Annotated[tuple[_Endpoint, ...], Meta(max_length=64)] = ()
    app_protocols: tuple[str, ...] = ()
    tls: _Tls | None = None


class Backend(Object, frozen=True, kw_only=True):
    spec: _Spec


def lower(document: Document) -> Lowered:
    """Lower a Backend."""
    found, problems = decode(document, Backend)
    report = Report(document, problems)
    if found is None:
        return report.lowered(None)
    spec = found.spec
    if spec.type == "DynamicResolver":
        hint = "name the hosts as endpoints"
        report.error(
            "unsupported-backend", "hosts of the request's own choice are not reached", "spec", "type", hint=hint
        )
    endpoints = []
    for index, one in enumerate(spec.endpoints):
        where = ("spec", "endpoints", index)
        if one.unix is not None:
            report.error("unsupported-backend", "Unix sockets are not reached", *where, "unix", hint="use ip")
        elif (one.fqdn is None) == (one.ip is None):
            report.invalid("give either fqdn or ip", *where)
        elif one.fqdn is not None and not syntax.is_hostname(one.fqdn.hostname):
            report.invalid(f"{one.fqdn.hostname!r} is not a hostname", *where, "fqdn", "hostname")
        elif one.fqdn is not None:
            endpoints.append((one.fqdn.hostname, one.fqdn.port))
        elif one.ip is not None and syntax.is_ip(one.ip.address):
            endpoints.append((one.ip.address, one.ip.port))
        else:
            report.invalid("not an IP address", *where, "ip", "address")
    if len({syntax.is_ip(host) for host, _ in endpoints}) > 1:
        report.invalid("names and addresses cannot be mixed", "spec", "endpoints")
    protocols = [_PROTOCOLS.get(name.rpartition("/")[2], "") for name in spec.app_protocols]
    scheme = next((name for name in protocols if name), "")
    tls = _tls(spec.tls, document, report) if spec.tls is not None else None
    if tls is None and scheme == "https":
        tls = UpstreamTls(verify=True)
    if tls is not None:
        scheme = {"h2c": "grpcs"}.get(scheme, "https")
    return report.lowered(ExternalBackendIntent(key_of(document), document.origin, tuple(endpoints), scheme, tls))


def _tls(tls: _Tls, document: Document, report: Report) -> UpstreamTls:
    where = ("spec", "tls")
    refs, shown = tls.ca_certificate_refs, tls.client_certificate_ref
    client = Key("Secret", document.namespace, shown.name) if shown else None
    if shown is not None and shown.namespace not in ("", document.namespace):
        report.invalid("the Secret has to be in the same namespace", *where, "clientCertificateRef")
    if tls.insecure_skip_verify:
        return UpstreamTls(server_name=tls.sni, client=client)
    if not refs and tls.well_known_ca_certificates != "System":
        report.invalid("give caCertificateRefs, wellKnownCACertificates: System, or insecureSkipVerify", *where)
    if len(refs) > 1:
        report.invalid("one caCertificateRefs is supported", *where, "caCertificateRefs")
    ca = Key(refs[0].kind, document.namespace, refs[0].name) if refs else None
    return UpstreamTls(verify=True, server_name=tls.sni, ca=ca, client=client)


KIND = Kind("Backend", envoygateway.API_VERSIONS, lower)
