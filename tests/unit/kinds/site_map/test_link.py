"""Link: ends, routes and configurations of each type of tunnel."""

from __future__ import annotations

from typing import Any

import pytest

from gatewright.kinds.identity import Key
from gatewright.kinds.intents.places import LinkIntent, LinkType, Spot
from support.lowering import good
from support.sitemaps import changed, refused, written

WIREGUARD: dict[str, Any] = {
    "type": "WireGuard",
    "mtu": 1420,
    "ends": [
        {
            "node": "cloud/edge",
            "addresses": ["10.8.0.1/24", "fd08::1"],
            "endpoint": "203.0.113.20:51820",
            "listenPort": 51820,
            "config": "edge/wg0.conf",
        },
        {"network": "home/lan", "routes": ["192.168.178.0/24"]},
    ],
}
TUNNEL: dict[str, Any] = {
    "type": "CloudflareTunnel",
    "ends": [{"node": "home/k3s-node1"}],
    "config": {"configMap": {"namespace": "cf", "name": "cloudflared", "key": "config.yaml"}},
}


def test_wireguard() -> None:
    intent = good(written("Link", WIREGUARD), LinkIntent)
    assert (intent.key, intent.type, intent.mtu) == (Key("Link", "", "x"), LinkType.WIREGUARD, 1420)
    edge, lan = intent.ends
    assert (edge.at, lan.at) == (Spot(node="cloud/edge"), Spot(network="home/lan"))
    assert (edge.addresses, edge.listen_port, edge.endpoint) == (("10.8.0.1", "fd08::1"), 51820, "203.0.113.20:51820")
    assert edge.config == Key("WireGuardConfig", "", "edge/wg0.conf")
    assert lan.routes == ("192.168.178.0/24",)
    assert lan.origin.path == ("spec", "ends", 1)
    assert intent.cidrs == ("10.8.0.0/24",), "the prefix of an address tells of the tunnel's network"


@pytest.mark.parametrize("endpoint", ["[2001:db8::1]:51820", "vpn.example.com:51820", "MyHome.example.com:1"])
def test_endpoints(endpoint: str) -> None:
    assert (
        good(written("Link", changed(WIREGUARD, "ends.0.endpoint", endpoint)), LinkIntent).ends[0].endpoint == endpoint
    )


def test_the_other_types() -> None:
    nebula = {"type": "Nebula", "ends": [{"node": "a", "config": "n.yaml"}, {"node": "b"}], "cidrs": ["10.9.0.0/24"]}
    intent = good(written("Link", nebula), LinkIntent)
    assert (intent.ends[0].config, intent.mtu, intent.cidrs) == (Key("NebulaConfig", "", "n.yaml"), 0, ("10.9.0.0/24",))
    for name in ("Liqo", "Direct"):
        spec = {"type": name, "ends": [{"cluster": "a/x"}, {"cluster": "b/y"}]}
        assert good(written("Link", spec), LinkIntent).type == name


def test_a_tunnel() -> None:
    intent = good(written("Link", TUNNEL), LinkIntent)
    assert (intent.tunnel, intent.tunnel_entry) == (Key("ConfigMap", "cf", "cloudflared"), "config.yaml")
    intent = good(written("Link", changed(TUNNEL, "config", "cloudflared/config.yml")), LinkIntent)
    assert intent.tunnel == Key("CloudflaredConfig", "", "cloudflared/config.yml")


@pytest.mark.parametrize(
    ("spec", "path", "value", "where", "message"),
    [
        (WIREGUARD, "type", "Wireguard", "type",
         "expected one of WireGuard, Nebula, Liqo, CloudflareTunnel, Direct, got 'Wireguard'"),
        (WIREGUARD, "ends", [{"node": "a"}], "ends", "a WireGuard has at least two ends, not 1"),
        (WIREGUARD, "mtu", 100, "mtu", "expected a number >= 576, got the number 100"),
        (WIREGUARD, "ends.1.network", "lan", "ends.1.network", "'lan' does not say of which site"),
        (WIREGUARD, "ends.1.routes.0", "lan", "ends.1.routes.0", "'lan' is not a CIDR"),
        (WIREGUARD, "ends.0.addresses.1", "fd08:::1", "ends.0.addresses.1", "'fd08:::1' is not an IP address"),
        (WIREGUARD, "ends.0.endpoint", "203.0.113.20", "ends.0.endpoint", "'203.0.113.20' has no port"),
        (WIREGUARD, "ends.0.endpoint", "2001:db8::1:51820", "ends.0.endpoint", "'2001:db8::1:51820' has no port"),
        (WIREGUARD, "ends.0.endpoint", "203.0.113.20:99999", "ends.0.endpoint", "99999 is outside 1-65535"),
        (WIREGUARD, "config", "wg0.conf", "config", "a WireGuard has no configuration of its own"),
        (TUNNEL, "ends.0.config", "c.yml", "ends.0.config", "an end of a CloudflareTunnel has no configuration file"),
        (TUNNEL, "ends.0.routes", ["10.0.0.0/8"], "ends.0.routes",
         "a CloudflareTunnel dials out and routes by its configuration"),
        (TUNNEL, "ends", [], "ends", "a CloudflareTunnel has one end, not 0"),
    ],
)  # fmt: skip
def test_refused(spec: dict[str, Any], path: str, value: Any, where: str, message: str) -> None:
    assert refused("Link", changed(spec, path, value)) == [(where, message)]
