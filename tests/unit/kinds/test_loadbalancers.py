"""MetalLB and Cilium: pools of addresses and who announces them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.kinds.identity import Key, Selector
from gatewright.kinds.intents.places import AnnouncementIntent, PoolIntent
from support.lowering import bad, good, lowered, told


def made(kind: str, version: str, spec: Any, **metadata: Any) -> str:
    return yaml.safe_dump(
        {"apiVersion": version, "kind": kind, "metadata": {"name": "p", **metadata}, "spec": spec}, sort_keys=False
    )


def metallb(kind: str, **spec: Any) -> str:
    return made(kind, "metallb.io/v1beta1", spec, namespace="metallb-system", labels={"zone": "lan"})


def cilium(kind: str, version: str = "v2alpha1", **spec: Any) -> str:
    return made(kind, f"cilium.io/{version}", spec)


def spans(pool: PoolIntent) -> list[tuple[str, str]]:
    return [(one.first, one.last) for one in pool.ranges]


def test_a_metallb_pool() -> None:
    pool = good(
        metallb(
            "IPAddressPool",
            addresses=["192.0.2.10-192.0.2.20", "2001:db8::10-2001:db8::20", "198.51.100.0/30"],
            autoAssign=False,
            avoidBuggyIPs=True,
            serviceAllocation={
                "priority": 5,
                "namespaces": ["web"],
                "namespaceSelectors": [{"matchLabels": {"public": "yes"}}],
                "serviceSelectors": [{"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]}],
            },
        ),
        PoolIntent,
    )
    assert pool.key == Key("IPAddressPool", "metallb-system", "p")
    assert spans(pool) == [
        ("192.0.2.10", "192.0.2.20"),
        ("2001:db8::10", "2001:db8::20"),
        ("198.51.100.0", "198.51.100.3"),
    ]
    assert (pool.implementation, pool.auto_assign, pool.avoid_buggy, pool.priority) == ("metallb", False, True, 5)
    assert pool.namespaces == ("web",)
    assert pool.namespace_selectors == (Selector((("public", "yes"),)),)
    assert pool.services == (Selector((), (("app", "In", ("a", "b")),)),)
    assert (pool.labels, pool.announced) == ((("zone", "lan"),), "")


@pytest.mark.parametrize(
    ("spec", "problem", "where"),
    [
        ({"addresses": []}, "invalid-value", "spec.addresses"),
        ({}, "missing-field", "spec"),
        ({"addresses": ["192.0.2.1"]}, "invalid-value", "spec.addresses.0"),
        ({"addresses": ["192.0.2.10-20"]}, "invalid-value", "spec.addresses.0"),
        ({"addresses": ["192.0.2.20-192.0.2.10"]}, "invalid-value", "spec.addresses.0"),
        ({"addresses": ["192.0.2.1-2001:db8::1"]}, "invalid-value", "spec.addresses.0"),
        ({"addresses": ["192.0.2.0/24"], "autoAsign": False}, "unknown-field", "spec.autoAsign"),
        ({"addresses": ["192.0.2.0/24"], "autoAssign": "no"}, "wrong-type", "spec.autoAssign"),
    ],
)
def test_metallb_pools_that_are_refused(spec: dict[str, Any], problem: str, where: str) -> None:
    assert told(bad(metallb("IPAddressPool", **spec))) == [(problem, where)]


def test_an_unsubstituted_range_is_left_out() -> None:
    assert good(metallb("IPAddressPool", addresses=["${RANGE}"]), PoolIntent).ranges == ()


@pytest.mark.parametrize(("protocol", "announced"), [("layer2", "l2"), ("bgp", "bgp")])
def test_the_old_pool_announces_itself_and_is_told_to_be_old(protocol: str, announced: str) -> None:
    result = lowered(metallb("AddressPool", protocol=protocol, addresses=["192.0.2.0/28"]))
    assert isinstance(result.intent, PoolIntent)
    assert result.intent.announced == announced
    assert told(result.problems) == [("old-kind", "kind")]


def test_a_metallb_l2_announcement() -> None:
    intent = good(
        metallb(
            "L2Advertisement",
            ipAddressPools=["a"],
            ipAddressPoolSelectors=[{"matchLabels": {"zone": "lan"}}],
            nodeSelectors=[{"matchLabels": {"kubernetes.io/hostname": "n1"}}],
            interfaces=["eth0"],
        ),
        AnnouncementIntent,
    )
    assert intent.pools == ("a",)
    assert intent.pool_selectors == (Selector((("zone", "lan"),)),)
    assert intent.nodes == (Selector((("kubernetes.io/hostname", "n1"),)),)
    assert (intent.interfaces, intent.protocol, intent.services) == (("eth0",), "l2", None)


def test_an_announcement_without_a_spec_is_of_every_pool() -> None:
    intent = good("apiVersion: metallb.io/v1beta1\nkind: L2Advertisement\nmetadata: {name: x}\n", AnnouncementIntent)
    assert (intent.pools, intent.pool_selectors, intent.nodes) == ((), (), ())


def test_a_bgp_announcement() -> None:
    intent = good(metallb("BGPAdvertisement", ipAddressPools=["a"], aggregationLength=32), AnnouncementIntent)
    assert (intent.protocol, intent.pools) == ("bgp", ("a",))


def test_several_service_selectors_are_told() -> None:
    result = lowered(metallb("L2Advertisement", serviceSelectors=[{}, {}]))
    assert told(result.problems) == [("unsupported-field", "spec.serviceSelectors")]
    assert isinstance(result.intent, AnnouncementIntent)
    assert result.intent.services is None


def test_a_cilium_pool() -> None:
    pool = good(
        cilium(
            "CiliumLoadBalancerIPPool",
            "v2",
            blocks=[
                {"cidr": "192.0.2.0/28"},
                {"start": "198.51.100.1", "stop": "198.51.100.9"},
                {"start": "2001:db8::1"},
            ],
            allowFirstLastIPs="No",
            disabled=True,
        ),
        PoolIntent,
    )
    assert pool.key == Key("CiliumLoadBalancerIPPool", "", "p")
    assert spans(pool) == [
        ("192.0.2.0", "192.0.2.15"),
        ("198.51.100.1", "198.51.100.9"),
        ("2001:db8::1", "2001:db8::1"),
    ]
    assert (pool.implementation, pool.first_last, pool.disabled) == ("cilium", False, True)


def test_the_older_form_of_a_cilium_pool_uses_every_address() -> None:
    pool = good(cilium("CiliumLoadBalancerIPPool", cidrs=[{"cidr": "192.0.2.0/30"}]), PoolIntent)
    assert (spans(pool), pool.first_last) == ([("192.0.2.0", "192.0.2.3")], True)


NAMESPACE = "io.kubernetes.service.namespace"


@pytest.mark.parametrize(
    ("selector", "services", "namespaces"),
    [
        ({"matchLabels": {NAMESPACE: "web"}}, (), ("web",)),
        ({"matchLabels": {NAMESPACE: "web", "a": "b"}}, (Selector((("a", "b"),)),), ("web",)),
        (
            {"matchExpressions": [{"key": NAMESPACE, "operator": "In", "values": ["web", "dns"]}]},
            (),
            ("web", "dns"),
        ),
        (
            {"matchExpressions": [{"key": NAMESPACE, "operator": "NotIn", "values": ["web"]}]},
            (Selector((), ((NAMESPACE, "NotIn", ("web",)),)),),
            (),
        ),
        (
            {"matchLabels": {"io.kubernetes.service.name": "x"}},
            (Selector((("io.kubernetes.service.name", "x"),)),),
            (),
        ),
        ({}, (Selector(),), ()),
        (None, (), ()),
    ],
)
def test_which_services_a_cilium_pool_is_for(selector: Any, services: Any, namespaces: Any) -> None:
    more = {"serviceSelector": selector} if selector is not None else {}
    pool = good(cilium("CiliumLoadBalancerIPPool", blocks=[{"cidr": "192.0.2.0/30"}], **more), PoolIntent)
    assert (pool.services, pool.namespaces) == (services, namespaces)


@pytest.mark.parametrize(
    ("spec", "problem", "where"),
    [
        ({}, "invalid-value", "spec.blocks"),
        ({"blocks": [{}]}, "invalid-value", "spec.blocks.0"),
        ({"blocks": [{"cidr": "192.0.2.0/30", "start": "192.0.2.1"}]}, "invalid-value", "spec.blocks.0"),
        ({"blocks": [{"cidr": "192.0.2.1-192.0.2.9"}]}, "invalid-value", "spec.blocks.0"),
        ({"blocks": [{"start": "192.0.2.9", "stop": "192.0.2.1"}]}, "invalid-value", "spec.blocks.0"),
        ({"cidrs": [{"cidr": "x"}]}, "invalid-value", "spec.cidrs.0"),
        ({"blocks": [{"cidr": "192.0.2.0/30"}], "allowFirstLastIPs": True}, "wrong-type", "spec.allowFirstLastIPs"),
    ],
)
def test_cilium_pools_that_are_refused(spec: dict[str, Any], problem: str, where: str) -> None:
    assert told(bad(cilium("CiliumLoadBalancerIPPool", **spec))) == [(problem, where)]


def test_a_cilium_l2_policy() -> None:
    intent = good(
        cilium(
            "CiliumL2AnnouncementPolicy",
            nodeSelector={"matchExpressions": [{"key": "control-plane", "operator": "DoesNotExist"}]},
            serviceSelector={"matchLabels": {"a": "b"}},
            interfaces=["^eth[0-9]+"],
            loadBalancerIPs=True,
        ),
        AnnouncementIntent,
    )
    assert intent.nodes == (Selector((), (("control-plane", "DoesNotExist", ()),)),)
    assert intent.services == Selector((("a", "b"),))
    assert (intent.load_balancer_ips, intent.external_ips, intent.interfaces) == (True, False, ("^eth[0-9]+",))


def test_a_cilium_l2_policy_announces_nothing_unless_told_what() -> None:
    result = lowered(cilium("CiliumL2AnnouncementPolicy", interfaces=[]))
    assert told(result.problems) == [("announces-nothing", "spec")]
    assert isinstance(result.intent, AnnouncementIntent)
    assert not result.intent.load_balancer_ips


def test_a_cilium_bgp_advertisement() -> None:
    intent = good(
        cilium(
            "CiliumBGPAdvertisement",
            "v2",
            advertisements=[
                {"advertisementType": "PodCIDR"},
                {
                    "advertisementType": "Service",
                    "service": {"addresses": ["LoadBalancerIP"]},
                    "selector": {"matchLabels": {"bgp": "yes"}},
                },
            ],
        ),
        AnnouncementIntent,
    )
    assert (intent.protocol, intent.load_balancer_ips, intent.external_ips) == ("bgp", True, False)
    assert intent.services == Selector((("bgp", "yes"),))
