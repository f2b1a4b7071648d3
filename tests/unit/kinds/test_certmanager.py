"""cert-manager's kinds: how certificates are got, and which Secret will hold them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.base.origin import Origin
from gatewright.kinds.intents import Key
from gatewright.kinds.world import CertificateIntent, IssuerIntent, Solver
from support.lowering import bad, good, told

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
        ({"dns01": {"cloudflare": {"apiTokenSecretRef": {}}}}, Solver("dns01", HERE, provider="cloudflare")),
        ({"dns01": {"route53": {}, "cnameStrategy": "Follow"}}, Solver("dns01", HERE, provider="route53")),
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
    ],
)
def test_issuers_that_are_refused(spec: Any, problem: str, where: str) -> None:
    assert (problem, where) in told(bad(made("Issuer", spec)))


REFERENCE = {"name": "i"}


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ({"dnsNames": ["A.example.com.", "*.example.com"]}, ("a.example.com", "*.example.com")),
        ({"commonName": "a.example.com", "dnsNames": ["b.example.com"]}, ("b.example.com", "a.example.com")),
        ({"commonName": "my ca", "isCA": True}, ()),
        ({"commonName": "istio-ca"}, ()),
        ({"ipAddresses": ["192.0.2.1"]}, ("192.0.2.1",)),
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
