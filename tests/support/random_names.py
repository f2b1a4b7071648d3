"""Who is told what in a random world: zones, resolvers, and the vantages that ask them; and all of it, `world`."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from random import Random

from support.random_doors import CA, HOSTS, Door, Doors
from support.random_sites import Ground, Places, Spec, canonical, mapped

IMPLEMENTATIONS = ("AdGuardHome", "dnsmasq", "FritzBox", "CoreDNS", "Unbound", "PiHole", "BIND", "Technitium")
DOMAINS = ("example.com", "home.arpa")


def world(seed: int) -> list[Spec]:
    """The documents of a world; always the same for a seed."""
    random = Random(seed)
    ground = Ground(random)
    found = [*ground.sites(), *ground.links(), *ground.firewalls()]
    doors = Doors(random, ground.places)
    found += doors.documents()
    found += Names(random, ground.places, doors.doors).documents()
    return found


class Names:
    """Draws zones, resolvers, vantages."""

    def __init__(self, random: Random, places: Places, doors: list[Door]) -> None:
        self._r = random
        self._places = places
        self._doors = doors
        self._resolvers: list[str] = []

    def _one(self, chance: float = 0.5) -> bool:
        return self._r.random() < chance

    def documents(self) -> Iterator[Spec]:
        yield self._zone("example.com", "public")
        if self._one(0.5):
            yield self._zone(self._r.choice(DOMAINS), "inside")
        yield from self._resolving()
        yield from self._vantages()

    # --- zones ---

    def _zone(self, domain: str, view: str) -> Spec:
        records: list[Spec] = []
        for host in HOSTS:
            if host == domain or not host.endswith(f".{domain}") or self._one(0.25):
                continue
            label = host.removesuffix(f".{domain}")
            if self._one(0.15):
                records.append({"name": label, "type": "CNAME", "values": [self._r.choice([*HOSTS, "gone.test"])]})
                continue
            if values := self._values(host, view):
                records.append({"name": label, "values": values})
        if self._one(0.5) and (values := self._values(domain, view)):
            records.append({"name": self._r.choice(("*", "@")), "values": values})
        if domain == "example.com":
            machine = self._r.choice(self._places.machines)
            records.append({"name": "nas", "values": machine.addresses})
        spec: Spec = {"domain": domain, "records": records}
        if view != "public":
            spec["view"] = view
        if not records:
            spec["records"] = [{"name": "only", "values": ["192.0.2.9"]}]
        return mapped("Zone", f"{domain.replace('.', '-')}-{view}", spec)

    def _values(self, host: str, view: str) -> list[str]:
        """The addresses that a name is said to have: of a door that serves it, or wrong ones."""
        serving = [door for door in self._doors if host in door.hosts] or self._doors
        door = self._r.choice(serving)
        values = [
            a for a in door.addresses if view != "public" or ip_address(a).is_global or "203.0." in a or "2001:" in a
        ]
        site = f"s{door.id.partition('/')[0].removeprefix('doors')}"
        if view == "public":
            values += self._places.site_addresses.get(site, [])
        if self._one(0.2):
            values = [a for a in values if "." in a]
        if self._one(0.12):
            values += [self._r.choice(["192.0.2.80", "2001:db8:dead::1", *self._r.choice(self._doors).addresses])]
        return list(dict.fromkeys(map(canonical, values)))

    # --- resolvers ---

    def _resolving(self) -> Iterator[Spec]:
        """One or two on machines of their networks; the second is asked by the first, or beside it."""
        count = self._r.choice((1, 1, 2, 2, 3))
        chosen = self._r.sample(self._places.machines, min(count, len(self._places.machines)))
        for number, machine in enumerate(chosen):
            yield self._resolver(f"dns{number}", machine.id, machine.inside or machine.addresses)
            self._resolvers.append(f"dns{number}")

    def _resolver(self, name: str, machine: str, addresses: list[str]) -> Spec:
        r = self._r
        spec: Spec = {"implementation": r.choice(IMPLEMENTATIONS), "addresses": addresses, "runsOn": {"node": machine}}
        if self._one(0.7):
            spec["overrides"] = [self._override() for _ in range(r.randint(1, 3))]
        if self._resolvers and self._one(0.6):
            spec["upstreams"] = r.sample([*self._resolvers, "public"], 1)
        elif self._resolvers and self._one(0.3):
            spec |= {"upstreams": [r.choice(self._resolvers), "public"], "order": "first"}
        if self._resolvers and self._one(0.3):
            domain = r.choice((*DOMAINS, "app.example.com"))
            spec["forwards"] = [{"domain": domain, "to": [r.choice(self._resolvers)]}]
        if self._one(0.4):
            spec["views"] = ["inside"]
        if self._one(0.1):
            spec["filtersIPv6"] = True
        if self._one(0.15):
            spec["rebindProtection"] = r.choice((True, False, {"except": ["example.com"]}))
        return mapped("Resolver", name, spec)

    def _override(self) -> Spec:
        r = self._r
        name = r.choice([*HOSTS, *HOSTS, "*.example.com", "*.app.example.com", "*.home.arpa"])
        if self._one(0.08):
            return {"name": name, "type": "NXDOMAIN"}
        if self._one(0.08):
            return {"name": name, "values": [r.choice(HOSTS)]}
        serving = [door for door in self._doors if name in door.hosts] or self._doors
        values = r.choice(serving).addresses
        if self._one(0.4):
            values = values[:1]
        made: Spec = {"name": name, "values": values}
        if self._one(0.15):
            made["otherFamily"] = r.choice(("forward", "empty"))
        return made

    # --- vantages ---

    def _vantages(self) -> Iterator[Spec]:
        r, places = self._r, self._places
        yield self._vantage("away", {"network": "internet"}, asks=self._one(0.1))
        yield self._vantage("inside", {"network": r.choice(places.networks).id})
        if self._one(0.5):
            yield self._vantage("machine", {"node": r.choice(places.machines).id})
        if self._one(0.6):
            cluster = r.choice(places.clusters)
            pod = {"namespace": r.choice((cluster.apps, cluster.doors)), "labels": {"app": r.choice(("two", "guest"))}}
            yield self._vantage("pod", {"cluster": cluster.id, "pod": pod}, asks=False)

    def _vantage(self, name: str, at: Spec, asks: bool = True) -> Spec:
        spec = dict(at)
        if asks and self._resolvers and self._one(0.85):
            spec["resolvers"] = self._r.sample(self._resolvers, self._r.randint(1, min(2, len(self._resolvers))))
        if self._one(0.5):
            spec["trust"] = ["public", {"secret": CA}]
        if self._one(0.2):
            spec["families"] = self._r.choice(([4], [6], [6, 4]))
        return mapped("Vantage", name, spec)
