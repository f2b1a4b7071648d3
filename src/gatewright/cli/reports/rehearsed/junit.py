"""JUnit XML: a test case for every question and one for every Expectation from each vantage in each family."""

from __future__ import annotations

from gatewright.cli import output
from gatewright.cli.reports import junit, table
from gatewright.cli.reports.rehearsed.shown import Rehearsed, label, observed, predicted
from gatewright.rehearsal.compare import Verdict
from gatewright.rehearsal.report import Cell, Expected


def render(shown: Rehearsed) -> str:
    """A suite; what cannot be compared does not fail."""
    report = shown.report
    cases = [("agrees", f"{_asked_for(cell)}{label(cell)}", _differences(cell, shown)) for cell in report.cells]
    cases += [("holds", _name(item), _failures(item, shown)) for item in report.expectations]
    cases += [
        (f"{when} {fault.fault} is {done}", f"{_asked_for(cell)}{label(cell)}", _differences(cell, shown))
        for fault in report.faults
        for when, done, cells in (("agrees while", "broken", fault.cells), ("is as before when", "mended", fault.after))
        for cell in cells
    ]
    if report.ended:
        cases.append(("stands", "the world", list(report.ended)))
    text = "".join(junit.case(group, name, failures) for group, name, failures in cases)
    return junit.suite("gatewright rehearse", text, len(cases), sum(bool(failures) for *_, failures in cases))


def _asked_for(cell: Cell) -> str:
    return f"{cell.expectation}: " if cell.expectation else ""


def _name(item: Expected) -> str:
    return f"{item.expectation} {table.label(item.vantage, item.family)}"


def _differences(cell: Cell, shown: Rehearsed) -> list[str]:
    if cell.verdict is not Verdict.DIFFERS:
        return []
    accounts = []
    for who, account in (("model", predicted(cell, shown.locator)), ("reality", observed(cell))):
        lines = [line for one in account for line in one.lines()]
        accounts.append("\n".join([f"{who}:", *lines]))
    return [*cell.differences, *accounts]


def _failures(item: Expected, shown: Rehearsed) -> list[str]:
    where = output.place(item.origin, shown.locator)
    found = [("model", failure) for failure in item.model] + [("reality", failure) for failure in item.reality]
    return [f"{where}: {who}: {failure}" for who, failure in found]
