"""Service: its ports, types and addresses."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import ServiceIntent, ServicePort
from support.lowering import bad, good, lowered, told


def service(metadata: dict[str, Any] | None = None, status: Any = None, **spec: Any) -> str:
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", **(metadata or {})}, "spec": spec}
    return yaml.safe_dump({**body, "status": status} if status else body)


def test_a_whole_service() -> None:
    made = good(
        service(
            {"namespace": "n", "annotations": {"b": "2", "a": "1"}, "labels": {"d": "4", "c": "3"}},
            selector={"y": "2", "x": "1"},
            ports=[
                {"name": "http", "port": 80, "targetPort": "web", "appProtocol": "kubernetes.io/h2c"},
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 5353, "nodePort": 30053},
            ],
            sessionAffinity="None",
            ipFamilyPolicy="PreferDualStack",
            ipFamilies=["IPv6", "IPv4"],
            clusterIP="10.43.0.1",
            clusterIPs=["10.43.0.1", "2001:db8::1"],
            loadBalancerClass="io.cilium/l2-announcer",
            externalTrafficPolicy="Local",
        ),
        ServiceIntent,
    )
    assert made == ServiceIntent(
        key=Key("Service", "n", "a"),
        origin=Origin("manifest.yaml", "1"),
        ports=(
            ServicePort("http", 80, "TCP", "web", "kubernetes.io/h2c"),
            ServicePort("dns", 53, "UDP", 5353, "", 30053),
        ),
        selector=(("x", "1"), ("y", "2")),
        annotations=(("a", "1"), ("b", "2")),
        labels=(("c", "3"), ("d", "4")),
        families=("IPv6", "IPv4"),
        family_policy="PreferDualStack",
        cluster_ips=("10.43.0.1", "2001:db8::1"),
        load_balancer_class="io.cilium/l2-announcer",
        external_traffic_policy="Local",
    )


def test_the_target_port_defaults_to_the_port() -> None:
    assert good(service(ports=[{"port": 80}]), ServiceIntent).ports[0].target == 80


def test_the_namespace_defaults() -> None:
    assert good(service(ports=[{"port": 80}]), ServiceIntent).key.namespace == "default"


def test_headless_and_external_names() -> None:
    headless = good(service(clusterIP="None", clusterIPs=["None"]), ServiceIntent)
    assert (headless.headless, headless.cluster_ips) == (True, ())
    external = good(service(type="ExternalName", externalName="db.example.com."), ServiceIntent)
    assert (external.type, external.external_name) == ("ExternalName", "db.example.com")


@pytest.mark.parametrize(
    "annotation",
    [
        "metallb.io/loadBalancerIPs",
        "metallb.universe.tf/loadBalancerIPs",
        "lbipam.cilium.io/ips",
        "io.cilium/lb-ipam-ips",
        "kube-vip.io/loadbalancerIPs",
    ],
)
def test_each_annotation_that_asks_for_addresses(annotation: str) -> None:
    made = good(service({"annotations": {annotation: "192.0.2.1,2001:db8::1"}}, ports=[{"port": 80}]), ServiceIntent)
    assert made.load_balancer_ips == ("192.0.2.1", "2001:db8::1")


def test_addresses_of_load_balancers_from_everywhere() -> None:
    made = good(
        service(
            {
                "annotations": {
                    "lbipam.cilium.io/ips": "192.0.2.1, 192.0.2.2",
                    "metallb.io/loadBalancerIPs": "192.0.2.3",
                }
            },
            {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "x"}, {"ip": "192.0.2.4"}]}},
            type="LoadBalancer",
            ports=[{"port": 80}],
            loadBalancerIP="192.0.2.1",
            externalIPs=["192.0.2.5"],
        ),
        ServiceIntent,
    )
    assert made.load_balancer_ips == tuple(f"192.0.2.{n}" for n in (1, 5, 2, 3, 4))


@pytest.mark.parametrize(
    ("spec", "problem", "where"),
    [
        ({}, "invalid-value", "spec.ports"),
        ({"type": "ExternalName"}, "invalid-value", "spec.externalName"),
        ({"type": "ExternalName", "externalName": "DB.x"}, "invalid-value", "spec.externalName"),
        ({"type": "External"}, "invalid-value", "spec.type"),
        ({"ports": [{"port": 80}], "ipFamilies": ["ipv4"]}, "invalid-value", "spec.ipFamilies.0"),
        ({"ports": [{"port": 80}], "externalTrafficPolicy": "local"}, "invalid-value", "spec.externalTrafficPolicy"),
        ({"ports": [{"port": 80}, {"port": 81, "name": "b"}]}, "invalid-value", "spec.ports.0.name"),
        ({"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "a"}]}, "invalid-value", "spec.ports.1.name"),
        ({"ports": [{"port": 80, "name": "a"}, {"port": 80, "name": "b"}]}, "invalid-value", "spec.ports.1.port"),
        ({"ports": [{"port": 80, "targetPort": "8080"}]}, "invalid-value", "spec.ports.0.targetPort"),
        ({"ports": [{"port": 80, "targetPort": 99999}]}, "invalid-value", "spec.ports.0.targetPort"),
        ({"ports": [{"port": "80"}]}, "wrong-type", "spec.ports.0.port"),
        ({"ports": [{"port": "${PORT}"}]}, "unresolved-variable", "spec.ports.0.port"),
    ],
)
def test_what_the_api_server_refuses(spec: dict[str, Any], problem: str, where: str) -> None:
    assert told(bad(service(**spec))) == [(problem, where)]


def test_a_misspelt_field_is_told_and_the_document_not_used() -> None:
    result = lowered(service(ports=[{"port": 80, "target": 1}], selectors={}))
    assert result.intent is None
    assert told(result.problems) == [("unknown-field", "spec.ports.0.target"), ("unknown-field", "spec.selectors")]
