"""`gatewright rehearse`: the described world in namespaces of this machine, and the model held against it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from gatewright.base.errors import UsageError
from gatewright.cli import breaking, complete, output

EPILOG = """\b
Examples:
  gatewright rehearse manifests/ site-map/
  gatewright rehearse . --only 'grafana*' -v
  gatewright rehearse . --report rehearsal.html
  gatewright rehearse . --report rehearsal.xml -o junit
  gatewright rehearse . --capture packets/        # what passed where reality differs
  gatewright rehearse . --break link:wg-home --break node:home/edge
  gatewright rehearse . --keep                    # then, in another terminal: gatewright enter
\b
Exit codes: 0 reality agrees with the model and all Expectations hold, 1 otherwise, 2 usage or input (also: this
machine allows no rehearsal), 3 our fault (also: the world does not come to stand).  docs/rehearse.md tells the rest.
"""

FORMATS = ("table", "wide", "json", "yaml", "junit", "html")
BY_SUFFIX = {".html": "html", ".json": "json", ".yaml": "yaml", ".yml": "yaml", ".xml": "junit", ".txt": "table"}
INSIDE = ("-P", "-m", "gatewright.cli")
"""How Python goes on inside; nothing is imported from the folder that we are in."""

PRIVATE = Path("/run")


@click.command("rehearse", epilog=EPILOG)
@click.option("-o", "--output", "form", type=click.Choice(FORMATS), help="How to print the report.  [default: table]")
@click.option(
    "--report", "file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write the report to this file, as -o says or the name ends, and print a table.",
)  # fmt: skip
@click.option(
    "--only", multiple=True, metavar="NAME", shell_complete=complete.expectations,
    help="Ask only for these Expectations and hostnames; * is a wildcard; repeatable.",
)  # fmt: skip
@click.option("--expectations/--no-expectations", default=True, help="Ask for the Expectations.  [default: yes]")
@click.option("--matrix/--no-matrix", default=True, help="Ask for every hostname from everywhere.  [default: yes]")
@click.option(
    "--patience", type=click.FloatRange(0), default=0.0, show_default=True, metavar="SECONDS",
    help="For how long WebSockets are really left alone where an Expectation has idleTimeout.",
)  # fmt: skip
@click.option("--acme/--no-acme", default=True, help="Order certificates from a real ACME server.  [default: yes]")
@click.option(
    "--capture", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
    help="Ask what differs again, one by one, and keep the packets.",
)  # fmt: skip
@click.option("--capture-all", is_flag=True, help="With --capture: keep the packets of everything that is asked.")
@breaking.option(f"Break something and ask again: {breaking.SUPPOSED}, {breaking.MEASURED}; repeatable, each alone.")
@click.option("--keep", is_flag=True, help="Let the world stand until Ctrl-C, for gatewright enter.")
@click.option("--estimate", is_flag=True, help="Tell what would be built and what it takes; build nothing.")
@click.option("--if-allowed", is_flag=True, help="Where namespaces are not allowed, say why and exit with 0.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Print both accounts of every question, not only where they differ."
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
def command(
    form: str | None,
    file: Path | None,
    only: tuple[str, ...],
    expectations: bool,
    matrix: bool,
    patience: float,
    acme: bool,
    capture: Path | None,
    capture_all: bool,
    faults: tuple[str, ...],
    keep: bool,
    estimate: bool,
    if_allowed: bool,
    verbose: bool,
    paths: tuple[str, ...],
) -> None:
    """Build the world that PATH... describe in network namespaces, and ask it what the model is asked.

    PATH is a manifest, a folder (read recursively) or - for standard input.  Real clients at every vantage of the site
    map run every Expectation, and ask for every hostname over IPv4 and IPv6.  Whatever is otherwise than the model
    says is told with both accounts side by side.  Nothing outside of the rehearsal is touched, and nothing is left.
    """
    from gatewright.rehearsal import isolation

    chosen = _form(form, file)
    if not (expectations or matrix):
        raise UsageError("--no-expectations and --no-matrix leave nothing to ask")
    if not (estimate or isolation.is_inside()):  # whoever only waits outside imports nothing of the model
        _check(paths, file, capture, capture_all)
        _go_inside(if_allowed)
        return
    try:
        from gatewright.cli import rehearsing
        from gatewright.rehearsal.questions import Part
    except ModuleNotFoundError as error:
        raise output.not_installed(error) from error
    wishes = rehearsing.Wishes(
        paths=paths,
        form=chosen,
        file=file,
        only=only,
        parts=frozenset(part for part, is_in in ((Part.EXPECTATIONS, expectations), (Part.MATRIX, matrix)) if is_in),
        patience=patience,
        acme=acme,
        capture=capture,
        capture_all=capture_all,
        faults=faults,
        keep=keep,
        verbose=verbose,
    )
    sys.exit(rehearsing.estimate(wishes) if estimate else rehearsing.rehearse(wishes))


def _go_inside(if_allowed: bool) -> None:
    """Go on in a process inside; UsageError, or only words, where this machine does not allow it."""
    from gatewright.rehearsal import isolation

    if refusal := isolation.refusal():
        if not if_allowed:
            raise UsageError(refusal)
        click.echo(f"nothing is rehearsed: {refusal}", err=True)
        return
    isolation.enter((*INSIDE, *sys.argv[1:]))


def _form(form: str | None, file: Path | None) -> str:
    """The format of the report: as asked for, or as the file's name says."""
    if form is not None or file is None:
        return form or "table"
    if file.suffix not in BY_SUFFIX:
        raise UsageError(f"{file} says no format: add -o {'|'.join(FORMATS)}")
    return BY_SUFFIX[file.suffix]


def _check(paths: tuple[str, ...], file: Path | None, capture: Path | None, capture_all: bool) -> None:
    """Tell what cannot be read or written before anything is made.  UsageError."""
    if capture_all and capture is None:
        raise UsageError("--capture-all goes with --capture FOLDER")
    for path in (*map(Path, paths), *filter(None, (file, capture))):
        if PRIVATE in path.absolute().resolve().parents and str(path) != "-":
            raise UsageError(
                f"{path} is below {PRIVATE}, which is another one inside of a rehearsal: move it elsewhere"
            )
    for target in filter(None, (file, capture)):
        parent = target.absolute() if target.exists() else target.absolute().parent
        if not os.access(parent, os.W_OK) or not (target.exists() or parent.is_dir()):
            raise UsageError(f"cannot write {target}: {parent} is no folder that you may write into")
