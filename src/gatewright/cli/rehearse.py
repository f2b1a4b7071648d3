"""`gatewright rehearse`: the described world in namespaces of this machine, and the model held against it."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from gatewright.base.errors import UsageError
from gatewright.cli import complete, output

if TYPE_CHECKING:
    from gatewright.rehearsal.report import RehearsalReport

EPILOG = """\b
Examples:
  gatewright rehearse manifests/ site-map/
  gatewright rehearse . --only 'grafana*' -v
  gatewright rehearse . -o html > rehearsal.html
  gatewright rehearse . -o junit --report rehearsal.xml
  gatewright rehearse . --keep                    # then, in another terminal: gatewright enter
\b
Exit codes: 0 reality agrees with the model and all Expectations hold, 1 otherwise, 2 usage or input (also: this
machine allows no rehearsal), 3 our fault (also: the world does not come to stand).  docs/rehearse.md tells the rest.
"""

FORMATS = ("table", "wide", "json", "yaml")
INSIDE = ("-P", "-m", "gatewright.cli")
"""How Python goes on inside; nothing is imported from the folder that we are in."""


@click.command("rehearse", epilog=EPILOG)
@click.option(
    "-o", "--output", "form", type=click.Choice(FORMATS), default="table", show_default=True,
    help="How to print the report.",
)  # fmt: skip
@click.option(
    "--only", multiple=True, metavar="NAME", shell_complete=complete.expectations,
    help="Ask only for these Expectations and hostnames; * is a wildcard; repeatable.",
)  # fmt: skip
@click.option("--expectations/--no-expectations", default=True, help="Ask for the Expectations.  [default: yes]")
@click.option("--matrix/--no-matrix", default=True, help="Ask for every hostname from everywhere.  [default: yes]")
@click.option(
    "-v", "--verbose", is_flag=True, help="Print both accounts of every question, not only where they differ."
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
def command(
    form: str, only: tuple[str, ...], expectations: bool, matrix: bool, verbose: bool, paths: tuple[str, ...]
) -> None:
    """Build the world that PATH... describe in network namespaces, and ask it what the model is asked.

    PATH is a manifest, a folder (read recursively) or - for standard input.  Real clients at every vantage of the site
    map run every Expectation, and ask for every hostname over IPv4 and IPv6.  Whatever is otherwise than the model
    says is told with both accounts side by side.  Nothing outside of the rehearsal is touched, and nothing is left.
    """
    try:
        from gatewright.rehearsal import isolation, standing
        from gatewright.rehearsal.questions import Part
        from gatewright.rehearsal.rehearsal import Listener, Options, Rehearsal
    except ModuleNotFoundError as error:
        raise output.not_installed(error) from error
    parts = frozenset(part for part, wanted in ((Part.EXPECTATIONS, expectations), (Part.MATRIX, matrix)) if wanted)
    if not isolation.is_inside():
        if refusal := isolation.refusal():
            raise UsageError(refusal)
        isolation.enter((*INSIDE, *sys.argv[1:]))
    isolation.settle()
    line = output.StatusLine()
    listener = Listener(line.progress, line.progress, lambda done, whole: line.progress(f"asking {done} of {whole} …"))
    rehearsal = Rehearsal(Options(paths, standing.WORLD, parts, only), listener)
    output.problems(rehearsal.read(), rehearsal.model.locator, every=False)
    asked = rehearsal.questions()
    if not asked:
        raise UsageError("there is nothing to ask")
    world = rehearsal.plan()

    async def run() -> RehearsalReport:
        await rehearsal.stand()
        standing.announce(paths, world)
        return rehearsal.conclude(asked, await rehearsal.ask(asked))

    found = asyncio.run(run())
    line.progress("")

    from gatewright.cli.reports import rehearsed
    from gatewright.cli.reports.rehearsed.shown import Rehearsed

    shown = Rehearsed(found, world, rehearsal.model.locator, paths, verbose)
    click.echo(rehearsed.text(form, shown))
    sys.exit(0 if found.agrees and found.holds else 1)
