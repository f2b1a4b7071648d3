"""What clients make of certificates."""

from __future__ import annotations

import pytest

from gatewright.trace.branches import Trust
from gatewright.trace.hops import HopKind, OutcomeKind
from support.home_and_cloud import World, kinds


def test_a_private_authority_is_trusted_by_whom_it_was_given_to(world: World) -> None:
    ask = world()
    (near,) = ask("laptop", "https://app.example.com/")
    assert (near.trust, near.outcome.kind) == (Trust.TRUSTED, OutcomeKind.DELIVERED)
    (far,) = ask("phone", "https://app.example.com/", "4")
    assert far.trust is Trust.UNKNOWN  # nothing says that the authority is not a public one


def test_a_self_signed_certificate_is_not_trusted(world: World) -> None:
    (branch,) = world(signed=False)("laptop", "https://app.example.com/")
    assert (branch.trust, branch.outcome.kind) == (Trust.UNTRUSTED, OutcomeKind.UNTRUSTED)


def test_a_wildcard_covers_one_label(world: World) -> None:
    (branch,) = world(names=("*.com",))("laptop", "https://app.example.com/")
    assert (branch.trust, branch.outcome.kind) == (Trust.NAME_MISMATCH, OutcomeKind.UNTRUSTED)
    assert "exactly one label" in branch.outcome.reason
    assert kinds(branch)[-1] is HopKind.TLS


ISSUED = """
---
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {name: acme}
spec: {acme: {server: "https://DIRECTORY/directory", privateKeySecretRef: {name: k}, solvers: []}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: app, namespace: web}
spec: {secretName: app-tls, dnsNames: [app.example.com], issuerRef: {kind: ClusterIssuer, name: acme}}
"""


@pytest.mark.parametrize(
    ("directory", "trust"),
    [
        ("acme-v02.api.letsencrypt.org", Trust.TRUSTED),
        ("acme-staging-v02.api.letsencrypt.org", Trust.UNTRUSTED),
        ("ca.home.example.com", Trust.UNKNOWN),
    ],
)
def test_what_cert_manager_will_make_is_judged_by_its_issuer(world: World, directory: str, trust: Trust) -> None:
    more = ISSUED.replace("DIRECTORY", directory)
    ask = world({"data: {tls.crt: CERT, tls.key: KEY}": "data: {}", "data: {ca.crt: AUTHORITY}": "data: {}" + more})
    (branch,) = ask("phone", "https://app.example.com/", "4")
    assert branch.trust is trust


@pytest.mark.parametrize(("host", "trust"), [("app.example.com", Trust.TRUSTED), ("'*.example.com'", Trust.UNKNOWN)])
def test_a_certificate_is_for_the_hosts_that_it_is_named_for(world: World, host: str, trust: Trust) -> None:
    """The names that an Ingress lists under `tls` are hosts of its rules: one that is `*` is not meant by others."""
    more = ISSUED.replace("DIRECTORY", "acme-v02.api.letsencrypt.org")
    ask = world({
        "data: {tls.crt: CERT, tls.key: KEY}": "data: {}",
        "data: {ca.crt: AUTHORITY}": "data: {}" + more,
        "implementation: traefik\n": "implementation: ingress-nginx\n",
        "{host: app.example.com, http: &to-app": f"{{host: {host}, http: &to-app",
    })  # fmt: skip
    (branch,) = ask("phone", "https://app.example.com/", "4")
    assert (branch.gateways, branch.trust) == (("web/edge",), trust)
