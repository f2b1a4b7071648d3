"""Firewalls: which protect a place, and what they make of a packet.

A firewall sees what crosses it in the clear.  A security group sees the packets of a link, not what these carry; an
nftables firewall on a machine sees both.  Where a link ends on a network (its router), the firewall of that network
judges what comes out of it only by rules that match, not by its default: routers let in what their own tunnels bring.
Counterpart: `ways`, which knows what crosses what; `policies`, which judges pods.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Sequence

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.graph.network import cidrs
from gatewright.graph.network.naming import kind_of
from gatewright.graph.network.nodes import Net
from gatewright.graph.network.spots import known_names
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.places import FirewallIntent, FirewallRule, PortForward

SECURITY_GROUP = "security-group"


class Direction(enum.StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Traffic(Struct, frozen=True, gc=False):
    """What a rule looks at: the other side, protocol and port of the destination.

    `peer`: inbound whom it comes from (None: somebody on the internet), outbound whom it goes to."""

    peer: Net | None
    version: int
    port: int
    protocol: str


class Ruling(Struct, frozen=True, gc=False):
    """What a firewall says, and the rule (or the firewall, where it was its default) that says so."""

    allowed: bool
    name: str
    origin: Origin
    explicit: bool


class _Rule(Struct, frozen=True):
    rule: FirewallRule
    peers: tuple[Net, ...]

    def matches(self, traffic: Traffic) -> bool:
        rule = self.rule
        if rule.protocol not in ("any", traffic.protocol):
            return False
        if rule.ports and not any(first <= traffic.port <= last for first, last in rule.ports):
            return False
        if not rule.peers:
            return True
        if traffic.peer is None:  # somebody of the internet is whom only "everybody" names for certain
            return any(net.version == traffic.version and net.prefixlen == 0 for net in self.peers)
        return any(cidrs.within(traffic.peer, net) for net in self.peers)


class Guard(Struct, frozen=True):
    """One firewall, its prefixes parsed."""

    firewall: FirewallIntent
    rules: dict[Direction, tuple[_Rule, ...]]

    @property
    def group(self) -> bool:
        """Is it a security group?"""
        return self.firewall.style == SECURITY_GROUP

    def ruling(self, direction: Direction, traffic: Traffic) -> Ruling:
        """By the first rule that matches; of a security group, by any that allows."""
        name = self.firewall.key.name
        for rule in self.rules[direction]:
            if rule.matches(traffic) and (rule.rule.allow or not self.group):
                return Ruling(rule.rule.allow, name, rule.rule.origin, explicit=True)
        inbound = direction is Direction.INBOUND
        default = self.firewall.default_inbound if inbound else self.firewall.default_outbound
        return Ruling(default, name, self.firewall.origin, explicit=False)


class Guards(Struct, frozen=True):
    """All firewalls by what they protect: ids of machines, networks and sites.

    `protects`: the machines and networks of each, by its Key.  `forwards`: by the address forwarded, "" for any.
    """

    machines: dict[str, tuple[Guard, ...]]
    networks: dict[str, tuple[Guard, ...]]
    sites: dict[str, tuple[Guard, ...]]
    protects: dict[Key, tuple[str, ...]]
    forwards: dict[str, tuple[tuple[FirewallIntent, PortForward], ...]]


def guards(sight: Sight) -> Guards:
    """A question: the firewalls of the map."""
    known = sight.ask(topology)
    names = sight.ask(known_names)
    machines: dict[str, list[Guard]] = defaultdict(list)
    networks: dict[str, list[Guard]] = defaultdict(list)
    sites: dict[str, list[Guard]] = defaultdict(list)
    forwards: dict[str, list[tuple[FirewallIntent, PortForward]]] = defaultdict(list)
    protects: dict[Key, tuple[str, ...]] = {}
    for firewall in known.firewalls:
        inbound, outbound = _rules(firewall.inbound), _rules(firewall.outbound)
        guard = Guard(firewall, {Direction.INBOUND: inbound, Direction.OUTBOUND: outbound})
        for spot in firewall.spots:
            kind, name = kind_of(spot)
            ids = names.find(spot)
            if kind == "cluster":
                ids = tuple(machine for id_ in ids for machine in known.clusters[id_].machines)
            protects[firewall.key] = protects.get(firewall.key, ()) + ids
            if kind == "site":
                sites[name].append(guard)
                continue
            for id_ in ids:
                (networks if kind == "network" else machines)[id_].append(guard)
        for forward in firewall.forwards:
            forwards[forward.address].append((firewall, forward))
    return Guards(
        _fixed(machines), _fixed(networks), _fixed(sites), protects, {k: tuple(v) for k, v in forwards.items()}
    )


def _fixed(found: dict[str, list[Guard]]) -> dict[str, tuple[Guard, ...]]:
    return {name: tuple(each) for name, each in found.items()}


def _rules(rules: Iterable[FirewallRule]) -> tuple[_Rule, ...]:
    return tuple(_Rule(rule, cidrs.networks(rule.peers)) for rule in rules)


def judge(found: Sequence[Guard], direction: Direction, traffic: Traffic) -> list[Ruling]:
    """What the firewalls of one place say: security groups add up (one that allows is enough), the others all count.

    The first ruling that is not allowed ends the list.
    """
    rulings: list[Ruling] = []
    groups = [guard.ruling(direction, traffic) for guard in found if guard.group]
    if groups:
        rulings.append(next((ruling for ruling in groups if ruling.allowed), groups[0]))
    rulings += [guard.ruling(direction, traffic) for guard in found if not guard.group]
    refused = next((i for i, ruling in enumerate(rulings) if not ruling.allowed), None)
    return rulings if refused is None else rulings[: refused + 1]


def nebula(rules: tuple[FirewallRule, ...], traffic: Traffic) -> FirewallRule | None:
    """The rule of a Nebula configuration that lets this in, None when none does."""
    return next((rule.rule for rule in _rules(rules) if rule.rule.allow and rule.matches(traffic)), None)
