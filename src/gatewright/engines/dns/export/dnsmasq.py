"""dnsmasq: a configuration for each view, to be put into /etc/dnsmasq.d of the machine that serves its clients.

Since 2.86 `address=/x/192.0.2.1` sends the other family upstream; so every wildcard stands beside a `local=` of its
own, and so does each zone: nothing of it is ever asked upstream.  Counterpart: `kinds.dnsmasqconf`, which reads
it; `pihole`, which is the same in another place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dns.rdata import Rdata
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.SRV import SRV

from gatewright.engines.dns.export import flat, records, zonefile
from gatewright.engines.dns.export.format import Exported, Format, Loss, Settings, Source
from gatewright.engines.dns.export.records import Names, Set, Tree

_LONGEST_LINE = 1000
"""Octets; what is longer than its buffer of 1025 dnsmasq reads as two lines."""
_MOST_ALIASES = 8


def write(source: Source, settings: Settings) -> Exported:
    """The files for dnsmasq 2.86 and later."""
    return of_views(source, "dnsmasq", "# Made by gatewright dns export for clients of the view {view}.")


def of_views(source: Source, folder: str, head: str) -> Exported:
    """One configuration for each view."""
    zones, losses = records.prepare(source)
    looked_up = flat.trees(zones)
    files = {}
    views = flat.by_view(zones)
    for view, mine in views.items():
        writing = _Writing(looked_up[view], losses)
        lines = [head.format(view=zonefile.folder(view))]
        for names in mine:
            lines += writing.zone(names)
        files[f"{folder}/{zonefile.folder(view)}.conf"] = "\n".join(lines) + "\n"
        if len(views) > 1:
            losses.append(Loss("views", view))
    return Exported(files, tuple(sorted(losses)))


class _Writing:
    """Writes the zones of one view, and collects what cannot be said."""

    def __init__(self, trees: Mapping[str, Tree], losses: list[Loss]) -> None:
        self._trees = trees
        self._losses = losses

    def zone(self, names: Names) -> Iterator[str]:
        """The lines of a zone."""
        domain = names.zone.domain
        self._losses.append(Loss("authority", domain))
        yield f"local=/{domain}/"
        for name in flat.stops(self._trees[domain]):
            # Below an empty address= there is nothing; a wildcard of its own answers there instead.
            yield f"local=/{name}/" if self._leads(names.sets.get(f"*.{name}", {})) else f"address=/{name}/"
        for item in names.all():
            if item.type != "NS":
                yield from self._wildcard(item) if item.name.startswith("*.") else self._exact(item)
            elif item.name != domain:
                self._losses.append(Loss("delegation", item.name))

    def _leads(self, node: Mapping[str, Set]) -> bool:
        """Does a name with these record sets get any addresses?"""
        if "CNAME" in node:
            return bool(flat.flattened(node, "", self._trees))
        return not node.keys().isdisjoint(flat.ADDRESSES)

    def _wildcard(self, item: Set) -> Iterator[str]:
        found = [item]
        if item.type == "CNAME":
            found = list(flat.flattened({"CNAME": item}, item.name, self._trees).values())
            self._losses.append(Loss("alias-as-addresses" if found else "alias-elsewhere", item.name))
        elif item.type not in flat.ADDRESSES:
            self._losses.append(Loss("wildcard", f"{item.name} {item.type}"))
            found = []
        yield f"local=/{item.name}/"
        for addresses in found:
            self._losses.append(Loss("ttl", f"{item.name} {addresses.type}"))
            yield from (f"address=/{item.name}/{data.to_text()}" for data in addresses.data)

    def _exact(self, item: Set) -> Iterator[str]:
        if item.type in flat.ADDRESSES:
            yield from (f"host-record={item.name},{data.to_text()},{item.ttl}" for data in item.data)
        elif item.type == "CNAME":
            yield from self._alias(item)
        else:
            self._losses.append(Loss("ttl", f"{item.name} {item.type}"))
            for data in item.data:
                line = _line(item.name, data)
                if len(line.encode()) <= _LONGEST_LINE:
                    yield line
                else:
                    self._losses.append(Loss("too-long", f"{item.name} {item.type}"))

    def _alias(self, item: Set) -> Iterator[str]:
        """cname= takes a target that host-record= knows; others are followed here."""
        target = records.target(item.data[0])
        if self._leads_to_host(target):
            yield f"cname={item.name},{target},{item.ttl}"
            return
        found = flat.flattened({"CNAME": item}, item.name, self._trees)
        self._losses.append(Loss("alias-as-addresses" if found else "alias-elsewhere", item.name))
        if not found and records.is_name(target) and not target.startswith("*"):
            yield f"cname={item.name},{target},{item.ttl}"
        for addresses in found.values():
            yield from self._exact(addresses)

    def _leads_to_host(self, name: str) -> bool:
        for _ in range(_MOST_ALIASES):
            tree = next((self._trees[up] for up in records.upwards(name) if up in self._trees), None)
            node = tree.sets.get(name, {}) if tree is not None else {}
            if "CNAME" not in node:
                return not node.keys().isdisjoint(flat.ADDRESSES)
            name = records.target(node["CNAME"].data[0])
        return False


def _line(name: str, data: Rdata) -> str:
    """The option for a record of another type."""
    if isinstance(data, TXT) and all(map(_is_plain, data.strings)):
        return f"txt-record={name}," + ",".join(_quoted(string.decode()) for string in data.strings)
    if isinstance(data, MX) and records.is_name(_host(data.exchange.to_text())):
        return f"mx-host={name},{_host(data.exchange.to_text())},{data.preference}"
    if isinstance(data, SRV) and records.is_name(_host(data.target.to_text())):
        return f"srv-host={name},{_host(data.target.to_text())},{data.port},{data.priority},{data.weight}"
    return f"dns-rr={name},{int(data.rdtype)},{(data.to_wire() or b'').hex()}"


def _host(name: str) -> str:
    return name.removesuffix(".").lower()


def _is_plain(string: bytes) -> bool:
    """Only what dnsmasq's quotes are known to keep; anything else is written as hexadecimal data."""
    return all(0x20 <= octet < 0x7F for octet in string) and bool(string)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


LOSSES = {
    "views": "is one of several views; dnsmasq has none, each file is for a server of its own",
    "authority": "is answered without SOA and NS: dnsmasq is no authoritative server",
    "delegation": "is delegated; dnsmasq answers that there is nothing",
    "wildcard": "is a wildcard of a type that dnsmasq has no wildcards of",
    "alias-as-addresses": "is a CNAME that dnsmasq could not follow; it is exported as the addresses that it leads to",
    "alias-elsewhere": "is a CNAME to a name outside of this view; dnsmasq answers without addresses, or not at all",
    "ttl": "has the TTL of local-ttl (0 by default): its option has none",
    "too-long": "is longer than a line of dnsmasq may be; it is left out",
}

FORMAT = Format(
    name="dnsmasq",
    title="dnsmasq",
    makes="`dnsmasq/VIEW.conf` for each view, to be put into `/etc/dnsmasq.d`",
    losses=LOSSES,
    write=write,
)
