"""The map: what is joined with what, and every way in which it contradicts itself or the manifests."""

from __future__ import annotations

import random
from ipaddress import ip_address, ip_network

import pytest
from msgspec import structs

from gatewright.graph.network import cidrs, spots
from gatewright.graph.network.nodes import Topology
from gatewright.graph.network.topology import topology
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.places import LinkType, NodeIntent, Spot
from gatewright.kinds.intents.programs import LinkFileIntent, WireGuardPeer
from support.mapped import World
from support.networked import at, cluster, end, firewall, homes, link, network, node, rule, site

Labels = tuple[tuple[str, str], ...]


def mapped(*objects: Intent) -> Topology:
    found = World(*objects).answer(topology)
    assert isinstance(found, Topology)
    return found


def complaints(*objects: Intent) -> list[tuple[str, str]]:
    return sorted((p.id, p.origin.file if p.origin else "") for p in mapped(*objects).problems)


def kube(
    name: str, *addresses: str, pods: tuple[str, ...] = (), labels: tuple[tuple[str, str], ...] = ()
) -> NodeIntent:
    return NodeIntent(Key("Node", "", name), at(f"kube-{name}"), addresses, labels, pods)


LAN = network("lan", "10.0.0.0/24")

CONTRADICTIONS: dict[str, tuple[tuple[Intent, ...], list[tuple[str, str]]]] = {
    "an unknown node": (
        (site("a", LAN), link("l", end("network:a/lan"), end("node:a/ndoe"))),
        [("site-map-unknown-node", "end.yaml")],
    ),
    "an unknown network": (
        (site("a", LAN), link("l", end("network:a/lna"), end("network:a/lan"))),
        [("site-map-unknown-network", "end.yaml")],
    ),
    "an unknown site": (
        (site("a", LAN), firewall("f", "site:b", rule("443"))),
        [("site-map-unknown-site", "f.yaml")],
    ),
    "an unknown node of a cluster": (
        (site("a", LAN, cluster("k", "n9")),),
        [("site-map-unknown-node", "k.yaml")],
    ),
    "a bare name that two sites have": (
        (site("a", node("n", "10.0.0.1")), site("b", node("n", "10.0.1.1")), firewall("f", "node:n")),
        [("site-map-ambiguous-node", "f.yaml")],
    ),
    "an address outside of the networks": (
        (site("a", LAN, node("n", "10.9.0.1")),),
        [("address-outside-networks", "lan.yaml"), ("address-outside-networks", "n.yaml")],
    ),
    "two nodes with one address": (
        (site("a", LAN, node("n", "10.0.0.1"), node("m", "10.0.0.1")),),
        [("node-address-twice", "m.yaml"), ("node-address-twice", "n.yaml")],
    ),
    "two sites with one public address": (
        (site("a", node("n", "203.0.113.1")), site("b", node("m", "203.0.113.1"))),
        [("node-address-twice", "m.yaml"), ("node-address-twice", "n.yaml")],
    ),
    "one name for two things": (
        (site("a", LAN, structs.replace(node("lan", "10.0.0.1"), origin=at("node"))),),
        [("site-map-name-twice", "lan.yaml"), ("site-map-name-twice", "node.yaml")],
    ),
    "a network twice": (
        (site("a", LAN, structs.replace(LAN, origin=at("again"))),),
        [("site-map-name-twice", "again.yaml"), ("site-map-name-twice", "lan.yaml")],
    ),
    "a link with one end": (
        (site("a", LAN), link("l", end("network:a/lan"))),
        [("link-end-alone", "l.yaml")],
    ),
    "a link without its configuration": (
        (site("a", LAN, node("n", "10.0.0.1")), link("l", end("network:a/lan"), end("node:n", config="gone"))),
        [("link-config-missing", "end.yaml")],
    ),
    "a link whose two ends send to each other": (
        (
            site("a", LAN),
            site("b", network("lan", "10.1.0.0/24")),
            link("l", end("network:a/lan", "10.7.0.0/16"), end("network:b/lan", "10.7.0.0/16")),
        ),
        [("link-loop", "l.yaml")],
    ),
    "links in a circle": (
        (
            site("a", LAN),
            site("b", network("lan", "10.1.0.0/24")),
            site("c", network("lan", "10.2.0.0/24")),
            link("ab", end("network:a/lan"), end("network:b/lan", "10.7.0.0/16")),
            link("bc", end("network:b/lan"), end("network:c/lan", "10.7.0.0/17")),
            link("ca", end("network:c/lan"), end("network:a/lan", "10.7.0.0/18")),
            link("a", end("network:b/lan"), end("network:a/lan", "10.7.0.0/24")),
        ),
        [("link-loop", "a.yaml"), ("link-loop", "ab.yaml")],
    ),
    "links that carry each other": (
        (
            site("a", LAN, node("g", "10.0.0.1")),
            site("b", network("far", "10.1.0.0/24"), node("h", "10.1.0.1")),
            link("x", end("node:g"), end("node:h", "10.1.0.0/28", endpoint="10.1.0.17:1")),
            link("y", end("node:g"), end("node:h", "10.1.0.16/28", endpoint="10.1.0.1:1")),
        ),
        [("link-loop", "x.yaml"), ("link-loop", "y.yaml")],
    ),
    "a Kubernetes Node with other addresses": (
        (site("a", LAN, node("n", "10.0.0.1")), kube("n", "10.0.0.2")),
        [("node-address-contradicts", "kube-n.yaml"), ("node-address-contradicts", "n.yaml")],
    ),
    "pods outside of the cluster's": (
        (site("a", LAN, node("n", "10.0.0.1"), cluster("k", "n")), kube("n", "10.0.0.1", pods=("10.99.0.0/24",))),
        [("pod-cidr-outside-cluster", "k.yaml"), ("pod-cidr-outside-cluster", "n.yaml")],
    ),
    "a Kubernetes Node that two sites have": (
        (site("a", node("n", "10.0.0.1")), site("b", node("n", "10.1.0.1")), kube("n", "10.0.0.1")),
        [("site-map-ambiguous-node", "kube-n.yaml")],
    ),
    "nothing wrong with homes": (homes(), []),
    "nothing wrong with a default route and its endpoint": (
        (
            site("a", LAN),
            site("b", node("g", "203.0.113.1")),
            link("l", end("network:a/lan"), end("node:g", "0.0.0.0/0", endpoint="203.0.113.1:51820")),
        ),
        [],
    ),
    "nothing wrong with one private address in two sites": (
        (site("a", LAN, node("n", "10.0.0.1")), site("b", LAN, node("m", "10.0.0.1"))),
        [],
    ),
    "nothing wrong with a tunnel's address": (
        (
            site("a", LAN, node("n", "10.0.0.1", "10.8.0.1")),
            site("b", LAN),
            link("l", end("node:n"), end("network:b/lan")),
        ),
        [],
    ),
}


