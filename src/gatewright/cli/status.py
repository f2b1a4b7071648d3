"""`gatewright status`: what a running Gatewright serves, what it holds back and why."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gatewright.base.errors import UsageError
from gatewright.cli import output

if TYPE_CHECKING:
    from gatewright.runtime.report import Listening, Live

EPILOG = """\b
Examples:
  gatewright status
  gatewright status --state /var/lib/gatewright -o json
\b
Exit codes: 0 everything is live, 1 something is held back or wrong, 2 nothing runs there.  A warning or a note is
no fault: what it is about is live.
"""


@click.command("status", epilog=EPILOG)
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="The state folder of the run.  [default: ~/.local/state/gatewright]")  # fmt: skip
@click.option("-o", "--output", "form", type=click.Choice(["table", "json", "yaml"]), default="table",
              show_default=True, help="How to print it.")  # fmt: skip
def command(state: Path | None, form: str) -> None:
    """Show what is live, what is held back, and why."""
    try:
        from gatewright.cli import names
        from gatewright.engines.envoy.process import StateFolder as EnvoyFolder
        from gatewright.engines.envoy.process import find_running
        from gatewright.runtime import folder, report
        from gatewright.system.processes import start_time_of
    except ModuleNotFoundError as error:
        raise output.not_installed(error) from error
    import msgspec

    place = folder.StateFolder(state or folder.default_folder())
    live = folder.read(place.status, report.Live)
    if live is None or start_time_of(live.pid) != live.pid_started:
        envoy = find_running(EnvoyFolder(place.envoy))
        message = f"no gatewright run uses the state folder {place.root}"
        if envoy is not None:
            too = " and its DNS workers go" if (place.dns / "workers.json").exists() else " goes"
            message += f"; its Envoy (pid {envoy.pid}){too} on as told last: start gatewright run again"
        raise UsageError(message)
    if form == "table":
        show(live)
        click.echo()
        for line in _summary(live):
            click.echo(line)
        names.show(live.certificates, live.dns)
        for fault in (*live.problems, *map(report.refused_fault, live.held_back)):
            click.echo(output.fault_line(fault))
    else:
        click.echo(output.machine(msgspec.to_builtins(live), form))
    connected = live.envoy is not None and live.envoy.connected
    wrong = live.held_back or not connected or any(fault.severity == "error" for fault in live.problems)
    sys.exit(1 if wrong else 0)


def _summary(live: Live) -> Iterator[str]:
    """What there is besides the listeners, a few words a line."""
    now = datetime.now(UTC)
    counts = f"{_count(live.virtual_hosts, 'virtual host')}, {_count(live.backends, 'backend')}"
    yield counts + (f" ({live.stand_ins:,} answered by the echo backend)" if live.stand_ins else "")
    if live.started is not None:
        last = f"last change {_ago(live.changed, now)} ago" if live.changed else "none yet"
        yield f"live for {_ago(live.started, now)}, {_count(live.changes, 'change')}, {last} (pid {live.pid})"
    if live.envoy is not None:
        state = "connected" if live.envoy.connected else click.style("not connected", fg="red")
        yield f"Envoy is {state} (pid {live.envoy.pid})"
    severities = Counter(fault.severity for fault in live.problems)
    told = [_count(severities[one], name) for one, name in SEVERITIES.items() if severities[one]]
    if live.held_back:
        told.append(f"{len(live.held_back):,} held back")
    yield ", ".join(told) or "no problems"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"


def _ago(moment: datetime, now: datetime) -> str:
    """A time span in its largest two units."""
    seconds = max(0, int((now - moment).total_seconds()))
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    for (unit, size), (below, smaller) in pairwise(units):
        if seconds >= size:
            rest = seconds % size // smaller
            return f"{seconds // size} {unit}" + (f" {rest} {below}" if rest else "")
    return f"{seconds} s"


# --- the table ----------------------------------------------------------------------------------

NAMES = 3
SEVERITIES = {"error": "error", "warning": "warning", "info": "note"}


def show(live: Live) -> None:
    """Print where each gateway listens, and a command to try each with."""
    from gatewright.runtime import report

    header = ("GATEWAY", "LISTENER", "DESCRIBED", "HERE", "HOSTNAMES")
    rows = [header, *(_row(item) for item in live.listeners)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    for number, row in enumerate(rows if live.listeners else ()):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.echo(click.style(line, bold=True) if number == 0 else line)
    commands = [text for item in live.listeners if (text := report.curl(item))]
    if commands:
        click.echo()
    for text in commands:
        click.echo(text)


def _row(item: Listening) -> tuple[str, ...]:
    described = ", ".join(f"{address}:{item.described.port}" for address in item.described.addresses)
    here = ", ".join(f"{socket.address}:{socket.port}" for socket in item.local)
    names = ", ".join(item.hostnames[:NAMES]) or "-"
    more = len(item.hostnames) - NAMES
    tls = " passthrough" if item.tls == "passthrough" else ""
    return (
        item.gateway,
        f"{item.listener} ({item.protocol}{tls})",
        described or f":{item.described.port}",
        here,
        names + (f" and {more} more" if more > 0 else ""),
    )
