"""What the site map adds to a Gateway that describes itself."""

from __future__ import annotations

from pathlib import Path

from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import DoorSettings
from gatewright.kinds.intents.places import Spot
from gatewright.pipeline import Model

GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: door, namespace: infra}
spec:
  gatewayClassName: c
  addresses: [{value: 192.0.2.1}]
  listeners: [{name: http, port: 80, protocol: HTTP}]
"""
ADDITION = """
apiVersion: gatewright.dev/v1alpha1
kind: IngressController
metadata: {name: door, namespace: infra}
spec:
  implementation: gateway-api
  service: {name: envoy}
  settings: {runsOn: [{node: home/a}], idleTimeout: 1m}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: envoy, namespace: infra}
spec: {type: LoadBalancer, ports: [{port: 80}]}
status: {loadBalancer: {ingress: [{ip: 192.0.2.2}]}}
"""


def test_it_comes_and_goes(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(GATEWAY)
    (tmp_path / "service.yaml").write_text(SERVICE)
    model = Model()
    door = model.read([str(tmp_path)]).graph.gateways["infra/door"]
    assert (door.addresses, door.settings, door.service) == (("192.0.2.1",), DoorSettings(), None)

    addition = tmp_path / "map.yaml"
    addition.write_text(ADDITION)
    state = model.refresh([str(addition)])
    assert state is not None
    assert list(state.graph.gateways) == ["infra/door"]
    door = state.graph.gateways["infra/door"]
    assert door.addresses == ("192.0.2.1", "192.0.2.2")
    assert door.settings == DoorSettings(runs_on=(Spot(node="home/a"),), idle_timeout=60.0)
    assert door.service == Key("Service", "infra", "envoy")
    assert model.problems() == ()

    addition.unlink()
    state = model.refresh([str(addition)])
    assert state is not None
    assert state.graph.gateways["infra/door"].settings == DoorSettings()


def test_without_its_gateway_it_says_so_until_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(ADDITION)
    model = Model()
    assert not model.read([str(tmp_path)]).graph.gateways
    assert [(p.id, p.message) for p in model.problems()] == [
        ("gateway-missing", "IngressController infra/door has no effect: there is no Gateway infra/door")
    ]
    (tmp_path / "gateway.yaml").write_text(GATEWAY)
    model.refresh([str(tmp_path / "gateway.yaml")])
    assert model.problems() == ()
