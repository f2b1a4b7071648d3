"""Firewall: what security groups and nftables allow, deny and do by default."""

from __future__ import annotations

from typing import Any

import pytest

from gatewright.kinds.intents.places import FirewallIntent, Spot
from support.lowering import good
from support.sitemaps import changed, refused, written

NFTABLES: dict[str, Any] = {
    "protects": [{"node": "cloud/edge"}, {"site": "home"}],
    "default": {"inbound": "deny", "outbound": "allow"},
    "inbound": [
        {"deny": "any", "from": ["198.51.100.0/24"]},
        {"allow": "tcp", "ports": [22, 443, "8000-8999"], "from": ["0.0.0.0/0", "::/0"]},
    ],
    "outbound": [{"deny": "udp", "ports": [53], "to": ["192.0.2.1"]}],
    "forwards": [{"address": "198.51.100.7", "port": 443, "to": "192.168.178.10", "toPort": 8443}],
}
GROUP: dict[str, Any] = {"style": "securityGroup", "protects": [{"node": "a"}], "inbound": [{"allow": "icmp"}]}


def test_nftables() -> None:
    intent = good(written("Firewall", NFTABLES), FirewallIntent)
    assert (intent.style, intent.spots) == ("nftables", (Spot(node="cloud/edge"), Spot(site="home")))
    assert [(r.allow, r.protocol, r.ports, r.peers) for r in (*intent.inbound, *intent.outbound)] == [
        (False, "any", (), ("198.51.100.0/24",)),
        (True, "tcp", ((22, 22), (443, 443), (8000, 8999)), ("0.0.0.0/0", "::/0")),
        (False, "udp", ((53, 53),), ("192.0.2.1/32",)),
    ]
    assert intent.inbound[1].origin.path == ("spec", "inbound", 1)
    (forward,) = intent.forwards
    assert (forward.address, forward.port, forward.to_address, forward.to_port, forward.protocol) == (
        "198.51.100.7", 443, "192.168.178.10", 8443, "tcp",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "inbound", "outbound"),
    [
        ({}, False, True),
        ({"default": {"inbound": "allow", "outbound": "deny"}}, True, False),
        ({"style": "securityGroup"}, False, True),
        ({"style": "securityGroup", "outbound": [{"allow": "any"}]}, False, False),
        ({"style": "securityGroup", "outbound": [{"allow": "any"}], "default": {"outbound": "allow"}}, False, True),
    ],
)
def test_what_no_rule_matches(spec: dict[str, Any], inbound: bool, outbound: bool) -> None:
    intent = good(written("Firewall", {"protects": [{"node": "a"}], **spec}), FirewallIntent)
    assert (intent.default_inbound, intent.default_outbound) == (inbound, outbound)


def test_a_port_stays_what_it_is() -> None:
    intent = good(written("Firewall", changed(NFTABLES, "forwards.0.toPort", None)), FirewallIntent)
    assert intent.forwards[0].to_port == 443


@pytest.mark.parametrize(
    ("spec", "path", "value", "where", "message"),
    [
        (NFTABLES, "protects", [], "protects", "protects nothing"),
        (NFTABLES, "protects.0", {"node": "a", "site": "b"}, "protects.0", "names node and site"),
        (NFTABLES, "inbound.0", {"from": ["10.0.0.0/8"]}, "inbound.0", "gives no single verdict"),
        (NFTABLES, "inbound.0.allow", "tcp", "inbound.0", "gives no single verdict"),
        (NFTABLES, "inbound.1.ports.2", "9000-8000", "inbound.1.ports.2", "9000-8000 ends before it starts"),
        (NFTABLES, "inbound.1.allow", "any", "inbound.1.ports", "any has no ports"),
        (NFTABLES, "inbound.1.to", ["10.0.0.0/8"], "inbound.1.to", "an inbound rule has no to"),
        (NFTABLES, "outbound.0.from", ["10.0.0.0/8"], "outbound.0.from", "an outbound rule has no from"),
        (NFTABLES, "inbound.1.from.0", "anybody", "inbound.1.from.0", "'anybody' is not a CIDR"),
        (NFTABLES, "forwards.0.to", "fd00::1", "forwards.0.to",
         "198.51.100.7 cannot be forwarded to fd00::1: they are of two families"),
        (NFTABLES, "forwards.0.port", 0, "forwards.0.port", "expected a number >= 1, got the number 0"),
        (GROUP, "inbound.0", {"deny": "tcp"}, "inbound.0.deny", "a security group only allows"),
        (GROUP, "default", {"inbound": "allow"}, "default.inbound", "a security group denies what it does not allow"),
        (GROUP, "style", "security-group", "style",
         "expected one of securityGroup, nftables, got 'security-group'"),
    ],
)  # fmt: skip
def test_refused(spec: dict[str, Any], path: str, value: Any, where: str, message: str) -> None:
    assert refused("Firewall", changed(spec, path, value)) == [(where, message)]
