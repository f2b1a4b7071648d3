"""Random small worlds to rehearse: sites, links, firewalls and clusters here, what is in them in `random_doors`.

A seed names a world.  Most of it fits together, so that requests get far; some of it is wrong as maps are wrong: a
firewall without a port, an AAAA record that leads elsewhere, a wildcard without its apex, an ExternalName that the door
refuses, a name without a certificate.  Counterpart: `random_worlds`, whose worlds hardly ever fit, for the model alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

MAP = "gatewright.dev/v1alpha1"
LAN_MTUS = (1500, 1500, 1500, 1400)
LINK_TYPES = ("WireGuard", "WireGuard", "Direct", "Nebula")

Spec = dict[str, Any]


def mapped(kind: str, name: str, spec: Spec, namespace: str = "") -> Spec:
    """A document of the site map."""
    about = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": MAP, "kind": kind, "metadata": about, "spec": spec}


def canonical(address: str) -> str:
    return str(ip_address(address))


@dataclass
class Machine:
    """A machine: `inside` are its addresses in networks of its site, `public` those on the internet."""

    id: str
    inside: list[str]
    public: list[str]

    @property
    def name(self) -> str:
        return self.id.partition("/")[2]

    @property
    def addresses(self) -> list[str]:
        return [*self.inside, *self.public]


@dataclass
class Network:
    """A network; `spare` hands out addresses of it that nobody has."""

    id: str
    cidrs: list[str]
    mtu: int
    internet: bool
    given: int = 100

    def spare(self) -> list[str]:
        """Another address of each family."""
        self.given += 1
        return [str(ip_network(cidr)[self.given]) for cidr in self.cidrs]


@dataclass
class Cluster:
    """A cluster; its namespaces are called after it."""

    id: str
    machines: list[Machine]
    lan: Network
    dual: bool
    doors: str
    apps: str


@dataclass
class Places:
    """What there is so far, for those who refer to it."""

    networks: list[Network] = field(default_factory=list)
    machines: list[Machine] = field(default_factory=list)
    clusters: list[Cluster] = field(default_factory=list)
    site_addresses: dict[str, list[str]] = field(default_factory=dict)
    """By site, the public addresses that its router has."""


class Ground:
    """Draws sites, links and firewalls."""

    def __init__(self, random: Random) -> None:
        self._r = random
        self.places = Places()

    def _one(self, chance: float = 0.5) -> bool:
        return self._r.random() < chance

    def sites(self) -> list[Spec]:
        count = self._r.choice((1, 2, 2, 3))
        found = [self._site(number) for number in range(count)]
        self._spread(found)
        return found

    # --- sites ---

    def _site(self, number: int) -> Spec:
        r, name = self._r, f"s{number}"
        networks = [self._network(name, number, index) for index in range(r.choice((1, 1, 1, 2)))]
        machines = [self._machine(name, number, index, networks) for index in range(r.randint(2, 3))]
        self.places.networks += networks
        self.places.machines += machines
        private = all(ip_network(cidr).is_private for cidr in networks[0].cidrs)
        self.places.site_addresses[name] = [f"198.51.99.{number + 1}"] if private else []
        spec: Spec = {
            "networks": [
                {
                    "name": net.id.partition("/")[2],
                    "cidrs": net.cidrs,
                    **({"mtu": net.mtu} if net.mtu != 1500 else {}),
                    **({} if net.internet else {"internet": False}),
                }
                for net in networks
            ],
            "nodes": [{"name": machine.name, "addresses": machine.addresses} for machine in machines],
        }
        if number == 0 or self._one(0.3):
            spec["clusters"] = [self._cluster(name, number, machines, networks[0])]
        return mapped("Site", name, spec)

    def _network(self, site: str, number: int, index: int) -> Network:
        four, unique = f"10.{number}.{index}.0/24", f"fd00:{number}:{index}::/64"
        six, public = f"2001:db8:{number}{index}::/64", f"203.0.{113 + number}.{64 * index}/26"
        kinds = [[four], [four, unique], [four, unique], [four, six], [public, six], [public]]
        cidrs = [str(ip_network(cidr)) for cidr in self._r.choice(kinds)]
        public_one = cidrs[0] == public
        return Network(
            f"{site}/{'lan' if not index else 'dmz'}",
            cidrs,
            self._r.choice(LAN_MTUS),
            public_one or self._one(0.85),
            given=30,
        )

    def _machine(self, site: str, number: int, index: int, networks: list[Network]) -> Machine:
        chosen = networks[:1]
        if len(networks) > 1 and self._one(0.4):
            chosen = self._r.choice([networks, networks[1:]])
        if index == 0:
            chosen = networks[:1]
        inside = [str(ip_network(cidr)[5 + index]) for net in chosen for cidr in net.cidrs]
        public: list[str] = []
        if self._one(0.25):
            public = [f"198.51.{100 + number}.{5 + index}"]
            if self._one(0.6):
                public.append(canonical(f"2001:db8:ff{number}::{5 + index}"))
        return Machine(f"{site}/m{index}", inside, public)

    def _cluster(self, site: str, number: int, machines: list[Machine], lan: Network) -> Spec:
        r = self._r
        nets = [ip_network(cidr) for cidr in lan.cidrs]
        fitting = [m for m in machines if any(ip_address(a) in net for net in nets for a in m.inside)]
        mine = fitting[: r.randint(1, len(fitting))]
        dual = len({net.version for net in nets}) == 2 and self._one(0.7)
        cluster = Cluster(f"{site}/k{number}", mine, lan, dual, f"doors{number}", f"apps{number}")
        self.places.clusters.append(cluster)
        spec: Spec = {
            "name": f"k{number}",
            "podCIDRs": [f"10.{42 + 10 * number}.0.0/16", *([f"fd42:{number}::/56"] if dual else [])],
            "serviceCIDRs": [f"10.{43 + 10 * number}.0.0/16", *([f"fd43:{number}::/112"] if dual else [])],
            "nodes": [machine.name for machine in mine],
            "namespaces": [cluster.doors, cluster.apps],
            "encapsulation": r.choice(("none", "vxlan", "vxlan")),
        }
        if self._one(0.15):
            spec["enforcesPolicies"] = False
        return spec

    def _spread(self, sites: list[Spec]) -> None:
        """Now and then a cluster has a node at another site, which has to be reachable."""
        first = self.places.clusters[0]
        others = [m for m in self.places.machines if not m.id.startswith("s0/") and m.public]
        if others and all(m.public for m in first.machines) and self._one(0.4):
            far = others[0]
            first.machines.append(far)
            sites[0]["spec"]["clusters"][0]["nodes"].append(far.id)

    # --- links ---

    def links(self) -> list[Spec]:
        sites = list(self.places.site_addresses)
        return [self._link(i, one, other) for i, (one, other) in enumerate(pairwise(sites))]

    def _link(self, number: int, one: str, other: str) -> Spec:
        r = self._r
        kind = r.choice(LINK_TYPES)
        inside = [_unrouted(self._first_network(site).cidrs) for site in (one, other)]
        if kind == "Direct" and all(inside):
            ends = [self._network_end(one), self._network_end(other)]
            return mapped("Link", f"l{number}", {"type": kind, "ends": ends})
        kind = "WireGuard" if kind == "Direct" else kind
        hub = self._machine_of(one)
        spoke = self._machine_of(other)
        endpoint = (hub.public or hub.inside)[0]
        port = 51820 if kind == "WireGuard" else 4242
        behind = [
            self._routes(site, f"10.8.{number}.{at}") if all(inside) else {} for at, site in ((1, one), (2, other))
        ]
        ends = [
            {
                "node": hub.id,
                "addresses": [f"10.8.{number}.1/24"],
                "endpoint": f"{endpoint}:{port}" if ":" not in endpoint else f"[{endpoint}]:{port}",
                "listenPort": port,
                **behind[0],
            },
            {
                "node": spoke.id,
                "addresses": [f"10.8.{number}.2/24"],
                **behind[1],
            },
        ]
        if kind == "WireGuard" and all(inside) and self._one(0.3):
            ends[1] = self._network_end(other)
        spec: Spec = {"type": kind, "ends": ends}
        if kind == "WireGuard" and self._one(0.3):
            spec["mtu"] = r.choice((1280, 1380))
        return mapped("Link", f"l{number}", spec)

    def _machine_of(self, site: str) -> Machine:
        mine = [machine for machine in self.places.machines if machine.id.startswith(f"{site}/")]
        return next((machine for machine in mine if machine.public), mine[0])

    def _first_network(self, site: str) -> Network:
        return next(net for net in self.places.networks if net.id.startswith(f"{site}/"))

    def _network_end(self, site: str) -> Spec:
        net = self._first_network(site)
        inside = _unrouted(net.cidrs)
        return {"network": net.id, "routes": inside if self._one(0.8) else inside[:1]}

    def _routes(self, site: str, address: str) -> Spec:
        """What is behind a machine; without any it is the machine alone."""
        if self._one(0.3):
            return {}
        net = self._first_network(site)
        return {"routes": [cidr for cidr in _unrouted(net.cidrs) if "." in cidr] + [f"{address}/32"]}

    # --- firewalls ---

    def firewalls(self) -> list[Spec]:
        r = self._r
        places = [{"network": net.id} for net in self.places.networks]
        places += [{"node": machine.id} for machine in self.places.machines]
        places += [{"site": site} for site in self.places.site_addresses]
        chosen = r.sample(places, min(len(places), r.choice((0, 1, 1, 2, 2))))
        found = [self._firewall(number, place) for number, place in enumerate(chosen)]
        return [*found, *self._forwarders(len(found))]

    def _firewall(self, number: int, place: Spec) -> Spec:
        group = self._one(0.35)
        spec: Spec = {"protects": [place], "inbound": [self._allowed(), {"allow": "udp"}]}
        if self._one(0.5):
            spec["inbound"].append({"allow": "icmp"})
        if self._one(0.3):
            spec["inbound"].append(self._allowed())
        if self._one(0.25):
            spec["outbound"] = [{"allow": "any"} if self._one(0.6) else self._outwards()]
        if group:
            spec["style"] = "securityGroup"
        else:
            if self._one(0.2):
                spec["inbound"].insert(0, {**self._allowed(), "deny": "tcp"})
                spec["inbound"][0].pop("allow")
            if self._one(0.2):
                spec["default"] = {"inbound": self._r.choice(("allow", "deny"))}
        return mapped("Firewall", f"fw{number}", spec)

    def _allowed(self) -> Spec:
        r = self._r
        rule: Spec = {"allow": "tcp"}
        if self._one(0.85):
            rule["ports"] = r.choice(([80, 443], [80, 443, "8000-8999"], [443], ["1-65535"], ["80-8080"]))
        if self._one(0.35):
            nets = [cidr for net in self.places.networks for cidr in net.cidrs]
            rule["from"] = r.choice((["0.0.0.0/0"], ["::/0"], r.sample(nets, 1), ["10.0.0.0/8", "fd00::/8"]))
        return rule

    def _outwards(self) -> Spec:
        return {"allow": "tcp", "ports": self._r.choice(([53, 80, 443], [443], ["1-65535"]))}

    def _forwarders(self, number: int) -> Iterable[Spec]:
        """Routers of sites with private addresses that forward ports inwards; sometimes one too few."""
        for site, addresses in self.places.site_addresses.items():
            net = next(net for net in self.places.networks if net.id.startswith(f"{site}/"))
            if not addresses or not net.internet or self._one(0.3):
                continue
            mine = [c for c in self.places.clusters if c.id.startswith(f"{site}/")]
            inside = next(a for m in self.places.machines if m.id.startswith(f"{site}/") for a in m.inside if "." in a)
            target = str(ip_network(net.cidrs[0])[60]) if mine and self._one(0.7) else inside
            ports = [80, 443] if self._one(0.7) else [443]
            forwards = [{"address": addresses[0], "port": port, "to": target} for port in ports]
            spec: Spec = {"protects": [{"network": net.id}], "forwards": forwards}
            if self._one(0.3):
                spec["inbound"] = [self._allowed()]
            yield mapped("Firewall", f"fw{number}", spec)
            number += 1


def _unrouted(cidrs: list[str]) -> list[str]:
    """Those that the internet does not route, which is why they are behind links."""
    return [cidr for cidr in cidrs if cidr.startswith(("10.", "fd"))]


def written(folder: Path, documents: Iterable[Spec]) -> None:
    """One file each, as YAML, which JSON is."""
    folder.mkdir(parents=True, exist_ok=True)
    for data in documents:
        about = data["metadata"]
        name = f"{data['kind']}-{about.get('namespace', '')}-{about['name']}.yaml".lower()
        (folder / name).write_text(json.dumps(data, indent=1) + "\n")
