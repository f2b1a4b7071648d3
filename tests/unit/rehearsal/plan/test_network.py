"""What is planned of sites, machines, vantages and firewalls, before anything is built."""

from __future__ import annotations

from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.rehearsal.plan import firewalls, network, vantages
from gatewright.rehearsal.world import Draft, Space
from support.mapped import World
from support.networked import PUBLIC4, at, firewall, forward, node, rule, site, spot
from support.networked import network as lan

HOME = site("home", lan("lan", "192.168.1.0/24", "fd00:1::/64", mtu=1400), node("one", "192.168.1.5", "fd00:1::5"))
EDGE = site("cloud", lan("vpc", "10.0.0.0/16"), node("edge", "10.0.0.7", PUBLIC4))


def planned(*objects: Intent) -> Draft:
    sight = Sight(World(*objects).analysis)
    draft = Draft()
    network.plan(draft, sight)
    vantages.plan(draft, sight)
    firewalls.plan(draft, sight)
    return draft


def spaces(draft: Draft) -> dict[str, Space]:
    return {space.name: space for space in draft.world().spaces}


def test_segments_have_their_mtu_and_machines_all_addresses() -> None:
    draft = planned(HOME)
    ends = {(wire.one.space, wire.one.mtu, wire.one.addresses) for wire in draft.world().wires}
    assert ("node:home/one", 1400, ("192.168.1.5/24", "fd00:1::5/64")) in ends
    assert "site:home" in draft.spaces


def test_a_site_leaves_with_the_address_of_its_only_public_machine() -> None:
    router = spaces(planned(EDGE))["site:cloud"]
    assert f"snat ip to {PUBLIC4}" in router.nft
    assert "snat ip to 100.64." in spaces(planned(HOME))["site:home"].nft


def test_networks_without_internet_are_told_so() -> None:
    shut = site("home", lan("lan", "192.168.1.0/24"), lan("iot", "192.168.2.0/24", internet=False))
    rules = spaces(planned(shut))["site:home"].nft
    assert 'iifname "eth1" oifname "eth2" reject with icmpx no-route' in rules


def test_vantages_get_addresses_that_nobody_else_has_and_no_rule_singles_out() -> None:
    vantage = VantageIntent(Key("Vantage", "", "phone"), at("phone"), spot("network:home/lan"))
    away = VantageIntent(Key("Vantage", "", "away"), at("away"), spot("network:internet"))
    wall = firewall("wall", "node:home/one", rule("22", "tcp", "192.168.1.128/25"))
    draft = planned(HOME, vantage, away, wall)
    found = {one.vantage: one for one in draft.vantages}
    assert found["phone"].sources["4"] == "192.168.1.127"
    assert found["away"].sources["4"].startswith("198.18.0.")
    assert found["phone"].space == "vantage:phone"


def test_vantages_where_a_provider_gives_global_addresses_have_one_beside_the_local() -> None:
    vantage = VantageIntent(Key("Vantage", "", "phone"), at("phone"), spot("network:home/lan"))
    both = site("home", lan("lan", "192.168.1.0/24", "fd00:1::/64", "2001:db8:1::/64"))
    (wire,) = (wire for wire in planned(both, vantage).world().wires if wire.one.space == "vantage:phone")
    assert [address.partition("::")[0] for address in wire.one.addresses[1:]] == ["fd00:1", "2001:db8:1"]
    assert len(wire.one.addresses) == 3


def test_security_groups_of_one_place_add_up() -> None:
    named = (("a", "22"), ("b", "80"))
    groups = [firewall(name, "node:cloud/edge", rule(port, "tcp"), group=True) for name, port in named]
    text = spaces(planned(EDGE, *groups))["node:cloud/edge"].nft
    assert text.count("jump {") == 1
    assert "tcp dport { 22 } return\ntcp dport { 80 } return\nreject" in text


def test_firewalls_of_one_place_all_have_to_agree() -> None:
    walls = [firewall(name, "node:cloud/edge", rule(port, "tcp")) for name, port in (("a", "22"), ("b", "80"))]
    assert spaces(planned(EDGE, *walls))["node:cloud/edge"].nft.count("jump {") == 2


def test_rules_outwards_name_destinations() -> None:
    wall = firewall("a", "node:cloud/edge", outbound=[rule("22", "tcp", "10.9.0.0/16", allow=False)])
    assert "ip daddr { 10.9.0.0/16 } tcp dport { 22 } reject" in spaces(planned(EDGE, wall))["node:cloud/edge"].nft


def test_a_router_forwards_ports_of_an_address_of_its_own() -> None:
    wall = firewall("nat", "network:home/lan", forwards=[forward("198.51.100.4", 443, "192.168.1.5", 8443)])
    draft = planned(HOME, wall)
    assert "198.51.100.4" in draft.spaces["site:home"].addresses
    assert "dnat ip to 192.168.1.5:8443" in spaces(draft)["site:home"].nft
