"""Vantage: where requests start, and with what."""

from __future__ import annotations

from typing import Any

import pytest

from gatewright.kinds.identity import Key
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.kinds.intents.places import Spot
from support.lowering import good
from support.sitemaps import changed, refused, written

SPEC: dict[str, Any] = {
    "network": "home/lan",
    "addresses": ["192.168.178.50"],
    "resolvers": ["fritzbox", "9.9.9.9"],
    "families": [6, 4],
    "trust": ["public", {"secret": {"namespace": "a", "name": "ca"}}, {"configMap": {"name": "roots"}}],
}


def test_everything_said() -> None:
    intent = good(written("Vantage", SPEC), VantageIntent)
    assert (intent.key, intent.at) == (Key("Vantage", "", "x"), Spot(network="home/lan"))
    assert (intent.addresses, intent.resolvers) == (("192.168.178.50",), ("fritzbox", "9.9.9.9"))
    assert intent.families == ("6", "4")
    assert intent.trust == ("public", "Secret:a/ca", "ConfigMap:default/roots")


def test_defaults() -> None:
    intent = good(written("Vantage", {"network": "internet"}), VantageIntent)
    assert (intent.at, intent.resolvers, intent.families, intent.trust) == (
        Spot(network="internet"), (), ("4", "6"), ("public",),
    )  # fmt: skip


def test_a_pod() -> None:
    intent = good(
        written("Vantage", {"cluster": "home/k3s", "pod": {"namespace": "apps", "labels": {"app": "web"}}}),
        VantageIntent,
    )
    assert (intent.at, intent.namespace, intent.labels) == (Spot(cluster="home/k3s"), "apps", (("app", "web"),))


@pytest.mark.parametrize(
    ("path", "value", "where", "message"),
    [
        ("network", "lan", "network", "'lan' does not say of which site"),
        ("node", "home/a", "", "names network and node"),
        ("network", None, "", "names no place"),
        ("pod", {"namespace": "a"}, "pod", "a pod is in a cluster"),
        ("families", [], "families", "has neither IPv4 nor IPv6"),
        ("families", [4, 4], "families", "lists a family twice"),
        ("families", [6], "addresses.0", "192.168.178.50 is of a family that spec.families does not have"),
        ("families.0", 5, "families.0", "expected one of 4, 6, got 5"),
        ("addresses.0", "phone", "addresses.0", "'phone' is not an IP address"),
        ("trust.0", "none", "trust.0", "'none' is no authority"),
        ("trust.1", {}, "trust.1", "names no single authority"),
        ("resolvers.1", "9.9.9", "resolvers.1", "'9.9.9' is not an IP address or a name"),
    ],
)
def test_refused(path: str, value: Any, where: str, message: str) -> None:
    assert refused("Vantage", changed(SPEC, path, value)) == [(where, message)]
