"""`gatewright dns export`: the zones as configuration of DNS servers that Gatewright does not drive."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from gatewright.base.errors import UsageError
from gatewright.cli import complete, output
from gatewright.engines.dns.export import FORMATS, checking, records
from gatewright.engines.dns.export.format import Content, Exported, Format, Loss, Settings, Source
from gatewright.graph.analysis import Analysis
from gatewright.graph.names import serving
from gatewright.pipeline import Model
from gatewright.system import files

VERSION = 1
EPILOG = """\b
Examples:
  gatewright dns export . --format bind --output /etc/bind/gatewright --check
  gatewright dns export . --format dnsmasq --view home > /etc/dnsmasq.d/gatewright.conf
  gatewright dns export . --format adguard --view home --zone example.com
  gatewright dns export . --format cloudflared --view public --service https://10.0.0.50:443
  gatewright dns export . --format nsupdate --zone example.com | nsupdate -k update.key
\b
What a format cannot say is told on stderr, never left out in silence.
Exit codes: 0 exported, 1 refused by the target's checker (--check), 2 usage or input, 3 our fault.
docs/dns-export.md describes the formats and what each cannot say.
"""


@click.command("export", epilog=EPILOG)
@click.option("--format", "target", type=click.Choice(list(FORMATS)), required=True, help="For which system.")
@click.option(
    "--view", "views", multiple=True, metavar="VIEW", shell_complete=complete.views,
    help="Only zones of this view; repeatable.  [default: all]",
)  # fmt: skip
@click.option(
    "--zone", "domains", multiple=True, metavar="DOMAIN", shell_complete=complete.domains,
    help="Only this zone; repeatable.  [default: all]",
)  # fmt: skip
@click.option(
    "--output", "folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Write the files there.  [default: print them]",
)  # fmt: skip
@click.option("--check", is_flag=True, help="Run the target's own checker over the files, where it is installed.")
@click.option("--serial", type=click.IntRange(1, 2**32 - 1), help="SOA serial.  [default: seconds since 1970]")
@click.option("--server", default="", metavar="ADDR[#PORT]", help="nsupdate: where to send the updates.")
@click.option("--tunnel", default="", metavar="NAME", help="cloudflared: the tunnel's name or UUID.")
@click.option("--service", default="", metavar="URL", help="cloudflared: where the tunnel leads to.")
@click.option(
    "-o", "form", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True,
    help="How to print the files.",
)  # fmt: skip
@click.option("--problems", is_flag=True, help="Print every Problem of the manifests on stderr, not only errors.")
@click.option("-q", "--quiet", is_flag=True, help="Print no Problems.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
def command(
    target: str,
    views: tuple[str, ...],
    domains: tuple[str, ...],
    folder: Path | None,
    check: bool,
    serial: int | None,
    server: str,
    tunnel: str,
    service: str,
    form: str,
    problems: bool,
    quiet: bool,
    paths: tuple[str, ...],
) -> None:
    """Write the zones that PATH... describe for a DNS server that Gatewright does not drive.

    The records are those that `gatewright run` would answer: what Zones say, and the names of routes.
    """
    chosen = FORMATS[target]
    settings = Settings(int(time.time()) if serial is None else serial, server, tunnel, service)
    _check_settings(chosen, settings)
    model = Model()
    model.read(paths)
    source = gathered(model.analysis, views, domains)
    if not quiet:
        found = (*model.problems(), *model.analysis.answer(serving.problems))
        output.problems(tuple(dict.fromkeys(found)), model.locator, every=problems)
    exported = chosen.write(source, settings)
    for line in told(chosen, exported.losses):
        click.echo(f"{click.style('warning', fg='yellow')}: {line}", err=True)
    accepted = not check or _checked(chosen, exported)
    if folder is not None and accepted:
        written(folder, exported)
    elif folder is not None:
        click.echo("nothing is written", err=True)
    if form != "text":
        click.echo(output.machine(document(chosen, exported), form))
    elif folder is None:
        _print(exported)
    sys.exit(0 if accepted else 1)


def _check_settings(chosen: Format, settings: Settings) -> None:
    """UsageError for options that are missing, belong to another format, or cannot be written."""
    given = {"server": settings.server, "tunnel": settings.tunnel, "service": settings.service}
    takes = {"server": "nsupdate", "tunnel": "cloudflared", "service": "cloudflared"}
    for option, value in given.items():
        if value and takes[option] != chosen.name:
            raise UsageError(f"--{option} goes with --format {takes[option]}")
        if not value and option in chosen.needs:
            raise UsageError(f"--format {chosen.name} needs --{option}")
        if not value.isprintable() or " " in value:
            raise UsageError(f"--{option} {value!r} has characters that cannot be meant")


def gathered(analysis: Analysis, views: Iterable[str], domains: Iterable[str]) -> Source:
    """What is to be exported: the zones of these views and domains, all where none are named.

    UsageError for a view or zone that there is not.
    """
    known = analysis.answer(serving.views)
    zones = analysis.answer(serving.zones)
    if not zones:
        raise UsageError("there is no Zone to export")
    _know("view", views, {view.name for view in known})
    _know("zone", domains, {zone.domain for zone in zones})
    wanted = [zone for zone in zones if (not views or zone.view in views) and (not domains or zone.domain in domains)]
    if not wanted:
        raise UsageError("no zone is in the views and of the domains that were asked for")
    return Source(known, tuple(Content(zone, analysis.answer(serving.contents, zone.key)) for zone in wanted))


def _know(what: str, names: Iterable[str], known: set[str]) -> None:
    for name in names:
        if name not in known:
            there = f" (known: {', '.join(sorted(known))})" if len(known) < output.SHOWN else ""
            raise UsageError(f"there is no {what} {name}{output.suggestion(name, known) or there}")


def told(chosen: Format, losses: Iterable[Loss]) -> list[str]:
    """What is not said, one line for each kind with an example and how many more there are."""
    sentences = {**records.LOSSES, **chosen.losses}
    lines = []
    for kind, group in groupby(sorted(set(losses)), key=lambda loss: loss.kind):
        first, *others = [loss.subject for loss in group]
        more = f" (and {len(others):,} more)" if others else ""
        lines.append(f"{first} {sentences[kind]}{more}")
    return lines


def document(chosen: Format, exported: Exported) -> dict[str, Any]:
    """The export for programs."""
    return {
        "version": VERSION,
        "format": chosen.name,
        "files": [{"path": path, "content": text} for path, text in exported.files.items()],
        "losses": [{"kind": loss.kind, "subject": loss.subject} for loss in sorted(set(exported.losses))],
    }


def _print(exported: Exported) -> None:
    """One file as it is; of several each below its path."""
    for number, (path, text) in enumerate(exported.files.items()):
        if len(exported.files) > 1:
            click.echo(f"{chr(10) if number else ''}==> {path} <==")
        click.echo(text, nl=False)


def written(folder: Path, exported: Exported) -> None:
    """Write the files, each in one step, so that a server that reads them never sees half of one.

    UsageError when it cannot be done.
    """
    for path, text in exported.files.items():
        place = folder / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            files.write(place, text.encode(), 0o644, durable=True)  # servers read it as another user
        except OSError as error:
            raise UsageError(f"cannot write {place}: {error.strerror}") from error


def _checked(chosen: Format, exported: Exported) -> bool:
    """Print what the target's checkers say; False when one refuses."""
    results = checking.check(chosen.name, exported.files)
    if not results:
        click.echo(f"not checked: there is no checker of {chosen.title} that runs here", err=True)
    for program in dict.fromkeys(result.program for result in results):
        mine = [result for result in results if result.program == program]
        if mine[0].accepted is None:
            click.echo(f"not checked by {program}: it is not installed", err=True)
        elif all(result.accepted for result in mine):
            click.echo(f"{program}: {output.count(len(mine), 'file')} accepted", err=True)
        for result in mine:
            if result.accepted is False:
                click.echo(
                    f"{click.style('error', fg='red')}: {program} refuses {result.subject}: {result.said}", err=True
                )
    return all(result.accepted is not False for result in results)
