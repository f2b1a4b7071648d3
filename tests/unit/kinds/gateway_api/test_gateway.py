"""Gateway, GatewayClass and ListenerSet: listeners, their TLS and whom they admit."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key, Selector
from gatewright.kinds.intents.doors import (
    AllowedRoutes,
    FrontendTls,
    GatewayClassIntent,
    GatewayIntent,
    ListenerIntent,
    ListenerSetIntent,
)
from gatewright.kinds.intents.routing import Protocol
from support.lowering import bad, good, lowered, told

AT = Origin("manifest.yaml", "1")
HTTP = {"name": "http", "port": 80, "protocol": "HTTP"}
HTTPS = {"name": "https", "port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "s"}]}}
CLIENTS = {"validation": {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}]}}


def gateway(*listeners: dict[str, Any], version: str = "v1", **spec: Any) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": f"gateway.networking.k8s.io/{version}",
            "kind": "Gateway",
            "metadata": {"name": "g", "namespace": "n"},
            "spec": {"gatewayClassName": "c", "listeners": list(listeners), **spec},
        }
    )


def intent(*listeners: dict[str, Any], **spec: Any) -> GatewayIntent:
    return good(gateway(*listeners, **spec), GatewayIntent)


def test_a_whole_gateway() -> None:
    listener = {**HTTPS, "hostname": "*.example.com", "allowedRoutes": {"namespaces": {"from": "All"}}}
    made = intent(HTTP, listener, addresses=[{"value": "192.0.2.1"}, {"type": "Hostname", "value": "g.example.com"}])
    tls = FrontendTls(AT.at("spec", "listeners", 1, "tls"), certificates=(Key("Secret", "n", "s"),))
    assert made == GatewayIntent(
        key=Key("Gateway", "n", "g"),
        origin=AT,
        class_name="c",
        listeners=(
            ListenerIntent("http", 80, Protocol.HTTP, AT.at("spec", "listeners", 0)),
            ListenerIntent(
                "https",
                443,
                Protocol.HTTPS,
                AT.at("spec", "listeners", 1),
                "*.example.com",
                tls,
                AllowedRoutes(namespaces="All"),
            ),
        ),
        addresses=("192.0.2.1", "g.example.com"),
    )


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha2"])
def test_known_versions(version: str) -> None:
    intent(HTTP, version=version)


@pytest.mark.parametrize(
    ("protocol", "more"),
    [("TCP", {}), ("UDP", {}), ("TLS", {"tls": {"mode": "Passthrough"}}), ("http", {})],
)
def test_protocols(protocol: str, more: dict[str, Any]) -> None:
    (listener,) = intent({"name": "x", "port": 1, "protocol": protocol, **more}).listeners
    assert listener.protocol == protocol.upper()
    assert (listener.tls is not None and listener.tls.passthrough) == (protocol == "TLS")


def test_an_unknown_protocol_leaves_out_that_listener_alone() -> None:
    result = lowered(gateway(HTTP, {"name": "x", "port": 1, "protocol": "HTPS"}))
    assert told(result.problems) == [("unsupported-protocol", "spec.listeners.1.protocol")]
    assert isinstance(result.intent, GatewayIntent)
    assert [listener.name for listener in result.intent.listeners] == ["http"]


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        ({}, AllowedRoutes("Same")),
        ({"namespaces": {"from": "Same"}}, AllowedRoutes("Same")),
        (
            {
                "namespaces": {
                    "from": "Selector",
                    "selector": {
                        "matchLabels": {"a": "b"},
                        "matchExpressions": [{"key": "k", "operator": "In", "values": ["x"]}],
                    },
                }
            },
            AllowedRoutes("Selector", Selector((("a", "b"),), (("k", "In", ("x",)),))),
        ),
        ({"kinds": [{"kind": "GRPCRoute"}]}, AllowedRoutes("Same", kinds=("GRPCRoute",))),
    ],
)
def test_allowed_routes(allowed: dict[str, Any], expected: AllowedRoutes) -> None:
    (listener,) = intent({**HTTP, "allowedRoutes": allowed}).listeners
    assert listener.allowed == expected


def test_listener_sets_are_admitted_only_when_asked() -> None:
    assert intent(HTTP).allowed_listeners.namespaces == "None"
    assert intent(HTTP, allowedListeners={"namespaces": {"from": "Same"}}).allowed_listeners.namespaces == "Same"


def test_client_certificates_by_default_and_by_port() -> None:
    fallback = {"validation": {**CLIENTS["validation"], "mode": "AllowInsecureFallback"}}
    frontend = {"default": CLIENTS, "perPort": [{"port": 8443, "tls": fallback}, {"port": 9443, "tls": {}}]}
    listeners = [{**HTTPS, "name": f"p{port}", "port": port} for port in (443, 8443, 9443)]
    found = [listener.tls for listener in intent(*listeners, tls={"frontend": frontend}).listeners]
    assert [tls.client_mode for tls in found if tls] == ["require", "request", ""]
    assert [tls.client_ca for tls in found if tls] == [(Key("ConfigMap", "n", "ca"),)] * 2 + [()]


def test_the_older_places_of_client_certificates() -> None:
    listener = {**HTTPS, "tls": {**HTTPS["tls"], "frontendValidation": CLIENTS["validation"]}}  # type: ignore[dict-item]
    made = intent(listener, backendTLS={"clientCertificateRef": {"name": "c"}})
    assert made.listeners[0].tls is not None
    assert made.listeners[0].tls.client_mode == "require"
    assert made.backend_client_certificate == Key("Secret", "n", "c")
    new = intent(HTTP, tls={"backend": {"clientCertificateRef": {"name": "c", "namespace": "m"}}})
    assert new.backend_client_certificate == Key("Secret", "m", "c")


def test_a_client_authority_of_another_kind_stays_so_that_it_never_resolves() -> None:
    validation = {"caCertificateRefs": [{"group": "x.io", "kind": "Bundle", "name": "b"}]}
    result = lowered(gateway(HTTPS, tls={"frontend": {"default": {"validation": validation}}}))
    assert [p.id for p in result.problems] == ["unsupported-reference"]
    assert isinstance(result.intent, GatewayIntent)
    tls = result.intent.listeners[0].tls
    assert tls is not None
    assert tls.client_ca == (Key("Bundle.x.io", "n", "b"),)


@pytest.mark.parametrize(
    ("listeners", "where"),
    [
        ([], "spec.listeners"),
        ([HTTP, {**HTTP, "port": 81}], "spec.listeners.1"),
        ([HTTP, {**HTTP, "name": "b"}], "spec.listeners.1"),
        ([{**HTTP, "tls": {}}], "spec.listeners.0.tls"),
        ([{"name": "a", "port": 443, "protocol": "HTTPS"}], "spec.listeners.0"),
        ([{**HTTPS, "tls": {"mode": "Passthrough"}}], "spec.listeners.0.tls.mode"),
        ([{**HTTPS, "tls": {}}], "spec.listeners.0.tls.certificateRefs"),
        ([{**HTTP, "protocol": "TCP", "hostname": "a.b"}], "spec.listeners.0.hostname"),
        ([{**HTTP, "hostname": "*"}], "spec.listeners.0.hostname"),
        ([{**HTTP, "port": 0}], "spec.listeners.0.port"),
        (
            [{**HTTP, "allowedRoutes": {"namespaces": {"from": "Any"}}}],
            "spec.listeners.0.allowedRoutes.namespaces.from",
        ),
    ],
)
def test_what_the_api_server_refuses(listeners: list[dict[str, Any]], where: str) -> None:
    assert told(bad(gateway(*listeners))) == [("invalid-value", where)]


def test_other_parts_that_are_told() -> None:
    listener = {**HTTPS, "tls": {**HTTPS["tls"], "options": {"x.io/y": "z"}}}  # type: ignore[dict-item]
    assert [p.id for p in lowered(gateway(listener)).problems] == ["unsupported-field"]
    kinds = {**HTTP, "allowedRoutes": {"kinds": [{"group": "x.io", "kind": "Foo"}]}}
    assert [p.id for p in lowered(gateway(kinds)).problems] == ["unsupported-route-kind"]
    assert [p.id for p in lowered(gateway(HTTP, defaultScope="All")).problems] == ["unsupported-field"]
    assert told(bad(gateway(HTTP, addresses=[{"value": "x"}]))) == [("invalid-value", "spec.addresses.0.value")]


def gateway_class(**spec: Any) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": "c", "namespace": "ignored"},
            "spec": {"controllerName": "example.com/controller", **spec},
        }
    )


def test_a_gateway_class_is_cluster_scoped_and_its_parameters_are_told() -> None:
    made = good(gateway_class(description="x"), GatewayClassIntent)
    assert (made.key, made.controller) == (Key("GatewayClass", "", "c"), "example.com/controller")
    parameters = {"group": "x.io", "kind": "P", "name": "p"}
    assert [p.id for p in lowered(gateway_class(parametersRef=parameters)).problems] == ["parameters-not-read"]


@pytest.mark.parametrize(
    ("kind", "version"),
    [("ListenerSet", "gateway.networking.k8s.io/v1"), ("XListenerSet", "gateway.networking.x-k8s.io/v1alpha1")],
)
def test_listener_sets(kind: str, version: str) -> None:
    made = good(
        yaml.safe_dump(
            {
                "apiVersion": version,
                "kind": kind,
                "metadata": {"name": "l", "namespace": "n"},
                "spec": {"parentRef": {"name": "g", "namespace": "infra"}, "listeners": [HTTP]},
            }
        ),
        ListenerSetIntent,
    )
    assert (made.key, made.parent) == (Key("ListenerSet", "n", "l"), Key("Gateway", "infra", "g"))
    assert made.listeners == (ListenerIntent("http", 80, Protocol.HTTP, AT.at("spec", "listeners", 0)),)
