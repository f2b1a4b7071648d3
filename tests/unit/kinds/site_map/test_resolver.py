"""Resolver: what the map says, and what each program does where it does not."""

from __future__ import annotations

from typing import Any

import pytest

from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import Forwarding, ResolverIntent
from gatewright.kinds.intents.places import Spot
from support.lowering import good
from support.sitemaps import changed, refused, written

SPEC: dict[str, Any] = {
    "implementation": "FritzBox",
    "addresses": ["192.168.178.1", "FD00::1"],
    "runsOn": {"node": "home/fritzbox"},
    "overrides": [
        {"name": "grafana.example.com", "values": ["192.168.178.10"]},
        {"name": "*.example.com", "values": ["192.168.178.10", "fd00::10"], "otherFamily": "empty"},
        {"name": "ads.example.net", "type": "NXDOMAIN"},
        {"name": "www.example.com", "values": ["Grafana.example.com."]},
    ],
    "forwards": [{"domain": "example.org", "to": ["172.16.1.60", "coredns", "public"], "order": "first"}],
    "upstreams": ["9.9.9.9", "public"],
    "domains": ["fritz.box"],
    "gatewayNames": {"domains": ["example.org"], "gateways": ["infra/door"], "resources": ["HTTPRoute"]},
    "views": ["home"],
    "rebindProtection": {"except": ["example.com"]},
    "filtersIPv6": True,
}


def resolver(spec: dict[str, Any]) -> ResolverIntent:
    return good(written("Resolver", spec), ResolverIntent)


def test_everything_said() -> None:
    intent = resolver(SPEC)
    assert (intent.key, intent.implementation) == (Key("Resolver", "", "x"), "fritzbox")
    assert (intent.addresses, intent.at) == (("192.168.178.1", "fd00::1"), Spot(node="home/fritzbox"))
    assert (intent.views, intent.rebind_protection, intent.rebind_exceptions) == (("home",), True, ("example.com",))
    said = intent.config
    assert [(o.name, o.type, o.values, o.others) for o in said.overrides] == [
        ("grafana.example.com", "A", ("192.168.178.10",), "forward"),
        ("*.example.com", "A", ("192.168.178.10",), "empty"),
        ("*.example.com", "AAAA", ("fd00::10",), "empty"),
        ("ads.example.net", "NXDOMAIN", (), "forward"),
        ("www.example.com", "CNAME", ("grafana.example.com",), "forward"),
    ]
    assert said.overrides[2].origin.path == ("spec", "overrides", 1)
    origin = intent.origin.at("spec", "forwards", 0)
    assert said.forwards == (Forwarding("example.org", ("172.16.1.60", "coredns", "public"), origin, "first"),)
    assert (said.upstreams, said.domains, said.filters_ipv6) == (("9.9.9.9", "public"), ("fritz.box",), True)
    (names,) = said.gateway_names
    assert (names.domains, names.gateways, names.resources) == (("example.org",), ("infra/door",), ("HTTPRoute",))


@pytest.mark.parametrize(
    ("implementation", "order", "others", "protection", "apex"),
    [
        ("FritzBox", "first", "forward", True, False),
        ("AdGuardHome", "any", "empty", False, False),
        ("PiHole", "any", "forward", False, True),
        ("dnsmasq", "any", "empty", False, True),
        ("CoreDNS", "any", "empty", False, False),
        ("k8s_gateway", "any", "empty", False, False),
        ("Unbound", "any", "empty", False, False),
        (None, "any", "empty", False, False),
    ],
)
def test_defaults(implementation: str | None, order: str, others: str, protection: bool, apex: bool) -> None:
    spec: dict[str, Any] = {"overrides": [{"name": "*.example.com", "values": ["10.0.0.1"]}]}
    intent = resolver({**spec, "implementation": implementation} if implementation else spec)
    (override,) = intent.config.overrides
    assert (intent.config.order, override.others, intent.rebind_protection, override.apex) == (
        order, others, protection, apex,
    )  # fmt: skip
    assert intent.config.upstreams == ("public",)


def test_what_is_said_goes_before_the_default() -> None:
    spec = {
        "implementation": "dnsmasq",
        "order": "first",
        "otherFamily": "forward",
        "rebindProtection": True,
        "upstreams": [],
        "overrides": [{"name": "*.example.com", "values": ["10.0.0.1"], "apex": False}],
    }
    intent = resolver(spec)
    assert (intent.config.order, intent.config.upstreams, intent.rebind_protection) == ("first", (), True)
    assert (intent.config.overrides[0].others, intent.config.overrides[0].apex) == ("forward", False)


