"""Rules about certificates that are judged by their bytes, and that follow a change of what they read."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from gatewright.check.rules import RULES
from gatewright.check.run import Checker
from gatewright.pipeline import Model
from support.keys import NOW, Pair, pair

HOST = "sid.labs.example.com"
ROUTE = f"""\
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: lab, namespace: web}}
spec:
  ingressClassName: traefik
  tls: [{{secretName: shown}}]
  rules:
    - host: {HOST}
      http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: app, port: {{number: 80}}}}}}}}]}}
---
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {{name: edge, namespace: web}}
spec: {{implementation: traefik, classes: [traefik]}}
---
apiVersion: v1
kind: Service
metadata: {{name: app, namespace: web}}
spec: {{ports: [{{port: 80}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: argo, namespace: web}}
spec: {{ports: [{{port: 443}}]}}
"""
PASSED = """\
---
apiVersion: traefik.io/v1alpha1
kind: IngressRouteTCP
metadata: {name: passed, namespace: web, annotations: {kubernetes.io/ingress.class: traefik}}
spec:
  entryPoints: [websecure]
  routes: [{match: "HostSNI(`argo.labs.example.com`)", services: [{name: argo, port: 443}]}]
  tls: {passthrough: true}
"""
STRICT = """\
---
apiVersion: gatewright.dev/v1alpha1
kind: Zone
metadata: {name: example-com}
spec:
  domain: labs.example.com
  provider: cloudflare
  sslMode: strict
  records: [{name: sid, values: [203.0.113.9], proxied: true}]
"""


def secret(shown: Pair, name: str = "shown") -> str:
    """A Secret with a pair."""
    return (
        textwrap.dedent(f"""\
        ---
        apiVersion: v1
        kind: Secret
        metadata: {{name: {name}, namespace: web}}
        type: kubernetes.io/tls
        stringData:
          tls.crt: |
        CERTIFICATE
          tls.key: |
        KEY
        """)
        .replace("CERTIFICATE", textwrap.indent(shown.cert_pem.decode(), "    ").rstrip())
        .replace("KEY", textwrap.indent(shown.key_pem.decode(), "    ").rstrip())
    )


class Folder:
    """A folder under check."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._model = Model(lambda: NOW)
        self._checker: Checker | None = None

    def ids(self, **files: str) -> set[str]:
        """Write these files; what is found then."""
        for name, text in files.items():
            (self._path / f"{name}.yaml").write_text(text)
        if self._checker is None:
            self._model.read([str(self._path)])
            self._checker = Checker(self._model.analysis, RULES)
            self._checker.run()
        else:
            state = self._model.refresh([str(self._path / f"{name}.yaml") for name in files])
            assert state is not None
            self._checker.update(state.change, state.concerned)
        report = self._checker.report(self._model.problems(), self._model.suppressions(), NOW.date())
        return {finding.id for finding in report.findings}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_wildcard_among_the_secrets_is_too_short_until_it_is_replaced(folder: Folder) -> None:
    assert "wildcard-depth" in folder.ids(route=ROUTE, secret=secret(pair("*.example.com")))
    assert "wildcard-depth" not in folder.ids(secret=secret(pair("*.labs.example.com")))
    assert "wildcard-depth" in folder.ids(secret=secret(pair("example.com", "*.example.com")))


def test_a_secret_of_another_name_is_a_mismatch(folder: Folder) -> None:
    found = folder.ids(route=ROUTE, secret=secret(pair("shop.example.com")))
    assert "certificate-name-mismatch" in found
    assert "wildcard-depth" not in found
    assert "certificate-name-mismatch" not in folder.ids(secret=secret(pair("shop.example.com", HOST)))


def test_a_passed_through_name_under_a_wildcard_that_is_shown(folder: Folder) -> None:
    assert "http2-coalescing" in folder.ids(route=ROUTE, secret=secret(pair("*.labs.example.com")), passed=PASSED)
    assert "http2-coalescing" not in folder.ids(secret=secret(pair(HOST)))


def test_strict_wants_an_authority_that_the_cdn_knows(folder: Folder) -> None:
    private = pair(HOST, subject="a machine of ours")
    origin_ca = pair(ca=True, subject="CloudFlare Origin SSL Certificate Authority")
    assert "cdn-ssl-mode" in folder.ids(route=ROUTE, zone=STRICT, secret=secret(private))
    assert "cdn-ssl-mode" not in folder.ids(secret=secret(pair(HOST, issuer=origin_ca)))


def test_an_expired_pair_is_told_as_such(folder: Folder) -> None:
    found = folder.ids(route=ROUTE, secret=secret(pair(HOST, now=NOW.replace(year=2029))))
    assert "certificate-expired" in found
    assert "unusable-certificate" not in found
    assert "certificate-expires-soon" in folder.ids(secret=secret(pair(HOST, days=13)))
    assert not {"certificate-expired", "certificate-expires-soon"} & folder.ids(secret=secret(pair(HOST)))


def certificate(name: str, *names: str) -> str:
    """A Certificate of an ACME issuer that is there."""
    listed = ", ".join(f'"{item}"' for item in names)
    return textwrap.dedent(f"""\
        ---
        apiVersion: cert-manager.io/v1
        kind: Certificate
        metadata: {{name: {name}, namespace: web}}
        spec: {{secretName: {name}, dnsNames: [{listed}], issuerRef: {{kind: ClusterIssuer, name: le}}}}
        """)


ISSUER = """\
---
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {name: le}
spec:
  acme:
    server: https://acme-v02.api.letsencrypt.org/directory
    privateKeySecretRef: {name: le}
    solvers: [{dns01: {cloudflare: {apiTokenSecretRef: {name: token, key: token}}}}]
"""


def test_the_twentieth_certificate_of_a_domain_is_one_too_many(folder: Folder) -> None:
    some = "".join(certificate(f"lab-{n}", f"lab-{n}.example.com") for n in range(19))
    assert "certificate-per-host" not in folder.ids(issuer=ISSUER, some=some)
    assert "certificate-per-host" in folder.ids(more=certificate("lab-19", "lab-19.example.com"))
    assert "certificate-per-host" not in folder.ids(more=certificate("lab-19", "lab-19.example.net"))


def test_an_issuer_that_appears_is_no_longer_missing(folder: Folder) -> None:
    other = ISSUER.replace("name: le}", "name: other}", 1)
    assert "issuer-missing" in folder.ids(other=other, some=certificate("app", "app.example.com"))
    assert "issuer-missing" not in folder.ids(issuer=ISSUER)
