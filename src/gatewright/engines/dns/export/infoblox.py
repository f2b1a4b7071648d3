"""Infoblox NIOS: a CSV file of its import format for each view, zones first, every type with a header of its own."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dns.rdata import Rdata
from dns.rdtypes.ANY.CAA import CAA
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.SRV import SRV

from gatewright.engines.dns.export import flat, records, zonefile
from gatewright.engines.dns.export.format import Exported, Format, Loss, Settings, Source
from gatewright.engines.dns.export.records import Names


class Writer(Protocol):
    """What `csv.writer` gives."""

    def writerow(self, row: Any, /) -> Any: ...
    def writerows(self, rows: Any, /) -> Any: ...


_Cells = Callable[[Rdata], list[str] | None]


def _address(data: Rdata) -> list[str]:
    return [data.to_text()]


def _name(data: Rdata) -> list[str]:
    return [records.target(data)]


def _mx(data: Rdata) -> list[str] | None:
    return [data.exchange.to_text().removesuffix("."), str(data.preference)] if isinstance(data, MX) else None


def _srv(data: Rdata) -> list[str] | None:
    if not isinstance(data, SRV):
        return None
    return [str(data.priority), str(data.weight), str(data.port), data.target.to_text().removesuffix(".")]


def _caa(data: Rdata) -> list[str] | None:
    if not isinstance(data, CAA):
        return None
    return [str(data.flags), data.tag.decode("ascii", "replace"), data.value.decode("utf-8", "replace")]


def _txt(data: Rdata) -> list[str] | None:
    """Its strings in quotes; quotes and backslashes within are escaped.  None for what no text field takes."""
    if not isinstance(data, TXT):
        return None
    words = []
    for string in data.strings:
        text = string.decode("ascii", "replace")
        if not text.isprintable() or not text.isascii():
            return None
        words.append('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
    return [" ".join(words)]


_COLUMNS: Mapping[str, tuple[str, tuple[str, ...], _Cells]] = {
    "A": ("arecord", ("address*",), _address),
    "AAAA": ("aaaarecord", ("address*",), _address),
    "CAA": ("caarecord", ("ca_flag*", "ca_tag*", "ca_value*"), _caa),
    "CNAME": ("cnamerecord", ("canonical_name",), _name),
    "MX": ("mxrecord", ("mx*", "priority*"), _mx),
    "PTR": ("ptrrecord", ("dname*",), _name),
    "SRV": ("srvrecord", ("priority*", "weight*", "port*", "target*"), _srv),
    "TXT": ("txtrecord", ("text*",), _txt),
}
"""By type: the object's name, its columns besides name, view and TTL, and what is in them."""


def write(source: Source, settings: Settings) -> Exported:
    """The files for Infoblox NIOS 8.5 and later."""
    zones, losses = records.prepare(source)
    files = {}
    for view, mine in flat.by_view(zones).items():
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\r\n")
        writer.writerow(("header-authzone", "fqdn*", "zone_format*", "view", "soa_default_ttl", "soa_negative_ttl"))
        for names in mine:
            zone = names.zone
            writer.writerow(("authzone", zone.domain, "FORWARD", view, zone.ttl, zone.soa.negative_ttl))
            losses.append(Loss("frame", zone.id))
        for type_ in _COLUMNS:
            _type(type_, view, mine, writer, losses)
        losses += _others(mine)
        losses.append(Loss("view", view))
        files[f"infoblox/{zonefile.folder(view)}.csv"] = buffer.getvalue()
    return Exported(files, tuple(sorted(losses)))


def _type(type_: str, view: str, zones: list[Names], writer: Writer, losses: list[Loss]) -> None:
    """The rows of one type below their header."""
    kind, columns, cells = _COLUMNS[type_]
    rows = []
    for item in (item for names in zones for item in names.all() if item.type == type_):
        for data in item.data:
            found = cells(data)
            if found is None or not all(map(_is_plain, found)):
                losses.append(Loss("text", f"{item.name} {type_}"))
            else:
                rows.append([kind, item.name, *found, view, str(item.ttl)])
    if rows:
        writer.writerow([f"header-{kind}", "fqdn*", *columns, "view", "ttl"])
        writer.writerows(rows)


def _is_plain(cell: str) -> bool:
    """Printable, and nothing that a spreadsheet, through which such files often go, would compute."""
    return cell.isprintable() and not cell.startswith(("=", "+", "-", "@"))


def _others(zones: list[Names]) -> list[Loss]:
    """The types that the export has no columns for; NS of the apex belong to the members of the grid."""
    return [
        Loss("type", f"{item.name} {item.type}")
        for names in zones
        for item in names.all()
        if item.type not in _COLUMNS and (item.name, item.type) != (names.zone.domain, "NS")
    ]


FORMAT = Format(
    name="infoblox",
    title="Infoblox NIOS",
    makes="`infoblox/VIEW.csv` for each view, for CSV import (add or merge)",
    losses={
        "frame": "gets its SOA and name servers from the grid: assign members or a name server group",
        "view": "has to exist as a DNS view of the grid, with its match clients",
        "text": "has characters that the text field does not take; it is left out",
        "type": "is of a type that is not exported",
    },
    write=write,
)
