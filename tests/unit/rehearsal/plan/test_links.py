"""Links as they are planned: devices, routes, who dials whom, and what Nebula is told."""

from __future__ import annotations

import json

from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.places import LinkType
from gatewright.rehearsal.plan import links
from gatewright.rehearsal.plan import network as ground
from gatewright.rehearsal.plan.links import carriers_first
from gatewright.rehearsal.world import Draft
from support.mapped import World
from support.networked import PUBLIC4, end, homes, link, network, node, site


def _plan(sight: Sight, programs: frozenset[str] = frozenset()) -> Draft:
    draft = Draft()
    draft.programs = programs
    ground.plan(draft, sight)
    links.plan(draft, sight)
    return draft


def _planned(*given: Intent, programs: frozenset[str] = frozenset()) -> Draft:
    draft: Draft = World(*given).answer(_plan, programs)
    return draft


def _mesh() -> tuple[Intent, ...]:
    return (
        site("a", network("lan", "10.1.0.0/24"), node("n", "10.1.0.5")),
        site("b", network("lan", "10.2.0.0/24"), node("n", "10.2.0.5", "203.0.113.5")),
        link(
            "mesh",
            end("node:a/n", addresses=("10.66.0.2",)),
            end("node:b/n", addresses=("10.66.0.1",), endpoint="203.0.113.5:4242"),
            type_=LinkType.NEBULA,
        ),
    )


def test_the_dialled_end_starts_first_and_the_other_dials() -> None:
    draft = _planned(*homes())
    first, second = draft.daemons
    assert (first.space, second.space) == ("node:cloud/edge", "site:home")
    assert second.needs == (first.name,)
    assert f"Endpoint = {PUBLIC4}:56527".encode() in draft.files["wg1.conf"].content
    assert b"Endpoint" not in draft.files["wg0.conf"].content
    assert all(file.secret for file in draft.files.values())


def test_a_kernel_that_knows_wireguard_makes_the_devices_itself() -> None:
    by_program = _planned(*homes()).daemons
    by_kernel = _planned(*homes(), programs=frozenset({"wireguard"})).daemons

    assert {daemon.command[0] for daemon in by_program} == {"wireguard-go"}
    for daemon, other in zip(by_kernel, by_program, strict=True):
        device = daemon.ready[0].removeprefix("device:")
        assert daemon.before == (("ip", "link", "add", device, "type", "wireguard"),)
        assert daemon.cleanup == (("ip", "link", "del", device),)
        # All else is as with the program: keys, routes, what it waits for.
        assert (daemon.name, daemon.then, daemon.after, daemon.needs) == (
            other.name, other.then, other.after, other.needs,
        )  # fmt: skip


def test_an_end_that_nothing_is_reached_through_has_no_empty_list_of_what_is() -> None:
    a, b = (site(name, network("lan", f"10.{n}.0.0/24"), node("n", f"10.{n}.0.5")) for n, name in ((1, "a"), (2, "b")))
    draft = _planned(a, b, link("bare", end("node:a/n"), end("network:b/lan", "10.2.0.0/24")))
    files = [file.content for file in draft.files.values()]
    assert [b"AllowedIPs" in content for content in files] == [True, False]  # `wg` takes no empty one


def test_keys_are_in_no_command() -> None:
    draft = _planned(*homes())
    private = draft.files["wg0.conf"].content.decode().split("PrivateKey = ")[1].split("\n")[0]
    assert private not in str([(daemon.command, daemon.then, daemon.environment) for daemon in draft.daemons])


def test_devices_are_told_by_link_and_by_space() -> None:
    draft = _planned(*homes())
    assert draft.world().links == {"wg": (("node:cloud/edge", "wg0"), ("site:home", "wg1"))}
    assert draft.link_devices["site:home"] == [("wg1", "wg")]


def test_a_router_answers_for_addresses_behind_the_link() -> None:
    router = _planned(*homes()).spaces["site:home"]
    assert "neigh add proxy 192.168.178.201 dev eth0" in router.lines
    assert router.sysctls["ipv6/conf/all/proxy_ndp"] == "1"


def test_networks_of_one_site_need_no_line() -> None:
    draft = _planned(
        site("a", network("one", "10.1.0.0/24"), network("two", "10.2.0.0/24")),
        link("core", end("network:a/one"), end("network:a/two"), type_=LinkType.DIRECT),
    )
    assert draft.link_devices == {}
    assert not draft.daemons


def test_default_routes_are_halves_and_not_for_the_link_itself() -> None:
    draft = _planned(
        site("hotel", network("wifi", "192.168.7.0/24"), node("laptop", "192.168.7.20")),
        site("dc", node("vpn", "203.0.113.9")),
        link("vpn", end("node:dc/vpn", "0.0.0.0/0", endpoint="203.0.113.9:51820"), end("node:hotel/laptop")),
    )
    laptop = next(daemon for daemon in draft.daemons if daemon.space == "node:hotel/laptop")
    assert [line.split()[2] for line in laptop.after[1:3]] == ["0.0.0.0/1", "128.0.0.0/1"]
    assert any("sport 51820 lookup" in line for line in draft.spaces["node:hotel/laptop"].lines)
    assert not any("0.0.0.0/1" in line for line in draft.spaces["site:hotel"].lines)


def test_ends_that_nobody_can_dial_are_told_of() -> None:
    draft = _planned(
        site("a", network("lan", "10.1.0.0/24")),
        site("b", network("lan", "10.2.0.0/24")),
        link("wg", end("network:a/lan"), end("network:b/lan", endpoint="vpn.example.com:51820")),
    )
    assert [note.text for note in draft.notes] == [
        "nobody says at which address site:a and site:b dial each other for wg: a wire of its own carries it"
    ]


def test_nebula_is_told_of_its_lighthouse_and_firewall() -> None:
    draft = _planned(*_mesh())
    told = {device: json.loads(draft.files[f"{device}/config.yml"].content) for device in ("neb0", "neb1")}
    assert told["neb0"]["lighthouse"]["am_lighthouse"]
    assert told["neb1"]["lighthouse"]["hosts"] == ["10.66.0.1"]
    assert told["neb1"]["static_host_map"] == {"10.66.0.1": ["203.0.113.5:4242"]}
    assert told["neb1"]["firewall"]["inbound"] == [{"port": "any", "proto": "any", "host": "any"}]
    assert told["neb0"]["pki"]["ca"] == told["neb1"]["pki"]["ca"]


def test_what_carries_a_link_is_planned_before_it() -> None:
    def order(sight: Sight) -> list[str]:
        return [tunnel.name for tunnel in carriers_first(sight.ask(topology))]

    inner = link("inner", end("node:b/n", endpoint="10.66.0.1:51840"), end("node:a/n"))
    given = _mesh()
    assert World(*given[:2], inner, given[2]).answer(order) == ["mesh", "inner"]
