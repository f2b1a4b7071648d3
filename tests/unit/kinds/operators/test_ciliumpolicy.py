"""Cilium's policies: absent against empty, label keys with sources, entities, HTTP rules, denials."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key, Selector
from gatewright.kinds.intents.policies import HttpAllow, Peer, PolicyIntent, PolicyRule, PortRange
from support.lowering import bad, good, lowered, told

HERE = Origin("manifest.yaml", "1")
CLUSTERWIDE = "CiliumClusterwideNetworkPolicy"


def policy(kind: str = "CiliumNetworkPolicy", specs: Any = None, **spec: Any) -> str:
    body = {"specs": specs} if specs is not None else {"spec": {"endpointSelector": {}, **spec}}
    metadata = {"name": "p"} if kind == CLUSTERWIDE else {"name": "p", "namespace": "n"}
    return yaml.safe_dump({"apiVersion": "cilium.io/v2", "kind": kind, "metadata": metadata, **body})


def made(kind: str = "CiliumNetworkPolicy", **spec: Any) -> PolicyIntent:
    return good(policy(kind, **spec), PolicyIntent)


def rules(**rule: Any) -> tuple[PolicyRule, ...]:
    """What one rule of the direction that its fields belong to lowers to."""
    out = any(name.startswith("to") and name != "toPorts" for name in rule)
    found = made(**{"egress" if out else "ingress": [rule]})
    both = found.egress if out else found.ingress
    assert both is not None
    return both


def peer(**rule: Any) -> Peer:
    (lowered_rule,) = rules(**rule)
    assert lowered_rule.peers is not None
    (found,) = lowered_rule.peers
    return found


def test_identity() -> None:
    assert made().key == Key("CiliumNetworkPolicy", "n", "p")
    assert made(CLUSTERWIDE).key == Key(CLUSTERWIDE, "", "p")
    assert made().dialect == "cilium"


@pytest.mark.parametrize(
    ("spec", "ingress", "egress", "denied"),
    [
        # rules by direction (None: not concerned), and whether the rest is dropped
        ({}, None, None, (False, False)),
        ({"ingress": []}, None, None, (False, False)),
        ({"ingress": [{}]}, 1, None, (True, False)),
        ({"egress": [{}]}, None, 1, (False, True)),
        ({"ingressDeny": [{"fromEntities": ["world"]}]}, 1, None, (True, False)),
        ({"enableDefaultDeny": {"ingress": True}}, 0, None, (True, False)),
        ({"ingress": [{}], "enableDefaultDeny": {"ingress": False}}, 1, None, (False, False)),
    ],
)
def test_directions(spec: dict[str, Any], ingress: int | None, egress: int | None, denied: tuple[bool, bool]) -> None:
    found = made(**spec)
    assert [None if one is None else len(one) for one in (found.ingress, found.egress)] == [ingress, egress]
    assert (found.default_deny_ingress, found.default_deny_egress) == denied


TCP80 = [{"ports": [{"port": "80", "protocol": "TCP"}]}]


@pytest.mark.parametrize(
    ("rule", "everybody"),
    [
        ({}, False),
        ({"fromEndpoints": []}, False),
        ({"fromEntities": [], "toPorts": TCP80}, False),
        ({"icmps": [{"fields": [{"type": 8}]}]}, False),
        ({"toPorts": TCP80}, True),
    ],
)
def test_who_is_meant_where_nobody_is_named(rule: dict[str, Any], everybody: bool) -> None:
    (found,) = rules(**rule)
    assert found.peers == (None if everybody else ())


NAMESPACE = "io.kubernetes.pod.namespace"
OTHER = "io.cilium.k8s.namespace.labels.team"


@pytest.mark.parametrize(
    ("selector", "expected", "beyond"),
    [
        ({}, Selector(), False),
        ({"matchLabels": {"app": "a"}}, Selector((("app", "a"),)), False),
        ({"matchLabels": {"k8s:app": "a", "any:tier": "b"}}, Selector((("app", "a"), ("tier", "b"))), False),
        ({"matchLabels": {f"k8s:{NAMESPACE}": "x"}}, Selector(((NAMESPACE, "x"),)), True),
        ({"matchLabels": {NAMESPACE: "x", "app": "a"}}, Selector((("app", "a"), (NAMESPACE, "x"))), True),
        (
            {"matchExpressions": [{"key": f"k8s:{NAMESPACE}", "operator": "Exists"}]},
            Selector((), ((NAMESPACE, "Exists", ()),)),
            True,
        ),
        ({"matchLabels": {f"k8s:{OTHER}": "x"}}, Selector(((OTHER, "x"),)), True),
    ],
)
def test_selectors_of_endpoints(selector: Any, expected: Selector, beyond: bool) -> None:
    found = peer(fromEndpoints=[selector])
    assert (found.pods, found.any_namespace, found.entity) == (expected, beyond, "")


def test_a_clusterwide_selector_is_of_every_namespace() -> None:
    found = made(CLUSTERWIDE, ingress=[{"fromEndpoints": [{}]}])
    assert found.ingress is not None
    assert found.ingress[0].peers == (
        Peer(HERE.at("spec", "ingress", 0, "fromEndpoints", 0), pods=Selector(), any_namespace=True),
    )


@pytest.mark.parametrize(
    "selector",
    [
        {"matchLabels": {"reserved:ingress": ""}},
        {"matchExpressions": [{"key": "reserved:ingress", "operator": "Exists"}]},
    ],
)
def test_a_reserved_label_is_an_entity(selector: Any) -> None:
    assert peer(fromEndpoints=[selector]).entity == "ingress"


def test_entities_and_nodes() -> None:
    assert peer(fromEntities=["ingress"]).entity == "ingress"
    assert peer(toEntities=["world"]).entity == "world"
    assert peer(fromNodes=[{"matchLabels": {"role": "edge"}}]).nodes == Selector((("role", "edge"),))


@pytest.mark.parametrize(
    ("rule", "cidr", "excepts"),
    [
        ({"fromCIDR": ["10.0.0.9/8"]}, "10.0.0.0/8", ()),
        ({"fromCIDR": ["192.0.2.1"]}, "192.0.2.1/32", ()),
        ({"toCIDR": ["2001:db8::/32"]}, "2001:db8::/32", ()),
        ({"toCIDRSet": [{"cidr": "10.0.0.0/8", "except": ["10.96.0.0/12"]}]}, "10.0.0.0/8", ("10.96.0.0/12",)),
    ],
)
def test_cidrs(rule: dict[str, Any], cidr: str, excepts: tuple[str, ...]) -> None:
    found = peer(**rule)
    assert (found.cidr, found.excepts) == (cidr, excepts)


@pytest.mark.parametrize(
    ("name", "fqdn"),
    [({"matchName": "API.example.com."}, "api.example.com"), ({"matchPattern": "*.example.com"}, "*.example.com")],
)
def test_names(name: dict[str, str], fqdn: str) -> None:
    assert peer(toFQDNs=[name]).fqdn == fqdn


def test_services() -> None:
    assert peer(toServices=[{"k8sService": {"serviceName": "s", "namespace": "x"}}]).service == ("x", "s")


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ({"port": "80"}, PortRange("ANY", 80)),
        ({"port": "80", "protocol": "TCP"}, PortRange("TCP", 80)),
        ({"port": "0", "protocol": "UDP"}, PortRange("UDP", None)),
        ({"port": "8000", "endPort": 8080, "protocol": "TCP"}, PortRange("TCP", 8000, 8080)),
        ({"port": "Web"}, PortRange("ANY", "web")),
    ],
)
def test_ports(port: dict[str, Any], expected: PortRange) -> None:
    (found,) = rules(toPorts=[{"ports": [port]}])
    assert found.ports == (expected,)


def test_ports_that_no_request_uses_allow_nothing() -> None:
    assert rules(fromEntities=["all"], toPorts=[{"ports": [{"port": "0", "protocol": "ICMP"}]}]) == ()


def test_each_group_of_ports_is_a_rule_with_http_of_its_own() -> None:
    http = [
        {"method": "GET", "path": "/api/.*", "host": "a[.]example[.]com", "headers": ["X-A: 1"]},
        {"headerMatches": [{"name": "X-B", "value": "2"}, {"name": "X-C"}, {"name": "X-D", "mismatch": "LOG"}]},
    ]
    first, second = rules(
        fromEndpoints=[{}],
        toPorts=[{"ports": [{"port": "80"}], "rules": {"http": http}}, {"ports": [{"port": "9090"}]}],
    )
    assert first.http == (
        HttpAllow("GET", "/api/.*", "a[.]example[.]com", ("X-A: 1",)),
        HttpAllow("", "", "", ("X-B: 2", "X-C")),
    )
    assert (second.http, second.ports) == ((), (PortRange("ANY", 9090),))
    assert first.peers == second.peers


def test_denials() -> None:
    found = made(ingress=[{"fromEntities": ["all"]}], ingressDeny=[{"fromEntities": ["world"], "toPorts": TCP80}])
    assert found.ingress is not None
    assert [(rule.deny, rule.ports) for rule in found.ingress] == [(False, ()), (True, (PortRange("TCP", 80),))]
    assert found.ingress[1].origin == HERE.at("spec", "ingressDeny", 0, "toPorts", 0)


def test_several_specs_are_in_one_intent() -> None:
    one = {"endpointSelector": {"matchLabels": {"a": "1"}}, "ingress": [{}]}
    two = {"endpointSelector": {"matchLabels": {"a": "2"}}, "egress": [{}]}
    found = good(policy(specs=[one, two]), PolicyIntent)
    assert found.pods == Selector((("a", "1"),))
    assert [(m.pods, m.ingress, m.origin) for m in found.more] == [(Selector((("a", "2"),)), None, HERE.at("specs", 1))]


def test_host_policies_and_gateways_as_subjects() -> None:
    text = policy(CLUSTERWIDE, specs=[{"nodeSelector": {"matchLabels": {"a": "b"}}, "ingress": [{}]}])
    host = good(text, PolicyIntent)
    assert (host.nodes, host.pods) == (Selector((("a", "b"),)), None)
    gateway = made(
        CLUSTERWIDE, endpointSelector={"matchExpressions": [{"key": "reserved:ingress", "operator": "Exists"}]}
    )
    assert gateway.pods == Selector((), (("reserved:ingress", "Exists", ()),))


def test_the_subject_stays_in_its_namespace() -> None:
    own = made(endpointSelector={"matchLabels": {NAMESPACE: "n", "a": "b"}})
    assert own.pods == Selector((("a", "b"),))
    other = lowered(policy(endpointSelector={"matchLabels": {NAMESPACE: "m"}}))
    assert told(other.problems) == [("namespace-without-effect", "spec.endpointSelector.matchLabels")]


RULE = "spec.ingress.0"
PORT = f"{RULE}.toPorts.0"


@pytest.mark.parametrize(
    ("rule", "where"),
    [
        ({"fromEndpoints": [{"matchLabels": {"io.cilium.k8s.policy.cluster": "b"}}]}, f"{RULE}.fromEndpoints.0"),
        ({"fromEndpoints": [{"matchLabels": {"cidr:10.0.0.0/8": ""}}]}, f"{RULE}.fromEndpoints.0"),
        ({"fromRequires": [{}]}, f"{RULE}.fromRequires"),
        ({"fromCIDRSet": [{"cidrGroupRef": "g"}]}, f"{RULE}.fromCIDRSet.0.cidrGroupRef"),
        ({"authentication": {"mode": "required"}}, f"{RULE}.authentication"),
        ({"toPorts": [{"ports": [{"port": "80"}], "rules": {"kafka": [{}]}}]}, f"{PORT}.rules.kafka"),
        ({"toPorts": [{"ports": [{"port": "443"}], "serverNames": ["a"]}]}, f"{PORT}.serverNames"),
    ],
)
def test_what_is_not_judged_is_told(rule: dict[str, Any], where: str) -> None:
    result = lowered(policy(ingress=[rule]))
    assert told(result.problems) == [("unsupported-field", where)]
    assert isinstance(result.intent, PolicyIntent)


@pytest.mark.parametrize(
    ("spec", "problem", "where"),
    [
        ({"endpointSelector": None}, "invalid-value", "spec"),
        ({"nodeSelector": {}}, "invalid-value", "spec"),
        ({"ingress": [{"fromEndpoint": [{}]}]}, "unknown-field", f"{RULE}.fromEndpoint"),
        ({"ingress": [{"fromEntities": ["internet"]}]}, "invalid-value", f"{RULE}.fromEntities.0"),
        ({"ingress": [{"fromEndpoints": [{}], "fromEntities": ["all"]}]}, "invalid-value", RULE),
        ({"ingress": [{"fromCIDR": ["x"]}]}, "invalid-value", f"{RULE}.fromCIDR.0"),
        ({"ingress": [{"fromCIDRSet": [{"cidr": "10.0.0.1"}]}]}, "invalid-value", f"{RULE}.fromCIDRSet.0.cidr"),
        ({"ingress": [{"toPorts": [{"ports": [{"port": 80}]}]}]}, "wrong-type", f"{PORT}.ports.0.port"),
        ({"ingress": [{"toPorts": [{"ports": [{"port": "70000"}]}]}]}, "invalid-value", f"{PORT}.ports.0.port"),
        ({"ingress": [{"toPorts": TCP80, "icmps": [{}]}]}, "invalid-value", f"{RULE}.icmps"),
        (
            {"ingress": [{"toPorts": [{"ports": [{"port": "80"}], "rules": {"http": [{"path": "/("}]}}]}]},
            "invalid-value",
            f"{PORT}.rules.http.0.path",
        ),
        ({"egress": [{"toFQDNs": [{}]}]}, "invalid-value", "spec.egress.0.toFQDNs.0"),
    ],
)
def test_what_cilium_refuses(spec: dict[str, Any], problem: str, where: str) -> None:
    result = bad(policy(**spec))
    assert (problem, where) in told(result)


def test_only_clusterwide_policies_select_nodes() -> None:
    assert told(bad(policy(specs=[{"nodeSelector": {}}]))) == [("invalid-value", "specs.0.nodeSelector")]


def test_a_policy_without_a_spec() -> None:
    assert told(bad(policy(specs=[]))) == [("invalid-value", "")]
