"""nsupdate (RFC 2136): a script for each zone and view that replaces its record sets, name by name.

A script names no key: `nsupdate -k FILE`, and the key decides on the server which view is meant.  Names and types
that are not in the export stay on the server, since nobody knows who has made them.
"""

from __future__ import annotations

from collections.abc import Iterator

from dns.rdata import Rdata

from gatewright.engines.dns.export import records, zonefile
from gatewright.engines.dns.export.format import Exported, Format, Loss, Settings, Source
from gatewright.engines.dns.export.records import Names

_LEADING = frozenset(("A", "AAAA", "CNAME"))
_CHUNK = 24_000
"""Characters of a message: less than its 65,535 octets on the wire, since names are compressed at best."""


def write(source: Source, settings: Settings) -> Exported:
    """The scripts for nsupdate."""
    zones, losses = records.prepare(source)
    files = {}
    views = {names.view.name for names in zones}
    for names in zones:
        place = f"nsupdate/{zonefile.folder(names.zone.view)}/{names.zone.domain}.nsupdate"
        files[place] = "\n".join(_script(names, settings.server)) + "\n"
        losses += [Loss("soa", names.zone.id), Loss("stale", names.zone.id)]
        if len(views) > 1:
            losses.append(Loss("views", names.zone.id))
    return Exported(files, tuple(sorted(losses)))


def _script(names: Names, server: str) -> Iterator[str]:
    """The commands, in messages that each change whole names only."""
    yield "; Made by gatewright dns export."
    if server:
        host, _, port = server.partition("#")
        yield f"server {host} {port}".rstrip()
    domain, used = names.zone.domain, 0
    yield f"zone {domain}."
    for name in sorted(names.sets, key=lambda name: name.split(".")[::-1]):
        lines = list(_name(names, name))
        size = sum(map(len, lines))
        if used and used + size > _CHUNK:
            yield from ("send", f"zone {domain}.")
            used = 0
        used += size
        yield from lines
    yield "send"


def _name(names: Names, name: str) -> Iterator[str]:
    """Deletes the record sets that are replaced, and those that would lead elsewhere, and adds what is to be."""
    node = dict(names.sets[name])
    is_apex = name == names.zone.domain
    if is_apex and all(map(_is_stand_in, node["NS"].data)):
        del node["NS"]
    old = set(node) if _LEADING.isdisjoint(node) else set(node) | _LEADING
    if is_apex:
        old -= {"CNAME", "NS"}  # a server keeps the last NS (RFC 2136, 3.4.2.4), so these are added to
    yield from (f"update delete {name}. {type_}" for type_ in sorted(old))
    for type_ in sorted(node):
        yield from (f"update add {name}. {node[type_].ttl} {type_} {data.to_text()}" for data in node[type_].data)


def _is_stand_in(data: Rdata) -> bool:
    return records.target(data) == records.NO_SERVER


FORMAT = Format(
    name="nsupdate",
    title="nsupdate",
    makes="`nsupdate/VIEW/ZONE.nsupdate` for each zone and view, for `nsupdate -k KEYFILE SCRIPT`",
    losses={
        "views": "is of one of several views; which one is changed the server decides by the key",
        "soa": "keeps the SOA of the server",
        "stale": "keeps names and types on the server that are not in the export",
    },
    write=write,
)
