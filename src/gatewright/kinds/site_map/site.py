"""Site (gatewright.dev/v1alpha1): one location with its networks, machines and Kubernetes clusters.

Everything that requests pass or start from is in a Site; what joins Sites is a Link, what stands in between a
Firewall.  docs/site-map.md explains each field.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import field

from gatewright.base.document import Document
from gatewright.kinds.decode import Object, Path, Report, Schema, decode, key_of
from gatewright.kinds.intents import Lowered
from gatewright.kinds.intents.places import AddressRange, ClusterSpec, NetworkSpec, NodeSpec, SiteIntent
from gatewright.kinds.kind import Kind
from gatewright.kinds.site_map import sitemap

# The CIDRs of pods and of Services that a distribution gives its clusters unless told otherwise; kubeadm has none.
_USUAL_CIDRS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "k3s": (("10.42.0.0/16",), ("10.43.0.0/16",)),
    "rke2": (("10.42.0.0/16",), ("10.43.0.0/16",)),
    "microk8s": (("10.1.0.0/16",), ("10.152.183.0/24",)),
    "talos": (("10.244.0.0/16",), ("10.96.0.0/12",)),
}


class _Network(Schema, frozen=True):
    """`internet`: its members reach the internet, IPv4 through address translation where they need it."""

    name: sitemap.Name
    cidrs: tuple[str, ...]
    dhcp: tuple[str, ...] = ()
    mtu: sitemap.Mtu = 1500
    internet: bool = True


class _Node(Schema, frozen=True):
    name: sitemap.Name
    addresses: tuple[str, ...]
    labels: dict[str, str] = field(default_factory=dict)


class _Cluster(Schema, frozen=True):
    """`distribution`: who made the cluster; its usual CIDRs hold where none are given."""

    name: sitemap.Name
    distribution: Literal["k3s", "rke2", "kubeadm", "microk8s", "talos"] | None = None
    pod_cidrs: tuple[str, ...] = field(default=(), name="podCIDRs")
    service_cidrs: tuple[str, ...] = field(default=(), name="serviceCIDRs")
    nodes: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    encapsulation: Literal["none", "vxlan", "geneve", "wireguard", "ipip"] | None = None
    mtu: sitemap.Mtu | None = None
    enforces_policies: bool = True
    resolver: str = ""


class _Spec(Schema, frozen=True):
    networks: tuple[_Network, ...] = ()
    nodes: tuple[_Node, ...] = ()
    clusters: tuple[_Cluster, ...] = ()


class Site(Object, frozen=True, kw_only=True):
    spec: _Spec


def lower(document: Document) -> Lowered:
    """Lower a Site."""
    site, problems = decode(document, Site)
    report = Report(document, problems)
    if site is None:
        return report.lowered(None)
    spec = site.spec
    named: tuple[tuple[str, Iterable[_Network | _Node | _Cluster]], ...] = (
        ("networks", spec.networks),
        ("nodes", spec.nodes),
        ("clusters", spec.clusters),
    )
    for name, items in named:
        _check_names(name, [item.name for item in items], report)
    intent = SiteIntent(
        key=key_of(document),
        origin=document.origin,
        networks=tuple(_network(item, report, ("spec", "networks", i)) for i, item in enumerate(spec.networks)),
        nodes=tuple(_node(item, report, ("spec", "nodes", i)) for i, item in enumerate(spec.nodes)),
        clusters=tuple(_cluster(item, report, ("spec", "clusters", i)) for i, item in enumerate(spec.clusters)),
    )
    return report.lowered(intent)


def _check_names(items: str, names: list[str], report: Report) -> None:
    for index, name in enumerate(names):
        path = ("spec", items, index, "name")
        sitemap.name_of_thing(name, report, *path)
        if name in names[:index]:
            report.invalid(f"{name!r} is listed twice", *path)


def _network(network: _Network, report: Report, path: Path) -> NetworkSpec:
    if not network.cidrs:
        report.invalid("a network has at least one CIDR", *path, "cidrs")
    cidrs = sitemap.each(network.cidrs, sitemap.cidr, report, *path, "cidrs")
    dhcp = sitemap.each(network.dhcp, sitemap.address_range, report, *path, "dhcp")
    for item in dhcp:
        if cidrs and len(cidrs) == len(network.cidrs) and not any(_holds(cidr, item) for cidr in cidrs):
            field_path = item.origin.path[len(report.origin.path) :]
            report.invalid(f"{item.text} is outside of {' and '.join(cidrs)}", *field_path)
    return NetworkSpec(network.name, report.origin.at(*path), cidrs, dhcp, network.mtu, network.internet)


def _holds(cidr: str, item: AddressRange) -> bool:
    network = ipaddress.ip_network(cidr)
    return ipaddress.ip_address(item.first) in network and ipaddress.ip_address(item.last) in network


def _node(node: _Node, report: Report, path: Path) -> NodeSpec:
    if not node.addresses:
        report.invalid("a node has at least one address", *path, "addresses")
    addresses = sitemap.each(node.addresses, sitemap.address, report, *path, "addresses")
    return NodeSpec(node.name, report.origin.at(*path), addresses, sitemap.labels(node.labels))


def _cluster(cluster: _Cluster, report: Report, path: Path) -> ClusterSpec:
    nodes = tuple(
        found.node
        for index, name in enumerate(cluster.nodes)
        if (found := sitemap.spot(sitemap.Place(node=name), report, *path, "nodes", index)) is not None
    )
    distribution = cluster.distribution or ""
    pods, services = _USUAL_CIDRS.get(distribution, ((), ()))
    return ClusterSpec(
        name=cluster.name,
        origin=report.origin.at(*path),
        pod_cidrs=sitemap.each(cluster.pod_cidrs, sitemap.cidr, report, *path, "podCIDRs") or pods,
        service_cidrs=sitemap.each(cluster.service_cidrs, sitemap.cidr, report, *path, "serviceCIDRs") or services,
        nodes=nodes,
        namespaces=sitemap.each(cluster.namespaces, sitemap.name_of_thing, report, *path, "namespaces"),
        encapsulation=cluster.encapsulation or "",
        overlay_mtu=cluster.mtu or 0,
        enforces_policies=cluster.enforces_policies,
        resolver=cluster.resolver,
        distribution=distribution,
    )


KIND = Kind("Site", (sitemap.API_VERSION,), lower, namespaced=False)
