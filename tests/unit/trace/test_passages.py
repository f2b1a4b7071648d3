"""A way with the gateways at its end: those that are there, not those that have the same address elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatewright.pipeline import Model
from gatewright.trace.hops import OutcomeKind
from gatewright.trace.journey import journey
from gatewright.trace.request import request
from support.keys import NOW

TWO_HOMES = """
apiVersion: gatewright.dev/v1alpha1
kind: Site
metadata: {name: home}
spec:
  networks: [{name: lan, cidrs: [10.0.0.0/24]}]
  nodes: [{name: n1, addresses: [10.0.0.5]}]
  clusters: [{name: k, nodes: [n1]}]
---
apiVersion: gatewright.dev/v1alpha1
kind: Site
metadata: {name: other}
spec:
  networks: [{name: lan, cidrs: [10.0.0.0/24]}]
---
apiVersion: gatewright.dev/v1alpha1
kind: Resolver
metadata: {name: box}
spec:
  addresses: [10.0.0.2]
  overrides: [{name: web.example.com, values: [10.0.0.50]}]
---
apiVersion: gatewright.dev/v1alpha1
kind: Resolver
metadata: {name: server}
spec:
  addresses: [10.0.0.5]
  runsOn: {node: home/n1}
  overrides: [{name: web.example.com, values: [10.0.0.50]}]
---
apiVersion: gatewright.dev/v1alpha1
kind: Vantage
metadata: {name: there}
spec: {network: home/lan, resolvers: [server], families: [4]}
---
apiVersion: gatewright.dev/v1alpha1
kind: Vantage
metadata: {name: elsewhere}
spec: {network: other/lan, resolvers: [box], families: [4]}
---
apiVersion: gatewright.dev/v1alpha1
kind: Vantage
metadata: {name: asking}
spec: {network: other/lan, resolvers: [server], families: [4]}
---
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: edge, namespace: infra}
spec: {implementation: traefik, addresses: [10.0.0.50]}
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: web, namespace: infra}
spec:
  entryPoints: [web]
  routes: [{match: Host(`web.example.com`), kind: Rule, services: [{name: web, port: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: infra}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""


@pytest.mark.parametrize(
    ("vantage", "kind", "said"),
    [
        ("there", OutcomeKind.DELIVERED, ""),
        ("elsewhere", OutcomeKind.UNKNOWN, "10.0.0.50 is infra/edge's on another network"),
        ("asking", OutcomeKind.UNREACHABLE, "10.0.0.5 is server's on another network"),
    ],
)
def test_two_sites_with_the_same_prefix(tmp_path: Path, vantage: str, kind: OutcomeKind, said: str) -> None:
    (tmp_path / "map.yaml").write_text(TWO_HOMES)
    model = Model(lambda: NOW)
    model.read([str(tmp_path)])
    (branch,) = model.analysis.answer(journey, vantage, request("http://web.example.com/"), ()).branches
    assert (branch.outcome.kind, said in branch.outcome.reason) == (kind, True), branch.outcome
    assert branch.gateways == (("infra/edge",) if kind is OutcomeKind.DELIVERED else ())
