"""NetworkPolicy: absent against empty, types by default, and what the API server refuses."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.base.origin import Origin
from gatewright.kinds.identity import Key, Selector
from gatewright.kinds.intents.policies import Peer, PolicyIntent, PortRange
from support.lowering import bad, good, lowered, told

HERE = Origin("manifest.yaml", "1")


def policy(spec: Any, version: str = "networking.k8s.io/v1") -> str:
    metadata = {"name": "p", "namespace": "n"}
    return yaml.safe_dump({"apiVersion": version, "kind": "NetworkPolicy", "metadata": metadata, "spec": spec})


RULE = [{}]


@pytest.mark.parametrize(
    ("spec", "ingress", "egress"),
    [
        # (number of rules in each direction, None where the policy does not concern it)
        ({}, 0, None),
        ({"ingress": []}, 0, None),
        ({"ingress": RULE}, 1, None),
        ({"egress": []}, 0, None),
        ({"egress": RULE}, 0, 1),
        ({"ingress": RULE, "egress": RULE}, 1, 1),
        ({"policyTypes": []}, 0, None),
        ({"policyTypes": [], "egress": RULE}, 0, 1),
        ({"policyTypes": ["Ingress"]}, 0, None),
        ({"policyTypes": ["Egress"]}, None, 0),
        ({"policyTypes": ["Egress"], "egress": RULE}, None, 1),
        ({"policyTypes": ["Ingress", "Egress"]}, 0, 0),
        (None, 0, None),
    ],
)
def test_directions(spec: dict[str, Any] | None, ingress: int | None, egress: int | None) -> None:
    made = good(policy({"podSelector": {}, **spec} if spec is not None else None), PolicyIntent)
    assert made.pods == Selector()
    found = [None if rules is None else len(rules) for rules in (made.ingress, made.egress)]
    assert found == [ingress, egress]


@pytest.mark.parametrize(
    ("types", "rules", "where"),
    [(["Egress"], "ingress", "spec.ingress"), (["Ingress"], "egress", "spec.egress")],
)
def test_rules_of_a_direction_that_the_policy_does_not_have_are_told(types: Any, rules: str, where: str) -> None:
    result = lowered(policy({"podSelector": {}, "policyTypes": types, rules: RULE}))
    assert told(result.problems) == [("rules-without-effect", where)]
    assert isinstance(result.intent, PolicyIntent)
    assert getattr(result.intent, rules) is None


def first(rule: dict[str, Any], direction: str = "ingress") -> Any:
    made = good(policy({"podSelector": {"matchLabels": {"app": "a"}}, direction: [rule]}), PolicyIntent)
    assert made.key == Key("NetworkPolicy", "n", "p")
    return (made.ingress if direction == "ingress" else made.egress or ((),))[0]  # type: ignore[index]


@pytest.mark.parametrize("rule", [{}, {"from": []}, {"from": None}, {"ports": []}])
def test_an_absent_or_empty_list_allows_everybody_on_every_port(rule: dict[str, Any]) -> None:
    made = first(rule)
    assert (made.peers, made.ports, made.deny) == (None, (), False)


LABELS = {"matchLabels": {"a": "b"}}
WANTED = Selector((("a", "b"),))
PEER = HERE.at("spec", "ingress", 0, "from", 0)


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ({"podSelector": {}}, Peer(PEER, pods=Selector())),
        ({"podSelector": LABELS}, Peer(PEER, pods=WANTED)),
        ({"namespaceSelector": {}}, Peer(PEER, namespaces=Selector())),
        ({"namespaceSelector": LABELS, "podSelector": LABELS}, Peer(PEER, pods=WANTED, namespaces=WANTED)),
        ({"ipBlock": {"cidr": "10.0.0.9/8"}}, Peer(PEER, cidr="10.0.0.0/8")),
        (
            {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
            Peer(PEER, cidr="10.0.0.0/8", excepts=("10.1.0.0/16",)),
        ),
        ({"ipBlock": {"cidr": "2001:DB8::/32"}}, Peer(PEER, cidr="2001:db8::/32")),
    ],
)
def test_peers(peer: dict[str, Any], expected: Peer) -> None:
    assert first({"from": [peer]}).peers == (expected,)


def test_an_unsubstituted_block_is_nobody() -> None:
    assert first({"from": [{"ipBlock": {"cidr": "${LAN}"}}]}).peers == ()


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ({}, PortRange("TCP", None)),
        ({"port": 80}, PortRange("TCP", 80)),
        ({"port": "http", "protocol": "TCP"}, PortRange("TCP", "http")),
        ({"protocol": "UDP"}, PortRange("UDP", None)),
        ({"port": 8000, "endPort": 8080, "protocol": "SCTP"}, PortRange("SCTP", 8000, 8080)),
    ],
)
def test_ports(port: dict[str, Any], expected: PortRange) -> None:
    assert first({"ports": [port]}, "egress").ports == (expected,)


def sources(**peer: Any) -> dict[str, Any]:
    return {"from": [peer]}


def without(cidr: str) -> dict[str, Any]:
    return sources(ipBlock={"cidr": "10.0.0.0/8", "except": [cidr]})


def pods(**expression: Any) -> dict[str, Any]:
    return sources(podSelector={"matchExpressions": [{"key": "a", **expression}]})


FROM = "spec.ingress.0.from.0"
EXPRESSION = f"{FROM}.podSelector.matchExpressions.0"
PORT = "spec.ingress.0.ports.0"


@pytest.mark.parametrize(
    ("rule", "problem", "where"),
    [
        ({"from": [{}]}, "invalid-value", FROM),
        ({"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}, "invalid-value", FROM),
        ({"from": [{"ipBlock": {"cidr": "10.0.0.1"}}]}, "invalid-value", f"{FROM}.ipBlock.cidr"),
        (without("11.0.0.0/16"), "invalid-value", f"{FROM}.ipBlock.except.0"),
        (without("10.0.0.0/8"), "invalid-value", f"{FROM}.ipBlock.except.0"),
        ({"from": [{"podSelektor": {}}]}, "unknown-field", f"{FROM}.podSelektor"),
        (pods(operator="In"), "invalid-value", EXPRESSION),
        (pods(operator="Exists", values=["x"]), "invalid-value", f"{EXPRESSION}.values"),
        ({"to": []}, "unknown-field", "spec.ingress.0.to"),
        ({"ports": [{"port": "80"}]}, "invalid-value", f"{PORT}.port"),
        ({"ports": [{"port": 70000}]}, "invalid-value", f"{PORT}.port"),
        ({"ports": [{"port": "http", "endPort": 90}]}, "invalid-value", f"{PORT}.endPort"),
        ({"ports": [{"endPort": 90}]}, "invalid-value", f"{PORT}.endPort"),
        ({"ports": [{"port": 100, "endPort": 90}]}, "invalid-value", f"{PORT}.endPort"),
        ({"ports": [{"protocol": "tcp"}]}, "invalid-value", f"{PORT}.protocol"),
    ],
)
def test_what_the_api_server_refuses(rule: dict[str, Any], problem: str, where: str) -> None:
    result = lowered(policy({"podSelector": {}, "ingress": [rule]}))
    assert (problem, where) in told(result.problems)
    if rule != {"to": []}:  # nothing near: ignored with a warning, as kubectl does when validation is off
        assert result.intent is None


def test_a_misspelt_type_is_refused() -> None:
    assert told(bad(policy({"podSelector": {}, "policyTypes": ["ingress"]}))) == [
        ("invalid-value", "spec.policyTypes.0")
    ]


def test_the_old_group() -> None:
    old = good(policy({"podSelector": {}}, "extensions/v1beta1"), PolicyIntent)
    assert (old.ingress, old.egress) == ((), None)
