"""Policies against a second evaluator that lists everything that is allowed instead of asking about one connection.

The world is small enough to enumerate: a few pods with one address each, a few ports, outside addresses.  The evaluator
here is written from the specification alone: it starts from what no policy touches, takes away what isolation takes
away, and adds what each rule adds, as sets of (source, target, port).
"""

from __future__ import annotations

import ipaddress
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.graph.network.parties import Party, outside, pod
from gatewright.graph.network.policies import admitted
from gatewright.kinds.identity import Selector
from gatewright.kinds.intents.material import ContainerPort
from gatewright.kinds.intents.policies import Peer, PolicyIntent, PolicyRule
from support.policed import analysis, labels, namespace, peer, policy, port, rule, sel

NAMED = (ContainerPort("http", 8080), ContainerPort("web", 80))
PODS = [
    pod("one", labels(app="a", tier="x"), addresses=("10.0.0.1",), ports=NAMED),
    pod("one", labels(app="b"), addresses=("10.0.0.2",), ports=NAMED[:1]),
    pod("two", labels(app="a"), addresses=("10.0.1.1",), ports=NAMED[1:]),
    pod("two", labels(tier="x"), addresses=("10.0.1.2",), ports=()),
]
OUTSIDE = [outside("192.0.2.1"), outside("2001:db8::1")]
NAMESPACES = (namespace("one", team="red"), namespace("two", team="blue", edge="yes"))
TEAMS = {"one": {"team": "red"}, "two": {"team": "blue", "edge": "yes"}}
PORTS = (80, 443, 8080)

pod_selectors = st.sampled_from(
    [
        sel(),
        sel(app="a"),
        sel(tier="x"),
        sel(app="a", tier="x"),
        sel(("app", "Exists", ())),
        sel(("app", "NotIn", ("a",))),
    ]
)
namespace_selectors = st.sampled_from([sel(), sel(team="red"), sel(edge="yes"), sel(("edge", "DoesNotExist", ()))])
blocks = st.sampled_from(
    [
        ("0.0.0.0/0", ()),
        ("10.0.0.0/8", ("10.0.1.0/24",)),
        ("192.0.2.0/24", ("192.0.2.0/28",)),
        ("2001:db8::/32", ()),
        ("10.0.0.2/32", ()),
    ]
)
peers = st.one_of(
    st.builds(peer, pod_selectors),
    st.builds(lambda spaces: peer(namespaces=spaces), namespace_selectors),
    st.builds(peer, pod_selectors, namespace_selectors),
    st.builds(lambda block: peer(cidr=block[0], excepts=block[1]), blocks),
)
ports = st.one_of(
    st.sampled_from([port(80), port(8080), port("http"), port("web"), port(443, "UDP"), port(None)]),
    st.sampled_from([port(79, end=80), port(80, end=443), port(81, end=443), port(443, end=8079), port(444, end=8080)]),
)
rules = st.one_of(
    st.builds(lambda found, on: rule(*found, ports=on), st.lists(peers, max_size=2), st.lists(ports, max_size=2)),
    st.builds(lambda on: rule(anybody=True, ports=on), st.lists(ports, max_size=2)),
)
directions = st.one_of(st.none(), st.lists(rules, max_size=2))


@st.composite
def policy_sets(draw: st.DrawFn) -> list[PolicyIntent]:
    return [
        policy(
            draw(pod_selectors),
            namespace=draw(st.sampled_from(["one", "two"])),
            name=f"p{number}",
            ingress=draw(directions),
            egress=draw(directions),
        )
        for number in range(draw(st.integers(0, 4)))
    ]


# --- the second evaluator -----------------------------------------------------------------------

Flow = tuple[int, int, int]
PARTIES = PODS + OUTSIDE


def chooses(selector: Selector, have: dict[str, str]) -> bool:
    """Written from the API conventions, without the product's selector."""
    for key, value in selector.labels:
        if have.get(key) != value:
            return False
    for key, operator, values in selector.expressions:
        verdict = {
            "Exists": key in have,
            "DoesNotExist": key not in have,
            "In": have.get(key) in values,
            "NotIn": have.get(key) not in values,
        }[operator]
        if not verdict:
            return False
    return True


