"""Where the gateways of a space listen."""

from datetime import UTC, datetime
from pathlib import Path

from msgspec import structs

from gatewright.engines.envoy.bindings import PortKey, Socket
from gatewright.pipeline import Model
from gatewright.rehearsal.gateways import everything, placed
from gatewright.rehearsal.world import GatewaySpot
from support import keys
from support import session as s

GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {0}, namespace: infra}}
spec: {{gatewayClassName: ours, listeners: [{1}]}}
---
"""
CLASS = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: ours}
spec: {controllerName: gatewright.dev/gateway-controller}
---
"""
HTTP = "{name: http, port: 80, protocol: HTTP}"
UDP = "{name: quick, port: 80, protocol: UDP}"


def _model(tmp_path: Path, **gateways: str) -> Model:
    (tmp_path / "all.yaml").write_text(CLASS + "".join(GATEWAY.format(*item) for item in gateways.items()))
    model = Model()
    model.read([str(tmp_path)])
    return model


def test_every_port_is_at_every_address_of_the_spot(tmp_path: Path) -> None:
    model = _model(tmp_path, edge=f"{HTTP}, {UDP}")
    sockets, faults = placed(model.graph, [GatewaySpot("infra/edge", "node:a/b", ("10.0.0.1", "2001:db8::1"))])
    both = (Socket("10.0.0.1", 80), Socket("2001:db8::1", 80))
    assert sockets == {PortKey("infra/edge", 80): both, PortKey("infra/edge", 80, udp=True): both}
    assert faults == []


def test_one_address_and_port_is_one_gateways(tmp_path: Path) -> None:
    model = _model(tmp_path, edge=HTTP, other=HTTP, lost=HTTP, beside=UDP)
    spots = [
        GatewaySpot(f"infra/{name}", "node:a/b", addresses)
        for name, addresses in (
            ("other", ("10.0.0.1", "10.0.0.2")), ("edge", ("10.0.0.1",)), ("lost", ()), ("beside", ("10.0.0.1",)),
        )
    ]  # fmt: skip
    sockets, faults = placed(model.graph, spots)
    assert sockets == {
        PortKey("infra/edge", 80): (Socket("10.0.0.1", 80),),
        PortKey("infra/other", 80): (Socket("10.0.0.2", 80),),
        PortKey("infra/beside", 80, udp=True): (Socket("10.0.0.1", 80),),
    }
    assert faults == [
        "infra/lost has no address in node:a/b",
        "infra/other cannot have 10.0.0.1 port 80 in node:a/b: infra/edge has",
    ]


def test_everything_is_what_differs_when_all_is_read_pooled_certificates_included(tmp_path: Path) -> None:
    one = keys.pair("app.test", now=datetime.now(UTC))
    ingress = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: app, namespace: infra}
spec:
  ingressClassName: traefik
  tls: [{hosts: [app.test], secretName: own}]
  rules:
    - host: app.test
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
"""
    secret = s.secret("own", one.cert_pem, one.key_pem)
    (tmp_path / "all.yaml").write_text(f"{ingress}{secret}\n---\n{CLASS}{GATEWAY.format('edge', HTTP)}")
    state = Model().read([str(tmp_path)])
    found = everything(state.graph)
    assert found.pooled
    assert found == structs.replace(state.change, objects=frozenset())
