"""Certificates of a rehearsal: made as the described issuers would, known to the model, trusted as a Vantage says."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from gatewright.engines.certificates import signing
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.pipeline import Model
from gatewright.rehearsal.certificates import Certificates
from gatewright.trace import trust
from support import keys

ISSUER = """
apiVersion: cert-manager.io/v1
kind: {kind}
metadata: {{name: {name}, namespace: web}}
spec: {spec}
---
"""
CERTIFICATE = """
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {{name: {name}, namespace: web}}
spec:
  secretName: {name}
  isCA: {ca}
  commonName: {name}
  dnsNames: [{host}]
  issuerRef: {{kind: {kind}, name: {issuer}}}
---
"""
VANTAGE = """
apiVersion: gatewright.dev/v1alpha1
kind: Vantage
metadata: {{name: one}}
spec: {{network: home/lan, trust: [{0}]}}
"""
ACME = "{{acme: {{server: '{0}', privateKeySecretRef: {{name: account}}, solvers: [{{http01: {{ingress: {{}}}}}}]}}}}"
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"


def _certificate(name: str, issuer: str, *, host: str = "", kind: str = "Issuer", ca: bool = False) -> str:
    host = host or f"{name}.example.com"
    return CERTIFICATE.format(name=name, host=host, kind=kind, issuer=issuer, ca=str(ca).lower())


def _issuer(name: str, spec: str, kind: str = "Issuer") -> str:
    return ISSUER.format(name=name, spec=spec, kind=kind)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "authorities")


def _model(tmp_path: Path, *texts: str) -> Model:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "all.yaml").write_text("".join(texts))
    model = Model()
    model.read([str(tmp_path / "manifests")])
    return model


def _vantage(model: Model, *trust: str) -> VantageIntent:
    spec = ", ".join(trust)
    text = VANTAGE.format(spec)
    (Path(model.watched[0]) / "vantage.yaml").write_text(text)
    model.refresh(model.watched)
    return model.analysis.answer(lambda sight: sight.all("Vantage", VantageIntent))[0]


def _leaf(certificates: Certificates, name: str) -> x509.Certificate:
    chain = certificates.secrets[Key("Secret", "web", name)].get("tls.crt")
    assert chain is not None
    return x509.load_pem_x509_certificates(chain)[0]


def _is_trusted(leaf: x509.Certificate, trusted: bytes) -> bool:
    return any(signing.signed_by(leaf, authority) for authority in x509.load_pem_x509_certificates(trusted))


def test_public_directories_are_trusted_by_everybody_and_staging_ones_by_nobody(
    tmp_path: Path, certificates: Certificates
) -> None:
    model = _model(
        tmp_path,
        _issuer("real", ACME.format(LETS_ENCRYPT)),
        _issuer("try", ACME.format("https://acme-staging-v02.api.letsencrypt.org/directory")),
        _issuer("ours", ACME.format("https://ca.home.arpa/acme/directory")),
        _certificate("a", "real"), _certificate("b", "try"), _certificate("c", "ours"),
    )  # fmt: skip
    certificates.provide(model)
    trusted = certificates.trust_for(_vantage(model, "public"))
    assert [_is_trusted(_leaf(certificates, name), trusted) for name in "abc"] == [True, False, True]
    assert certificates.failures == ()


def test_a_ca_without_a_key_is_founded_and_the_model_knows_it(tmp_path: Path, certificates: Certificates) -> None:
    model = _model(tmp_path, _issuer("home", "{ca: {secretName: home-ca}}"), _certificate("a", "home"))
    certificates.provide(model)
    leaf = _leaf(certificates, "a")
    own = certificates.trust_for(_vantage(model, "{secret: {namespace: web, name: home-ca}}"))
    assert _is_trusted(leaf, own)
    assert not _is_trusted(leaf, certificates.trust_for(_vantage(model, "public")))
    assert leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.DNSName
    ) == ["a.example.com"]


def test_a_chain_of_issuers_comes_up_in_its_order(tmp_path: Path, certificates: Certificates) -> None:
    model = _model(
        tmp_path,
        _issuer("itself", "{selfSigned: {}}"),
        _certificate("root", "itself", ca=True),
        _issuer("above", "{ca: {secretName: root}}"),
        _certificate("middle", "above", ca=True),
        _issuer("below", "{ca: {secretName: middle}}"),
        _certificate("a", "below"),
    )
    certificates.provide(model)
    assert signing.signed_by(_leaf(certificates, "a"), _leaf(certificates, "middle"))
    assert signing.signed_by(_leaf(certificates, "middle"), _leaf(certificates, "root"))


def test_the_model_knows_what_has_ended_until_it_is_renewed(tmp_path: Path, certificates: Certificates) -> None:
    model = _model(
        tmp_path,
        _issuer("real", ACME.format(LETS_ENCRYPT)), _issuer("home", "{ca: {secretName: home-ca}}"),
        _issuer("itself", "{selfSigned: {}}"),
        _certificate("a", "real"), _certificate("b", "home"), _certificate("c", "itself"),
    )  # fmt: skip
    certificates.provide(model)
    keys_of = [Key("Secret", "web", name) for name in "abc"]
    fresh = [certificates.secrets[key] for key in keys_of]

    def days() -> list[str]:
        shown = (model.analysis.answer(trust.of_secret, key, f"{key.name}.example.com", None, ()) for key in keys_of)
        return [one.expired for one in shown]

    assert days() == ["", "", ""]
    certificates.expire()
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    assert days() == [yesterday] * 3
    ended = certificates.for_door(Key("Gateway", "web", "edge"), "a.example.com")
    assert ended is not None
    assert signing.signed_by(
        x509.load_pem_x509_certificate(ended.chain),
        x509.load_pem_x509_certificate(certificates.public.ca_file.read_bytes()),
    )
    certificates.renew()
    assert days() == ["", "", ""]
    assert [certificates.secrets[key] for key in keys_of] == fresh
    assert certificates.for_door(Key("Gateway", "web", "edge"), "a.example.com") is None


CONTROLLER = """
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: edge, namespace: web}
spec:
  implementation: traefik
  entryPoints: [{name: websecure, port: 443, protocol: HTTPS, tls: true}]
  defaultCertificate: {name: a}
