"""`gatewright dns plan`: what would have to change at the providers of public zones?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gatewright.cli import complete, output

EXIT_CHANGES = 4
EPILOG = """\b
Examples:
  gatewright dns plan manifests/ site-map/
  gatewright dns plan . --zone example.com --save plan.json
  gatewright dns plan . --adopt www.example.com
\b
Exit codes: 0 nothing to do, 4 there are changes, 1 a zone could not be looked at or its changes are refused,
2 usage or input, 3 our fault.  docs/dns-publish.md tells of providers, credentials, owner marks and limits.
"""


@click.command("plan", epilog=EPILOG)
@click.option("--zone", "domains", multiple=True, metavar="DOMAIN", shell_complete=complete.domains,
              help="Only this zone; repeatable.")  # fmt: skip
@click.option(
    "--save", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Save it for `dns apply`."
)
@click.option(
    "--adopt", multiple=True, metavar="NAME", help="Take over what others have at this very name; repeatable."
)
@click.option("--force", is_flag=True, help="Plan it even when it changes or deletes more than is usual.")
@click.option("-o", "--output", "form", type=click.Choice(["table", "json", "yaml"]), default="table",
              show_default=True, help="How to print it.")  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, help="Also list the owner marks.")
@click.option("--problems", is_flag=True, help="Print every Problem of the manifests on stderr, not only errors.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
def command(
    domains: tuple[str, ...],
    save: Path | None,
    adopt: tuple[str, ...],
    force: bool,
    form: str,
    verbose: bool,
    problems: bool,
    paths: tuple[str, ...],
) -> None:
    """Compare the zones as they are described with what their providers have.  Changes nothing.

    Only record sets with an owner mark of ours are changed or deleted; what others have at a wanted name is shown and
    left alone.
    """
    from gatewright.cli.dns import published
    from gatewright.engines.publish import reviewed

    zones = published.described(paths, domains, problems=problems)
    published.must_be_wanted(adopt, zones)
    publications, failures = published.looked_at(zones, adopt)
    plans = tuple(item.plan for item in publications)
    if form != "table":
        click.echo(output.machine(published.document(plans, failures), form))
    elif plans:
        click.echo(published.text(plans, verbose=verbose))
    published.tell(failures)
    if failures or (any(plan.unsafe for plan in plans) and not force):
        sys.exit(published.EXIT_REFUSED)
    if save is not None:
        reviewed.save(save, reviewed.Reviewed(reviewed.VERSION, plans, tuple(sorted(set(adopt))), force))
    sys.exit(EXIT_CHANGES if any(plan.changes for plan in plans) else 0)
