"""Random worlds whose zones are full of what can meet in DNS, and what a client must be told of them.

The oracle is `graph.names.zones.look`, with the algorithm of RFC 1034, 4.3.2 around it: what the engines make of
`graph.names.serving` is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from msgspec import Struct

from gatewright.graph.names import serving, zones
from gatewright.graph.names.zones import Kind
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.naming import Record
from support.random_routes import Manifest
from support.random_worlds import ADDRESSES, DOORS, MAP, file_of, world

SEEDS = 4000
CLIENTS = {"public": "127.0.1.1", "inside": "127.0.1.2", "other": "127.0.1.3"}
"""Where the clients of each view are."""
DOMAINS = ("example.com", "test", "a.example.com")
LABELS = ("", "a", "b", "x.a", "*", "*.a", "*.x.a", "deep.ent", "loop", "ns", "sub", "in.sub", "ns.sub", "_s._tcp", "c")
TARGETS = (
    "a.example.com", "b.example.com", "q.example.com", "q.a.example.com", "loop.example.com", "sub.example.com",
    "ent.example.com", "example.com", "c.test", "q.test", "test", "elsewhere.example.net",
)  # fmt: skip
GATEWAYS = (True, ["gw"], ["infra/tr", "infra/ng"], False)
FAMILIES = ("A", "AAAA")
MOST_ALIASES = 8
MOST_STEPS = 13


# --- worlds ---------------------------------------------------------------------------------------


def files_of(seed: int) -> dict[str, Manifest]:
    """A world, each document under the name of its file."""
    random = Random(seed)
    files = {name: data for name, data in world(seed).items() if data["kind"] != "Zone"}
    made = [_view(name, client) for name, client in CLIENTS.items()]
    made.append(_annotated(random))
    for view in CLIENTS:
        for domain in DOMAINS:
            if random.random() < {"example.com": 0.9, "test": 0.5}.get(domain, 0.25):
                made.append(_zone(random, domain, view))
    for data in made:
        files[file_of(data)] = data
    return files


def _view(name: str, client: str) -> Manifest:
    spec = {"clients": [f"{client}/32"], "transferTo": [f"{client}/32"], "rateLimit": False}
    return {"apiVersion": MAP, "kind": "View", "metadata": {"name": name}, "spec": spec}


def _annotated(random: Random) -> Manifest:
    """A Service of which external-dns makes names."""
    host = random.choice(("b.example.com", "s.example.com", "s.x.a.example.com", "*.w.test"))
    notes = {"external-dns.alpha.kubernetes.io/hostname": host, "external-dns.alpha.kubernetes.io/ttl": "77"}
    about = {"name": "noted", "namespace": "apps", "annotations": notes}
    spec = {"type": "LoadBalancer", "loadBalancerIP": random.choice(DOORS), "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": spec}


def _zone(random: Random, domain: str, view: str) -> Manifest:
    records = []
    for label in random.sample(LABELS, random.randint(2, 9)):
        name = label or "@"
        if name in ("sub",) and random.random() < 0.8:
            records.append({"name": name, "type": "NS", "values": ["ns.sub", "ns.example.net."], "ttl": 120})
            continue
        kinds = random.sample(tuple(_DATA), random.randint(1, 3))
        records += [_record(random, name, kind) for kind in kinds]
    spec: dict[str, Any] = {
        "domain": domain,
        "view": view,
        "provider": "Cloudflare" if random.random() < 0.15 else "Gatewright",
        "records": records,
        "gateways": random.choice(GATEWAYS),
        "externalDNS": random.random() < 0.5,
        "ttl": random.choice((300, 20)),
        "negativeTTL": random.choice((60, 600)),
    }
    if random.random() < 0.5:
        spec["nameservers"] = ["ns1.example.net", "ns2.example.net"]
    about = {"name": f"{domain.replace('.', '-')}-{view}"}
    return {"apiVersion": MAP, "kind": "Zone", "metadata": about, "spec": spec}


def _record(random: Random, name: str, kind: str) -> Manifest:
    record: Manifest = {"name": name, "type": kind, "values": _DATA[kind](random)}
    return {**record, "ttl": random.choice((1, 90, 3600))} if random.random() < 0.5 else record


def _addresses(six: bool) -> Callable[[Random], list[str]]:
    known = [address for address in ADDRESSES if (":" in address) == six]
    return lambda random: random.choices(known, k=random.randint(1, 3))  # also twice the same


def _target(random: Random) -> list[str]:
    return [random.choice(TARGETS) + "."]


_DATA: Mapping[str, Callable[[Random], list[str]]] = {
    "A": _addresses(six=False),
    "AAAA": _addresses(six=True),
    "CNAME": _target,
    "ALIAS": _target,
    "TXT": lambda random: random.sample(("v=spf1 -all", 'ü "x" \\ ; $', '"in" "parts"', "0123456789" * 40), 2),
    "MX": lambda random: ["10 mail.example.net", "20 a.example.com."][: random.randint(1, 2)],
    "CAA": lambda random: ['0 issue "ca.example"'],
    "SRV": lambda random: ["1 2 5060 b.example.com"],
    "PTR": _target,
}


def edited(files: dict[str, Manifest], random: Random) -> dict[str, Manifest]:
    """The same world with some documents of another."""
    other = files_of(random.randint(0, SEEDS))
    names = sorted({*files, *other} - {name for name in files if name.startswith("view-")})
    zonal = [name for name in names if name.startswith("zone-")]
    chosen = {*random.sample(names, 3), *random.sample(zonal, min(2, len(zonal)))}
    kept = {name: data for name, data in files.items() if name not in chosen}
    return {**kept, **{name: other[name] for name in chosen if name in other}}


# --- what clients must be told --------------------------------------------------------------------

RRs = frozenset[tuple[str, str, int, str]]
"""(owner, type, TTL in seconds, data as dnspython writes it), names in lower case without the last dot."""


class Told(Struct, frozen=True):
    """An answer.  `authority`: the SOA of a denial or the NS of a referral, without data of the SOA (serial)."""

    rcode: str
    authoritative: bool = False
    answer: RRs = frozenset()
    authority: RRs = frozenset()


def served(sight: Sight, every_zone: bool) -> dict[str, dict[str, serving.Zone]]:
    """The zones that our server answers for, by view and domain."""
    found: dict[str, dict[str, serving.Zone]] = {view: {} for view in CLIENTS}
    for zone in serving.zones(sight):
        if zone.is_ours or every_zone:
            found[zone.view][zone.domain] = zone
    return found


def told(sight: Sight, own: Mapping[str, serving.Zone], name: str, kind: str) -> Told:
    """What a client of a view with these zones must be told."""
    zone = _zone_for(own, name)
    if zone is None:
        return Told("REFUSED")
    answer: set[tuple[str, str, int, str]] = set()
    rcode, authoritative, seen = "NOERROR", True, {name}
    while True:
        found = zones.look(sight, zone.key, name, kind)
        if found.kind is Kind.DELEGATED:
            authoritative = bool(answer)
            return Told(rcode, authoritative, frozenset(answer), rrs(found.records[0], zone, found.owner))
        data, target = _here(sight, zone, found, name, kind)
        answer |= data
        if target is None:
            break
        zone = _zone_for(own, target)
        if zone is None or target in seen or len(seen) >= MOST_STEPS:
            return Told(rcode, authoritative, frozenset(answer))
        seen.add(target)
        name = target
    if data:
        return Told(rcode, authoritative, frozenset(answer))
    rcode = "NXDOMAIN" if found.kind is Kind.NXDOMAIN else "NOERROR"
    denial = (zone.domain, "SOA", min(zone.ttl, zone.soa.negative_ttl), "")
    return Told(rcode, authoritative, frozenset(answer), frozenset({denial}))


def _zone_for(own: Mapping[str, serving.Zone], name: str) -> serving.Zone | None:
    while name and name not in own:
        name = name.partition(".")[2]
    return own.get(name)


def _here(sight: Sight, zone: serving.Zone, found: zones.Found, name: str, kind: str) -> tuple[RRs, str | None]:
    """The records of one look-up, and the name that it leads on to."""
    if name == zone.domain:
        if kind == "SOA":
            return frozenset({(name, "SOA", zone.ttl, "")}), None
        if kind == "NS" and found.kind is not Kind.RECORDS:
            return rrs(Record(name, "NS", zone.nameservers, found.origin), zone, name), None
        if kind == "CNAME":  # which the apex cannot have
            return frozenset(), None
    match found.kind:
        case Kind.RECORDS:
            return rrs(found.records[0], zone, name), None
        case Kind.CNAME:
            target = found.records[0].values[0]
            return rrs(found.records[0], zone, name), target.removesuffix(".").lower()
        case Kind.ALIAS | Kind.PROXIED:
            return _led(sight, zone, found, name, kind)
    return frozenset(), None


def _led(sight: Sight, zone: serving.Zone, found: zones.Found, name: str, kind: str) -> tuple[RRs, str | None]:
    """Where others would look on themselves, or answer for the name: addresses in place of it."""
    records = {record.type: record for record in found.records}
    if kind in records:
        return rrs(records[kind], zone, name), None
    alias = records.get("CNAME") or records.get("ALIAS")
    if alias is None or kind not in FAMILIES:
        return frozenset(), None
    if found.kind is Kind.PROXIED and alias.type == "CNAME" and name != zone.domain:
        return rrs(alias, zone, name), alias.values[0].removesuffix(".").lower()
    values = addresses(sight, zone.view, alias.values[0].removesuffix("."), kind)
    return rrs(Record(name, kind, values, alias.origin, alias.ttl), zone, name), None


def addresses(sight: Sight, view: str, name: str, kind: str) -> tuple[str, ...]:
    """The addresses of a name in a view as its zones know them."""
    for _ in range(MOST_ALIASES):
        found = zones.lookup(sight, view, name, kind)
        if found is None or found.kind is Kind.DELEGATED:
            return ()
        records = {record.type: record for record in found.records}
        if kind in records:
            return records[kind].values
        onward = records.get("CNAME") or records.get("ALIAS")
        if onward is None:
            return ()
        name = onward.values[0].removesuffix(".")
    return ()


def rrs(record: Record, zone: serving.Zone, owner: str) -> RRs:
    """A record set as dnspython writes it."""
    ttl = record.ttl or zone.ttl
    return frozenset((owner, record.type, ttl, text(record.type, value)) for value in record.values)


def text(kind: str, value: str) -> str:
    """A value as dnspython writes it."""
    if kind == "TXT" and not value.startswith('"'):
        octets = value.encode()
        parts = [octets[at : at + 255] for at in range(0, len(octets), 255)]
        value = " ".join('"' + "".join(f"\\{octet:03}" for octet in part) + '"' for part in parts)
    if kind in ("CNAME", "NS", "PTR"):
        value = value.removesuffix(".") + "."
    number = dns.rdatatype.from_text(kind)
    return normal(dns.rdata.from_text(dns.rdataclass.IN, number, value, dns.name.root, relativize=False))


def normal(data: dns.rdata.Rdata) -> str:
    """Data as text, names in lower case."""
    return data.to_text() if data.rdtype in (dns.rdatatype.TXT, dns.rdatatype.CAA) else data.to_text().lower()
