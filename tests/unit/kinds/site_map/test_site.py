"""Site: networks, nodes and clusters, and what about them cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from gatewright.kinds.identity import Key
from gatewright.kinds.intents.places import SiteIntent
from support.lowering import good
from support.sitemaps import changed, refused, warned, written

SPEC: dict[str, Any] = {
    "networks": [
        {
            "name": "lan",
            "cidrs": ["192.168.178.0/24", "FDA8:a1db:5685::/64"],
            "dhcp": ["192.168.178.100-192.168.178.199"],
            "mtu": 1492,
            "internet": False,
        }
    ],
    "nodes": [
        {"name": "k3s-node1", "addresses": ["192.168.178.5", "fda8:a1db:5685::5"], "labels": {"b": "2", "a": "1"}}
    ],
    "clusters": [
        {
            "name": "k3s",
            "podCIDRs": ["10.42.0.0/16"],
            "serviceCIDRs": ["10.43.0.0/16"],
            "nodes": ["k3s-node1", "cloud/edge"],
            "namespaces": ["apps"],
            "encapsulation": "vxlan",
            "mtu": 1450,
            "enforcesPolicies": False,
            "resolver": "coredns",
        }
    ],
}


def test_everything_said() -> None:
    intent = good(written("Site", SPEC), SiteIntent)
    assert intent.key == Key("Site", "", "x")
    (lan,), (node,), (cluster,) = intent.networks, intent.nodes, intent.clusters
    assert (lan.name, lan.cidrs, lan.mtu, lan.internet) == (
        "lan", ("192.168.178.0/24", "fda8:a1db:5685::/64"), 1492, False,
    )  # fmt: skip
    assert [(r.first, r.last) for r in lan.dhcp] == [("192.168.178.100", "192.168.178.199")]
    assert lan.origin.path == ("spec", "networks", 0)
    assert lan.dhcp[0].origin.path == ("spec", "networks", 0, "dhcp", 0)
    assert (node.addresses, node.labels) == (("192.168.178.5", "fda8:a1db:5685::5"), (("a", "1"), ("b", "2")))
    assert (cluster.pod_cidrs, cluster.service_cidrs) == (("10.42.0.0/16",), ("10.43.0.0/16",))
    assert (cluster.nodes, cluster.namespaces) == (("k3s-node1", "cloud/edge"), ("apps",))
    assert (cluster.encapsulation, cluster.overlay_mtu, cluster.enforces_policies) == ("vxlan", 1450, False)
    assert cluster.resolver == "coredns"


def test_defaults() -> None:
    spec = {"networks": [{"name": "lan", "cidrs": ["10.0.0.0/8"]}], "clusters": [{"name": "k3s"}]}
    intent = good(written("Site", spec), SiteIntent)
    assert (intent.networks[0].mtu, intent.networks[0].internet, intent.nodes) == (1500, True, ())
    assert (intent.clusters[0].overlay_mtu, intent.clusters[0].enforces_policies) == (0, True)


@pytest.mark.parametrize(
    ("distribution", "pods", "services"),
    [
        ("k3s", ("10.42.0.0/16",), ("10.43.0.0/16",)),
        ("rke2", ("10.42.0.0/16",), ("10.43.0.0/16",)),
        ("microk8s", ("10.1.0.0/16",), ("10.152.183.0/24",)),
        ("talos", ("10.244.0.0/16",), ("10.96.0.0/12",)),
        ("kubeadm", (), ()),
    ],
)
def test_a_distribution_has_usual_cidrs(distribution: str, pods: tuple[str], services: tuple[str]) -> None:
    bare = {"name": "a", "distribution": distribution}
    said = {**bare, "name": "b", "podCIDRs": ["10.9.0.0/16", "fd01::/48"], "serviceCIDRs": ["10.8.0.0/16"]}
    intent = good(written("Site", {"clusters": [bare, said]}), SiteIntent)
    usual, own = intent.clusters
    assert (usual.pod_cidrs, usual.service_cidrs, usual.distribution) == (pods, services, distribution)
    assert (own.pod_cidrs, own.service_cidrs) == (("10.9.0.0/16", "fd01::/48"), ("10.8.0.0/16",))


def test_a_site_has_no_namespace() -> None:
    text = written("Site", SPEC).replace("name: x", "name: x\n  namespace: somewhere")
    assert good(text, SiteIntent).key == Key("Site", "", "x")


@pytest.mark.parametrize(
    ("path", "value", "where", "message"),
    [
        ("networks.0.cidrs.0", "192.168.178.0/33", "networks.0.cidrs.0", "'192.168.178.0/33' is not a CIDR"),
        ("networks.0.cidrs", [], "networks.0.cidrs", "a network has at least one CIDR"),
        ("networks.0.dhcp.0", "192.168.178.9-192.168.178.1", "networks.0.dhcp.0",
         "192.168.178.9-192.168.178.1: the range ends before it starts"),
        ("networks.0.dhcp.0", "192.168.179.1-192.168.179.9", "networks.0.dhcp.0",
         "192.168.179.1-192.168.179.9 is outside of 192.168.178.0/24 and fda8:a1db:5685::/64"),
        ("networks.0.name", "home/lan", "networks.0.name", "'home/lan' is not a name"),
        ("nodes.0.addresses.0", "192.168.178.5/24", "nodes.0.addresses.0", "'192.168.178.5/24' is not an IP address"),
        ("nodes.0.addresses", [], "nodes.0.addresses", "a node has at least one address"),
        ("nodes.1", {"name": "k3s-node1", "addresses": ["10.0.0.1"]}, "nodes.1.name", "'k3s-node1' is listed twice"),
        ("clusters.0.nodes.1", "a/b/c", "clusters.0.nodes.1.node", "'a/b/c' is not the name of a node"),
        ("clusters.0.podCIDRs.0", "pods", "clusters.0.podCIDRs.0", "'pods' is not a CIDR"),
        ("clusters.0.encapsulation", "VXLAN", "clusters.0.encapsulation",
         "expected one of none, vxlan, geneve, wireguard, ipip, got 'VXLAN'"),
    ],
)  # fmt: skip
def test_refused(path: str, value: Any, where: str, message: str) -> None:
    spec = changed(SPEC, path, value) if path != "nodes.1" else {**SPEC, "nodes": [*SPEC["nodes"], value]}
    assert refused("Site", spec) == [(where, message)]


def test_every_fault_at_once() -> None:
    spec = changed(changed(SPEC, "networks.0.cidrs.1", "lan"), "nodes.0.addresses.0", "k3s-node1")
    spec = changed(spec, "clusters.0.serviceCIDRs.0", "x")
    assert [where for where, _ in refused("Site", spec)] == [
        "networks.0.cidrs.1", "nodes.0.addresses.0", "clusters.0.serviceCIDRs.0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("networks.0.cidrs.0", "192.168.178.1/24", "has host bits set"),
        ("networks.0.colour", "green", "unknown field, ignored"),
    ],
)
def test_warned(path: str, value: Any, said: str) -> None:
    ((where, message),) = warned("Site", changed(SPEC, path, value))
    assert where == path
    assert said in message
