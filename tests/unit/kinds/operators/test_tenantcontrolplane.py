"""TenantControlPlane: how an API server made of pods is reached."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import TenantIntent
from support.lowering import bad, good, lowered, told

STEWARD, KAMAJI = "steward.butlerlabs.dev/v1alpha1", "kamaji.clastix.io/v1alpha1"
AGENT = {"extraArgs": ["--proxy-server-host=t.konnectivity.example.com", "--proxy-server-port=443", "--v=2"]}


def tenant(version: str = STEWARD, **spec: Any) -> str:
    metadata = {"name": "t", "namespace": "tenants"}
    return yaml.safe_dump({"apiVersion": version, "kind": "TenantControlPlane", "metadata": metadata, "spec": spec})


def test_a_whole_tenant() -> None:
    made = good(
        tenant(
            kubernetes={"version": "v1.31.0"},
            networkProfile={
                "address": "t.k8s.example.com",
                "port": 443,
                "certSANs": ["T.k8s.example.com"],
                "podCidr": "10.244.0.0/16",
                "serviceCidr": "10.96.0.0/16",
            },
            controlPlane={
                "deployment": {"replicas": 2},
                "service": {"serviceType": "ClusterIP"},
                "ingress": {
                    "hostname": "t.k8s.example.com",
                    "ingressClassName": "traefik",
                    "controllerType": "traefik",
                    "additionalMetadata": {"annotations": {"b": "2", "a": "1"}},
                },
            },
            addons={"tcpProxy": {}, "konnectivity": {"agent": AGENT}},
        ),
        TenantIntent,
    )
    assert made == TenantIntent(
        key=Key("TenantControlPlane", "tenants", "t"),
        origin=Origin("manifest.yaml", "1"),
        hostname="t.k8s.example.com",
        class_name="traefik",
        controller_type="traefik",
        address="t.k8s.example.com",
        port=443,
        cert_sans=("t.k8s.example.com",),
        pod_cidr="10.244.0.0/16",
        service_cidr="10.96.0.0/16",
        service_type="ClusterIP",
        tcp_proxy=True,
        konnectivity=("t.konnectivity.example.com", 443),
        annotations=(("a", "1"), ("b", "2")),
    )


@pytest.mark.parametrize(
    ("addons", "konnectivity", "proxy"),
    [
        ({}, None, False),
        ({"coreDNS": {}, "kubeProxy": {}}, None, False),
        ({"konnectivity": {}}, ("192.0.2.9", 8132), False),
        ({"konnectivity": {"server": {"port": 8133, "image": "x"}}}, ("192.0.2.9", 8133), False),
        (
            {"konnectivity": {"agent": AGENT}, "tcpProxy": {"hostAliases": []}},
            ("t.konnectivity.example.com", 443),
            True,
        ),
        ({"tcpProxy": None}, None, False),
    ],
)
def test_addons(addons: Any, konnectivity: tuple[str, int] | None, proxy: bool) -> None:
    made = good(tenant(KAMAJI, networkProfile={"address": "192.0.2.9"}, addons=addons), TenantIntent)
    assert (made.konnectivity, made.tcp_proxy, made.port) == (konnectivity, proxy, 6443)


def test_a_hostname_may_carry_a_port() -> None:
    made = good(tenant(KAMAJI, controlPlane={"ingress": {"hostname": "t.example.com:443"}}), TenantIntent)
    assert made.hostname == "t.example.com"


def test_routes_for_a_gateway_are_told() -> None:
    result = lowered(tenant(KAMAJI, controlPlane={"gateway": {"hostname": "t.example.com"}}))
    assert told(result.problems) == [("unsupported-field", "spec.controlPlane.gateway")]
    assert isinstance(result.intent, TenantIntent)


INGRESS = "spec.controlPlane.ingress"
EXTRA = "spec.addons.konnectivity.agent.extraArgs.0"


@pytest.mark.parametrize(
    ("spec", "problem", "where"),
    [
        ({"controlPlane": {"ingress": {"hostname": "T_1"}}}, "invalid-value", f"{INGRESS}.hostname"),
        ({"controlPlane": {"ingress": {"controllerType": "Traefik"}}}, "invalid-value", f"{INGRESS}.controllerType"),
        ({"controlPlane": {"ingress": {"ingresClassName": "a"}}}, "unknown-field", f"{INGRESS}.ingresClassName"),
        ({"networkProfile": {"podCidr": "10.244.0.0"}}, "invalid-value", "spec.networkProfile.podCidr"),
        ({"networkProfile": {"certSan": []}}, "unknown-field", "spec.networkProfile.certSan"),
        ({"networkProfile": {"port": "443"}}, "wrong-type", "spec.networkProfile.port"),
        (
            {"addons": {"konnectivity": {"agent": {"extraArgs": ["--proxy-server-port=https"]}}}},
            "invalid-value",
            EXTRA,
        ),
    ],
)
def test_tenants_that_are_refused(spec: dict[str, Any], problem: str, where: str) -> None:
    assert told(bad(tenant(**spec))) == [(problem, where)]
