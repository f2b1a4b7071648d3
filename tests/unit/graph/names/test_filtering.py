"""What resolvers make of answers from upstream."""

from __future__ import annotations

import pytest

from gatewright.graph.names.filtering import is_rebinding
from gatewright.graph.names.nodes import Status
from support.mapped import World, override, record, resolver, zone

EDGE4, EDGE6, HOME = "203.0.113.7", "2001:db8::7", "192.168.178.10"
ZONE = zone("example.com", record("grafana.example.com", "A", EDGE4), record("grafana.example.com", "AAAA", EDGE6))


@pytest.mark.parametrize(
    ("exceptions", "name", "status"),
    [
        ((), "priv.example.com", "nodata"),
        ((), "pub.example.com", "answer"),
        (("example.com",), "priv.example.com", "answer"),
    ],
)
def test_rebind_protection(exceptions: tuple[str, ...], name: str, status: str) -> None:
    world = World(
        zone("example.com", record("priv.example.com", "A", "10.1.2.3"), record("pub.example.com", "A", EDGE4)),
        resolver("fb", upstreams=("public",), rebind_protection=True, rebind_exceptions=exceptions),
    )
    assert world.one(name, "A", "fb").status == status


@pytest.mark.parametrize(("implementation", "own"), [("adguardhome", "nodata"), ("dnsmasq", "answer")])
def test_a_resolver_that_filters_ipv6(implementation: str, own: str) -> None:
    local = override("local.example.com", "AAAA", "fd00::1")
    dns = resolver("d", local, upstreams=("public",), filters_ipv6=True, implementation=implementation)
    world = World(ZONE, dns)
    assert world.one("grafana.example.com", "AAAA", "d").status is Status.NODATA
    assert world.one("grafana.example.com", "A", "d").status is Status.ANSWER
    assert world.one("local.example.com", "AAAA", "d").status == own


@pytest.mark.parametrize(
    ("implementation", "own", "others"),
    [("dnsmasq", "nodata", "nxdomain"), ("pihole", "nodata", "nxdomain"), ("fritzbox", "nxdomain", "nxdomain")],
)
def test_dnsmasq_knows_that_its_names_exist_whatever_upstream_says(implementation: str, own: str, others: str) -> None:
    local = override("nas.example.com", "A", HOME, others="forward")
    world = World(ZONE, resolver("d", local, upstreams=("public",), implementation=implementation))
    assert world.one("nas.example.com", "AAAA", "d").status == own
    assert world.one("other.example.com", "AAAA", "d").status == others


@pytest.mark.parametrize(
    ("address", "dropped"),
    [
        ("10.0.0.1", True),
        ("172.15.0.1", False),
        ("172.16.0.1", True),
        ("172.31.255.254", True),
        ("172.32.0.1", False),
        ("192.168.1.1", True),
        ("fd00::1", True),
        ("fe90::1", True),
        ("::1", True),
        ("100.64.0.1", False),
        ("fd.example.com", False),
        (EDGE4, False),
        (EDGE6, False),
    ],
)
def test_which_addresses_rebind_protection_drops(address: str, dropped: bool) -> None:
    assert is_rebinding(address) is dropped
