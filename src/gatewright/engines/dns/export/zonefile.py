"""Zone files (RFC 1035, 5): what BIND, CoreDNS and most others read.  Counterpart: `kinds.zonefile`, the reader."""

from __future__ import annotations

import re

from gatewright.engines.dns.export import records
from gatewright.engines.dns.export.records import Names

_UNSAFE = re.compile(r"[^a-z0-9_.-]")


def folder(view: str) -> str:
    """A view's name as the name of a folder, the same only for the same view."""
    safe = _UNSAFE.sub(lambda found: f"%{ord(found[0]):x}", view)
    return safe if safe.strip(".") else f"%{safe}"


def path(names: Names) -> str:
    """Where a zone's file is, relative to what includes it."""
    return f"zones/{folder(names.zone.view)}/{names.zone.domain}.zone"


def text(names: Names, serial: int) -> str:
    """The zone with its SOA; every name in full, so that lines can be moved."""
    zone = names.zone
    lines = [
        f"$ORIGIN {zone.domain}.",
        f"$TTL {zone.ttl}",
        f"{zone.domain}. {zone.ttl} IN SOA {records.soa(zone, serial)}",
    ]
    for item in names.all():
        lines += [f"{item.name}. {item.ttl} IN {item.type} {data.to_text()}" for data in item.data]
    return "\n".join(lines) + "\n"
