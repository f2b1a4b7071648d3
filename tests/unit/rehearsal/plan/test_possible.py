"""What cannot be built is told from the plan, with the names of those whom it concerns."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from gatewright.base.errors import UsageError
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.rehearsal.plan.whole import whole
from gatewright.rehearsal.world import Draft, netns
from support.mapped import World as Described
from support.networked import at, network, node, site, spot

LAN = network("lan", "10.0.0.0/24", "fd00:1::/64")


def refused(*objects: Intent) -> str:
    """What a plan is refused for."""
    with pytest.raises(UsageError) as told:
        whole(Sight(Described(*objects).analysis), frozenset())
    return str(told.value)


def test_two_with_one_address_on_a_segment_are_named() -> None:
    words = refused(site("home", LAN, node("one", "10.0.0.5"), node("two", "10.0.0.5")))
    assert "node:home/one and node:home/two both have 10.0.0.5 on the network home/lan" in words
    assert "node:home/one is given 10.0.0.5 twice" in refused(site("home", LAN, node("one", "10.0.0.5", "10.0.0.5")))


def test_a_vantage_cannot_have_the_address_of_a_machine() -> None:
    phone = VantageIntent(Key("Vantage", "", "phone"), at("phone"), spot("network:home/lan"), addresses=("10.0.0.5",))
    words = refused(site("home", LAN, node("one", "10.0.0.5")), phone)
    assert "node:home/one and vantage:phone both have 10.0.0.5" in words


def test_a_vantage_whose_place_is_not_on_the_map_is_not_left_out() -> None:
    lost = VantageIntent(Key("Vantage", "", "lost"), at("lost"), spot("network:home/cellar"))
    assert "the place of the vantage lost is not on the map" in refused(
        site("home", LAN, node("one", "10.0.0.5")), lost
    )


def test_sites_may_use_the_same_private_addresses() -> None:
    homes = [site(name, LAN, node("one", "10.0.0.5")) for name in ("here", "there")]
    assert whole(Sight(Described(*homes).analysis), frozenset()).spaces


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "127.0.0.1", "::1", "224.0.0.1", "ff02::1", "::ffff:102:304"])
def test_addresses_that_nobody_can_have_are_told(address: str) -> None:
    assert f"node:home/one cannot have {address}" in refused(site("home", LAN, node("one", "10.0.0.5", address)))


def test_too_small_an_mtu_is_told_with_its_network() -> None:
    words = refused(site("home", network("lan", "10.0.0.0/24", mtu=576), node("one", "10.0.0.5")))
    assert "the MTU of the network home/lan is 576" in words


def test_networks_that_are_full_are_told() -> None:
    phone = VantageIntent(Key("Vantage", "", "phone"), at("phone"), spot("network:home/lan"))
    assert "no address of 10.0.0.5/32 is free" in refused(
        site("home", network("lan", "10.0.0.5/32"), node("one", "10.0.0.5")), phone
    )


def test_both_addresses_of_a_point_to_point_network_can_be_given() -> None:
    draft = Draft()
    draft.taken.add("10.0.0.4")
    assert draft.free(ip_network("10.0.0.4/31")) == "10.0.0.5"


def test_names_of_namespaces_are_files_and_never_those_of_others() -> None:
    names = [
        "node:a.b/c", "node:a/b.c", "node:a/b", f"vantage:{'n' * 253}", f"vantage:{'n' * 252}m", "edge:a b",
        "edge:../../x", "edge:..", "host:fd00::1", "node:ä/b",
    ]  # fmt: skip
    made = [netns(name) for name in names]
    assert len(set(made)) == len(names)
    assert all(len(name) < 200 and "/" not in name and name not in (".", "..") for name in made)
    assert netns("node:home/k3s-node1") == "node-home.k3s-node1"
