"""The tables of `gatewright status` on names and certificates: what is issued, and what is answered in DNS.

Nothing is printed of what is not in use.  Counterpart: `runtime.report`, which has the values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

import click

from gatewright.runtime.report import CertificateLine, DnsSecondary, DnsView, DnsZone

NAMES = 2
"""How many names of a certificate are printed."""
SOON = 20
"""How many certificates are printed that are well: those that end first."""
READY = "ready"
BY_CLIENT = "by client"
"""Beside sockets where the client's address decides which view is seen."""


def show(certificates: Sequence[CertificateLine], dns: Sequence[DnsView]) -> None:
    """Print both tables, those that hold anything."""
    if certificates:
        click.echo()
        chosen, left = _chosen(certificates)
        _table(("CERTIFICATE", "STATE", "NAMES", "ISSUER", "ENDS", "NEXT ATTEMPT (UTC)"), map(_certificate, chosen))
        if left:
            click.echo(f"and {left:,} more that are ready")
        for line in chosen:
            if line.message:
                click.echo(f"{line.id}: {line.message}" + (f" ({line.failures} in a row)" if line.failures > 1 else ""))
    if dns:
        click.echo()
        header, rows = ("VIEW", "ZONE", "SERIAL", "NAMES", "ANSWERED AT"), list(_zones(dns))
        told = any(row[-1] for row in rows)
        _table((*header, "SECONDARIES") if told else header, rows if told else (row[:-1] for row in rows))


def _chosen(lines: Sequence[CertificateLine]) -> tuple[list[CertificateLine], int]:
    """All that are not ready, then those that end first; and how many were left out."""
    never = datetime.max.replace(tzinfo=UTC)
    ready = sorted((one for one in lines if one.state == READY), key=lambda one: (one.not_after or never, one.id))
    return [one for one in lines if one.state != READY] + ready[:SOON], max(0, len(ready) - SOON)


def _certificate(line: CertificateLine) -> tuple[str, ...]:
    more = len(line.names) - NAMES
    named = ", ".join(line.names[:NAMES]) + (f" and {more} more" if more > 0 else "")
    return (line.id, line.state, named, line.issuer, _day(line.not_after), _minute(line.next_attempt))


def _zones(dns: Sequence[DnsView]) -> Iterator[tuple[str, ...]]:
    shared = [f"{_sockets(view)} {BY_CLIENT}" for view in dns if not view.view and view.listening]
    for view in [one for one in dns if one.view] or dns:
        own = [_sockets(view)] if view.view and view.listening else []
        where = ", ".join(own + shared) or "-"
        for number, zone in enumerate(view.zones or (None,)):
            first = number == 0
            yield (view.view or "-" if first else "", *_zone(zone), where if first else "", _told(zone))


def _sockets(view: DnsView) -> str:
    return ", ".join(f"{socket.address}:{socket.port}" for socket in view.listening)


def _zone(zone: DnsZone | None) -> tuple[str, str, str]:
    return (zone.name or ".", str(zone.serial), f"{zone.names:,}") if zone else ("-", "-", "-")


def _told(zone: DnsZone | None) -> str:
    return ", ".join(_secondary(one, zone.serial) for one in zone.secondaries) if zone else ""


def _secondary(one: DnsSecondary, serial: int) -> str:
    where = f"{one.address}:{one.port}"
    if one.wrong:
        return f"{where} {one.wrong}"
    if one.serial == serial:
        return where
    return f"{where} has {one.serial}" if one.serial is not None else f"{where} not yet"


def _day(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d") if moment else "-"


def _minute(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M") if moment else "-"


def _table(header: tuple[str, ...], body: Iterable[tuple[str, ...]]) -> None:
    rows = [header, *body]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    for number, row in enumerate(rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.echo(click.style(line, bold=True) if number == 0 else line)
