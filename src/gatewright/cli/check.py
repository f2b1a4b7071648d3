"""`gatewright check`: what is wrong with the whole, and what every name means from everywhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase

import click
from msgspec import Struct, structs

from gatewright.base import collector
from gatewright.base.errors import UsageError
from gatewright.check.finding import Finding
from gatewright.check.matrix import Row
from gatewright.check.rules import RULES
from gatewright.check.run import SEVERITIES, Checker, Report
from gatewright.cli import breaking, complete, output
from gatewright.cli.reports import FORMATS, pieces
from gatewright.cli.reports.shown import Shown, locate
from gatewright.pipeline import Model
from gatewright.trace.vantages import names as vantage_names

EPILOG = """\b
Examples:
  gatewright check manifests/
  gatewright check . --from phone-away --host '*.example.com' -o wide
  gatewright check . --watch
  gatewright check . --break link:wg-home --fail-on never     # what would still work
  gatewright check . -o sarif > gatewright.sarif
  gatewright check . --fail-on error --skip host-port-surge
  kubectl get all,ingress,gateway,httproute -A -o yaml | gatewright check - site-map.yaml
\b
A finding is accepted by an annotation on an object that it names, with a reason and perhaps a date:
  gatewright.dev/ignore: "cidr-overlap until 2027-01-31: both sides move in January"
