"""Firewalls as nftables: of machines in their own space, of networks and sites in that of the site's router.

What each of several firewalls at one place says is a chain of its own that packets return from, so that all have to
agree; the security groups of one place are one such chain, since they add up.  Security groups of a machine do not see
what comes out of a tunnel or goes into one; firewalls of networks and sites judge at the mouth of a tunnel only by
rules that match.  What is refused is rejected at once, also where the real thing would drop it: to clients the
difference is only how long they wait, and in a rehearsal nothing is slow.

Planned last, when all devices are known.  What nodes of a cluster send each other on behalf of pods passes, as it has
to for the cluster to work at all.  Counterpart: `graph.network.firewalls` and `walker`, the model of all this.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from gatewright.graph.network import cidrs
from gatewright.graph.network.naming import kind_of
from gatewright.graph.network.nodes import Machine, Topology
from gatewright.graph.network.spots import known_names
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.places import FirewallIntent, FirewallRule, PortForward
from gatewright.rehearsal import world
from gatewright.rehearsal.plan.clusters.overlay import OTHER_VXLAN, PORTS
from gatewright.rehearsal.plan.devices import Devices, devices
from gatewright.rehearsal.plan.network import PRIVATE
from gatewright.rehearsal.world import Chain, Draft, SpaceDraft

SECURITY_GROUP: Final = "security-group"
REJECT: Final = "reject with icmpx admin-prohibited"
ENCAPSULATED: Final = f"udp dport {{ {', '.join(map(str, sorted((*PORTS.values(), OTHER_VXLAN))))} }}"
"""What nodes send each other with packets of pods in it."""

FIRST: Final = 20
"""The rank of what passes whatever firewalls say."""

LATER: Final = 30
"""The rank of what firewalls say."""


def plan(draft: Draft, sight: Sight) -> None:
    """All Firewall objects of the map."""
    known = sight.ask(topology)
    walls = _Walls(sight, known)
    for machine in known.machines.values():
        _guard_machine(draft, known, machine, walls.machines.get(machine.id, ()))
    for name, space in draft.spaces.items():
        if space.role is world.Role.ROUTER:
            _Router(draft, known, walls, name, space).plan()
    for firewall in known.firewalls:
        for forward in firewall.forwards:
            _forward(draft, known, walls.holders(firewall), walls.within(firewall), forward)


class _Walls:
    """The firewalls by what they protect: machines, networks, sites."""

    def __init__(self, sight: Sight, known: Topology) -> None:
        self._known = known
        self._names = sight.ask(known_names)
        self.machines: dict[str, list[FirewallIntent]] = defaultdict(list)
        self.networks: dict[str, list[FirewallIntent]] = defaultdict(list)
        self.sites: dict[str, list[FirewallIntent]] = defaultdict(list)
        for firewall in known.firewalls:
            for kind, id_ in self._protected(firewall):
                {"node": self.machines, "network": self.networks, "site": self.sites}[kind][id_].append(firewall)

    def holders(self, firewall: FirewallIntent) -> list[str]:
        """The spaces that may forward ports for a firewall."""
        spaces: list[str] = []
        for kind, id_ in self._protected(firewall):
            if kind == "node":
                spaces.append(world.node(id_))
            else:
                network = self._known.networks.get(id_)
                spaces.append(world.site(network.site if network else id_))
        return spaces

    def within(self, firewall: FirewallIntent) -> frozenset[str]:
        """The networks that a firewall protects, also as parts of a site."""
        sites = {spot.site for spot in firewall.spots if spot.site}
        named = {id_ for kind, id_ in self._protected(firewall) if kind == "network"}
        return frozenset(named | {n.id for n in self._known.networks.values() if n.site in sites})

    def _protected(self, firewall: FirewallIntent) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for spot in firewall.spots:
            kind, name = kind_of(spot)
            if kind == "site":
                found.append((kind, name))
            elif kind == "cluster":
                ids = (m for id_ in self._names.find(spot) for m in self._known.clusters[id_].machines)
                found += [("node", id_) for id_ in ids]
            else:
                found += [(kind, id_) for id_ in self._names.find(spot)]
        return found


# --- machines ---


def _guard_machine(draft: Draft, known: Topology, machine: Machine, walls: Sequence[FirewallIntent]) -> None:
    """What a machine's firewalls let in and out, and what it forwards out of links and pods."""
    if not walls:
        return
    space = draft.spaces[world.node(machine.id)]
    found = devices(draft, known, space)
    clear = (*found.segments, *found.uplinks, *found.lines)
    _let_clusters(space, known, machine)
    for names, groups in ((clear, True), (found.tunnels, False)):
        if not names:
            continue
        inside = f"oifname {_set(names)}"
        passed = f"iifname != {_set((*found.segments, *found.uplinks))} {inside}"
        for judged in _judges(walls, inbound=True, groups=groups):
            space.rule(Chain.INPUT, f"iifname {_set(names)} {judged}", LATER)
        for judged in _judges(walls, inbound=False, groups=groups):
            space.rule(Chain.OUTPUT, f"{inside} {judged}", LATER)
            if found.segments or found.uplinks:
                space.rule(Chain.FORWARD, f"{passed} {judged}", LATER)
                space.rule(Chain.FORWARD, f"ct status dnat {inside} {judged}", LATER)


