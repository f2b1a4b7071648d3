"""TLSOption, TLSStore, ServersTransport and ServersTransportTCP: Traefik's TLS towards clients and backends.

Where a setting protects something and cannot be kept (client certificates without authorities, SPIFFE),
the object is not used: what refers to it finds nothing and refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from msgspec import field, structs

from gatewright.base.document import Document
from gatewright.kinds.decode import Ignored, Object, Report, Schema, decode, key_of, suggest
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.doors import FrontendTls
from gatewright.kinds.intents.material import TlsOptionIntent, TlsStoreIntent, TransportIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.traefik.common import API_VERSIONS, IntOrString, ProxyProtocol, seconds

_VERSIONS = {
    "": "",
    "VersionTLS10": "1.0",
    "VersionTLS11": "1.1",
    "VersionTLS12": "1.2",
    "VersionTLS13": "1.3",
}
Version = Literal["", "VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"]

_CIPHERS = frozenset(
    (
        "TLS_RSA_WITH_AES_128_CBC_SHA",
        "TLS_RSA_WITH_AES_256_CBC_SHA",
        "TLS_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    )
)
"""IANA names of the suites that both Go and BoringSSL have."""

_CIPHER_ALIASES = {
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305": "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305": "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
}
_ALWAYS_ON = frozenset(("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"))

ClientAuthType = Literal[
    "",
    "NoClientCert",
    "RequestClientCert",
    "RequireAnyClientCert",
    "VerifyClientCertIfGiven",
    "RequireAndVerifyClientCert",
]


_MODES = {
    "NoClientCert": "",
    "RequestClientCert": "request",
    "RequireAnyClientCert": "any",
    "VerifyClientCertIfGiven": "verify",
    "RequireAndVerifyClientCert": "require",
}


class _ClientAuth(Schema, frozen=True):
    secret_names: tuple[str, ...] = ()
    client_auth_type: ClientAuthType = ""


class _OptionSpec(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "curvePreferences": "the gateway's own curves are used",
    }

    min_version: Version = ""
    max_version: Version = ""
    cipher_suites: tuple[str, ...] = ()
    client_auth: _ClientAuth = _ClientAuth()
    sni_strict: bool = False
    alpn_protocols: tuple[str, ...] = ()
    prefer_server_cipher_suites: Ignored = None  # without effect in Traefik 3 too
    disable_session_tickets: Ignored = None  # sessions are never resumed here


class TLSOption(Object, frozen=True):
    spec: _OptionSpec = _OptionSpec()


def lower_option(document: Document) -> Lowered:
    """Lower a TLSOption."""
    option, problems = decode(document, TLSOption)
    report = Report(document, problems)
    if option is None:
        return report.lowered(None)
    spec = option.spec
    versions = _VERSIONS[spec.min_version], _VERSIONS[spec.max_version]
    if all(versions) and versions[0] > versions[1]:
        report.invalid("is above maxVersion", "spec", "minVersion")
    mode = _client_mode(spec.client_auth, report)
    if mode is None:
        return report.lowered(None)
    secrets = spec.client_auth.secret_names if mode in ("require", "verify") else ()
    tls = FrontendTls(
        origin=document.origin,
        min_version=versions[0],
        max_version=versions[1],
        ciphers=_ciphers(spec.cipher_suites, report),
        alpn=spec.alpn_protocols,
        client_ca=tuple(Key("Secret", document.namespace, name) for name in secrets),
        client_mode=mode,
        sni_strict=spec.sni_strict,
    )
    return report.lowered(TlsOptionIntent(key_of(document), document.origin, tls))


def _client_mode(auth: _ClientAuth, report: Report) -> str | None:
    """FrontendTls.client_mode, None where client certificates are wanted in a way that cannot be kept."""
    path = ("spec", "clientAuth")
    kind = auth.client_auth_type or ("RequireAndVerifyClientCert" if auth.secret_names else "NoClientCert")
    mode = _MODES[kind]
    if mode in ("require", "verify") and not auth.secret_names:
        message = f"{kind} needs the authorities' certificates; the option is not used"
        report.error("missing-field", message, *path, "secretNames")
        return None
    return mode


def _ciphers(names: tuple[str, ...], report: Report) -> tuple[str, ...]:
    """The suites for TLS 1.2 and below; those of TLS 1.3 are always on, in Traefik as in Envoy."""
    kept: list[str] = []
    for index, name in enumerate(names):
        suite = _CIPHER_ALIASES.get(name, name)
        if suite in _CIPHERS:
            kept.append(suite)
        elif suite not in _ALWAYS_ON:
            message = f"{name} is not a cipher suite that can be used"
            report.invalid(message, "spec", "cipherSuites", index, hint=suggest(name, _CIPHERS))
    return tuple(dict.fromkeys(kept))


class _CertificateRef(Schema, frozen=True):
    secret_name: str = ""


class _StoreSpec(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "defaultGeneratedCert": "certificate resolvers are part of Traefik: no certificate is requested",
    }

    default_certificate: _CertificateRef | None = None
    certificates: tuple[_CertificateRef, ...] = ()


class TLSStore(Object, frozen=True):
    spec: _StoreSpec = _StoreSpec()


def lower_store(document: Document) -> Lowered:
    """Lower a TLSStore."""
    store, problems = decode(document, TLSStore)
    report = Report(document, problems)
    if store is None:
        return report.lowered(None)
    if document.name != "default":
        report.warning("unused-object", "only the TLSStore named default is used", "metadata", "name")
    default = store.spec.default_certificate
    intent = TlsStoreIntent(
        key=key_of(document),
        origin=document.origin,
        default_certificate=_secret(default, document) if default else None,
        certificates=tuple(_secret(item, document) for item in store.spec.certificates if item.secret_name),
    )
    return report.lowered(intent)


def _secret(reference: _CertificateRef, document: Document) -> Key:
    return Key("Secret", document.namespace, reference.secret_name)


class _RootCa(Schema, frozen=True):
    secret: str = ""
    config_map: str = ""


class _Timeouts(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "readIdleTimeout": "idle HTTP/2 connections are not pinged",
        "pingTimeout": "idle HTTP/2 connections are not pinged",
    }

    dial_timeout: IntOrString | None = None
    idle_conn_timeout: IntOrString | None = None
    response_header_timeout: IntOrString | None = None


class _ClientTls(Schema, frozen=True):
    """TLS towards a backend, as both transports write it."""

    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "cipherSuites": "the gateway's own cipher suites are used",
        "minVersion": "the gateway's own TLS versions are used",
        "maxVersion": "the gateway's own TLS versions are used",
    }

    server_name: str = ""
    insecure_skip_verify: bool = False
    root_cas: tuple[_RootCa, ...] = field(default=(), name="rootCAs")
    root_cas_secrets: tuple[str, ...] = field(default=(), name="rootCAsSecrets")
    certificates_secrets: tuple[str, ...] = ()
    peer_cert_uri: str = field(default="", name="peerCertURI")
    spiffe: Ignored = None


class _TransportSpec(_ClientTls, frozen=True):
    forwarding_timeouts: _Timeouts = _Timeouts()
    disable_http2: bool = field(default=False, name="disableHTTP2")
    max_idle_conns_per_host: Ignored = None  # Envoy's pools have no such number


class ServersTransport(Object, frozen=True):
    spec: _TransportSpec = _TransportSpec()


class _TransportTcpSpec(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "dialKeepAlive": "the gateway's own keep-alive is used",
        "terminationDelay": "a connection is closed when both sides have closed it",
    }

    dial_timeout: IntOrString | None = None
    tls: _ClientTls = _ClientTls()
    proxy_protocol: ProxyProtocol | None = None


class ServersTransportTCP(Object, frozen=True):
    spec: _TransportTcpSpec = _TransportTcpSpec()


def lower_transport(document: Document) -> Lowered:
    """Lower a ServersTransport."""
    transport, problems = decode(document, ServersTransport)
    report = Report(document, problems)
    if transport is None:
        return report.lowered(None)
    spec = transport.spec
    path = ("spec", "forwardingTimeouts")
    timeouts = spec.forwarding_timeouts
    intent = _transport(spec, document, report, "spec")
    if intent is not None:
        intent = structs.replace(
            intent,
            dial_timeout=seconds(timeouts.dial_timeout, report, *path, "dialTimeout"),
            idle_timeout=seconds(timeouts.idle_conn_timeout, report, *path, "idleConnTimeout"),
            header_timeout=seconds(timeouts.response_header_timeout, report, *path, "responseHeaderTimeout"),
            disable_http2=spec.disable_http2,
        )
    return report.lowered(intent)


def lower_transport_tcp(document: Document) -> Lowered:
    """Lower a ServersTransportTCP."""
    transport, problems = decode(document, ServersTransportTCP)
    report = Report(document, problems)
    if transport is None:
        return report.lowered(None)
    spec = transport.spec
    intent = _transport(spec.tls, document, report, "spec", "tls")
    if intent is not None:
        intent = structs.replace(
            intent,
            dial_timeout=seconds(spec.dial_timeout, report, "spec", "dialTimeout"),
            proxy_protocol=spec.proxy_protocol.version if spec.proxy_protocol else 0,
        )
    return report.lowered(intent)


def _transport(tls: _ClientTls, document: Document, report: Report, *path: str | int) -> TransportIntent | None:
    """The TLS part of a transport, None where it asks for a check of the peer that cannot be made."""
    unverified = tls.peer_cert_uri != "" and tls.insecure_skip_verify
    for name, asked in (("peerCertURI", unverified), ("spiffe", tls.spiffe is not None)):
        if asked:
            message = "the backend's identity cannot be checked this way; the transport is not used"
            report.error("protection-unbuildable", message, *path, name)
            return None
    namespace = document.namespace
    ca = [
        Key("Secret", namespace, root.secret) if root.secret else Key("ConfigMap", namespace, root.config_map)
        for root in tls.root_cas
        if root.secret or root.config_map
    ]
    ca += [Key("Secret", namespace, name) for name in tls.root_cas_secrets]
    return TransportIntent(
        key=key_of(document),
        origin=document.origin,
        server_name=tls.server_name,
        insecure_skip_verify=tls.insecure_skip_verify,
        ca=tuple(dict.fromkeys(ca)),
        client_certificates=tuple(Key("Secret", namespace, name) for name in tls.certificates_secrets),
        peer_uri=tls.peer_cert_uri,
    )


KINDS = (
    Kind("TLSOption", API_VERSIONS, lower_option),
    Kind("TLSStore", API_VERSIONS, lower_store),
    Kind("ServersTransport", API_VERSIONS, lower_transport),
    Kind("ServersTransportTCP", API_VERSIONS, lower_transport_tcp),
)
