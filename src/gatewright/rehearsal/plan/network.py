"""The ground that all else stands on: the internet, segments, the routers of sites, machines with their addresses.

    machine ──segment── site's router ──wire── internet ──wire── vantage, machine without a site's router ...

A site's router takes what its networks and its machines' public addresses send and get: all that a Firewall of a site
or network can see passes it.  IPv4 from private addresses leaves with the site's public address (that of its only
machine that has one), else with one of 100.64.0.0/10; IPv6 is never translated, so unique local addresses stay inside.
What has no way is answered by an ICMP error at once.  Counterparts: `links`, which joins sites; `firewalls`, which
holds back; `graph.network.walker`, the model of all this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network
from typing import Final

from msgspec import Struct

from gatewright.graph.network import cidrs
from gatewright.graph.network.addresses import POOLS
from gatewright.graph.network.cidrs import numbered
from gatewright.graph.network.naming import Names
from gatewright.graph.network.nodes import Machine, Net, Network, Topology
from gatewright.graph.network.spots import known_names
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.naming import ZoneIntent
from gatewright.kinds.intents.places import INTERNET as THE_INTERNET
from gatewright.kinds.intents.places import FirewallIntent, PoolIntent
from gatewright.rehearsal import world
from gatewright.rehearsal.ranges import mentioned
from gatewright.rehearsal.world import DUMMY, INTERNET, ROUTER, Chain, Draft, Role, SpaceDraft, default_routes

DUMMY6: Final = "100::8"
"""The IPv6 source of ICMP errors of routers, of the discard prefix (RFC 6666): link-local ones do not get far."""

BELOW: Final = "fe80::2"
"""The router of a site on its wire to the internet."""

CARRIER: Final = ip_network("100.64.0.0/10")
"""Where sites without a public address of their own have the one that they are translated to (RFC 6598)."""

PRIVATE: Final = {
    4: ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
    6: ("fc00::/7",),
}
"""What only sites route."""

LAST: Final = 4096
"""The metric of routes that every other route goes before."""

MOST: Final = 0x10000
"""How many addresses of one range of a pool are kept free: nobody is given addresses farther in (`Draft.free`)."""

FIRST: Final = 10
"""The rank of rules of routers that go before all firewalls."""


AFTER_FORWARDS: Final = 25
"""The rank of rules that do not concern ports that are forwarded."""


def plan(draft: Draft, sight: Sight) -> None:
    """Everything that has an address of its own without being a pod, a gateway or a vantage."""
    known = sight.ask(topology)
    draft.taken |= _mentioned(sight, known)
    ground = _Ground(draft, known, _forwarded(sight, known))
    ground.internet()
    for name in ground.sites():
        ground.site(name)
    for machine in known.machines.values():
        ground.machine(machine)


def uplink_of(draft: Draft, space: SpaceDraft, above: str = INTERNET) -> str:
    """The device of a space that is its wire to another one, "" without such a wire."""
    for wire in draft.wires:
        for near, far in ((wire.one, wire.other), (wire.other, wire.one)):
            if (near.space, far.space) == (space.name, above):
                return near.device
    return ""


class _Exit(Struct, frozen=True):
    """The way of a site to the internet.  `over`: the device of the internet that leads to its router; `carrier`: an
    address that the router has to itself; `shut`: its devices on networks that do not reach the internet."""

    over: str
    carrier: str
    shut: tuple[str, ...]


class _Ground:
    """Internet, sites and machines while they are planned.  `forwarded`: by site or machine, the public addresses
    that it has only to forward ports of."""

    def __init__(self, draft: Draft, known: Topology, forwarded: dict[str, list[str]]) -> None:
        self._draft = draft
        self._known = known
        self._forwarded = forwarded
        self._routed: set[Net] = set()
        self._exits: dict[str, _Exit] = {}

    def internet(self) -> None:
        """Who is nobody's address is told so."""
        space = self._draft.spaces[INTERNET]
        _nameless(space)

    def sites(self) -> list[str]:
        """Those that have a router: where there is a network, or a firewall of the site that something has to pass."""
        found = dict.fromkeys(network.site for network in self._known.networks.values() if network.site)
        found.update(dict.fromkeys(name for name in self._forwarded if name not in self._known.machines))
        found.update(dict.fromkeys(spot.site for fw in self._known.firewalls for spot in fw.spots if spot.site))
        return list(found)

    def site(self, name: str) -> None:
        """The router of a site, on all of its networks."""
        networks = [network for network in self._known.networks.values() if network.site == name]
        router = self._draft.space(world.site(name), Role.ROUTER, networks[0].origin if networks else None)
        router.routes()
        _nameless(router)
        routed: set[Net] = set()
        shut: list[str] = []
        for network in networks:
            self._draft.network(network.id)
            device = self._draft.join(network.id, router, (f"{ROUTER}/64",), network.mtu)
            for net in network.cidrs:
                if net not in routed:
                    routed.add(net)
                    router.ip(f"route add {net} dev {device}")
            if not network.internet:
                shut.append(device)
        public = any(THE_INTERNET in m.networks for m in self._machines(name))
        if public or name in self._forwarded or any(network.internet for network in networks):
            self._to_the_internet(name, router, networks, shut)

    def _to_the_internet(self, name: str, router: SpaceDraft, networks: list[Network], shut: list[str]) -> None:
        owned = {
            address
            for machine in self._machines(name)
            for address in machine.addresses
            if ":" not in address and _is_global(address) and self._known_outside(machine, address)
        }
        carrier = self._draft.free(CARRIER)
        own = (*self._forwarded.get(name, ()), carrier)
        device, over = self._draft.uplink(router, self._draft.spaces[INTERNET], own)
        router.ip(f"addr add {BELOW}/64 dev {device} nodad")
        default_routes(router, device)
        self._exits[name] = exit_ = _Exit(over, carrier, tuple(shut))
        for network in networks:
            for net in network.cidrs if network.internet else ():
                if cidrs.is_global(net):
                    self._route(net, over)
        _guard_exit(router, device, owned.pop() if len(owned) == 1 else carrier, exit_)

    def _known_outside(self, machine: Machine, address: str) -> bool:
        network, _ = self._segment(machine, address)
        return not network or self._known.networks[network].internet

    def _machines(self, site: str) -> list[Machine]:
        return [machine for machine in self._known.machines.values() if machine.site == site]

    def _route(self, net: Net, over: str) -> None:
        """Let the internet route a prefix to a site's router; of several that claim it the first gets it."""
        if net not in self._routed:
            self._routed.add(net)
            via = f"via inet6 {BELOW}" if net.version == 4 else f"via {BELOW}"
            self._draft.spaces[INTERNET].ip(f"route add {net} {via} dev {over}")

    # --- machines ---

    def machine(self, machine: Machine) -> None:
        """A machine: on the segments that hold addresses of its own, its public ones on a wire of their own."""
        space = self._draft.space(world.node(machine.id), Role.MACHINE, machine.origin, f"node:{machine.id}")
        on: dict[str, list[str]] = {}
        public = list(self._forwarded.get(machine.id, ()))
        for address in machine.addresses:
            value = cidrs.address(address)
            if value is None or cidrs.is_link_local(value):
                continue
            network, length = self._segment(machine, address)
            if network:
                on.setdefault(network, []).append(f"{address}/{length}")
            elif cidrs.is_global(value):
                public.append(address)
            else:
                space.address("lo", str(ip_network(address)))
        segments = {
            network: self._draft.join(network, space, given, self._known.networks[network].mtu)
            for network, given in on.items()
        }
        families = {4 if "." in address else 6 for address in public}
        if public:
            self._public(machine, space, public, families)
        self._by_segments(space, machine, segments, families)

    def _segment(self, machine: Machine, address: str) -> tuple[str, int]:
        """The network of a machine that holds an address, and the length of the prefix; "" for none."""
        value = ip_address(address)
        held = [
            (net.prefixlen, name)
            for name in machine.networks
            for net in self._known.networks[name].cidrs
            if net.version == value.version and value in net
        ]
        length, name = max(held, key=lambda item: item[0], default=(0, ""))
        return name, length

    def _public(self, machine: Machine, space: SpaceDraft, public: list[str], families: set[int]) -> None:
        """Its public addresses, by way of the site's router where there is one: its way out."""
        exit_ = self._exits.get(machine.site)
        above = self._draft.spaces[world.site(machine.site) if exit_ else INTERNET]
        device, over = self._draft.uplink(space, above, public)
        if exit_ is not None:
            for address in public:
                self._route(ip_network(address), exit_.over)
            _guard_exit(above, over, exit_.carrier, exit_)
            for ip, version in (("ip", 4), ("ip6", 6)):  # it is outside, where nothing private is reached
                nets = ", ".join(PRIVATE[version])
                text = f'iifname "{over}" {ip} daddr {{ {nets} }} reject with icmpx no-route'
                above.rule(Chain.FORWARD, text, AFTER_FORWARDS)
            for segment in exit_.shut:
                text = f'iifname "{over}" oifname "{segment}" reject with icmpx no-route'
                above.rule(Chain.FORWARD, text, AFTER_FORWARDS)
        default_routes(space, device, sorted(families))
        if 4 in families:  # what it forwards for others, which have only private addresses
            own = next(address for address in public if "." in address)
            private = ", ".join(PRIVATE[4])
            space.rule(Chain.POSTROUTING, f'oifname "{device}" ip saddr {{ {private} }} snat ip to {own}', 60)

    def _by_segments(self, space: SpaceDraft, machine: Machine, segments: dict[str, str], public: set[int]) -> None:
        """Ways through the routers of its networks: to everything, but for those families that have a way of their own;
        then only to what sites route."""
        for family in (4, 6):
            known = [
                (network, device)
                for network, device in segments.items()
                if any((":" in one) == (family == 6) for one in self._of(machine, network))
            ]
            if not known:
                continue
            network, device = max(known, key=lambda item: self._leads_out(machine, item[0], family))
            if family not in public:
                default_routes(space, device, (family,))
                continue
            via = f"via inet6 {ROUTER}" if family == 4 else f"via {ROUTER}"
            site = self._known.networks[network].site
            beside = [net for other in self._known.networks.values() if other.site == site for net in other.cidrs]
            private = (net for net in PRIVATE[family] if net != str(CARRIER))  # sites of the internet are found there
            nets = dict.fromkeys((*private, *(str(net) for net in beside if net.version == family)))
            space.ip(*(f"route add {net} {via} dev {device} metric {LAST}" for net in nets))

    def _leads_out(self, machine: Machine, network: str, family: int) -> tuple[bool, bool]:
        """How well the internet is reached from a machine's address in a network: of equal ones the first is taken."""
        same = (address for address in self._of(machine, network) if (":" in address) == (family == 6))
        return self._known.networks[network].internet, any(map(_is_global, same))

    def _of(self, machine: Machine, network: str) -> list[str]:
        """The addresses of a machine in a network."""
        valid = (a for a in machine.addresses if cidrs.address(a) is not None)
        return [address for address in valid if self._segment(machine, address)[0] == network]


