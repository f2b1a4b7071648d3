"""Nebula's config.yml."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.base.origin import Origin
from gatewright.kinds.intents.programs import LinkFileIntent
from gatewright.kinds.programs import nebula
from support.resolved import noted

ORIGIN = Origin("nebula/config.yml", "1")

EDGE = """
pki: {ca: /etc/nebula/ca.crt, cert: /etc/nebula/host.crt, key: /etc/nebula/host.key}
static_host_map:
  "192.168.100.1": ["100.64.22.11:4242", "edge.example.com:4242"]
lighthouse: {am_lighthouse: false, interval: 60, hosts: ["192.168.100.1"]}
listen: {host: 0.0.0.0, port: 4242}
punchy: {punch: true}
tun:
  dev: nebula1
  mtu: 1280
  unsafe_routes:
  - {route: 10.42.0.7/16, via: 192.168.100.5, mtu: 1300}
  - route: 10.96.0.0/12
    via: [{gateway: 192.168.100.5, weight: 10}, {gateway: 192.168.100.6}]
firewall:
  conntrack: {tcp_timeout: 12m}
  outbound: [{port: any, proto: any, host: any}]
  inbound:
  - {port: any, proto: icmp, host: any}
  - {port: 443, proto: tcp, groups: [laptop, home]}
  - {port: 200-901, proto: udp, cidr: 10.0.0.1/8}
"""


def parsed(text: str) -> tuple[LinkFileIntent | None, list[tuple[str, str, object]]]:
    data: Any = yaml.safe_load(text)
    intent, problems = nebula.parse(data, ORIGIN)
    return intent, noted(problems)


def test_an_end() -> None:
    intent, problems = parsed(EDGE)
    assert problems == [("info", "assumed-peers", 1)]
    assert intent is not None
    assert (intent.type, intent.mtu, intent.listen_port, intent.addresses) == ("Nebula", 1280, 4242, ())
    assert intent.hosts == (("192.168.100.1", ("100.64.22.11:4242", "edge.example.com:4242")),)
    assert intent.routes == (
        ("192.168.100.5", "10.42.0.0/16"),
        ("192.168.100.5", "10.96.0.0/12"),
        ("192.168.100.6", "10.96.0.0/12"),
    )
    assert [(r.protocol, r.ports, r.peers) for r in intent.inbound or ()] == [
        ("icmp", (), ()),
        ("tcp", ((443, 443),), ()),
        ("udp", ((200, 901),), ("10.0.0.0/8",)),
    ]
    assert [(r.protocol, r.ports, r.peers) for r in intent.outbound or ()] == [("any", (), ())]


def test_without_rules_nothing_gets_in() -> None:
    intent, problems = parsed("pki: {}")
    assert intent is not None
    assert (intent.mtu, intent.inbound, intent.outbound, problems) == (1300, (), (), [])


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("{port: 80, proto: tcp}", ("error", "missing-field", 0)),
        ("{port: 80, proto: tcp, cidr: 10.0.0.0/33}", ("error", "invalid-value", "cidr")),
        ("{port: 0-70000, proto: tcp, host: any}", ("error", "invalid-value", "port")),
        ("{port: http, proto: tcp, host: any}", ("error", "invalid-value", "port")),
        ("{port: 80, proto: sctp, host: any}", ("error", "invalid-value", "proto")),
        ("{port: fragment, proto: any, host: any}", ("info", "unsupported-field", "port")),
    ],
)
def test_a_rule_that_is_not_understood_lets_nobody_in(rule: str, problem: tuple[str, str, object]) -> None:
    intent, problems = parsed(f"firewall: {{inbound: [{rule}]}}")
    assert intent is not None
    assert intent.inbound == ()
    assert problems == [problem]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tun: {disabled: true}", ("warning", "disabled", "disabled")),
        ("tun: {unsafe_routes: [{route: x, via: 10.0.0.1}]}", ("error", "invalid-value", "route")),
        ("tun: {unsafe_routes: [{route: 10.0.0.0/8, via: x}]}", ("error", "invalid-value", "via")),
        ("static_host_map: {x: [a]}", ("error", "invalid-value", "x")),
        (
            "firewall: {inbound: [{port: any, proto: any, host: any, ca_sha: x}]}",
            ("info", "unsupported-field", "ca_sha"),
        ),
        ("frobnicate: 1", ("warning", "unknown-field", "frobnicate")),
    ],
)
def test_what_is_noted(text: str, problem: tuple[str, str, object]) -> None:
    intent, problems = parsed(text)
    assert intent is not None
    assert problems == [problem]


def test_an_inline_key_is_not_shown() -> None:
    secret = "-----BEGIN NEBULA X25519 PRIVATE KEY-----"
    intent, problems = nebula.parse({"pki": {"key": secret}, "tun": {"mtu": secret[:3]}}, ORIGIN)
    assert "PRIVATE" not in repr(intent) + repr(problems)
