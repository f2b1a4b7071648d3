"""Zones in the form that formats write: record sets with data that dnspython has parsed, and without conflicts.

Parsing makes the exports safe: text from the input reaches a target only as data that dnspython, or a format's own
quoting, has written.  ALIAS records (and a CNAME at the apex) are replaced by the addresses that they lead to.
Counterpart: `flat`, for targets that have no zones but answers for names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import dns.rdataclass
import dns.rdatatype
from dns.rdata import Rdata
from dns.rdtypes.ANY.TXT import TXT
from msgspec import Struct

from gatewright.engines.dns.export.format import Content, Loss, Source
from gatewright.graph.names import recorddata, serving
from gatewright.graph.names.serving import View
from gatewright.kinds.intents.naming import Record
from gatewright.kinds.programs import configtext

LOSSES: Mapping[str, str] = {
    "invalid-name": "is no name that DNS servers accept",
    "invalid-record": "is no data of its type, or cannot be where it is",
    "cname-and-others": "has a CNAME beside other records; the CNAME is left out",
    "alias": "is an ALIAS whose target is in no exported zone of this view; it is left out",
    "proxied": "is proxied by a CDN, which the target is not: the values themselves are exported",
    "nameserver": "is a name server inside the zone without an address, for which servers refuse it; it is left out",
    "no-nameserver": "has no name server that others could ask, localhost stands for it: set nameservers of the Zone",
    "no-view": "is of a view that is not known; it is left out",
    "nobody": "is a view of which nobody says who sees it, so nobody does: describe it as kind View with clients",
}
"""What any format may lose, by kind."""

NO_SERVER = "localhost"
"""The name server of a zone of which nobody says who serves it."""
_LABEL = re.compile(r"[a-z0-9_](?:[-a-z0-9_]{0,61}[a-z0-9_])?")
_LONGEST_NAME = 253
_MOST_ALIASES = 8


class Set(Struct, frozen=True):
    """A record set: `name` without trailing dot, `ttl` seconds, `data` sorted and without repetitions."""

    name: str
    type: str
    ttl: int
    data: tuple[Rdata, ...]


class Names(Struct, frozen=True):
    """A zone ready to be written.  `sets` by name and type; the apex has NS."""

    zone: serving.Zone
    view: View
    sets: Mapping[str, Mapping[str, Set]]

    def all(self) -> Iterator[Set]:
        """Every record set, the apex first, then in the order of RFC 4034, 6.1."""
        for name in sorted(self.sets, key=_canonical):
            yield from (self.sets[name][type_] for type_ in sorted(self.sets[name]))


def _canonical(name: str) -> list[str]:
    return name.split(".")[::-1]


def is_name(text: str) -> bool:
    """Is it a name that every target takes: letters, digits, - and _, in labels of 63 octets, perhaps a wildcard?"""
    rest = text.removeprefix("*.")
    return len(text) <= _LONGEST_NAME and all(_LABEL.fullmatch(label) for label in rest.split("."))


def prepare(source: Source) -> tuple[tuple[Names, ...], list[Loss]]:
    """The zones of a source, sorted by view and domain, and what none of the formats can say."""
    losses: list[Loss] = []
    views = {view.name: view for view in source.views}
    parsed: list[tuple[Content, View, dict[str, dict[str, Set]]]] = []
    for content in sorted(source.zones, key=lambda content: (content.zone.view, content.zone.domain)):
        zone, view = content.zone, views.get(content.zone.view)
        if not is_name(zone.domain) or zone.domain.startswith("*"):
            losses.append(Loss("invalid-name", zone.domain))
        elif view is None:
            losses.append(Loss("no-view", zone.id))
        else:
            parsed.append((content, view, _sets(content, losses)))
    trees = [Tree(content.zone.domain, sets) for content, _, sets in parsed]
    for content, view, sets in parsed:
        beside = {tree.domain: tree for tree, (_, seen_by, _) in zip(trees, parsed, strict=True) if seen_by is view}
        _flatten(content.zone, sets, beside, losses)
    framed = (_framed(content.zone, view, tree, losses) for (content, view, _), tree in zip(parsed, trees, strict=True))
    return tuple(framed), losses


def _sets(content: Content, losses: list[Loss]) -> dict[str, dict[str, Set]]:
    """The record sets of a zone."""
    found: dict[str, dict[str, Set]] = {}
    zone = content.zone
    for name, records in content.names.items():
        if not is_name(name) or not (name == zone.domain or name.endswith(f".{zone.domain}")):
            losses.append(Loss("invalid-name", name))
            continue
        node: dict[str, Set] = {}
        for record in records:
            data = tuple(_data(record, losses))
            if record.type == "NS" and name.startswith("*."):
                losses.append(Loss("invalid-record", f"{name} NS"))
            elif data and record.type != "SOA":
                node[record.type] = Set(name, record.type, record.ttl or zone.ttl, data)
            if record.proxied:
                losses.append(Loss("proxied", f"{name} {record.type}"))
        if "CNAME" in node and len(node) > 1:
            losses.append(Loss("cname-and-others", name))
            del node["CNAME"]
        if node:
            found[name] = node
    return found


def _data(record: Record, losses: list[Loss]) -> Iterator[Rdata]:
    """The data of a record set, sorted; of a CNAME with several targets the first."""
    found: set[Rdata] = set()
    single = record.type in ("CNAME", "ALIAS")
    for value in record.values[:1] if single else record.values:
        data = rdata("CNAME" if record.type == "ALIAS" else record.type, value)
        if data is None:
            losses.append(Loss("invalid-record", f"{record.name} {record.type} {ascii(value)[:60]}"))
        else:
            found.add(data)
    if single and len(record.values) > 1:
        losses.append(Loss("invalid-record", f"{record.name} {record.type} {ascii(record.values[1])[:60]}"))
    yield from sorted(found)


def rdata(type_: str, value: str) -> Rdata | None:
    """The data of a record from its usual form, names in full with or without the last dot; None if it is none."""
    try:
        if type_ == "TXT":
            return TXT(dns.rdataclass.IN, dns.rdatatype.TXT, recorddata.strings(value))
        return recorddata.parsed(type_, value)
    except ValueError:
        return None


def soa(zone: serving.Zone, serial: int) -> str:
    """The data of a zone's SOA."""
    primary, mailbox = (name if is_name(name) else NO_SERVER for name in (zone.soa.primary, zone.soa.mailbox))
    times = (serial, zone.soa.refresh, zone.soa.retry, zone.soa.expire, zone.soa.negative_ttl)
    return f"{primary}. {mailbox}. {' '.join(map(str, times))}"


