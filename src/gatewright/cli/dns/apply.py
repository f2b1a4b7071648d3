"""`gatewright dns apply`: make the changes at the providers of public zones that were reviewed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gatewright.base.errors import UsageError
from gatewright.cli import complete, output

if TYPE_CHECKING:
    from gatewright.engines.publish.planning import Publication

EPILOG = """\b
Examples:
  gatewright dns plan . --save plan.json && gatewright dns apply --plan plan.json .
  gatewright dns apply manifests/ site-map/            shows the plan and asks
\b
Exit codes: 0 done, 1 refused or failed, 2 usage or input, 3 our fault.
"""


@click.command("apply", epilog=EPILOG)
@click.option("--plan", "file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="A plan that `dns plan --save` made: do exactly that.")  # fmt: skip
@click.option("--zone", "domains", multiple=True, metavar="DOMAIN", shell_complete=complete.domains,
              help="Only this zone; repeatable.  Not with --plan.")  # fmt: skip
@click.option(
    "--adopt", multiple=True, metavar="NAME", help="Take over what others have at this very name.  Not with --plan."
)
@click.option("--force", is_flag=True, help="Even when it changes or deletes more than is usual.  Not with --plan.")
@click.option("--problems", is_flag=True, help="Print every Problem of the manifests on stderr, not only errors.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
def command(
    file: Path | None,
    domains: tuple[str, ...],
    adopt: tuple[str, ...],
    force: bool,
    problems: bool,
    paths: tuple[str, ...],
) -> None:
    """Publish the zones as they are described.

    With --plan nothing is done unless all is as it was reviewed: the manifests, the zones at their providers, and what
    is to change.  Without it the plan is shown, and a terminal is asked.
    """
    if file is not None and (domains or adopt or force):
        raise UsageError("--zone, --adopt and --force belong to `dns plan`; the saved plan holds them")
    if file is None and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("there is nobody to ask: review with `dns plan --save FILE`, then `dns apply --plan FILE`")
    from gatewright.cli.dns import published

    if file is not None:
        publications = _as_reviewed(file, paths, problems=problems)
    else:
        zones = published.described(paths, domains, problems=problems)
        published.must_be_wanted(adopt, zones)
        publications, failures = published.looked_at(zones, adopt, patient=True)
        click.echo(published.text([item.plan for item in publications]))
        published.tell(failures)
        if failures or (any(item.plan.unsafe for item in publications) and not force):
            sys.exit(published.EXIT_REFUSED)
        if any(item.plan.changes for item in publications) and not click.confirm("Make these changes?"):
            sys.exit(published.EXIT_REFUSED)
    sys.exit(_apply(publications))


def _as_reviewed(file: Path, paths: tuple[str, ...], *, problems: bool) -> list[Publication]:
    """What was reviewed, looked at again; ends the program when it is no longer the same."""
    from gatewright.cli.dns import published
    from gatewright.engines.publish import reviewed

    plan = reviewed.load(file)
    known = {item.id for item in plan.zones}
    zones = [zone for zone in published.described(paths, (), problems=problems) if zone.id in known]
    publications, failures = published.looked_at(zones, plan.adopt, patient=True)
    if not failures:
        differences = reviewed.differences(plan.zones, [item.plan for item in publications])
        failures = [f"{words}; nothing was done, plan again" for words in differences]
        if not plan.force:
            failures += [f"{item.plan.domain}: {item.plan.unsafe}" for item in publications if item.plan.unsafe]
    if failures:
        published.tell(failures)
        sys.exit(published.EXIT_REFUSED)
    return publications


def _apply(publications: Sequence[Publication]) -> int:
    """Make the changes zone by zone and tell of each; the exit code."""
    from gatewright.cli.dns import published
    from gatewright.engines.publish.failures import PublishError

    failed = False
    for publication in publications:
        plan = publication.plan
        if not plan.changes:
            click.echo(f"{plan.id} at {plan.provider}: nothing to do")
            continue
        try:
            done = publication.apply()
        except PublishError as error:
            failed = True
            published.tell([f"{error}; some of its changes may have been made: plan again"])
        else:
            click.echo(
                f"{plan.id} at {plan.provider}: {click.style('done', fg='green')}, {output.count(done, 'change')}"
            )
    return published.EXIT_REFUSED if failed else 0