def _let_clusters(space: SpaceDraft, known: Topology, machine: Machine) -> None:
    """Between nodes of one cluster pass what carries pods' packets, and these where nothing carries them."""
    clusters = [cluster for cluster in known.clusters.values() if machine.id in cluster.machines]
    nodes = [a for c in clusters for id_ in c.machines for a in known.machines[id_].addresses]
    pods = [str(net) for cluster in clusters for net in cluster.pod_cidrs]
    for match in _peers("saddr", nodes):
        space.rule(Chain.INPUT, f"{match} {ENCAPSULATED} accept", FIRST)
    for match in _peers("daddr", nodes):
        space.rule(Chain.OUTPUT, f"{match} {ENCAPSULATED} accept", FIRST)
    for match in _peers("daddr", pods):
        space.rule(Chain.OUTPUT, f"{match} accept", FIRST)
        space.rule(Chain.FORWARD, f"{match} accept", FIRST)


# --- routers ---


class _Router:
    """The firewalls of a site and of its networks, at its router."""

    def __init__(self, draft: Draft, known: Topology, walls: _Walls, name: str, space: SpaceDraft) -> None:
        self._known = known
        self._walls = walls
        self._site = name.removeprefix(world.site(""))
        self._space = space
        self._at: Devices = devices(draft, known, space)

    def plan(self) -> None:
        """All rules.  Machines with public addresses are outside: they are reached as if over the internet."""
        at = self._at
        outside = (*at.uplinks, *at.machines)
        for device, network in at.segments.items():
            walls = self._walls.networks.get(network, ())
            self._crossing((device,), (*outside, *at.lines, *(d for d in at.segments if d != device)), walls, True)
            self._mouth(device, walls)
        walls = self._walls.sites.get(self._site, ())
        inside = tuple(at.segments)
        self._crossing(inside, (*outside, *at.lines), walls, True)
        for device in at.segments:
            self._mouth(device, walls)
        for device, machine in at.machines.items():
            others = tuple(other for other in (*at.uplinks, *at.machines) if other != device)
            self._crossing((device,), others, walls, True)
            self._between(inside, (device,), walls, inbound=True, translated=True)
            self._between((device,), inside, walls, inbound=False)
            # Of the networks that it is also in: they judge what comes from elsewhere, and not what it sends this way.
            for network in self._known.machines[machine].networks:
                of = self._walls.networks.get(network, ())
                self._between(others, (device,), of, inbound=True)
                self._between(inside, (device,), of, inbound=True, translated=True)
        if self._used():
            self._let_clusters()

    def _crossing(
        self, inner: Sequence[str], outer: Sequence[str], walls: Sequence[FirewallIntent], defaults: bool
    ) -> None:
        self._between(inner, outer, walls, inbound=False, defaults=defaults)
        self._between(outer, inner, walls, inbound=True, defaults=defaults)

    def _mouth(self, device: str, walls: Sequence[FirewallIntent]) -> None:
        """Where a tunnel ends at the router."""
        self._crossing((device,), self._at.tunnels, walls, False)

    def _between(
        self,
        from_: Sequence[str],
        to: Sequence[str],
        walls: Sequence[FirewallIntent],
        *,
        inbound: bool,
        defaults: bool = True,
        translated: bool = False,
    ) -> None:
        if from_ and to:
            for judged in _judges(walls, inbound=inbound, defaults=defaults, translated=translated):
                self._space.rule(Chain.FORWARD, f"iifname {_set(from_)} oifname {_set(to)} {judged}", LATER)

    def _used(self) -> bool:
        return any(rule.rank == LATER for rule in self._space.rules)

    def _let_clusters(self) -> None:
        for cluster in self._known.clusters.values():
            nodes = [a for id_ in cluster.machines for a in self._known.machines[id_].addresses]
            for one, other in zip(_peers("saddr", nodes), _peers("daddr", nodes), strict=True):
                self._space.rule(Chain.FORWARD, f"{one} {other} {ENCAPSULATED} accept", FIRST)
            pods = [str(net) for net in cluster.pod_cidrs]
            for one, other in zip(_peers("saddr", pods), _peers("daddr", pods), strict=True):
                self._space.rule(Chain.FORWARD, f"{one} {other} accept", FIRST)


