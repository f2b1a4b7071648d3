"""What a change concerns, and what it leaves alone."""

from datetime import timedelta
from typing import Any

import pytest
import yaml

from gatewright.graph.builder import Builder
from gatewright.graph.nodes import Change
from gatewright.kinds.identity import Key
from support.keys import NOW, pair
from support.modelled import Modelled, intents

TEXT = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: apps}
spec:
  gatewayClassName: c
  allowedListeners: {namespaces: {from: All}}
  listeners:
    - {name: http, port: 80, protocol: HTTP}
    - {name: s, port: 443, protocol: HTTPS, hostname: a.test, tls: {certificateRefs: [{name: tls}]}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: apps}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: one, namespace: apps}
spec:
  parentRefs: [{name: gw}]
  hostnames: [one.test]
  rules: [{backendRefs: [{name: web, port: 80}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: two, namespace: apps}
spec:
  parentRefs: [{name: gw}]
  hostnames: [two.test]
  rules: [{backendRefs: [{name: web, port: 80}]}]
"""


def documents() -> dict[str, dict[str, Any]]:
    return {f"{data['kind']} {data['metadata']['name']}": data for data in yaml.safe_load_all(TEXT)}


def secret(*names: str) -> dict[str, Any]:
    one = pair(*names)
    data = {"tls.crt": one.cert_pem.decode(), "tls.key": one.key_pem.decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tls", "namespace": "apps"}, "stringData": data}


@pytest.fixture
def model() -> Modelled:
    return Modelled([*documents().values(), secret("a.test")])


def hosts(change: Change) -> set[str]:
    return {key.hostname for key in change.virtual_hosts}


def test_an_edited_route_concerns_its_own_host(model: Modelled) -> None:
    route = documents()["HTTPRoute one"]
    route["spec"]["rules"][0]["matches"] = [{"path": {"value": "/x"}}]
    change = model.put(route)
    assert hosts(change) == {"one.test"}
    assert not change.gateways | change.backends | change.attachments | change.certificates


def test_endpoints_concern_their_backend_only(model: Modelled) -> None:
    labels = {"kubernetes.io/service-name": "web"}
    data = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "namespace": "apps", "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"]}],
        "ports": [{"name": "http", "port": 8080}],
    }
    change = model.put(data)
    assert {str(key) for key in change.backends} == {"apps/web:80"}
    assert not change.gateways | change.virtual_hosts | change.attachments


def test_a_rotated_secret_concerns_its_certificate_only(model: Modelled) -> None:
    change = model.put(secret("a.test"))
    assert change.certificates == {Key("Secret", "apps", "tls")}
    assert not change.gateways | change.virtual_hosts | change.attachments | change.backends


def test_a_certificate_that_nothing_refers_to_is_forgotten(model: Modelled) -> None:
    gateway = documents()["Gateway gw"]
    gateway["spec"]["listeners"].pop()
    model.put(gateway)
    assert not model.graph.certificates


def test_a_listener_set_concerns_none_of_the_others(model: Modelled) -> None:
    data = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "ListenerSet",
        "metadata": {"name": "set", "namespace": "tenant"},
        "spec": {
            "parentRef": {"name": "gw", "namespace": "apps"},
            "listeners": [{"name": "own", "port": 80, "protocol": "HTTP", "hostname": "tenant.test"}],
        },
    }
    change = model.put(data)
    assert hosts(change) == {"tenant.test"}
    assert change.gateways == {"apps/gw"}
    assert not change.attachments


def test_the_same_again_changes_nothing(model: Modelled) -> None:
    assert model.put(*documents().values()) == Change()


def test_graphs_that_were_handed_out_stay_as_they_are(model: Modelled) -> None:
    before = model.graph
    count = len(before.virtual_hosts)
    model.remove(Key("HTTPRoute", "apps", "one"))
    assert len(before.virtual_hosts) == count
    assert len(model.graph.virtual_hosts) == count - 1


def test_a_certificate_that_ends_is_noticed_by_the_clock_alone() -> None:
    now = NOW
    builder = Builder(lambda: now)
    graph, _ = builder.apply(dict(intents([*documents().values(), secret("a.test")])))
    tls = Key("Secret", "apps", "tls")
    assert tls in graph.certificates
    assert builder.recheck_certificates()[1] == Change()
    now = NOW + timedelta(days=4000)
    graph, change = builder.recheck_certificates()
    assert tls not in graph.certificates
    assert change.certificates == {tls}
    assert change.gateways == {"apps/gw"}
    now = NOW
    graph, change = builder.recheck_certificates()
    assert tls in graph.certificates
    assert change.certificates == {tls}
