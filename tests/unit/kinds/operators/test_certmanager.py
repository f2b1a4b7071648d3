"""cert-manager's kinds: how certificates are got, and which Secret will hold them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.issuance import (
    AcmeSettings,
    CertificateIntent,
    IssuerIntent,
    PrivateKey,
    SecretEntry,
    Solver,
)
from support.lowering import bad, good, lowered, told

SERVER = "https://acme.example.com/directory"
HERE = Origin("manifest.yaml", "1").at("spec", "acme", "solvers", 0)


def made(kind: str, spec: Any, version: str = "cert-manager.io/v1") -> str:
    metadata = {"name": "x", "labels": {"a": "b"}} | ({} if kind == "ClusterIssuer" else {"namespace": "n"})
    return yaml.safe_dump({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})


def acme(*solvers: Any) -> dict[str, Any]:
    return {"acme": {"server": SERVER, "email": "a@b.c", "privateKeySecretRef": {"name": "k"}, "solvers": [*solvers]}}


@pytest.mark.parametrize(
    ("spec", "kind", "ca"),
    [
        (acme(), "acme", None),
        ({"selfSigned": {}}, "selfSigned", None),
        ({"ca": {"secretName": "s"}}, "ca", Key("Secret", "n", "s")),
        ({"vault": {"server": "x", "path": "y", "auth": {}}}, "vault", None),
        ({"venafi": {"zone": "z"}}, "other", None),
    ],
)
def test_types_of_issuers(spec: Any, kind: str, ca: Key | None) -> None:
    found = good(made("Issuer", spec), IssuerIntent)
    assert (found.key, found.type, found.ca) == (Key("Issuer", "n", "x"), kind, ca)
    assert found.server == (SERVER if kind == "acme" else "")


@pytest.mark.parametrize(
    ("solver", "expected"),
    [
        ({"dns01": {"cloudflare": {}}}, Solver("dns01", HERE, provider="cloudflare")),
        (
            {
                "dns01": {
                    "route53": {"hostedZoneID": "Z", "auth": {"kubernetes": {"serviceAccountRef": {"name": "a"}}}},
                    "cnameStrategy": "Follow",
                }
            },
            Solver(
                "dns01",
                HERE,
                provider="route53",
                follow_cname=True,
                settings=(("hostedZoneID", "Z"), ("auth.kubernetes.serviceAccountRef.name", "a")),
            ),
        ),
        (
            {
                "dns01": {
                    "rfc2136": {
                        "nameserver": "192.0.2.1:53",
                        "tsigKeyName": "k",
                        "tsigAlgorithm": "HMACSHA512",
                        "tsigSecretSecretRef": {"name": "s", "key": "tsig"},
                    }
                }
            },
            Solver(
                "dns01",
                HERE,
                provider="rfc2136",
                settings=(("nameserver", "192.0.2.1:53"), ("tsigKeyName", "k"), ("tsigAlgorithm", "HMACSHA512")),
                secrets=(("tsigSecretSecretRef", SecretEntry(Key("Secret", "cert-manager", "s"), "tsig")),),
            ),
        ),
        (
            {"dns01": {"acmedns": {"host": "https://auth.example", "accountSecretRef": {"name": "s", "key": "j"}}}},
            Solver(
                "dns01",
                HERE,
                provider="acmeDNS",
                settings=(("host", "https://auth.example"),),
                secrets=(("accountSecretRef", SecretEntry(Key("Secret", "cert-manager", "s"), "j")),),
            ),
        ),
        ({"dns01": {"azuredns": {}}}, Solver("dns01", HERE, provider="azureDNS")),
        ({"http01": {"ingress": {"ingressClassName": "nginx"}}}, Solver("http01", HERE, class_name="nginx")),
        ({"http01": {"ingress": {"class": "old"}}}, Solver("http01", HERE, class_name="old")),
        ({"http01": {"ingress": {}}}, Solver("http01", HERE)),
        (
            {"http01": {"gatewayHTTPRoute": {"parentRefs": [{"name": "g", "namespace": "net", "kind": "Gateway"}]}}},
            Solver("http01", HERE, gateways=(Key("Gateway", "net", "g"),)),
        ),
        (
            {"dns01": {"webhook": {}}, "selector": {"dnsNames": ["A.b"], "dnsZones": ["b"], "matchLabels": {"x": "y"}}},
            Solver("dns01", HERE, provider="webhook", names=("a.b",), zones=("b",), labels=(("x", "y"),)),
        ),
    ],
)
def test_solvers(solver: Any, expected: Solver) -> None:
    found = good(made("ClusterIssuer", acme(solver)), IssuerIntent)
    assert found.key == Key("ClusterIssuer", "", "x")
    assert found.solvers == (expected,)


SOLVER = "spec.acme.solvers.0"


@pytest.mark.parametrize(
    ("spec", "problem", "where"),
    [
        ({}, "invalid-value", "spec"),
        ({"selfSigned": {}, "ca": {"secretName": "s"}}, "invalid-value", "spec"),
        ({"acme": {}}, "missing-field", "spec.acme"),
        ({"acmee": {}}, "unknown-field", "spec.acmee"),
        (acme({}), "invalid-value", SOLVER),
        (acme({"dns01": {}}), "invalid-value", f"{SOLVER}.dns01"),
        (acme({"dns01": {"cloudflare": {}, "route53": {}}}), "invalid-value", f"{SOLVER}.dns01"),
        (acme({"dns01": {"cloudfare": {}}}), "unknown-field", f"{SOLVER}.dns01.cloudfare"),
        (acme({"http01": {}}), "invalid-value", f"{SOLVER}.http01"),
        (acme({"dns01": {"route53": {}, "cnameStrategy": "Maybe"}}), "invalid-value", f"{SOLVER}.dns01.cnameStrategy"),
        (
            acme({"dns01": {"cloudflare": {"apiTokenSecretRef": {"key": "t"}}}}),
            "missing-field",
            f"{SOLVER}.dns01.cloudflare.apiTokenSecretRef",
        ),
        ({"acme": {"server": SERVER, "caBundle": "no"}}, "invalid-value", "spec.acme.caBundle"),
        (
            {"acme": {"server": SERVER, "externalAccountBinding": {"keyID": "k"}}},
            "missing-field",
            "spec.acme.externalAccountBinding",
        ),
    ],
)
def test_issuers_that_are_refused(spec: Any, problem: str, where: str) -> None:
    assert (problem, where) in told(bad(made("Issuer", spec)))


def test_what_an_acme_issuer_says_beside_its_server() -> None:
    pem = b"-----BEGIN CERTIFICATE-----\n"
    spec = acme()
    spec["acme"] |= {
        "caBundle": base64.b64encode(pem).decode(),
        "skipTLSVerify": True,
        "preferredChain": "Root",
        "profile": "shortlived",
        "externalAccountBinding": {"keyID": "kid", "keySecretRef": {"name": "eab", "key": "mac"}},
    }
    assert good(made("Issuer", spec), IssuerIntent).acme == AcmeSettings(
        email="a@b.c",
        ca_bundle=pem,
        skip_tls_verify=True,
        account=SecretEntry(Key("Secret", "n", "k"), "tls.key"),
        external_key_id="kid",
        external_key=SecretEntry(Key("Secret", "n", "eab"), "mac"),
        preferred_chain="Root",
        profile="shortlived",
    )


REFERENCE = {"name": "i"}
CERTIFICATE = {"secretName": "s", "issuerRef": REFERENCE, "dnsNames": ["a.b"]}
HOUR = 3600.0


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        ({}, PrivateKey()),
        ({"privateKey": {"algorithm": "ECDSA", "size": 384}}, PrivateKey("ECDSA", 384)),
        (
            {"privateKey": {"algorithm": "RSA", "size": 4096, "encoding": "PKCS8", "rotationPolicy": "Never"}},
            PrivateKey("RSA", 4096, rotate=False, encoding="PKCS8"),
        ),
        ({"privateKey": {"algorithm": "Ed25519", "rotationPolicy": "Always"}}, PrivateKey("Ed25519")),
        ({"keyAlgorithm": "ecdsa", "keySize": 521, "keyEncoding": "pkcs8"}, PrivateKey("ECDSA", 521, True, "PKCS8")),
    ],
)
def test_private_keys(spec: Any, key: PrivateKey) -> None:
    assert good(made("Certificate", CERTIFICATE | spec), CertificateIntent).private_key == key


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, (0.0, 0.0, 0)),
        ({"duration": "2160h", "renewBefore": "360h0m0s"}, (2160 * HOUR, 360 * HOUR, 0)),
        ({"duration": "1.5h", "renewBefore": "5m"}, (1.5 * HOUR, 300.0, 0)),
        ({"duration": "876000h", "isCA": True}, (876000 * HOUR, 0.0, 0)),
        ({"renewBeforePercentage": 25}, (0.0, 0.0, 25)),
    ],
)
def test_lifetimes(spec: Any, expected: tuple[float, float, int]) -> None:
    found = good(made("Certificate", CERTIFICATE | spec), CertificateIntent)
    assert (found.duration, found.renew_before, found.renew_percentage) == expected
    assert found.is_ca == ("isCA" in spec)


@pytest.mark.parametrize(
    ("spec", "field", "says"),
    [
        ({"duration": "90d"}, "duration", "days are written as hours"),
        ({"duration": "2160"}, "duration", "a duration such as 2160h"),
        ({"duration": "30m"}, "duration", "at least 1h"),
        ({"renewBefore": "1m"}, "renewBefore", "at least 5m"),
        ({"renewBefore": "2160h"}, "renewBefore", "not shorter than the 2160h"),
        ({"duration": "24h", "renewBefore": "24h"}, "renewBefore", "not shorter than 24h"),
        ({"renewBeforePercentage": 100}, "renewBeforePercentage", "1 to 99"),
        ({"renewBefore": "1h", "renewBeforePercentage": 5}, "renewBeforePercentage", "not both"),
        ({"privateKey": {"algorithm": "DSA"}}, "privateKey.algorithm", "RSA, ECDSA, Ed25519"),
        ({"privateKey": {"size": 1024}}, "privateKey.size", "2048 to 8192"),
        ({"privateKey": {"algorithm": "ECDSA", "size": 2048}}, "privateKey.size", "256, 384 or 521"),
        ({"privateKey": {"encoding": "DER"}}, "privateKey.encoding", "PKCS1, PKCS8"),
        ({"privateKey": {"rotationPolicy": "Often"}}, "privateKey.rotationPolicy", "Always, Never"),
        ({"keySize": 5}, "keySize", "2048 to 8192"),
    ],
)
def test_values_that_cannot_be(spec: Any, field: str, says: str) -> None:
    problems = bad(made("Certificate", CERTIFICATE | spec))
    assert told(problems) == [("invalid-value", f"spec.{field}")]
    assert says in problems[0].message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("keystores", {"jks": {"create": True}}),
        ("otherNames", [{"oid": "1.2", "utf8Value": "x"}]),
        ("uris", ["spiffe://x"]),
        ("usages", ["client auth"]),
        ("additionalOutputFormats", [{"type": "DER"}]),
    ],
)
def test_what_is_not_followed_is_said(field: str, value: Any) -> None:
    found = lowered(made("Certificate", CERTIFICATE | {field: value}))
    assert found.intent is not None
    assert told(found.problems) == [("unsupported-field", f"spec.{field}")]


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ({"dnsNames": ["A.example.com.", "*.example.com"]}, ("a.example.com", "*.example.com")),
        ({"commonName": "a.example.com", "dnsNames": ["b.example.com"]}, ("b.example.com", "a.example.com")),
        ({"commonName": "my ca", "isCA": True}, ()),
        ({"commonName": "istio-ca"}, ()),
        ({"ipAddresses": ["192.0.2.1", "2001:DB8:0::1"]}, ("192.0.2.1", "2001:db8::1")),
    ],
)
def test_names_of_certificates(spec: Any, names: tuple[str, ...]) -> None:
    found = good(made("Certificate", {"secretName": "s", "issuerRef": REFERENCE, **spec}), CertificateIntent)
    assert (found.secret, found.names) == (Key("Secret", "n", "s"), names)
    assert found.labels == (("a", "b"),)


@pytest.mark.parametrize(
    ("reference", "key"),
    [
        (REFERENCE, Key("Issuer", "n", "i")),
        ({"name": "i", "kind": "ClusterIssuer", "group": "cert-manager.io"}, Key("ClusterIssuer", "", "i")),
        ({"name": "i", "kind": "PCA", "group": "awspca.cert-manager.io"}, Key("PCA.awspca.cert-manager.io", "n", "i")),
    ],
)
def test_issuers_of_certificates(reference: Any, key: Key) -> None:
    spec = {"secretName": "s", "issuerRef": reference, "dnsNames": ["a.b"]}
    assert good(made("Certificate", spec), CertificateIntent).issuer == key


@pytest.mark.parametrize("version", ["cert-manager.io/v1alpha2", "certmanager.k8s.io/v1alpha1"])
def test_older_groups(version: str) -> None:
    spec = {"secretName": "s", "issuerRef": REFERENCE, "dnsNames": ["a.b"], "keySize": 2048, "organization": ["o"]}
    assert good(made("Certificate", spec, version), CertificateIntent).names == ("a.b",)


@pytest.mark.parametrize(
    ("spec", "problem", "where"),
    [
        ({"issuerRef": REFERENCE}, "missing-field", "spec"),
        ({"secretName": "s", "issuerRef": {"name": "i", "kind": "CA"}}, "invalid-value", "spec.issuerRef.kind"),
        ({"secretName": "s", "issuerRef": REFERENCE, "dnsName": ["a"]}, "unknown-field", "spec.dnsName"),
        ({"secretName": "s", "issuerRef": REFERENCE, "dnsNames": "a"}, "wrong-type", "spec.dnsNames"),
    ],
)
def test_certificates_that_are_refused(spec: Any, problem: str, where: str) -> None:
    assert told(bad(made("Certificate", spec))) == [(problem, where)]