---
"""
OPEN_GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: web}
spec:
  gatewayClassName: any
  listeners: [{name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: a}]}}]
---
"""


@pytest.mark.parametrize(("kind", "door"), [("IngressController", CONTROLLER), ("Gateway", OPEN_GATEWAY)])
def test_a_certificate_that_ended_is_shown_for_names_that_none_is_for(
    tmp_path: Path, certificates: Certificates, kind: str, door: str
) -> None:
    model = _model(tmp_path, door, _issuer("real", ACME.format(LETS_ENCRYPT)), _certificate("a", "real"))
    certificates.provide(model)
    edge, other = Key(kind, "web", "edge"), Key(kind, "web", "other")
    assert certificates.for_door(edge, "*") is None
    certificates.expire()
    ended = certificates.for_door(edge, "*")
    assert ended is not None
    assert certificates.for_door(edge, "a.example.com") == ended
    assert certificates.for_door(other, "*") is None
    certificates.renew()
    assert certificates.for_door(edge, "*") is None


def test_key_pairs_of_the_manifests_stay(tmp_path: Path, certificates: Certificates) -> None:
    pair = keys.pair("a.example.com", now=datetime.now(UTC), ca=True)
    lines = [
        f"  {name}: |\n" + "".join(f"    {line}\n" for line in pem.decode().splitlines())
        for name, pem in (("tls.crt", pair.cert_pem), ("tls.key", pair.key_pem))
    ]
    secret = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: a, namespace: web}}\nstringData:\n{''.join(lines)}---\n"
    model = _model(tmp_path, secret, _issuer("real", ACME.format(LETS_ENCRYPT)), _certificate("a", "real"))
    certificates.provide(model)
    assert certificates.secrets == {}