# --- port forwards ---


def _forward(
    draft: Draft, known: Topology, holders: Iterable[str], within: frozenset[str], forward: PortForward
) -> None:
    """Destination NAT where the address is.  Who is told to come by it comes back by it: its source is translated.

    `within`: the networks that its firewall protects, which lets in what it forwards.
    """
    space = next(
        (draft.spaces[h] for h in holders if h in draft.spaces and forward.address in draft.spaces[h].addresses), None
    )
    if space is None:
        return
    ip, target = ("ip6", f"[{forward.to_address}]") if ":" in forward.address else ("ip", forward.to_address)
    protocol = forward.protocol if forward.protocol != "any" else "{ tcp, udp }"
    wanted = f"{ip} daddr {forward.address} meta l4proto {protocol} th dport {forward.port}"
    was = f"meta l4proto {protocol} ct status dnat ct original {ip} daddr {forward.address}"
    was += f" ct original proto-dst {forward.port}"
    space.routes()
    space.rule(Chain.PREROUTING, f"{wanted} dnat {ip} to {target}:{forward.to_port}")
    space.rule(Chain.INPUT, f"{was} accept", FIRST)
    if (forward.address, forward.port) == (forward.to_address, forward.to_port):  # nothing to translate, only to let in
        space.rule(Chain.INPUT, f"{wanted} accept", FIRST)
    if forward.address not in known.owners:  # it has the address only to forward
        space.rule(Chain.INPUT, f"{ip} daddr {forward.address} meta l4proto tcp {REJECT}", LATER)
    if space.role is world.Role.MACHINE:
        space.rule(Chain.POSTROUTING, f"{was} masquerade")
        router = draft.spaces.get(world.site(space.name.removeprefix(world.node("")).partition("/")[0]))
        if router is not None and forward.address not in known.owners:
            router.rule(Chain.FORWARD, f"{wanted} accept", FIRST)
        return
    judged = {device for device, network in devices(draft, known, space).segments.items() if network not in within}
    elsewhere = f" oifname != {_set(sorted(judged))}" if judged else ""
    space.rule(Chain.FORWARD, f"{was}{elsewhere} accept", FIRST)
    site = space.name.removeprefix(world.site(""))
    own = [net for network in known.networks.values() if network.site == site for net in network.cidrs]
    beside = cidrs.networks(a for m in known.machines.values() if m.site == site for a in m.addresses)
    own += [one for one in beside if cidrs.is_global(one) and not any(cidrs.within(one, net) for net in own)]
    for match in _peers("saddr", map(str, own)):
        if match.startswith(f"{ip} "):
            space.rule(Chain.POSTROUTING, f"{was} {match} snat {ip} to {forward.address}")
    for device in devices(draft, known, space).uplinks:
        space.rule(Chain.POSTROUTING, f'{was} oifname "{device}" snat {ip} to {forward.address}')


