"""Do packets get from here to there, how large may they be, and what stops them?"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from gatewright.graph.network import ways
from gatewright.graph.network.nodes import Place, StepKind, Way
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.places import LinkEnd, LinkType, NodeIntent
from gatewright.kinds.intents.programs import LinkFileIntent
from support.mapped import World
from support.networked import (
    PUBLIC4,
    PUBLIC6,
    at,
    cluster,
    end,
    firewall,
    forward,
    homes,
    link,
    network,
    node,
    rule,
    site,
)


def walk(objects: tuple[Intent, ...], start: str, address: str, port: int = 443, protocol: str = "tcp") -> Way:
    """From "network:home/lan" (or with the client's address: "network:home/lan 192.168.178.60")."""
    place, _, client = start.partition(" ")
    kind, _, name = place.partition(":")
    found = World(*objects).answer(ways.way, Place(kind, name, (client,) if client else ()), address, port, protocol)
    assert isinstance(found, Way)
    return found


class Case(NamedTuple):
    start: str
    address: str
    port: int = 443
    reached: bool = True
    machine: str = ""
    mtu: int = 0
    links: tuple[str, ...] = ()
    source: str = ""
    reason: str = ""
    unknown: bool = False


HOMES = {
    "a load balancer's address on the segment": Case("network:home/lan", "192.168.178.10", mtu=1500),
    "a neighbour": Case("network:home/lan", "192.168.178.6", machine="home/n2", mtu=1500),
    "the server by its address in the tunnel": Case(
        "network:home/lan", "192.168.178.201", machine="cloud/edge", mtu=1420, links=("wg",)
    ),
    "the same over IPv6": Case(
        "network:home/lan", "fda8:a1db:5685::201", machine="cloud/edge", mtu=1420, links=("wg",)
    ),
    "a port that the server's firewall does not open to the tunnel": Case(
        "network:home/lan", "192.168.178.201", 8443, reached=False, reason="edge-fw does not let", links=("wg",)
    ),
    "the server's public address": Case("network:home/lan", PUBLIC4, machine="cloud/edge", mtu=1500),
    "no IPv6 to the internet from unique local addresses": Case(
        "network:home/lan", PUBLIC6, reached=False, reason="fda8:a1db:5685::/64, which the internet does not route"
    ),
    "from the internet": Case("network:internet", PUBLIC4, machine="cloud/edge", mtu=1500),
    "from the internet over IPv6": Case("network:internet", PUBLIC6, machine="cloud/edge"),
    "a closed port": Case("network:internet", PUBLIC4, 6443, reached=False, reason="edge-fw does not let tcp 6443 in"),
    "a private address over the internet": Case(
        "network:internet", "192.168.178.10", reached=False, reason="192.168.178.10 is private"
    ),
    "a unique local address over the internet": Case(
        "network:internet", "fda8:a1db:5685::10", reached=False, reason="is private"
    ),
    "somebody whom the map does not know": Case(
        "network:internet", "198.51.100.9", reached=False, unknown=True, reason="does not say who has 198.51.100.9"
    ),
    "a private address that nobody has": Case("machine:home/n1", "10.9.9.9", reached=False, unknown=True),
    "from the server to the home network": Case(
        "machine:cloud/edge", "192.168.178.10", mtu=1420, links=("wg",), source="192.168.178.201"
    ),
    "from the server to a pod that may be at home: overlay in a tunnel": Case(
        "machine:cloud/edge", "10.42.1.9", mtu=1370, links=("wg",)
    ),
    "from a pod to a Service": Case("cluster:home/k3s", "10.43.0.10", mtu=1450),
    "from a pod to the home network": Case("cluster:home/k3s", "192.168.178.10", mtu=1450),
    "a pod from outside of the cluster": Case(
        "network:home/lan", "10.42.1.9", reached=False, reason="the cluster home/k3s has it"
    ),
}


@pytest.mark.parametrize("case", HOMES.values(), ids=HOMES)
def test_homes_joined_by_wireguard(case: Case) -> None:
    check(walk(homes(), case.start, case.address, case.port), case)


def check(found: Way, case: Case) -> None:
    assert (found.reached, found.unknown) == (case.reached, case.unknown), found.reason
    assert case.reason in found.reason
    assert found.links == case.links
    assert found.machine == case.machine
    if case.mtu:
        assert found.mtu is not None
        assert found.mtu.value == case.mtu
    if case.source:
        assert found.source == case.source


def test_a_pod_whose_node_is_known_is_reached_there() -> None:
    told = NodeIntent(Key("Node", "", "n2"), at("node"), ("192.168.178.6",), pod_cidrs=("10.42.2.0/24",))
    edge = NodeIntent(Key("Node", "", "edge"), at("node"), ("192.168.178.201",), pod_cidrs=("10.42.9.0/24",))
    objects = (*homes(), told, edge)
    near = walk(objects, "machine:home/n1", "10.42.2.7")
    assert (near.machine, near.links, near.mtu and near.mtu.value) == ("home/n2", (), 1450)
    far = walk(objects, "machine:home/n1", "10.42.9.7")
    assert (far.machine, far.links, far.mtu and far.mtu.value) == ("cloud/edge", ("wg",), 1370)


def aws() -> tuple[Intent, ...]:
    """A home and an AWS network joined by Nebula; security groups on the instance."""
    return (
        site("home", network("lan", "192.168.1.0/24"), node("door", "192.168.1.54")),
        site("aws", network("vpc", "10.0.0.0/16"), node("gpu", "10.0.1.5", "203.0.113.50"), node("db", "10.0.1.6")),
        link(
            "mesh",
            end("node:home/door", "192.168.1.0/24", addresses=["10.99.0.2"]),
            end("node:aws/gpu", addresses=["10.99.0.1"], endpoint="203.0.113.50:4242"),
            type_=LinkType.NEBULA,
        ),
        firewall("sg-web", "node:aws/gpu", rule("80,443", "tcp"), group=True),
        firewall("sg-mesh", "node:aws/gpu", rule("4242", "udp"), rule("22", "tcp", "198.51.100.0/24"), group=True),
        firewall("sg-db", "node:aws/db", rule("5432", "tcp", "10.0.1.5/32"), group=True),
    )


AWS = {
    "what one of several groups allows": Case("network:internet", "203.0.113.50", machine="aws/gpu"),
    "what none allows": Case("network:internet", "203.0.113.50", 8080, reached=False, reason="does not let tcp 8080"),
    "a rule for others": Case("network:internet", "203.0.113.50", 22, reached=False, reason="does not let tcp 22"),
    "a rule for this client": Case("network:internet 198.51.100.7", "203.0.113.50", 22, machine="aws/gpu"),
    "a group does not see what the mesh carries": Case(
        "machine:home/door", "10.99.0.1", 8080, machine="aws/gpu", mtu=1300, links=("mesh",), source="10.99.0.2"
    ),
    "behind the mesh": Case("machine:aws/gpu", "192.168.1.80", mtu=1300, links=("mesh",), source="10.99.0.1"),
    "within the network, from the one that is admitted": Case("machine:aws/gpu", "10.0.1.6", 5432, machine="aws/db"),
    "within the network, on a port that is not": Case("machine:aws/gpu", "10.0.1.6", 22, reached=False, reason="sg-db"),
    "no way but the mesh": Case("network:home/lan", "10.0.1.6", reached=False, reason="nothing routes 10.0.1.6"),
}


@pytest.mark.parametrize("case", AWS.values(), ids=AWS)
def test_security_groups_and_a_mesh(case: Case) -> None:
    check(walk(aws(), case.start, case.address, case.port), case)


def test_a_link_whose_port_is_closed_does_not_come_up() -> None:
    closed = [o for o in aws() if o.key.name != "sg-mesh"]
    found = walk(tuple(closed), "machine:home/door", "10.99.0.1", 80)
    assert not found.reached
    assert "mesh does not come up" in found.reason
    assert found.blocked_by is not None


def test_nebula_has_a_firewall_of_its_own() -> None:
    objects = list(aws())
    config = Key("WireGuardConfig", "", "gpu")
    objects[2] = link(
        "mesh",
        end("node:home/door", addresses=["10.99.0.2"]),
        end("node:aws/gpu", config="gpu"),
        type_=LinkType.NEBULA,
    )
    inbound = (rule("443", "tcp", "10.99.0.2/32"),)
    objects.append(LinkFileIntent(config, at("gpu"), LinkType.NEBULA, ("10.99.0.1/24",), mtu=1280, inbound=inbound))
    allowed = walk(tuple(objects), "machine:home/door", "10.99.0.1", 443)
    assert (allowed.machine, allowed.mtu and allowed.mtu.value) == ("aws/gpu", 1280)
    refused = walk(tuple(objects), "machine:home/door", "10.99.0.1", 22)
    assert "own firewall in mesh lets no tcp 22" in refused.reason


ROUTER = "198.51.100.4"


def forwarding() -> tuple[Intent, ...]:
    """A home whose router forwards a port, and a server that forwards one through WireGuard."""
    lan = network("lan", "192.168.1.0/24", "2001:db8:1::/64", mtu=1492)
    return (
        site("home", lan, node("door", "192.168.1.54", "2001:db8:1::54")),
        site("cloud", node("edge", PUBLIC4)),
        firewall("router", "site:home", rule("443", "tcp"), forwards=[forward(ROUTER, 443, "192.168.1.54", 8443)]),
        firewall("nat", "node:edge", forwards=[forward(PUBLIC4, 443, "192.168.1.54")]),
        link("wg", end("network:home/lan", "192.168.1.0/24"), end("node:edge", addresses=["10.8.0.1"])),
    )


FORWARDS = {
    "a router's forward": Case("network:internet", ROUTER, machine="home/door", mtu=1492),
    "a port that it does not forward": Case(
        "network:internet", ROUTER, 22, reached=False, reason="router forwards no tcp 22"
    ),
    "a server's forward, through a link": Case(
        "network:internet", PUBLIC4, machine="home/door", mtu=1420, links=("wg",)
    ),
    "a server's port that is closed": Case("network:internet", PUBLIC4, 80, reached=False, reason="nat does not let"),
    "IPv6 needs no forward, only a rule": Case("network:internet", "2001:db8:1::54", machine="home/door"),
    "IPv6 without a rule": Case("network:internet", "2001:db8:1::54", 22, reached=False, reason="router does not let"),
    "hairpin": Case("network:home/lan", ROUTER, machine="home/door"),
}


@pytest.mark.parametrize("case", FORWARDS.values(), ids=FORWARDS)
def test_port_forwards(case: Case) -> None:
    check(walk(forwarding(), case.start, case.address, case.port), case)


def test_a_forward_rewrites_the_port() -> None:
    found = walk(forwarding(), "network:internet", ROUTER)
    assert (found.address, found.port) == ("192.168.1.54", 8443)
    assert StepKind.NAT in [step.kind for step in found.steps]


def test_nobody_behind_address_translation_is_known_by_a_private_address() -> None:
    objects = (
        site("office", network("lan", "10.1.0.0/24")),
        site("cloud", node("edge", PUBLIC4)),
        firewall("edge-fw", "node:edge", rule("22", "tcp", "10.0.0.0/8")),
    )
    assert not walk(objects, "network:office/lan 10.1.0.9", PUBLIC4, 22).reached


def test_the_smallest_packets_of_links_within_links() -> None:
    objects = (
        site("a", network("lan", "10.1.0.0/24"), node("gw", "10.1.0.1", "203.0.113.1")),
        site("b", network("lan", "10.2.0.0/24"), node("gw", "10.2.0.1", "203.0.113.2")),
        link("outer", end("node:a/gw", "10.1.0.0/24"), end("node:b/gw", "10.2.0.0/24", endpoint="203.0.113.2:51820")),
        link("inner", end("node:a/gw", "10.8.1.0/24"), end("node:b/gw", "10.8.2.0/24", endpoint="10.2.0.1:51821")),
    )
    found = walk(objects, "machine:a/gw", "10.8.2.9")
    assert found.reached
    assert found.links == ("inner", "outer")
    assert found.mtu is not None
    assert (found.mtu.value, found.mtu.hop) == (1360, "link inner")


def test_a_link_carried_over_ipv6_loses_more() -> None:
    objects = (
        site("a", network("lan", "10.1.0.0/24", "2001:db8:a::/64")),
        site("b", node("gw", "2001:db8:b::1", "10.8.0.2")),
        link("wg", end("network:a/lan"), end("node:gw", endpoint="[2001:db8:b::1]:51820"), mtu=1440),
    )
    found = walk(objects, "network:a/lan", "10.8.0.2")
    assert found.mtu is not None
    assert found.mtu.value == 1420


def test_packets_that_links_send_in_a_circle_end() -> None:
    objects = (
        site("a", network("lan", "10.1.0.0/24")),
        site("b", network("lan", "10.2.0.0/24")),
        link(
            "one",
            end("network:a/lan", "172.16.0.0/12"),
            end("network:b/lan", "172.16.0.0/12"),
            type_=LinkType.DIRECT,
        ),
    )
    found = walk(objects, "network:a/lan", "172.16.5.5")
    assert not found.reached
    assert "in a circle" in found.reason


def test_many_links_that_all_lead_everywhere_come_to_an_end() -> None:
    """Each station is left once: with every path tried, these would be more than anybody can walk."""
    names = [f"s{i}" for i in range(12)]
    sites = [site(name, network("lan", f"10.{i}.0.0/24")) for i, name in enumerate(names)]
    pairs = [(one, other) for i, one in enumerate(names) for other in names[:i]]
    route = "172.16.0.0/12"
    links = [
        link(
            f"{one}-{other}",
            end(f"network:{one}/lan", route, endpoint="172.16.0.1:1"),
            end(f"network:{other}/lan", route, endpoint="172.16.0.2:1"),
        )
        for one, other in pairs
    ]
    found = walk((*sites, *links), "network:s0/lan", "172.20.0.1")
    assert not found.reached


def test_of_equal_routes_the_first_that_arrives_counts() -> None:
    objects = (
        site("a", network("lan", "10.1.0.0/24")),
        site("b", network("lan", "10.2.0.0/24"), node("one", "10.2.0.1"), node("two", "10.2.0.2")),
        link("first", end("network:a/lan"), end("node:b/one", "10.2.0.0/24", endpoint="203.0.113.9:1")),
        link("second", end("network:a/lan"), end("node:b/two", "10.2.0.0/24")),
        firewall("shut", "network:a/lan", outbound=[rule("1", "udp", allow=False)]),
    )
    assert walk(objects, "network:a/lan", "10.2.0.77").links == ("second",)


def test_a_mesh_of_many_ends() -> None:
    ends = [end(f"node:m{i}", f"10.{i}.0.0/16", addresses=[f"10.99.0.{i}"]) for i in range(1, 31)]
    sites = [site(f"s{i}", network("lan", f"10.{i}.0.0/16"), node(f"m{i}", f"10.{i}.0.1")) for i in range(1, 31)]
    objects = (*sites, link("mesh", *ends, type_=LinkType.NEBULA))
    assert walk(objects, "machine:s1/m1", "10.99.0.30").machine == "s30/m30"
    far = walk(objects, "network:s1/lan", "10.7.0.99")
    assert (far.reached, far.links, far.mtu and far.mtu.value) == (True, ("mesh",), 1300)
    assert walk(objects, "network:s1/lan", "10.1.0.99").links == ()


def test_direct_lines_are_seen_by_firewalls() -> None:
    objects = (
        site("a", network("lan", "10.1.0.0/24")),
        site("b", network("lan", "10.2.0.0/24"), node("db", "10.2.0.5")),
        link("peering", end("network:a/lan"), end("network:b/lan"), type_=LinkType.DIRECT),
        firewall("sg", "node:b/db", rule("5432", "tcp", "10.1.0.0/24"), group=True),
    )
    assert walk(objects, "network:a/lan", "10.2.0.5", 5432).machine == "b/db"
    assert "sg does not let" in walk(objects, "network:a/lan", "10.2.0.5", 22).reason


def test_networks_of_one_site_meet_at_its_router() -> None:
    objects = (
        site("home", network("lan", "10.1.0.0/24"), network("iot", "10.1.1.0/24", internet=False)),
        firewall("vlan", "network:home/lan", rule("53", "udp")),
    )
    assert walk(objects, "network:home/lan", "10.1.1.9").reached
    assert walk(objects, "network:home/iot", "10.1.0.9", 53, "udp").reached
    assert not walk(objects, "network:home/iot", "10.1.0.9", 443).reached
    assert "no way to the internet" in walk(objects, "network:home/iot", "198.51.100.1").reason


def test_what_is_no_address_is_unknown() -> None:
    assert walk(homes(), "network:home/lan", "lb.example.com").unknown
    assert walk(homes(), "network:moon/lan", "192.168.178.10").unknown


def test_an_overlay_that_is_set_by_hand_counts_only_where_it_fits() -> None:
    objects = (
        site("home", network("lan", "10.1.0.0/24"), node("n1", "10.1.0.1"), cluster("k", "n1", overlay=1400)),
        *homes()[1:2],
    )
    found = walk(objects, "cluster:home/k", "10.43.0.1")
    assert found.mtu is not None
    assert found.mtu.value == 1400


def test_node_addresses_within_pod_networks_are_no_pods() -> None:
    """Two clusters, each of whose pod networks holds the addresses of the other's nodes, and one its own."""
    objects = (
        site(
            "home",
            network("lan", "10.1.0.0/24"),
            *(node(f"n{number}", f"10.1.0.{number}") for number in (1, 2, 3)),
            cluster("k", "n1", "n2", pods="10.1.0.0/16"),
            cluster("l", "n1", "n3", pods="10.1.0.0/30"),
        ),
    )
    assert walk(objects, "machine:home/n1", "10.1.0.2").machine == "home/n2"
    assert walk(objects, "machine:home/n1", "10.1.0.3").machine == "home/n3"
    assert walk(objects, "cluster:home/k", "10.1.7.7").reached


SHUT = (
    site(
        "a",
        network("lan", "10.1.0.0/24", "fd00:1::/64"),
        network("shut", "203.0.113.0/24", "2001:db8:5::/64", internet=False),
        node("four", "10.1.0.4"),
        node("both", "10.1.0.5", "fd00:1::5", "203.0.113.5", "2001:db8:5::5"),
        node("own", "10.1.0.6", "198.51.100.6"),
    ),
    site("b", node("six", "2001:db8:6::6"), node("edge", PUBLIC4, PUBLIC6)),
    firewall(
        "lan",
        "network:a/lan",
        outbound=[rule("22", "tcp", f"{PUBLIC4}/32", allow=False)],
        default_inbound=True,
    ),
    firewall("own", "node:a/own", rule("443", "tcp"), rule("22", "tcp", "198.51.100.6/32")),
)

MENDED = {
    "a machine without IPv6": Case(
        "machine:a/four", PUBLIC6, reached=False, reason="a/four has no IPv6 address"
    ),
    "a machine that has only IPv6": Case(
        "machine:b/six", PUBLIC4, reached=False, reason="b/six has no IPv4 address"
    ),
    "a network without the family": Case(
        "network:internet 198.51.100.9", PUBLIC6, machine="b/edge"
    ),
    "a rule outwards tells of whom it goes to": Case(
        "machine:a/four", PUBLIC4, 22, reached=False, reason="lan does not let tcp 22"
    ),
    "and of nobody else": Case("machine:a/four", "198.51.100.6", 443, machine="a/own"),
    "a public address in a network without a way to the internet": Case(
        "network:internet", "203.0.113.5", reached=False, reason="in a network without a way from the internet"
    ),
    "which is no source either": Case(
        "machine:a/both", PUBLIC6, reached=False, reason="which the internet does not route"
    ),
    "nobody comes to an address from that very address": Case(
        "machine:a/four", "198.51.100.6", 22, reached=False, reason="own does not let tcp 22 in"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MENDED.values(), ids=MENDED)
def test_what_rehearsals_have_shown(case: Case) -> None:
    check(walk(SHUT, case.start, case.address, case.port), case)


PODS = (
    site(
        "a",
        network("lan", "10.1.0.0/24", "2001:db8:1::/64"),
        node("free", "10.1.0.5", "2001:db8:1::5"),
        node("shut", "10.1.0.6", "2001:db8:1::6"),
        cluster("k", "shut", "free"),
    ),
    site("b", node("edge", PUBLIC4, PUBLIC6)),
    firewall("shut", "node:a/shut", rule(), outbound=[rule("443", "tcp")], group=True, default_outbound=False),
)

FROM_PODS = {
    "out by a node that nothing keeps from it": Case("cluster:a/k", PUBLIC4, 53, machine="b/edge"),
    "perhaps by a node that nothing keeps from it": Case(
        "cluster:a/k", "198.51.100.9", 53, reached=False, unknown=True, reason="does not say who has 198.51.100.9"
    ),
    "pods have the families of their cluster, whatever its nodes have": Case(
        "cluster:a/k", PUBLIC6, reached=False, reason="the pods of a/k have no IPv6"
    ),
    "also for a neighbour of their node": Case(
        "cluster:a/k", "2001:db8:1::6", reached=False, reason="the pods of a/k have no IPv6"
    ),
    "unless somebody says that they have an address": Case("cluster:a/k 2001:db8:1::99", PUBLIC6, machine="b/edge"),
}


@pytest.mark.parametrize("case", FROM_PODS.values(), ids=FROM_PODS)
def test_packets_of_pods_leave_by_some_node(case: Case) -> None:
    check(walk(PODS, case.start, case.address, case.port), case)


@pytest.mark.parametrize(("machines", "reached"), [((), True), (("a/shut",), False), (("a/shut", "a/free"), True)])
def test_a_pod_whose_node_is_known_sends_by_that(machines: tuple[str, ...], reached: bool) -> None:
    found = World(*PODS).answer(ways.way, Place("cluster", "a/k", machines=machines), PUBLIC4, 53, "tcp")
    assert found.reached is reached


# --- answers ------------------------------------------------------------------------------------


def pair(one: LinkEnd, other: LinkEnd, *more: Intent, type_: LinkType = LinkType.WIREGUARD) -> tuple[Intent, ...]:
    """Two sites and a link; both have a router on the internet, and a machine on it besides."""
    return (
        site("a", network("lan", "10.1.0.0/24", "fd00:1::/64"), node("gw", "10.1.0.1", "fd00:1::1", "203.0.113.1")),
        site("b", network("lan", "10.2.0.0/24", "fd00:2::/64"), node("gw", "10.2.0.1", "fd00:2::1", "203.0.113.2")),
        link("wg", one, other, type_=type_),
        *more,
    )


SILENT = end("node:a/gw", addresses=["10.8.0.1"])
SPEAKING = end("node:a/gw", "10.1.0.0/24", addresses=["10.8.0.1"])
FAR = end("node:b/gw", "10.2.0.0/24", "fd00:2::/64", addresses=["10.8.0.2"], endpoint="203.0.113.2:51820")
BY_NETWORK = end("network:b/lan", "10.2.0.0/24")
LOST = "answers do not come back: b/gw has no route to 10.1.0.0/24 over wg"

ANSWERS = {
    "nobody speaks for the sender": (pair(SILENT, FAR), Case("network:a/lan", "10.2.0.9", reached=False, reason=LOST)),
    "Nebula takes packets from the networks of a certificate": (
        pair(SILENT, FAR, type_=LinkType.NEBULA),
        Case("network:a/lan", "10.2.0.9", reached=False, reason=LOST),
    ),
    "a client with an address of its own": (
        pair(SILENT, FAR),
        Case("network:a/lan 10.1.0.77", "10.2.0.9", reached=False, reason="has no route to 10.1.0.77 over wg"),
    ),
    "of another family than the routes": (
        pair(SPEAKING, FAR),
        Case("network:a/lan", "fd00:2::9", reached=False, reason="has no route to fd00:1::/64 over wg"),
    ),
    "the end itself, by its address in the tunnel": (
        pair(SILENT, FAR),
        Case("machine:a/gw", "10.2.0.9", source="10.8.0.1", links=("wg",)),
    ),
    "an end of whose address nobody says anything": (
        pair(end("node:a/gw", "10.9.0.0/24"), FAR),
        Case("machine:a/gw", "10.2.0.9", links=("wg",)),
    ),
    "an end that speaks for the sender": (pair(SPEAKING, FAR), Case("network:a/lan", "10.2.0.9", links=("wg",))),
    "an end that speaks for everybody": (
        pair(end("node:a/gw", "0.0.0.0/0", addresses=["10.8.0.1"]), FAR),
        Case("network:a/lan", "10.2.0.9", links=("wg",)),
    ),
    "an end that speaks for a part of the network": (
        pair(end("node:a/gw", "10.1.0.64/26", addresses=["10.8.0.1"]), FAR),
        Case("network:a/lan", "10.2.0.9", links=("wg",)),
    ),
    "a line that leads one way": (
        pair(end("network:a/lan"), BY_NETWORK, type_=LinkType.DIRECT),
        Case("network:a/lan", "10.2.0.9", links=("wg",)),
    ),
    "a line whose other end knows somebody else": (
        pair(end("network:a/lan", "10.7.0.0/24"), BY_NETWORK, type_=LinkType.DIRECT),
        Case("network:a/lan", "10.2.0.9", reached=False, reason="b/lan has no route to 10.1.0.0/24 over wg"),
    ),
    "a line whose answers come by another link": (
        pair(
            end("network:a/lan", "10.7.0.0/24"),
            BY_NETWORK,
            link("back", end("network:a/lan", "10.1.0.0/24"), end("network:b/lan", "10.7.1.0/24")),
            type_=LinkType.DIRECT,
        ),
        Case("network:a/lan", "10.2.0.9", links=("wg",)),
    ),
    "a line whose answers come over the internet": (
        pair(end("network:a/lan", "10.7.0.0/24"), BY_NETWORK, type_=LinkType.DIRECT),
        Case("network:a/lan 203.0.113.1", "10.2.0.9", links=("wg",)),
    ),
    "what a machine forwards may have its address": (
        pair(SILENT, FAR, firewall("fw", "node:a/gw", forwards=(forward("203.0.113.1", 443, "10.2.0.9"),))),
        Case("network:internet 198.51.100.7", "203.0.113.1", links=("wg",)),
    ),
}


@pytest.mark.parametrize(("objects", "case"), ANSWERS.values(), ids=ANSWERS)
def test_answers_come_back(objects: tuple[Intent, ...], case: Case) -> None:
    found = walk(objects, case.start, case.address)

    check(found, case if case.reached else case._replace(links=("wg",)))
    if not case.reached:
        assert found.steps[-1].summary == found.reason
        assert found.steps[-1].origin is not None


def test_a_link_whose_answers_get_lost_gives_way_to_one_that_leads_back() -> None:
    both = pair(
        end("network:a/lan", "10.7.0.0/24"),
        BY_NETWORK,
        link("xg", end("network:a/lan", "10.1.0.0/24"), end("network:b/lan", "10.2.0.0/24"), type_=LinkType.WIREGUARD),
        type_=LinkType.WIREGUARD,
    )
    assert walk(both, "network:a/lan", "10.2.0.9").links == ("xg",)


@pytest.mark.parametrize("ends", [2, 12], ids=["a pair", "a mesh"])
def test_a_default_route_into_a_link_is_the_machines_that_has_it(ends: int) -> None:
    others = tuple(end(f"node:c/n{number}", addresses=[f"10.8.0.{number}"]) for number in range(ends - 2))
    spare = site("c", *(node(f"n{number}", f"10.3.0.{number}") for number in range(ends - 2)))
    far = end("node:b/gw", "0.0.0.0/0", addresses=["10.8.1.2"], endpoint="203.0.113.2:51820")
    objects = (
        site("a", network("lan", "10.1.0.0/24"), node("gw", "10.1.0.1", "203.0.113.1")),
        site("b", network("lan", "10.2.0.0/24"), node("gw", "10.2.0.1", "203.0.113.2")),
        site("d", node("web", "198.51.100.9")),
        spare,
        link("wg", end("node:a/gw", "10.1.0.0/24", addresses=["10.8.1.1"]), far, *others),
    )

    assert walk(objects, "machine:a/gw", "198.51.100.9").links == ("wg",)
    beside = walk(objects, "network:a/lan", "198.51.100.9")
    assert (beside.reached, beside.links) == (True, ())
