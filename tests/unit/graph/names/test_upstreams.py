"""Resolvers that cannot ask whom they would: answers that nobody gets."""

from __future__ import annotations

import pytest

from gatewright.graph.names.nodes import Status
from gatewright.kinds.intents import Intent
from support.mapped import World, forward, override, record, resolver, zone
from support.networked import firewall, network, node, rule, site

ZONE = zone("example.com", record("app.example.com", "A", "203.0.113.7"), provider="cloudflare")
NEAR, FAR = "10.0.0.3", "10.1.0.3"


def home(*, internet: bool = True) -> Intent:
    return site("home", network("lan", "10.0.0.0/24", internet=internet), node("dns", NEAR))


def test_a_network_without_internet_leaves_its_resolver_without_the_public_dns() -> None:
    asking = resolver("dns", override("nas.example.com", "A", NEAR), address=NEAR, upstreams=("public",))
    found = World(ZONE, asking, home(internet=False)).one("app.example.com", "A", "dns")
    assert (found.status, found.addresses) == (Status.UNREACHED, ())
    assert found.steps[-1].summary == "dns: cannot ask public: home/lan has no way to the internet"

    assert World(ZONE, asking, home(internet=False)).one("nas.example.com", "A", "dns").addresses == (NEAR,)
    assert World(ZONE, asking, home()).one("app.example.com", "A", "dns").addresses == ("203.0.113.7",)


@pytest.mark.parametrize(("ports", "status"), [("80,443", Status.UNREACHED), ("53", Status.ANSWER)])
def test_a_firewall_outwards_that_forgets_dns(ports: str, status: Status) -> None:
    wall = firewall("edge", "network:home/lan", outbound=[rule(ports, "udp")], group=True, default_outbound=False)
    asking = resolver("dns", address=NEAR, upstreams=("public",))
    assert World(ZONE, asking, home(), wall).one("app.example.com", "A", "dns").status is status


@pytest.mark.parametrize(("upstreams", "status"), [(("far",), Status.UNREACHED), (("far", "public"), Status.ANSWER)])
def test_the_next_one_answers_where_the_first_is_behind_no_link(upstreams: tuple[str, ...], status: Status) -> None:
    there = site("there", network("lan", "10.1.0.0/24"), node("dns", FAR))
    far = resolver("far", address=FAR, upstreams=("public",))
    near = resolver("dns", address=NEAR, upstreams=upstreams)
    assert World(ZONE, near, far, home(), there).one("app.example.com", "A", "dns").status is status


def test_a_domain_is_forwarded_to_nobody() -> None:
    there = site("there", network("lan", "10.1.0.0/24"), node("dns", FAR))
    far = resolver("far", address=FAR)
    near = resolver("dns", address=NEAR, forwards=(forward("example.com", "far"),), upstreams=("public",))
    found = World(ZONE, near, far, home(), there).one("app.example.com", "A", "dns")
    assert found.status is Status.UNREACHED
    assert "cannot ask far" in found.steps[-1].summary


def test_a_machine_that_has_two_ways_out_takes_the_one_that_leads_there() -> None:
    both = site("home", network("lan", "10.0.0.0/24", internet=False), node("dns", NEAR, "198.51.100.3"))
    asking = resolver("dns", address=NEAR, upstreams=("public",))
    assert World(ZONE, asking, both).one("app.example.com", "A", "dns").status is Status.ANSWER


@pytest.mark.parametrize("order", ["first", "any"])
def test_one_that_cannot_tell_is_passed_over_while_there_is_another(order: str) -> None:
    """It answers SERVFAIL after a while, if at all: whoever has asked it asks the next."""
    far = resolver("far", address="10.0.0.9", upstreams=("public",))
    lan = network("lan", "10.0.0.0/24", internet=False)
    both = site("home", lan, node("dns", NEAR, "198.51.100.3"), node("far", "10.0.0.9"))
    near = resolver("dns", address=NEAR, upstreams=("far", "public"), order=order)
    found = World(ZONE, near, far, both).ask("app.example.com", "A", "dns")
    assert [(one.status, one.asked) for one in found] == [(Status.ANSWER, ("dns", "public"))]
    alone = resolver("dns", address=NEAR, upstreams=("far",), order=order)
    assert World(ZONE, alone, far, both).one("app.example.com", "A", "dns").status is Status.UNREACHED
