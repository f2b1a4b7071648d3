"""`gatewright check`: what is wrong with the whole, and what every name means from everywhere."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from gatewright.base.errors import UsageError
from gatewright.check.matrix import Row
from gatewright.check.rules import RULES
from gatewright.check.run import SEVERITIES, Checker, Report
from gatewright.cli import output
from gatewright.cli.reports import FORMATS
from gatewright.cli.reports.shown import Shown, locate
from gatewright.pipeline import Model

EPILOG = """\b
Examples:
  gatewright check manifests/
  gatewright check . --from phone-away --host '*.example.com' -o wide
  gatewright check . -o sarif > gatewright.sarif
  gatewright check . --fail-on error --skip certificate-per-host
  kubectl get all,ingress,gateway,httproute -A -o yaml | gatewright check - site-map.yaml
\b
A finding is accepted by an annotation on an object that it names, with a reason and perhaps a date:
  gatewright.dev/ignore: "cidr-overlap until 2027-01-31: both sides move in January"
\b
Exit codes: 0 clean, 1 findings, 2 usage or input, 3 our fault.  docs/check.md describes the formats;
gatewright explain ID describes a finding.
"""

FAIL_ON = {"error": 1, "warning": 2, "info": 3, "never": 0}


@click.command("check", epilog=EPILOG)
@click.option(
    "-o", "--output", "form", type=click.Choice(list(FORMATS)), default="table", show_default=True,
    help="How to print the report.",
)  # fmt: skip
@click.option(
    "--fail-on", type=click.Choice(list(FAIL_ON)), default="warning", show_default=True,
    help="Exit with 1 when there is a finding at least this bad.",
)  # fmt: skip
@click.option("--only", multiple=True, metavar="ID", help="Apply only this rule; repeatable.")
@click.option("--skip", multiple=True, metavar="ID", help="Leave this rule out; repeatable.")
@click.option(
    "--from", "vantages", multiple=True, metavar="VANTAGE", help="Show the matrix from here only; repeatable."
)
@click.option("--host", "hosts", multiple=True, metavar="NAME", help="Show these hostnames only; * is a wildcard.")
@click.option("--matrix/--no-matrix", default=True, help="Print the matrix of hostnames and vantages.  [default: yes]")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
def command(
    form: str,
    fail_on: str,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    vantages: tuple[str, ...],
    hosts: tuple[str, ...],
    matrix: bool,
    paths: tuple[str, ...],
) -> None:
    """Find what is wrong between DNS, firewalls, tunnels, TLS, routes and backends.

    PATH is a manifest, a folder (read recursively) or - for standard input.  Every finding says what is wrong, where,
    what it leads to and what to do.  The matrix says what each hostname means from each vantage of the site map, in
    each address family.
    """
    _known(only + skip)
    report, model = examine(paths, output.StatusLine().progress)
    findings = tuple(item for item in report.findings if (not only or item.id in only) and item.id not in skip)
    shown = Shown(
        findings=tuple(locate(item, model.locator) for item in findings),
        matrix=_chosen(report.matrix, vantages, hosts) if matrix else (),
        suppressed=tuple((locate(item, model.locator), word) for item, word in report.suppressed),
        documents=model.documents(),
        rules=RULES,
    )
    text = FORMATS[form](shown)
    if text:
        click.echo(text)
    counted = SEVERITIES[: FAIL_ON[fail_on]]
    sys.exit(1 if any(item.severity in counted for item in findings) else 0)


def examine(paths: tuple[str, ...], say: Callable[[str], None]) -> tuple[Report, Model]:
    """Read everything and apply all rules.  UsageError when a path cannot be read."""
    say("reading …")
    model = Model()
    model.read(paths)
    checker = Checker(model.analysis, RULES)
    checker.run(lambda done, whole: say(f"checking {done} of {whole} …"))
    say("")
    return checker.report(model.problems(), model.suppressions(), model.analysis.today), model


def _known(ids: tuple[str, ...]) -> None:
    """UsageError for a rule that there is not."""
    known = {rule.id for rule in RULES} | {problem for rule in RULES for problem in rule.lifts}
    for name in ids:
        if name not in known:
            hint = output.suggestion(name, known)
            raise UsageError(f"there is no rule {name}{hint}; gatewright explain lists them")


def _chosen(rows: tuple[Row, ...], vantages: tuple[str, ...], hosts: tuple[str, ...]) -> tuple[Row, ...]:
    """The rows and cells that were asked for.  UsageError for a vantage that there is not."""
    from fnmatch import fnmatchcase

    from msgspec import structs

    there = {cell.vantage for row in rows for cell in row.cells}
    for name in vantages:
        if rows and name not in there:
            raise UsageError(f"there is no vantage {name} (known: {', '.join(sorted(filter(None, there))) or 'none'})")
    kept = [row for row in rows if not hosts or any(row.host == host or fnmatchcase(row.host, host) for host in hosts)]
    if not vantages:
        return tuple(kept)
    return tuple(
        structs.replace(row, cells=tuple(cell for cell in row.cells if cell.vantage in vantages)) for row in kept
    )