@pytest.mark.parametrize(
    ("implementation", "config", "key", "entry"),
    [
        ("AdGuardHome", "AdGuardHome.yaml", Key("AdGuardConfig", "", "AdGuardHome.yaml"), ""),
        ("dnsmasq", "dnsmasq.conf", Key("DnsmasqConfig", "", "dnsmasq.conf"), ""),
        ("CoreDNS", "Corefile", Key("Corefile", "", "Corefile"), ""),
        (
            "k8s_gateway", {"configMap": {"namespace": "dns", "name": "gw", "key": "Corefile"}},
            Key("ConfigMap", "dns", "gw"), "Corefile",
        ),
    ],
)  # fmt: skip
def test_a_configuration_has_defaults_of_its_own(implementation: str, config: Any, key: Key, entry: str) -> None:
    intent = resolver({"implementation": implementation, "config": config})
    assert (intent.file, intent.file_entry) == (key, entry)
    assert (intent.config.order, intent.config.upstreams) == ("", ())


def test_everything_else_is_forwarded() -> None:
    assert resolver({"forwards": [{"domain": ".", "to": ["public"]}]}).config.forwards[0].domain == ""


@pytest.mark.parametrize(
    ("path", "value", "where", "message"),
    [
        ("implementation", "Fritzbox", "implementation",
         "expected one of FritzBox, AdGuardHome, PiHole, dnsmasq, CoreDNS, k8s_gateway, Unbound, BIND, Technitium, "
         "Gatewright, "
         "public, other, got 'Fritzbox'"),
        ("addresses.0", "fritz.box", "addresses.0", "'fritz.box' is not an IP address"),
        ("runsOn", {}, "runsOn", "names no place"),
        ("overrides.0.values", [], "overrides.0.values", "an override has at least one value"),
        ("overrides.2.values", ["10.0.0.1"], "overrides.2.values", "NXDOMAIN has no values"),
        ("overrides.0.type", "AAAA", "overrides.0.values.0", "192.168.178.10 is no value of type AAAA"),
        ("overrides.0.apex", True, "overrides.0.apex", "only a wildcard can cover its apex too"),
        ("overrides.1.values.1", "a.example.com", "overrides.1.values", "a hostname stands alone"),
        ("overrides.0.name", "grafana.*", "overrides.0.name", "'grafana.*' is not a hostname"),
        ("forwards.0.to", [], "forwards.0.to", "forwards to nobody"),
        ("forwards.0.to.0", "172.16.1", "forwards.0.to.0", "'172.16.1' is not an IP address or a name"),
        ("order", "random", "order", "expected one of first, any, got 'random'"),
        ("upstreams.0", "9.9.9", "upstreams.0", "'9.9.9' is not an IP address or a name"),
        ("gatewayNames.domains", [], "gatewayNames.domains", "answers for no domain"),
        ("gatewayNames.gateways.0", "a/b/c", "gatewayNames.gateways.0", "'a/b/c' is not the name of an object"),
        ("rebindProtection.except.0", "*.a", "rebindProtection.except.0", "'*.a' is not a hostname"),
        ("config", "fritz.conf", "config", "no configuration of the implementation FritzBox is read"),
    ],
)  # fmt: skip
def test_refused(path: str, value: Any, where: str, message: str) -> None:
    assert refused("Resolver", changed({"order": "first", **SPEC}, path, value)) == [(where, message)]


def test_true_is_as_good_as_a_mapping_beside_another_fault() -> None:
    spec = {"implementation": "FritzBox", "rebindProtection": True, "addresses": [1]}
    assert [where for where, _ in refused("Resolver", spec)] == ["addresses.0"]


def test_ours_answers_from_zones_alone() -> None:
    found = resolver({"implementation": "Gatewright", "addresses": ["192.168.178.2"], "views": ["house"]})
    assert (found.implementation, found.config.upstreams, found.views) == ("gatewright", (), ("house",))
    wrong = refused("Resolver", {"implementation": "Gatewright", "upstreams": ["public"]})
    assert wrong == [("upstreams", "Gatewright answers from Zones, and asks nobody")]
