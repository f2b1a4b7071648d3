"""Endpoints and EndpointSlice: addresses, ports and readiness."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import EndpointAddress, EndpointsIntent
from support.lowering import bad, good, lowered, told

AT = Origin("manifest.yaml", "1")


def endpoints(*subsets: Any) -> str:
    head = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "a", "namespace": "n"}}
    return yaml.safe_dump({**head, "subsets": list(subsets)})


def endpoint_slice(version: str = "v1", labels: Any = None, **body: Any) -> str:
    metadata = {"name": "a-1", "namespace": "n", "labels": labels or {"kubernetes.io/service-name": "a"}}
    head = {"apiVersion": f"discovery.k8s.io/{version}", "kind": "EndpointSlice", "metadata": metadata}
    return yaml.safe_dump({**head, "addressType": "IPv4", "ports": [{"name": "http", "port": 80}], **body})


def test_endpoints_with_two_subsets() -> None:
    made = good(
        endpoints(
            {
                "addresses": [
                    {"ip": "10.0.0.1", "nodeName": "m", "targetRef": {"kind": "Pod", "name": "p", "uid": "x"}}
                ],
                "notReadyAddresses": [{"ip": "fd00::1"}],
                "ports": [{"name": "http", "port": 80}],
            },
            {"addresses": [{"ip": "10.0.0.2"}], "ports": [{"port": 81}]},
        ),
        EndpointsIntent,
    )
    key, service = Key("Endpoints", "n", "a"), Key("Service", "n", "a")
    further = EndpointsIntent(key, AT.at("subsets", 1), service, (EndpointAddress("10.0.0.2"),), (("", 81),))
    first = (EndpointAddress("10.0.0.1", True, "p", "m"), EndpointAddress("fd00::1", False))
    assert made == EndpointsIntent(key, AT.at("subsets", 0), service, first, (("http", 80),), (further,))


def test_no_subsets_are_no_endpoints() -> None:
    assert good(endpoints(), EndpointsIntent).addresses == ()


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [({}, True), ({"ready": None}, True), ({"ready": True}, True), ({"ready": False, "serving": True}, False)],
)
def test_an_endpoint_is_ready_unless_it_says_no(conditions: Any, ready: bool) -> None:
    made = good(
        endpoint_slice(endpoints=[{"addresses": ["10.0.0.1"], "conditions": conditions, "zone": "z", "nodeName": "m"}]),
        EndpointsIntent,
    )
    assert (made.key, made.service) == (Key("EndpointSlice", "n", "a-1"), Key("Service", "n", "a"))
    assert made.addresses == (EndpointAddress("10.0.0.1", ready, "", "m", "z"),)
    assert made.ports == (("http", 80),)


def test_the_beta_shape_has_a_topology() -> None:
    topology = {"topology.kubernetes.io/zone": "z", "kubernetes.io/hostname": "m"}
    text = endpoint_slice("v1beta1", endpoints=[{"addresses": ["10.0.0.1"], "topology": topology}])
    assert good(text, EndpointsIntent).addresses[0] == EndpointAddress("10.0.0.1", True, "", "m", "z")


def test_a_slice_without_a_service_is_told() -> None:
    result = lowered(endpoint_slice(labels={"a": "b"}))
    assert result.intent is None
    assert told(result.problems) == [("no-service", "metadata.labels")]


def test_parts_without_support_are_told() -> None:
    assert [p.id for p in lowered(endpoint_slice(addressType="FQDN")).problems] == ["unsupported-field"]
    assert told(lowered(endpoint_slice(ports=[{"name": "any"}])).problems) == [("unsupported-field", "ports.0")]


def test_an_address_is_an_ip_address() -> None:
    where = "subsets.0.addresses.0.ip"
    assert told(bad(endpoints({"addresses": [{"ip": "db.example.com"}]}))) == [("invalid-value", where)]
    text = endpoint_slice(endpoints=[{"addresses": ["10.0.0"]}])
    assert told(bad(text)) == [("invalid-value", "endpoints.0.addresses.0")]
