"""`gatewright status`: what a running Gatewright serves, what it holds back and why."""

from __future__ import annotations

import os
import sys
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
Exit codes: 0 everything is live, 1 something is held back or wrong, 2 nothing runs there.
"""


@click.command("status", epilog=EPILOG)
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="The state folder of the run.  [default: ~/.local/state/gatewright]")  # fmt: skip
@click.option("-o", "--output", "form", type=click.Choice(["table", "json", "yaml"]), default="table",
              show_default=True, help="How to print it.")  # fmt: skip
def command(state: Path | None, form: str) -> None:
    """Show what is live, what is held back, and why."""
    try:
        from gatewright.runtime import folder, report
    except ImportError as error:
        raise UsageError(f"{error.name} is not installed: pip install 'gatewright[run]'") from error
    import msgspec

    place = folder.StateFolder(state or folder.default_folder())
    live = folder.read(place.status, report.Live)
    if live is None or not _runs(live.pid):
        raise UsageError(f"no gatewright run uses the state folder {place.root}")
    if form == "table":
        show(live)
        for fault in live.problems:
            where = f"{fault.file}:{fault.line}" if fault.line else fault.file
            click.echo(output.problem_line(fault.severity, where, fault.message, fault.hint))
        for item in live.held_back:
            click.echo(f"{click.style('held back', fg='red')}: {item.name}: {item.message}")
    else:
        click.echo(output.machine(msgspec.to_builtins(live), form))
    sys.exit(1 if live.held_back or any(f.severity == "error" for f in live.problems) else 0)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


# --- the table ----------------------------------------------------------------------------------

NAMES = 3


def show(live: Live) -> None:
    """Print where each gateway listens, and a command to try each with."""
    from gatewright.runtime import report

    header = ("GATEWAY", "LISTENER", "DESCRIBED", "HERE", "HOSTNAMES")
    rows = [header, *(_row(item) for item in live.listeners)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    for number, row in enumerate(rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.echo(click.style(line, bold=True) if number == 0 else line)
    commands = [text for item in live.listeners if (text := report.curl(item))]
    if commands:
        click.echo()
    for text in commands:
        click.echo(text)
    if live.stand_ins:
        click.echo(f"\n{live.stand_ins} Services are answered by the echo backend.", err=True)


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