# --- rules ---


def _judges(
    walls: Sequence[FirewallIntent],
    *,
    inbound: bool,
    groups: bool = True,
    defaults: bool = True,
    translated: bool = False,
) -> list[str]:
    """A statement for each firewall that may refuse: a jump to a chain that returns what is let through.

    `groups`: also security groups; `defaults`: not only rules that match; `translated`: private sources are about to be
    translated, so that nobody is known by one.
    """
    found: list[list[str]] = []
    adding = [wall for wall in walls if wall.style == SECURITY_GROUP]
    if groups and adding and defaults and not any(_default(wall, inbound) for wall in adding):
        rules = [rule for wall in adding for rule in _rules(wall, inbound) if rule.allow]
        found.append([*_lines(rules, inbound, translated), REJECT])
    for wall in walls:
        if wall.style != SECURITY_GROUP:
            last = [REJECT] if defaults and not _default(wall, inbound) else []
            found.append([*_lines(_rules(wall, inbound), inbound, translated), *last])
    return ["jump {\n" + "\n".join(lines) + "\n}" for lines in found if any(REJECT in line for line in lines)]


def _rules(wall: FirewallIntent, inbound: bool) -> tuple[FirewallRule, ...]:
    return wall.inbound if inbound else wall.outbound


def _default(wall: FirewallIntent, inbound: bool) -> bool:
    return wall.default_inbound if inbound else wall.default_outbound


def _lines(rules: Iterable[FirewallRule], inbound: bool, translated: bool) -> list[str]:
    """Lines of nftables for rules, each of which decides: it returns, or rejects."""
    lines: list[str] = []
    for rule in rules:
        verdict = "return" if rule.allow else REJECT
        who = _peers("saddr" if inbound else "daddr", rule.peers) if rule.peers else [""]
        if translated and inbound and "0.0.0.0/0" not in rule.peers:
            private = ", ".join(PRIVATE[4])
            who = [f"ip saddr != {{ {private} }} {match}" if match.startswith("ip ") else match for match in who]
        lines += [" ".join(part for part in (match, _protocol(rule), verdict) if part) for match in who]
    return lines


def _protocol(rule: FirewallRule) -> str:
    if rule.protocol == "any":
        return ""
    if rule.protocol == "icmp":
        return "meta l4proto { icmp, ipv6-icmp }"
    if not rule.ports:
        return f"meta l4proto {rule.protocol}"
    ports = ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in rule.ports)
    return f"{rule.protocol} dport {{ {ports} }}"


def _peers(side: str, prefixes: Iterable[str]) -> list[str]:
    """Matches of these prefixes, one for each family that they have; `side` "saddr" or "daddr"."""
    nets = sorted(set(cidrs.networks(prefixes)), key=lambda net: (net.version, net))
    found: list[str] = []
    for version, ip in ((4, "ip"), (6, "ip6")):
        same = [str(net) for net in nets if net.version == version]
        if same:
            found.append(f"{ip} {side} {{ {', '.join(same)} }}")
    return found


def _set(names: Iterable[str]) -> str:
    return "{ " + ", ".join(f'"{name}"' for name in names) + " }"
