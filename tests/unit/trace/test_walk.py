"""What a walk looks up in the graph, and that what it depends on is remembered as read."""

from __future__ import annotations

from pathlib import Path

from gatewright.pipeline import Model
from gatewright.trace.hops import OutcomeKind
from gatewright.trace.journey import journey
from gatewright.trace.request import request
from support.keys import NOW

DOOR = """
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: edge, namespace: edge}
spec:
  implementation: traefik
  entryPoints: [{name: db, port: 5432, protocol: TCP}]
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: apps}
spec: {ports: [{port: 5432}], selector: {app: db}}
---
apiVersion: traefik.io/v1alpha1
kind: IngressRouteTCP
metadata: {name: all, namespace: apps}
spec:
  entryPoints: [db]
  routes: [{match: HostSNI(`*`), services: [{name: db, port: 5432}]}]
"""
SECURED = """
apiVersion: traefik.io/v1alpha1
kind: IngressRouteTCP
metadata: {name: secured, namespace: apps}
spec:
  entryPoints: [db]
  tls: {passthrough: true}
  routes: [{match: HostSNI(`db.test`), services: [{name: db, port: 5432}]}]
"""


def test_a_port_looks_into_tls_while_some_route_asks_for_it(tmp_path: Path) -> None:
    (tmp_path / "door.yaml").write_text(DOOR)
    model = Model(lambda: NOW)
    model.read([str(tmp_path)])
    asked = request("tls://other.test:5432")

    def outcome() -> OutcomeKind:
        (branch,) = model.analysis.answer(journey, "", asked).branches
        return branch.outcome.kind

    assert not model.graph.tls_sockets
    assert outcome() is OutcomeKind.DELIVERED  # TLS is what the bytes are, and nobody looks
    route = tmp_path / "secured.yaml"
    route.write_text(SECURED)
    model.refresh([str(route)])
    assert model.graph.tls_sockets == {("edge/edge", 5432)}
    assert outcome() is OutcomeKind.REFUSED
    route.unlink()
    model.refresh([str(route)])
    assert outcome() is OutcomeKind.DELIVERED
