"""Annotations reach the intent of every route and gateway, sorted."""

from __future__ import annotations

import pytest
import yaml

from gatewright.kinds.intents.doors import GatewayIntent, RouteIntent
from support.lowering import lowered

GATEWAY_API = "{parentRefs: [{name: g}], rules: [{backendRefs: [{name: a, port: 80}]}]}"
INGRESS = "{defaultBackend: {service: {name: a, port: {number: 80}}}}"
STREAM = "{routes: [{match: HostSNI(`*`), services: [{name: a, port: 80}]}]}"


@pytest.mark.parametrize(
    ("version", "kind", "spec"),
    [
        ("networking.k8s.io/v1", "Ingress", INGRESS),
        *(("gateway.networking.k8s.io/v1", kind, GATEWAY_API) for kind in ("HTTPRoute", "GRPCRoute")),
        ("gateway.networking.k8s.io/v1", "TLSRoute", GATEWAY_API.replace("{parent", "{hostnames: [a.b], parent")),
        *(("gateway.networking.k8s.io/v1alpha2", kind, GATEWAY_API) for kind in ("TCPRoute", "UDPRoute")),
        (
            "traefik.io/v1alpha1",
            "IngressRoute",
            "{routes: [{kind: Rule, match: Host(`a`), services: [{name: a, port: 80}]}]}",
        ),
        ("traefik.io/v1alpha1", "IngressRouteTCP", STREAM),
        ("traefik.io/v1alpha1", "IngressRouteUDP", "{routes: [{services: [{name: a, port: 80}]}]}"),
    ],
)
def test_routes(version: str, kind: str, spec: str) -> None:
    def made(metadata: str) -> RouteIntent:
        intent = lowered(f"apiVersion: {version}\nkind: {kind}\nmetadata: {metadata}\nspec: {spec}\n").intent
        assert isinstance(intent, RouteIntent)
        return intent

    assert made("{name: r}").annotations == ()
    assert made("{name: r, annotations: {b.c/d: '2', a.b/c: '1'}}").annotations == (("a.b/c", "1"), ("b.c/d", "2"))


def test_a_gateway_has_its_own_and_those_of_its_service() -> None:
    gateway = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "g", "annotations": {"x": "1"}},
        "spec": {
            "gatewayClassName": "c",
            "addresses": [{"value": "192.0.2.1"}],
            "infrastructure": {"annotations": {"lbipam.cilium.io/ips": "192.0.2.1"}, "labels": {"a": "b"}},
            "listeners": [{"name": "a", "port": 80, "protocol": "HTTP"}],
        },
        "status": {"addresses": [{"type": "IPAddress", "value": "192.0.2.1"}, {"value": "lb.example.com"}]},
    }
    intent = lowered(yaml.safe_dump(gateway)).intent
    assert isinstance(intent, GatewayIntent)
    assert intent.annotations == (("x", "1"),)
    assert intent.address_annotations == (("lbipam.cilium.io/ips", "192.0.2.1"),)
    assert intent.addresses == ("192.0.2.1", "lb.example.com")