\b
Exit codes: 0 clean, 1 findings, 2 usage or input, 3 our fault.
docs/check.md describes the formats; gatewright explain ID describes a finding.
"""

FAIL_ON = {"error": 1, "warning": 2, "info": 3, "never": 0}
WATCHABLE = ("table", "wide")


@click.command("check", epilog=EPILOG)
@click.option(
    "-o", "--output", "form", type=click.Choice(FORMATS), default="table", show_default=True,
    help="How to print the report.",
)  # fmt: skip
@click.option(
    "--fail-on", type=click.Choice(list(FAIL_ON)), default="warning", show_default=True,
    help="Exit with 1 when there is a finding at least this bad.",
)  # fmt: skip
@click.option(
    "--only", multiple=True, metavar="ID", shell_complete=complete.rules,
    help="Show findings of this rule only; repeatable.",
)  # fmt: skip
@click.option(
    "--skip", multiple=True, metavar="ID", shell_complete=complete.rules, help="Leave this rule out; repeatable."
)
@click.option(
    "--from", "vantages", multiple=True, metavar="VANTAGE", shell_complete=complete.vantages,
    help="Show the matrix from here only; repeatable.",
)  # fmt: skip
@click.option(
    "--host", "hosts", multiple=True, metavar="NAME",
    help="Show these hostnames only in the matrix; * is a wildcard; repeatable.",
)  # fmt: skip
@breaking.option(f"Suppose that this is broken: {breaking.SUPPOSED}; repeatable, all at once.")
@click.option("--matrix/--no-matrix", default=True, help="Print the matrix of hostnames and vantages.  [default: yes]")
@click.option("--watch", is_flag=True, help="Go on, and print what each change of the files changes.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
def command(
    form: str,
    fail_on: str,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    vantages: tuple[str, ...],
    hosts: tuple[str, ...],
    faults: tuple[str, ...],
    matrix: bool,
    watch: bool,
    paths: tuple[str, ...],
) -> None:
    """Find what is wrong between DNS, firewalls, tunnels, TLS, routes and backends.

    PATH is a manifest, a folder (read recursively) or - for standard input.  Every finding says what is wrong, where,
    what it leads to and what to do.  The matrix says what each hostname means from each vantage of the site map, in
    each address family.
    """
    if watch and (form not in WATCHABLE or "-" in paths):
        raise UsageError("--watch follows files, and prints as table or wide")
    if watch and faults:
        raise UsageError("--watch and --break do not go together: what is saved would stand again")
    choice = Choice(_ids(only), _ids(skip), vantages, hosts, matrix)
    with collector.paused():  # what is made is needed until it is printed
        model, checker = examine(paths, output.StatusLine().progress, faults)
        found = report(model, checker)
        if matrix:
            _know(found.matrix, choice, model)
        chosen = choice.of(found)
        documents = model.documents()
        is_empty = not documents.read and not documents.unknown
        if chosen.findings or not is_empty:
            _print(pieces(form, _shown(chosen, model, faults)))
        if is_empty:  # a folder that was mistyped in CI must not look clean
            raise UsageError(f"there is no manifest that can be read in {' '.join(paths)}")
    if watch:
        from gatewright.cli.watching import follow

        chosen = follow(model, checker, chosen, choice.of, wide=form == "wide")
    sys.exit(verdict(chosen.findings, fail_on))


def _print(text: Iterable[str]) -> None:
    """Print a report that comes in pieces, and end its last line."""
    printed = False
    for piece in filter(None, text):
        click.echo(piece, nl=False)
        printed = True
    if printed:
        click.echo()


def examine(paths: tuple[str, ...], say: Callable[[str], None], faults: tuple[str, ...] = ()) -> tuple[Model, Checker]:
    """Read everything and apply all rules, with `faults` broken.  UsageError when a path cannot be read, and for what
    there is not to break."""
    model = Model()
    try:
        say("reading …")
        model.read(paths)
        breaking.suppose(model, faults)
        checker = Checker(model.analysis, RULES)
        checker.run(lambda done, whole: say(f"checking {done} of {whole} …"))
    finally:
        say("")
    return model, checker


def report(model: Model, checker: Checker) -> Report:
    """What there is to say now."""
    return checker.report(model.problems(), model.suppressions(), model.analysis.today)


def verdict(findings: Iterable[Finding], fail_on: str) -> int:
    """The exit code."""
    counted = SEVERITIES[: FAIL_ON[fail_on]]
    return 1 if any(item.severity in counted for item in findings) else 0


class Choice(Struct, frozen=True):
    """What of a report the user wants to see; empty: everything."""

    only: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()
    vantages: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    matrix: bool = True

    def of(self, found: Report) -> Report:
        """The part of a report that was asked for."""
        return Report(
            findings=tuple(item for item in found.findings if self._rule(item.id)),
            matrix=tuple(self._cells(row) for row in found.matrix if self.host(row.host)) if self.matrix else (),
            suppressed=tuple((item, word) for item, word in found.suppressed if self._rule(item.id)),
        )

    def host(self, name: str) -> bool:
        """Is this hostname wanted?"""
        return not self.hosts or any(name == host or fnmatchcase(name, host) for host in self.hosts)

    def _rule(self, name: str) -> bool:
        return (not self.only or name in self.only) and name not in self.skip

    def _cells(self, row: Row) -> Row:
        if not self.vantages:
            return row
        return structs.replace(row, cells=tuple(cell for cell in row.cells if cell.vantage in self.vantages))


def _shown(chosen: Report, model: Model, faults: tuple[str, ...]) -> Shown:
    return Shown(
        findings=tuple(locate(item, model.locator) for item in chosen.findings),
        matrix=chosen.matrix,
        suppressed=tuple((locate(item, model.locator), word) for item, word in chosen.suppressed),
        documents=model.documents(),
        rules=RULES,
        broken=faults,
    )


def _ids(names: tuple[str, ...]) -> frozenset[str]:
    """The ids of findings that these names stand for: a rule's own and the Problems that it lifts.

    UsageError for a rule that there is not.
    """
    known = {problem: {problem} for rule in RULES for problem in rule.lifts}
    known |= {rule.id: {rule.id, *rule.lifts} for rule in RULES}
    for name in names:
        if name not in known:
            raise UsageError(f"there is no rule {name}{output.suggestion(name, known)}; gatewright explain lists them")
    return frozenset(item for name in names for item in known[name])


def _know(rows: tuple[Row, ...], choice: Choice, model: Model) -> None:
    """UsageError for a vantage or a hostname that there is not."""
    there = model.analysis.answer(vantage_names)
    for name in choice.vantages:
        if name not in there:
            known = f"known: {', '.join(there)}" if there else "the site map has none"
            raise UsageError(f"there is no vantage {name} ({known})")
    if choice.hosts and not any(choice.host(row.host) for row in rows):
        near = output.suggestion(choice.hosts[0], [row.host for row in rows])
        raise UsageError(f"there is no hostname {' or '.join(choice.hosts)}{near}")
