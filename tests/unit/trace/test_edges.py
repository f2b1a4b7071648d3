"""A CDN's edge between client and origin."""

from __future__ import annotations

import pytest

from gatewright.trace.branches import Limit, Trust
from gatewright.trace.hops import OutcomeKind
from support.home_and_cloud import World, ends


@pytest.mark.parametrize(("mode", "listener"), [("flexible", "web"), ("full", "websecure")])
def test_the_ssl_mode_decides_how_the_edge_connects(world: World, mode: str, listener: str) -> None:
    branches = world({"SSL_MODE": mode})("phone", "https://cdn.example.com/")
    assert ends(branches) == [("4", OutcomeKind.DELIVERED, "web/edge"), ("6", OutcomeKind.DELIVERED, "web/edge")]
    assert {branch.outcome.listener for branch in branches} == {listener}
    assert {branch.trust for branch in branches} == {Trust.TRUSTED}
    assert branches[0].limits.body == Limit(100_000_000, "cloudflare edge", branches[0].hops[2].origin)


def test_a_strict_edge_refuses_a_certificate_that_it_does_not_trust(world: World) -> None:
    ask = world({"SSL_MODE": "strict"}, names=("other.example.com",))
    (branch,) = ask("phone", "https://cdn.example.com/", "4")
    assert (branch.outcome.kind, branch.outcome.status) == (OutcomeKind.REFUSED, 526)
    assert branch.trust is Trust.TRUSTED  # the client sees the edge's own


def test_the_universal_certificate_covers_the_apex_and_one_label(world: World) -> None:
    ask = world()
    (apex,) = ask("phone", "https://example.com/", "4")
    assert apex.outcome.kind is OutcomeKind.DELIVERED
    (deep,) = ask("phone", "https://deep.cdn.example.com/", "4")
    assert (deep.outcome.kind, deep.trust) == (OutcomeKind.REFUSED, Trust.NAME_MISMATCH)
    wider = world({"  sslMode: full": "  sslMode: full\n  edgeCertificates: ['*.cdn.example.com']", "SSL_MODE": "full"})
    (deep,) = wider("phone", "https://deep.cdn.example.com/", "4")
    assert deep.trust is Trust.TRUSTED


def test_an_edge_that_insists_on_https_redirects(world: World) -> None:
    ask = world({"SSL_MODE": "full\n  alwaysHTTPS: true"})
    (branch,) = ask("phone", "http://cdn.example.com/", "4")
    assert branch.redirects == ((301, "https://cdn.example.com/"),)
    assert branch.outcome.kind is OutcomeKind.DELIVERED


@pytest.mark.parametrize(
    ("record", "kind", "status"),
    [
        ("{name: cdn, values: [gone.example.com], proxied: true}", OutcomeKind.REFUSED, 530),
        ("{name: cdn, values: [192.168.178.10], proxied: true}", OutcomeKind.UNREACHABLE, 522),
    ],
    ids=["no address", "no way"],
)
def test_an_edge_that_does_not_reach_the_origin_says_so(
    record: str, kind: OutcomeKind, status: int, world: World
) -> None:
    ask = world({"SSL_MODE": "full", "{name: cdn, values: [203.0.113.9], proxied: true}": record})
    (branch,) = ask("phone", "https://cdn.example.com/", "4")
    assert (branch.outcome.kind, branch.outcome.status) == (kind, status)


def test_an_edge_tells_the_origin_of_the_client(world: World) -> None:
    known = """
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: known, namespace: web, annotations: {kubernetes.io/ingress.class: web}}
spec:
  entryPoints: [websecure]
  routes:
    - match: Host(`cdn.example.com`) && Header(`X-Forwarded-For`, `192.0.2.44`)
      kind: Rule
      priority: 1000
      services: [{name: app, port: 80}]
  tls: {}
"""
    for client, rule in (("192.0.2.44", "IngressRoute web/known rule 0"), ("192.0.2.45", "Ingress web/app rule 4")):
        changed = {
            "spec: {network: internet}": f"spec: {{network: internet, addresses: [{client}]}}",
            "data: {ca.crt: AUTHORITY}": "data: {}" + known,
        }
        (branch,) = world(changed)("phone", "https://cdn.example.com/", "4")
        assert branch.outcome.rule == rule
