"""Node: addresses, labels and pod CIDRs."""

from __future__ import annotations

from typing import Any

import yaml

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.places import NodeIntent
from support.lowering import bad, good, told


def node(**more: Any) -> str:
    metadata = {"name": "n1", "labels": {"b": "2", "a": "1"}}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Node", "metadata": metadata, **more})


def test_a_whole_node() -> None:
    addresses = [
        {"type": "InternalIP", "address": "10.0.0.1"},
        {"type": "InternalIP", "address": "2001:DB8::1"},
        {"type": "Hostname", "address": "n1"},
        {"type": "ExternalIP", "address": "10.0.0.1"},
    ]
    made = good(
        node(
            spec={"podCIDR": "10.42.0.0/24", "podCIDRs": ["10.42.0.0/24", "fd00:42::/64"], "taints": []},
            status={"addresses": addresses, "capacity": {"cpu": "4"}},
        ),
        NodeIntent,
    )
    assert made == NodeIntent(
        Key("Node", "", "n1"),
        Origin("manifest.yaml", "1"),
        ("10.0.0.1", "2001:db8::1"),
        (("a", "1"), ("b", "2")),
        ("10.42.0.0/24", "fd00:42::/64"),
    )


def test_a_node_without_anything() -> None:
    assert good(node(), NodeIntent).addresses == ()
    assert good(node(spec={"podCIDR": "10.42.1.0/24"}), NodeIntent).pod_cidrs == ("10.42.1.0/24",)


def test_what_is_no_cidr() -> None:
    assert told(bad(node(spec={"podCIDR": "10.42.1.0"}))) == [("invalid-value", "spec.podCIDR")]