def _nameless(router: SpaceDraft) -> None:
    """What a router without addresses of its own sends errors from; all have the same, and take others'.

    What has no route goes to `lo` to be rejected: the kernel itself would tell each sender only once a second.
    """
    router.sysctl("ipv4/conf/all/accept_local", "1")
    router.ip(f"route add 0.0.0.0/0 dev lo metric {LAST}", f"route add ::/0 dev lo metric {LAST}")
    router.rule(Chain.FORWARD, 'oifname "lo" reject with icmpx no-route', FIRST)
    router.ip(f"addr add {DUMMY}/32 dev lo", f"addr add {DUMMY6}/128 dev lo nodad")


def _guard_exit(router: SpaceDraft, device: str, source: str, exit_: _Exit) -> None:
    """What holds of packets that leave a site by a device of its router, or that come to a public address in it."""
    private = ", ".join((*PRIVATE[4], DUMMY))
    router.rule(Chain.POSTROUTING, f'oifname "{device}" ip saddr {{ {private} }} snat ip to {source}')
    unrouted = ", ".join((*PRIVATE[6], DUMMY6))
    router.rule(Chain.FORWARD, f'oifname "{device}" ip6 saddr {{ {unrouted} }} reject with icmpx no-route', FIRST)
    for segment in exit_.shut:
        text = f'iifname "{segment}" oifname "{device}" reject with icmpx no-route'
        router.rule(Chain.FORWARD, text, FIRST)


