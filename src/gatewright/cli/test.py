"""`gatewright test`: do the Expectations hold on the model?"""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from typing import Any

import click

from gatewright.base.errors import UsageError
from gatewright.base.origin import Locator
from gatewright.check.expectations import Verdict, verdicts
from gatewright.cli import complete, output
from gatewright.cli.reports import junit, table
from gatewright.kinds.intents.asking import ExpectationIntent
from gatewright.pipeline import Model

EPILOG = """\b
Examples:
  gatewright test manifests/ site-map/
  gatewright test . --only 'grafana-*'
  gatewright test . -o junit > expectations.xml
\b
Exit codes: 0 all hold, 1 some do not, 2 usage or input (also: no Expectation at all), 3 our fault.
"""
VERSION = 1


@click.command("test", epilog=EPILOG)
@click.option(
    "-o", "--output", "form", type=click.Choice(["table", "json", "yaml", "junit"]), default="table", show_default=True,
    help="How to print it.",
)  # fmt: skip
@click.option(
    "--only", multiple=True, metavar="NAME", shell_complete=complete.expectations,
    help="Only these Expectations; * is a wildcard; repeatable.",
)  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, help="Also print what holds, branch by branch.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
def command(form: str, only: tuple[str, ...], verbose: bool, paths: tuple[str, ...]) -> None:
    """Hold the Expectations of the site map against the model.

    An Expectation says what must become of a request: from these vantages, in these families, it reaches that backend
    through that gateway.  Every branch that the request can take has to hold.
    """
    model = Model()
    model.read(paths)
    analysis = model.analysis
    names = [key for key in analysis.objects.keys_of((ExpectationIntent,)) if _chosen(key.name, only)]
    if not names:
        raise UsageError("there is no such Expectation" if only else "there is no Expectation in what was read")
    found = [verdict for key in sorted(names) for verdict in analysis.answer(verdicts, key)]
    if form == "table":
        output.problems(model.problems(), model.locator, every=False, rest_by="gatewright check tells of them")
        click.echo(_table(found, model.locator, verbose=verbose))
    elif form == "junit":
        click.echo(_junit(found, model.locator))
    else:
        click.echo(output.machine(_document(found, model.locator), form))
    sys.exit(0 if all(verdict.holds for verdict in found) else 1)


def _chosen(name: str, only: tuple[str, ...]) -> bool:
    return not only or any(fnmatchcase(name, pattern) for pattern in only)


def _label(verdict: Verdict) -> str:
    return f"{verdict.expectation} {table.label(verdict.vantage, verdict.family)}"


def _table(found: list[Verdict], locator: Locator, *, verbose: bool) -> str:
    lines = []
    for verdict in found:
        sign, colour = ("✓", "green") if verdict.holds else ("✗", "red")
        where = click.style(str(locator.locate(verdict.origin)), dim=True)
        lines.append(f"{click.style(sign, fg=colour)} {_label(verdict)}  {verdict.url}  {where}")
        for failure in verdict.failures:
            lines += output.paragraph(failure, indent="    ")
        if verbose:
            said = " ".join(verdict.failures)
            told = dict.fromkeys(fate.words for fate in verdict.fates if fate.words not in said)
            lines += [click.style(line, dim=True) for words in told for line in output.paragraph(words, indent="    ")]
    failed = sum(not verdict.holds for verdict in found)
    lines.append(
        click.style(f"{failed} of {len(found)} do not hold", fg="red")
        if failed
        else click.style(f"all {len(found)} hold", fg="green")
    )
    return "\n".join(lines)


def _junit(found: list[Verdict], locator: Locator) -> str:
    cases = "".join(
        junit.case(
            verdict.expectation,
            _label(verdict),
            [f"{locator.locate(verdict.origin)}: {failure}" for failure in verdict.failures],
        )
        for verdict in found
    )
    return junit.suite("gatewright test", cases, len(found), sum(not verdict.holds for verdict in found))


def _document(found: list[Verdict], locator: Locator) -> dict[str, Any]:
    return {
        "version": VERSION,
        "expectations": [
            {
                "name": verdict.expectation,
                "origin": _place(verdict, locator),
                "url": verdict.url,
                "vantage": verdict.vantage or None,
                "family": int(verdict.family),
                "holds": verdict.holds,
                "failures": list(verdict.failures),
                "outcomes": [fate.words for fate in verdict.fates],
            }
            for verdict in found
        ],
    }


def _place(verdict: Verdict, locator: Locator) -> dict[str, Any]:
    place = locator.locate(verdict.origin)
    return {"file": place.file, "line": place.line or None}
