"""TLSOption, TLSStore, ServersTransport and ServersTransportTCP."""

from __future__ import annotations

from typing import Any

import pytest

from gatewright import kinds
from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.material import TlsOptionIntent, TlsStoreIntent, TransportIntent

API = "traefik.io/v1alpha1"


def lowered(kind: str, spec: Any, name: str = "default") -> Lowered:
    data = {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}
    result = kinds.lower(Document(Origin("a.yaml", "0"), API, kind, "apps", name, data))
    assert result is not None
    return result


def option(spec: Any) -> TlsOptionIntent:
    result = lowered("TLSOption", spec)
    assert isinstance(result.intent, TlsOptionIntent), result.problems
    return result.intent


def transport(kind: str, spec: Any) -> TransportIntent:
    result = lowered(kind, spec)
    assert isinstance(result.intent, TransportIntent), result.problems
    return result.intent


def test_tls_option() -> None:
    tls = option(
        {
            "minVersion": "VersionTLS12",
            "maxVersion": "VersionTLS13",
            "cipherSuites": ["TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", "TLS_AES_128_GCM_SHA256"],
            "alpnProtocols": ["h2"],
            "sniStrict": True,
            "preferServerCipherSuites": True,
        }
    ).tls
    assert (tls.min_version, tls.max_version) == ("1.2", "1.3")
    assert tls.ciphers == ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",)
    assert (tls.alpn, tls.sni_strict) == (("h2",), True)
    assert (tls.client_mode, tls.client_ca) == ("", ())


@pytest.mark.parametrize(
    ("auth", "mode"),
    [
        ({"secretNames": ["ca"]}, "require"),
        ({"secretNames": ["ca"], "clientAuthType": "RequireAndVerifyClientCert"}, "require"),
        ({"secretNames": ["ca"], "clientAuthType": "VerifyClientCertIfGiven"}, "verify"),
    ],
)
def test_client_certificates(auth: dict[str, Any], mode: str) -> None:
    tls = option({"clientAuth": auth}).tls
    assert (tls.client_mode, tls.client_ca) == (mode, (Key("Secret", "apps", "ca"),))


@pytest.mark.parametrize(
    ("kind", "mode"), [("NoClientCert", ""), ("RequestClientCert", "request"), ("RequireAnyClientCert", "any")]
)
def test_client_certificates_that_nobody_verifies(kind: str, mode: str) -> None:
    tls = option({"clientAuth": {"clientAuthType": kind, "secretNames": ["ca"]}}).tls
    assert (tls.client_mode, tls.client_ca) == (mode, ())


@pytest.mark.parametrize(
    "spec",
    [
        {"clientAuth": {"clientAuthType": "RequireAndVerifyClientCert"}},
        {"clientAuth": {"clientAuthType": "Maybe"}},
        {"minVersion": "1.2"},
        {"minVersion": "VersionTLS13", "maxVersion": "VersionTLS12"},
        {"cipherSuites": ["TLS_ECDHE_RSA_WITH_RC4_128_SHA"]},
    ],
)
def test_options_that_cannot_be_kept_are_not_there(spec: dict[str, Any]) -> None:
    result = lowered("TLSOption", spec)
    assert result.intent is None
    assert [problem.severity for problem in result.problems] == [Severity.ERROR]


def test_tls_store() -> None:
    spec = {"defaultCertificate": {"secretName": "wildcard"}, "certificates": [{"secretName": "other"}]}
    result = lowered("TLSStore", spec)
    assert result.problems == ()
    assert isinstance(result.intent, TlsStoreIntent)
    assert result.intent.default_certificate == Key("Secret", "apps", "wildcard")
    assert result.intent.certificates == (Key("Secret", "apps", "other"),)
    (problem,) = lowered("TLSStore", spec, name="mine").problems
    assert problem.id == "unused-object"


def test_servers_transport() -> None:
    intent = transport(
        "ServersTransport",
        {
            "serverName": "inside",
            "insecureSkipVerify": True,
            "rootCAs": [{"secret": "a"}, {"configMap": "b"}],
            "rootCAsSecrets": ["c", "a"],
            "certificatesSecrets": ["d"],
            "disableHTTP2": True,
            "maxIdleConnsPerHost": 7,
            "forwardingTimeouts": {"dialTimeout": "1m30s", "idleConnTimeout": "90"},
        },
    )
    assert (intent.server_name, intent.insecure_skip_verify, intent.disable_http2) == ("inside", True, True)
    assert intent.ca == (Key("Secret", "apps", "a"), Key("ConfigMap", "apps", "b"), Key("Secret", "apps", "c"))
    assert intent.client_certificates == (Key("Secret", "apps", "d"),)
    assert (intent.dial_timeout, intent.idle_timeout) == (90.0, 90.0)


def test_servers_transport_tcp() -> None:
    spec = {"dialTimeout": "500ms", "proxyProtocol": {}, "tls": {"serverName": "db", "rootCAs": [{"secret": "a"}]}}
    intent = transport("ServersTransportTCP", spec)
    assert (intent.dial_timeout, intent.proxy_protocol, intent.server_name) == (0.5, 2, "db")
    assert intent.ca == (Key("Secret", "apps", "a"),)


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("ServersTransport", {"peerCertURI": "spiffe://a", "insecureSkipVerify": True}),
        ("ServersTransport", {"spiffe": {}}),
        ("ServersTransport", {"forwardingTimeouts": {"dialTimeout": "soon"}}),
        ("ServersTransportTCP", {"tls": {"spiffe": {"ids": ["a"]}}}),
    ],
)
def test_transports_that_cannot_be_kept_are_not_there(kind: str, spec: dict[str, Any]) -> None:
    result = lowered(kind, spec)
    assert result.intent is None
    (problem,) = result.problems
    assert problem.severity is Severity.ERROR
    assert (problem.id == "protection-unbuildable") == ("spiffe" in str(spec))  # who is spoken to cannot be checked


def test_unsupported_fields_are_named() -> None:
    (problem,) = lowered("TLSOption", {"curvePreferences": []}).problems
    assert problem.message.startswith("spec.curvePreferences: ")
