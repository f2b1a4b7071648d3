"""What the model says of things that are down: ways, placement, resolvers, announcements; and that it forgets them."""

from __future__ import annotations

from typing import Any

import pytest

from gatewright.graph.names import upstreams
from gatewright.graph.names.nodes import Status
from gatewright.graph.network import announcing, placement, topology, ways
from gatewright.graph.network.nodes import Place, Way
from gatewright.kinds.identity import Key, Selector
from gatewright.kinds.intents.outages import OutageIntent
from gatewright.kinds.intents.places import AddressRange, AnnouncementIntent, LinkType, PoolIntent
from support.mapped import World, override, resolver
from support.networked import at, end, homes, link, network, node, site

DOWN = Key("Outage", "", "supposed")
LAN = Place("network", "home/lan")
EDGE = Place("machine", "cloud/edge", ("192.168.178.201", "203.0.113.7"))


def outage(**down: tuple[str, ...]) -> OutageIntent:
    return OutageIntent(DOWN, at("supposed"), **down)


def way(world: World, place: Place, address: str) -> Way:
    found = world.answer(ways.way, place, address, 443, "tcp")
    assert isinstance(found, Way)
    return found


@pytest.mark.parametrize(
    ("down", "place", "address", "reason"),
    [
        ({"links": ("wg",)}, EDGE, "192.168.178.5", "wg, which leads to 192.168.178.5, is down"),
        ({"machines": ("home/n2",)}, LAN, "192.168.178.6", "home/n2 is down"),
        ({"machines": ("home/n2",)}, EDGE, "192.168.178.6", "home/n2 is down"),
        ({"machines": ("cloud/edge",)}, EDGE, "192.168.178.6", "cloud/edge is down"),
    ],
)
def test_what_is_down_is_not_reached_until_it_is_mended(
    down: dict[str, Any], place: Place, address: str, reason: str
) -> None:
    world = World(*homes())
    before = way(world, place, address)
    assert before.reached
    world.put(outage(**down))
    broken = way(world, place, address)
    assert not broken.reached
    assert not broken.unknown
    assert broken.reason == reason
    world.remove(DOWN)
    assert way(world, place, address) == before


def test_others_are_reached_all_the_same() -> None:
    world = World(*homes(), outage(machines=("home/n2",), links=("other",)))
    assert way(world, LAN, "192.168.178.5").reached
    assert way(world, EDGE, "192.168.178.5").links == ("wg",)


def test_where_one_link_is_down_another_is_taken_though_it_knows_less() -> None:
    sites = (
        site("a", network("lan", "10.1.0.0/24", internet=False)),
        site("b", network("lan", "10.2.0.0/24", internet=False), node("n", "10.2.0.5")),
        link("near", end("network:a/lan"), end("network:b/lan", "10.2.0.0/24"), type_=LinkType.DIRECT),
        link("far", end("network:a/lan"), end("network:b/lan", "10.2.0.0/16"), type_=LinkType.DIRECT),
    )
    world = World(*sites)
    start = Place("network", "a/lan")
    assert way(world, start, "10.2.0.5").links == ("near",)
    world.put(outage(links=("near",)))
    assert way(world, start, "10.2.0.5").links == ("far",)


def test_pods_are_on_machines_that_are_up_unless_none_is() -> None:
    everybody = ("home/n1", "home/n2", "home/n3", "cloud/edge")
    world = World(*homes(), outage(machines=("home/n2",)))
    assert world.answer(placement.candidates, "home/k3s", "", ()) == ("home/n1", "home/n3", "cloud/edge")
    assert world.answer(placement.candidates, "home/k3s", "n2", ()) == ("home/n2",)
    world.put(outage(machines=everybody))
    assert world.answer(placement.candidates, "home/k3s", "", ()) == everybody


def test_contradictions_of_the_map_are_the_same_while_something_is_down() -> None:
    world = World(*homes())
    before = world.answer(topology.topology).problems
    world.put(outage(links=("wg",), machines=("cloud/edge",)))
    assert world.answer(topology.topology).problems == before


def test_a_silent_resolver_answers_nobody_and_its_clients_ask_the_next() -> None:
    first = resolver("first", override("app.test", "A", "192.0.2.1"), address="192.168.178.60")
    second = resolver("second", override("app.test", "A", "192.0.2.2"), address="192.168.178.61")
    asker = resolver("asker", address="192.168.178.62", upstreams=("first", "second"), implementation="bind")
    world = World(*homes(), first, second, asker, outage(resolvers=("first",)))
    assert world.one("app.test", resolver="first").status is Status.UNREACHED
    assert world.one("app.test", resolver="second").addresses == ("192.0.2.2",)
    assert world.one("app.test", resolver="asker").addresses == ("192.0.2.2",)
    world.remove(DOWN)
    assert world.one("app.test", resolver="asker").addresses == ("192.0.2.1",)


def test_a_resolver_on_a_lost_machine_is_silent() -> None:
    world = World(*homes(), resolver("here", address="192.168.178.5"), outage(machines=("home/n1",)))
    assert world.answer(upstreams.silent, "here") == "home/n1, where here runs, is down"
    assert world.answer(upstreams.silent, "public") == ""


def test_an_address_is_announced_as_long_as_a_machine_is_left_that_may() -> None:
    span = AddressRange("192.168.178.10", "192.168.178.19", "192.168.178.10-192.168.178.19", at("pool"))
    pool = PoolIntent(Key("IPAddressPool", "", "pool"), at("pool"), "metallb", (span,))
    may = tuple(Selector((("kubernetes.io/hostname", name),)) for name in ("n1", "n2"))
    said = AnnouncementIntent(Key("L2Advertisement", "", "l2"), at("l2"), "metallb", nodes=may)
    world = World(*homes(), pool, said, outage(machines=("home/n1",)))
    assert world.answer(announcing.unannounced, LAN, "192.168.178.10") == ""
    world.put(outage(machines=("home/n1", "home/n2")))
    lost = "home/n1, home/n2 is down, and nobody else announces 192.168.178.10"
    assert world.answer(announcing.unannounced, LAN, "192.168.178.10") == lost
    assert world.answer(announcing.unannounced, LAN, "192.168.178.30") == ""
    assert world.answer(announcing.unannounced, Place("cluster", "home/k3s"), "192.168.178.10") == ""