def members(wanted: Peer, home: str) -> set[int]:
    """The parties that a peer means."""
    if wanted.cidr:
        inside, without = ipaddress.ip_network(wanted.cidr), [ipaddress.ip_network(text) for text in wanted.excepts]
        found = set()
        for number, party in enumerate(PARTIES):
            at = ipaddress.ip_address(party.addresses[0])
            if at in inside and not any(at in hole for hole in without):
                found.add(number)
        return found
    spaces = {name for name in TEAMS if wanted.namespaces is not None and chooses(wanted.namespaces, TEAMS[name])}
    if wanted.namespaces is None:
        spaces = {home}
    return {
        number
        for number, party in enumerate(PODS)
        if party.namespace in spaces and (wanted.pods is None or chooses(wanted.pods, dict(party.labels)))
    }


def numbers(one: PolicyRule, target: Party) -> set[int]:
    """The TCP ports of a target that a rule is about."""
    if not one.ports:
        return set(PORTS)
    found: set[int] = set()
    for wanted in one.ports:
        if wanted.protocol != "TCP":
            continue
        if wanted.port is None:
            found |= set(PORTS)
        elif isinstance(wanted.port, str):
            found |= {c.port for c in target.ports or () if c.name == wanted.port}
        else:
            found |= set(range(wanted.port, max(wanted.port, wanted.end) + 1))
    return found & set(PORTS)


def brute_force(policies: list[PolicyIntent]) -> set[Flow]:
    """Every flow that is allowed."""
    everybody = range(len(PARTIES))
    sides: list[set[Flow]] = []
    for ingress in (False, True):
        allowed: set[Flow] = set()
        for own, other in product(everybody, everybody):
            source, target = (other, own) if ingress else (own, other)
            mine = [
                p
                for p in policies
                if own < len(PODS)
                and p.key.namespace == PARTIES[own].namespace
                and p.pods is not None
                and chooses(p.pods, dict(PARTIES[own].labels))
                and (p.ingress if ingress else p.egress) is not None
            ]
            if not mine or source == target:
                allowed |= {(source, target, number) for number in PORTS}
            for p in mine:
                for one in (p.ingress if ingress else p.egress) or ():
                    who = set(everybody)
                    if one.peers is not None:
                        who = set().union(*(members(wanted, p.key.namespace) for wanted in one.peers))
                    if other in who:
                        allowed |= {(source, target, number) for number in numbers(one, PARTIES[target])}
        sides.append(allowed)
    return sides[0] & sides[1]


@settings(deadline=None)
@given(policy_sets())
def test_the_same_flows_are_allowed(policies: list[PolicyIntent]) -> None:
    world = analysis(*NAMESPACES, *policies)
    found = {
        (i, j, number)
        for (i, source), (j, target) in product(enumerate(PARTIES), enumerate(PARTIES))
        for number in PORTS
        if world.answer(admitted, source, target, number, "TCP").allowed
    }
    assert found == brute_force(policies)


@settings(deadline=None, max_examples=50)
@given(policy_sets(), policy_sets())
def test_more_policies_of_a_pod_that_is_isolated_only_add(some: list[PolicyIntent], more: list[PolicyIntent]) -> None:
    isolating = [policy(namespace=name, name="all", ingress=(), egress=()) for name in TEAMS]
    renamed = [
        policy(p.pods, namespace=p.key.namespace, name="q" + p.key.name, ingress=p.ingress, egress=p.egress)
        for p in more
    ]
    before, after = analysis(*NAMESPACES, *isolating, *some), analysis(*NAMESPACES, *isolating, *some, *renamed)
    for source, target, number in product(PODS, PODS, PORTS):
        if before.answer(admitted, source, target, number, "TCP").allowed:
            assert after.answer(admitted, source, target, number, "TCP").allowed