def target(data: Rdata) -> str:
    """The name that a CNAME, NS or PTR leads to, without the last dot."""
    return data.to_text().removesuffix(".").lower()


class Tree:
    """The names of a zone with those that only exist because of names below them."""

    def __init__(self, domain: str, sets: dict[str, dict[str, Set]]) -> None:
        self.domain = domain
        self.sets = sets
        self.known = existing(sets, domain)

    def covering(self, name: str) -> Mapping[str, Set]:
        """The record sets that answer for a name (RFC 4592): its own or its wildcard's; nothing for none."""
        if name in self.known or name in self.sets:
            return self.sets.get(name, {})
        encloser = next((up for up in upwards(name) if up in self.known), self.domain)
        return self.sets.get(f"*.{encloser}", {})


def existing(sets: Iterable[str], domain: str) -> set[str]:
    """The names of a zone that exist, also those that only have names below them, without wildcards."""
    found = {domain}
    for name in sets:
        for up in upwards(name.removeprefix("*.")):
            if up in found:
                break
            found.add(up)
    return found


def upwards(name: str) -> Iterator[str]:
    """A name and those above it."""
    while name:
        yield name
        name = name.partition(".")[2]


def _flatten(
    zone: serving.Zone, sets: dict[str, dict[str, Set]], zones: Mapping[str, Tree], losses: list[Loss]
) -> None:
    """Replace ALIAS records, and a CNAME at the apex, by the addresses that they lead to within this view."""
    for name in list(sets):
        node = sets[name]
        alias = node.get("ALIAS") or (node.get("CNAME") if name == zone.domain else None)
        if alias is None:
            continue
        found = addresses(target(alias.data[0]), zones)
        if not found:
            losses.append(Loss("alias", name))
        del node[alias.type]
        for type_, there in found.items():
            node.setdefault(type_, Set(name, type_, alias.ttl, there.data))
        if not node:
            del sets[name]


def addresses(name: str, zones: Mapping[str, Tree]) -> dict[str, Set]:
    """What a name leads to, followed through aliases and wildcards of the zones of one view by their domains."""
    for _ in range(_MOST_ALIASES):
        tree = next((zones[up] for up in upwards(name) if up in zones), None)
        if tree is None:
            return {}
        node = tree.covering(name)
        found = {type_: node[type_] for type_ in ("A", "AAAA") if type_ in node}
        onward = node.get("CNAME") or node.get("ALIAS")
        if found or onward is None:
            return found
        name = target(onward.data[0])
    return {}


def _framed(zone: serving.Zone, view: View, tree: Tree, losses: list[Loss]) -> Names:
    """The zone with NS records at its apex that servers accept: those inside of it need addresses."""
    apex = tree.sets.setdefault(zone.domain, {})
    written = [target(data) for data in apex["NS"].data] if "NS" in apex else []
    servers = [name for name in written or zone.nameservers if is_name(name)]
    able = []
    for name in servers:
        if configtext.within(name, zone.domain) and {"A", "AAAA"}.isdisjoint(tree.covering(name)):
            losses.append(Loss("nameserver", name))
        else:
            able.append(name)
    if able in ([], [NO_SERVER]):
        losses.append(Loss("no-nameserver", zone.id))
    data = (rdata("NS", name) for name in able or [NO_SERVER])
    ttl = apex["NS"].ttl if "NS" in apex else zone.ttl
    apex["NS"] = Set(zone.domain, "NS", ttl, tuple(sorted({item for item in data if item is not None})))
    return Names(zone, view, tree.sets)
