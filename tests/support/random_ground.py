"""Random maps of sites, machines and firewalls, without links: what the ground of a world is made of."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from random import Random

from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.asking import VantageIntent
from gatewright.kinds.intents.places import FirewallIntent, FirewallRule, NetworkSpec, NodeSpec, PortForward
from support.networked import at, firewall, forward, network, node, rule, site, spot

PORTS = ("22", "80", "443", "80,443", "400-9000", "")


def ground(seed: int) -> tuple[Intent, ...]:
    """A map; always the same for a seed."""
    return _Ground(Random(seed)).intents()


class _Ground:
    def __init__(self, random: Random) -> None:
        self._r = random
        self._nets: list[str] = []
        self._addresses: list[str] = []
        self._held: dict[str, list[str]] = {}
        self._cidrs: dict[str, tuple[str, ...]] = {}
        self._places: list[str] = []
        self._vantages: list[VantageIntent] = []

    def intents(self) -> tuple[Intent, ...]:
        sites = [self._site(number) for number in range(self._r.randint(1, 3))]
        self._vantages += [self._vantage("away", "network:internet"), self._vantage("known", "network:internet", True)]
        walls = [self._firewall(number) for number in range(self._r.randint(0, 4))]
        return (*sites, *walls, *self._vantages)

    def _site(self, number: int) -> Intent:
        r, name = self._r, f"s{number}"
        networks: list[NetworkSpec] = []
        for i in range(r.randint(0, 3)):
            cidrs = r.choice(
                (
                    (f"10.{number}.{i}.0/24",),
                    (f"10.{number}.{i}.0/24", f"fd00:{number}:{i}::/64"),
                    (f"10.{number}.{i}.0/24", f"2001:db8:{number}:{i}::/64"),
                    (f"203.0.1{number}{i}.0/24", f"2001:db8:{number}:{i}::/64"),
                    (f"2001:db8:{number}:{i}::/64",),
                )
            )
            cidrs = tuple(str(ip_network(cidr)) for cidr in cidrs)
            networks.append(network(f"n{i}", *cidrs, internet=r.random() < 0.8))
            self._nets += cidrs
            self._cidrs[f"{name}/n{i}"] = cidrs
            self._places.append(f"network:{name}/n{i}")
            self._vantages.append(self._vantage(f"v{number}{i}", f"network:{name}/n{i}"))
        nodes = [self._node(name, number, i, networks) for i in range(r.randint(1, 3))]
        self._places.append(f"site:{name}")
        return site(name, *networks, *nodes)

    def _node(self, site_: str, number: int, i: int, networks: list[NetworkSpec]) -> NodeSpec:
        r = self._r
        addresses = []
        for each in r.sample(networks, r.randint(0, min(2, len(networks)))):
            addresses += [str(ip_network(cidr)[10 + i]) for cidr in each.cidrs]
        if not addresses or r.random() < 0.4:
            addresses += r.choice(
                (
                    [f"198.51.{number}.{10 + i}"],
                    [f"2001:db8:f{number}::{10 + i}"],
                    [f"198.51.{number}.{10 + i}", f"2001:db8:f{number}::{10 + i}"],
                )
            )
        addresses = [str(ip_address(address)) for address in addresses]
        self._addresses += addresses
        self._held[f"{site_}/m{i}"] = addresses
        self._places.append(f"node:{site_}/m{i}")
        return node(f"m{i}", *addresses)

    def _vantage(self, name: str, place: str, known: bool = False) -> VantageIntent:
        addresses = ("192.0.2.77", "2001:db8:77::77") if known else ()
        return VantageIntent(Key("Vantage", "", name), at(name), spot(place), addresses)

    def _firewall(self, number: int) -> FirewallIntent:
        r = self._r
        group = r.random() < 0.4
        outbound = [self._rule(group) for _ in range(r.choice((0, 0, 1, 2)))]
        place = r.choice(self._places)
        return firewall(
            f"fw{number}",
            place,
            *(self._rule(group) for _ in range(r.randint(0, 3))),
            outbound=outbound,
            group=group,
            forwards=self._forwards(number, place),
            default_inbound=not group and r.random() < 0.3,
            default_outbound=not outbound if group else r.random() < 0.8,
        )

    def _rule(self, group: bool) -> FirewallRule:
        r = self._r
        ports = r.choice(PORTS)
        peers = r.choice(
            (
                (),
                (),
                tuple(r.sample(self._nets, min(2, len(self._nets)))),
                (r.choice((*self._addresses, "192.0.2.77", "2001:db8:77::77")),),
                ("0.0.0.0/0",),
                ("::/0", "10.0.0.0/8"),
            )
        )
        protocol = "tcp" if ports else r.choice(("any", "tcp", "udp", "icmp"))
        return rule(ports, protocol, *peers, allow=group or r.random() < 0.7)

    def _forwards(self, number: int, place: str) -> list[PortForward]:
        """Into the network or to the machine that is protected: a router's address is nobody else's, a machine's its
        own."""
        r = self._r
        kind, _, name = place.partition(":")
        if kind == "node":
            inside = own = self._held[name]
        else:
            inside = [a for node_, held in self._held.items() if node_.startswith(name.partition("/")[0]) for a in held]
            nets = [ip_network(cidr) for net, cidrs in self._cidrs.items() if net.startswith(name) for cidr in cidrs]
            inside = [a for a in inside if any(ip_address(a) in net for net in nets)]
            own = [f"198.51.99.{number}", f"2001:db8:99::{number}"]
        if r.random() < 0.6 or not inside:
            return []
        target = r.choice(inside)
        same = [address for address in own if (":" in address) == (":" in target)]
        return [forward(r.choice(same), 443, target, r.choice((0, 8443)))]