@pytest.mark.parametrize(("objects", "wanted"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_contradictions(objects: tuple[Intent, ...], wanted: list[tuple[str, str]]) -> None:
    assert complaints(*objects) == wanted


def test_both_places_are_named_in_each_message() -> None:
    problems = mapped(site("a", LAN, node("n", "10.0.0.1"), node("m", "10.0.0.1"))).problems
    assert len(problems) == 2
    for problem, other in zip(problems, ("n.yaml", "m.yaml"), strict=True):
        assert other in problem.message


def test_an_unknown_name_comes_with_the_one_that_was_meant() -> None:
    (problem,) = mapped(site("a", LAN), firewall("f", "network:a/lna")).problems
    assert problem.hint == "did you mean a/lan?"


def test_kubernetes_nodes_join_machines_or_add_them() -> None:
    labels = (("role", "edge"),)
    found = mapped(
        site("a", LAN, node("n", "10.0.0.1"), cluster("k")),
        kube("n", "10.0.0.1", "203.0.113.9", labels=labels, pods=("10.42.3.0/24",)),
        kube("other", "10.0.0.77"),
    )
    joined = found.machines["a/n"]
    assert joined.addresses == ("10.0.0.1", "203.0.113.9")
    assert joined.networks == ("a/lan", "internet")
    assert joined.labels == labels
    assert found.machines["other"].networks == ("a/lan",)
    assert found.clusters["a/k"].machines == ("a/n", "other")
    assert found.owners["203.0.113.9"] == "a/n"


def test_without_a_site_nothing_is_known() -> None:
    assert not mapped().known
    assert mapped(site("a")).known


def wireguard(name: str, key: str, address: str, *peers: WireGuardPeer, mtu: int = 0, port: int = 0) -> LinkFileIntent:
    key_ = Key("WireGuardConfig", "", name)
    return LinkFileIntent(key_, at(name), LinkType.WIREGUARD, (address,), mtu, port, key, peers)


def peer(key: str, *allowed: str) -> WireGuardPeer:
    return WireGuardPeer(key, at(f"peer-{key}"), allowed_ips=allowed)


def ends(*routes: str) -> tuple[Intent, ...]:
    return (
        site("a", LAN, node("g", "10.0.0.1")),
        site("b", node("h", "203.0.113.1")),
        link("wg", end("node:g", *routes, config="g"), end("node:h", config="h"), mtu=1420),
    )


def test_allowed_ips_of_one_end_are_the_routes_of_the_other() -> None:
    g = wireguard("g", "KG", "10.8.0.1/24", peer("KH", "10.8.0.2/32"), mtu=1380)
    h = wireguard("h", "KH", "10.8.0.2/24", peer("KG", "10.8.0.1/32", "10.0.0.0/24"), port=51999)
    (tunnel,) = mapped(*ends(), g, h).tunnels
    first, second = tunnel.joints
    assert [str(net) for net in first.routes] == ["10.8.0.1/32", "10.0.0.0/24"]
    assert [str(net) for net in second.routes] == ["10.8.0.2/32"]
    assert first.addresses == ("10.8.0.1",)
    assert second.listen_port == 51999
    assert (tunnel.mtu, tunnel.mtu_origin.file) == (1380, "g.yaml")
    assert complaints(*ends(), g, h) == [("link-mtu-contradicts", "g.yaml")]


def test_a_route_that_allowed_ips_do_not_hold() -> None:
    g = wireguard("g", "KG", "10.8.0.1/24", peer("KH", "10.8.0.2/32"))
    h = wireguard("h", "KH", "10.8.0.2/24", peer("KG", "10.8.0.1/32"))
    assert complaints(*ends("10.0.0.0/24"), g, h) == [
        ("link-route-not-allowed", "end.yaml"),
        ("link-route-not-allowed", "peer-KG.yaml"),
    ]


def test_unsafe_routes_of_nebula_belong_to_the_end_that_they_go_by() -> None:
    config = Key("WireGuardConfig", "", "g")
    file = LinkFileIntent(
        config,
        at("g"),
        LinkType.NEBULA,
        ("10.99.0.1/16",),
        routes=(("10.99.0.2", "10.5.0.0/16"), ("10.99.0.2", "10.6.0.0/16")),
        hosts=(("10.99.0.2", ("203.0.113.1:4242",)),),
    )
    (tunnel,) = mapped(
        site("a", LAN, node("g", "10.0.0.1")),
        site("b", node("h", "203.0.113.1")),
        link("m", end("node:g", config="g"), end("node:h", addresses=["10.99.0.2"]), type_=LinkType.NEBULA),
        file,
    ).tunnels
    joint = tunnel.joints[1]
    assert [str(net) for net in joint.routes] == ["10.5.0.0/16", "10.6.0.0/16", "10.99.0.2/32"]
    assert joint.endpoint == "203.0.113.1:4242"


def test_spots_are_places() -> None:
    world = World(*homes())
    analysis = world.analysis

    def at_spot(spot: Spot) -> list[tuple[str, str]]:
        return [(p.kind, p.id) for p in analysis.answer(spots.places, spot)]

    assert at_spot(Spot(node="edge")) == [("machine", "cloud/edge")]
    assert at_spot(Spot(site="home")) == [("network", "home/lan")]
    assert at_spot(Spot(cluster="k3s")) == [("cluster", "home/k3s")]
    assert at_spot(Spot(network="internet")) == [("network", "internet")]
    assert at_spot(Spot(network="nowhere")) == []


def test_a_thousand_overlapping_prefixes() -> None:
    """Work is counted, not timed: nested prefixes give as many pairs as there are prefixes, not their square."""
    nets = [ip_network(f"10.0.0.0/{8 + i % 25}") for i in range(1000)]
    assert len(cidrs.overlapping([(net, i) for i, net in enumerate(nets)])) == 999
    many = [network(f"n{i}", str(net)) for i, net in enumerate(nets)]
    links = [link(f"l{i}", end(f"network:a/n{i}"), end("node:b/h", str(net))) for i, net in enumerate(nets[:200])]
    found = mapped(site("a", *many), site("b", node("h", "203.0.113.1")), *links)
    assert len(found.networks) == 1001


def test_overlapping_prefixes_against_comparison_of_all_with_all() -> None:
    picked = random.Random(7)
    for _ in range(200):
        nets = [
            ip_network((picked.randrange(256) << 24, picked.choice((8, 9, 10, 12))), strict=False) for _ in range(8)
        ]
        pairs = {frozenset(pair) for pair in cidrs.overlapping([(net, i) for i, net in enumerate(nets)])}
        true = {frozenset((i, j)) for i in range(8) for j in range(i) if nets[i].overlaps(nets[j])}
        assert pairs <= true
        assert {i for pair in pairs for i in pair} == {i for pair in true for i in pair}


def test_longest_prefix_against_a_scan() -> None:
    picked = random.Random(11)
    nets = [ip_network((picked.getrandbits(32), picked.randrange(33)), strict=False) for _ in range(300)]
    table = cidrs.Prefixes((net, net) for net in nets)
    for _ in range(500):
        wanted = ip_address(picked.getrandbits(32))
        length, _found = table.longest(wanted)
        assert length == max((net.prefixlen for net in nets if wanted in net), default=-1)