def _is_global(address: str) -> bool:
    value = cidrs.address(address)
    return value is not None and cidrs.is_global(value)


def _forwarded(sight: Sight, known: Topology) -> dict[str, list[str]]:
    """The public addresses that port forwards name and no machine has, by the site whose router has them, or by the
    machine where their firewall protects nothing but machines."""
    found: dict[str, str] = {}
    names = sight.ask(known_names)
    for firewall in known.firewalls:
        holder = next(iter(_holders(known, names, firewall)), "")
        for forward in firewall.forwards:
            if holder and forward.address not in known.owners and _is_global(forward.address):
                found.setdefault(forward.address, holder)
    held: dict[str, list[str]] = {}
    for address, holder in found.items():
        held.setdefault(holder, []).append(address)
    return held


def _holders(known: Topology, names: Names, firewall: FirewallIntent) -> Iterator[str]:
    """Who may have the addresses that a firewall forwards, best first."""
    for spot in firewall.spots:
        if spot.site:
            yield spot.site
        elif spot.network:
            yield from (known.networks[id_].site for id_ in names.find(spot) if known.networks[id_].site)
    for spot in firewall.spots:
        if spot.node:
            yield from names.find(spot)
        elif spot.cluster:
            yield from (machine for id_ in names.find(spot) for machine in known.clusters[id_].machines)


def _mentioned(sight: Sight, known: Topology) -> set[str]:
    """Every address that the map means somebody by: pools, forwards, rules and records too."""
    found = mentioned(sight) | {DUMMY, DUMMY6}
    for firewall in known.firewalls:
        found.update(_of_firewall(firewall))
    for pool in (pool for kind in POOLS for pool in sight.all(kind, PoolIntent)):
        for span in pool.ranges:
            first, last = ip_address(span.first), ip_address(span.last)
            numbers = range(int(first), min(int(last), int(first) + MOST) + 1)
            found.update(str(numbered(first.version, number)) for number in numbers)
    for zone in sight.all("Zone", ZoneIntent):
        found.update(value for record in zone.records for value in record.values)
    return found


def _of_firewall(firewall: FirewallIntent) -> Iterable[str]:
    for forward in firewall.forwards:
        yield from (forward.address, forward.to_address)
    for rule in (*firewall.inbound, *firewall.outbound):
        nets = cidrs.networks(rule.peers)
        yield from (str(net.network_address) for net in nets if net.prefixlen == net.max_prefixlen)
