"""The site map's IngressController: what it says and what it need not say."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from msgspec import structs

from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import ControllerIntent, DoorSettings
from gatewright.kinds.intents.places import Spot
from gatewright.kinds.intents.routing import Protocol
from support.lowering import bad, good, told


def controller(implementation: str = "traefik", **spec: Any) -> str:
    head = {"apiVersion": "gatewright.dev/v1alpha1", "kind": "IngressController"}
    metadata = {"name": "edge", "namespace": "n"}
    return yaml.safe_dump({**head, "metadata": metadata, "spec": {"implementation": implementation, **spec}})


def made(*args: Any, **spec: Any) -> ControllerIntent:
    return good(controller(*args, **spec), ControllerIntent)


@pytest.mark.parametrize(
    ("implementation", "names", "classless", "external"),
    [
        ("traefik", ("web", "websecure"), True, False),
        ("ingress-nginx", ("http", "https"), False, True),
        ("haproxy", ("http", "https"), False, True),
        ("alb", ("http", "https"), False, True),
    ],
)
def test_defaults(implementation: str, names: tuple[str, str], classless: bool, external: bool) -> None:
    intent = made(implementation)
    assert intent.key == Key("IngressController", "n", "edge")
    assert [(e.name, e.port, e.protocol, e.tls is not None) for e in intent.listeners] == [
        (names[0], 80, Protocol.HTTP, False),
        (names[1], 443, Protocol.HTTPS, True),
    ]
    assert (intent.classes, intent.claims_classless) == ((), classless)
    assert (intent.default_entry_points, intent.tls_entry_points) == (names, (names[1],))
    assert (intent.allow_external_name_ingress, intent.allow_external_name_crd) == (external, False)


def test_everything_said() -> None:
    intent = made(
        version="v3.7",
        classes=["internal"],
        entryPoints=[
            {"name": "web", "port": 8000},
            {"name": "secure", "port": 8443, "protocol": "HTTPS"},
            {"name": "always", "port": 9443, "tls": True},
            {"name": "dns", "port": 53, "protocol": "UDP"},
        ],
        defaultEntryPoints=["web"],
        defaultCertificate={"name": "wild"},
        addresses=["192.0.2.1", "edge.example.com"],
        service={"name": "traefik", "namespace": "m"},
        namespaces=["a"],
        settings={"allowExternalNameServices": {"crd": True}, "allowCrossNamespace": True},
    )
    assert (intent.classes, intent.claims_classless, intent.version) == (("internal",), False, "v3.7")
    assert [e.protocol for e in intent.listeners] == ["HTTP", "HTTPS", "HTTPS", "UDP"]
    assert intent.tls_entry_points == ("always",)
    assert intent.default_entry_points == ("web",)
    assert [e.tls.certificates if e.tls else None for e in intent.listeners] == [
        None,
        (Key("Secret", "n", "wild"),),
        (Key("Secret", "n", "wild"),),
        None,
    ]
    assert (intent.addresses, intent.namespaces) == (("192.0.2.1", "edge.example.com"), ("a",))
    assert intent.service == Key("Service", "m", "traefik")
    assert (intent.allow_external_name_crd, intent.allow_external_name_ingress) == (True, False)
    assert intent.allow_cross_namespace


def test_one_answer_for_both_providers() -> None:
    intent = made(settings={"allowExternalNameServices": True})
    assert intent.allow_external_name_crd
    assert intent.allow_external_name_ingress


def test_no_classes_is_an_answer() -> None:
    assert made(classes=[], claimsClassless=True).classes == ()


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        ({"implementation": "nginx"}, "spec.implementation"),
        ({"entryPoints": [{"name": "a", "port": 0}]}, "spec.entryPoints.0.port"),
        ({"entryPoints": [{"name": "a", "port": 1}, {"name": "a", "port": 2}]}, "spec.entryPoints.1.name"),
        ({"entryPoints": [{"name": "a", "port": 1}, {"name": "b", "port": 1}]}, "spec.entryPoints.1.port"),
        ({"entryPoints": [{"name": "a", "port": 1, "protocol": "UDP", "tls": True}]}, "spec.entryPoints.0.tls"),
        ({"defaultEntryPoints": ["wbe"]}, "spec.defaultEntryPoints.0"),
        ({"addresses": ["not an address"]}, "spec.addresses.0"),
    ],
)
def test_mistakes(spec: dict[str, Any], where: str) -> None:
    assert told(bad(controller(**spec))) == [("invalid-value", where)]


def test_one_port_may_serve_tcp_and_udp() -> None:
    assert (
        len(made(entryPoints=[{"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP"}]).listeners) == 2
    )


SETTINGS: dict[str, Any] = {
    "runsOn": [{"node": "home/k3s-node1"}, {"cluster": "k3s"}],
    "pods": {"labels": {"app": "traefik"}},
    "hostPorts": True,
    "proxyProtocol": {"trustedFrom": ["10.0.0.0/8"], "sentBy": ["nlb", "192.0.2.1"]},
    "forwardedHeaders": {"trustedFrom": ["10.0.0.1"]},
    "idleTimeout": "3m",
    "bodyLimit": "10Mi",
    "snippets": False,
    "passthrough": True,
    "certificateNames": ["*.Aws.example.com"],
    "publishesStatus": True,
}
EXPECTED = DoorSettings(
    runs_on=(Spot(node="home/k3s-node1"), Spot(cluster="k3s")),
    pods=(("app", "traefik"),),
    pod_namespace="n",
    host_ports=True,
    proxy_protocol_from=("10.0.0.0/8",),
    sends_proxy_protocol=("nlb", "192.0.2.1"),
    forwarded_from=("10.0.0.1/32",),
    idle_timeout=180.0,
    body_limit=10 * 2**20,
    snippets=False,
    passthrough=True,
    certificate_names=("*.aws.example.com",),
    publishes_status=True,
)


def test_settings() -> None:
    assert made(settings=SETTINGS).settings == EXPECTED
    assert made().settings == DoorSettings()


def test_pods_of_another_namespace() -> None:
    pods = {"labels": {"app": "traefik"}, "namespace": "m"}
    assert made(settings={"pods": pods}).settings.pod_namespace == "m"


def test_additions_to_a_gateway() -> None:
    settings = {name: value for name, value in SETTINGS.items() if name != "snippets"}
    intent = made("gateway-api", addresses=["192.0.2.1"], service={"name": "envoy"}, settings=settings)
    assert (intent.implementation, intent.addresses) == ("gateway-api", ("192.0.2.1",))
    assert (intent.listeners, intent.service) == ((), Key("Service", "n", "envoy"))
    assert intent.settings == structs.replace(EXPECTED, snippets=None)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"classes": ["a"]}, "spec.classes"),
        ({"claimsClassless": False}, "spec.claimsClassless"),
        ({"entryPoints": []}, "spec.entryPoints"),
        ({"defaultCertificate": {"name": "a"}}, "spec.defaultCertificate"),
        ({"namespaces": ["a"]}, "spec.namespaces"),
        ({"version": "v1"}, "spec.version"),
        ({"settings": {"snippets": True}}, "spec.settings.snippets"),
        ({"settings": {"allowCrossNamespace": True}}, "spec.settings.allowCrossNamespace"),
    ],
)
def test_what_a_gateway_says_itself(spec: dict[str, Any], field: str) -> None:
    assert told(bad(controller("gateway-api", **spec))) == [("invalid-value", field)]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"runsOn": [{"network": "lan"}]}, "runsOn.0.network"),
        ({"proxyProtocol": {"trustedFrom": ["nlb"]}}, "proxyProtocol.trustedFrom.0"),
        ({"proxyProtocol": {"sentBy": ["10.0.0"]}}, "proxyProtocol.sentBy.0"),
        ({"forwardedHeaders": {"trustedFrom": ["all"]}}, "forwardedHeaders.trustedFrom.0"),
        ({"idleTimeout": "soon"}, "idleTimeout"),
        ({"bodyLimit": "10MB"}, "bodyLimit"),
        ({"certificateNames": ["*"]}, "certificateNames.0"),
    ],
)
def test_settings_refused(settings: dict[str, Any], field: str) -> None:
    assert told(bad(controller(settings=settings))) == [("invalid-value", f"spec.settings.{field}")]
