"""One page that needs nothing else: the drawing of the world, the matrix, both accounts of every question.

No script, and nothing from anywhere: a cell's link leads to a section that is shown while it is the page's target.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import click

from gatewright.cli import output
from gatewright.cli.reports import table
from gatewright.cli.reports.rehearsed import drawing
from gatewright.cli.reports.rehearsed.markup import Markup, joined, tag, text
from gatewright.cli.reports.rehearsed.shown import Account, Rehearsed, label, observed, predicted
from gatewright.cli.reports.rehearsed.style import STYLE
from gatewright.cli.reports.rehearsed.table import NOT_AS_BEFORE, SIGNS, changed, outcome, summary
from gatewright.rehearsal.compare import Verdict
from gatewright.rehearsal.report import Broken, Cell

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render(shown: Rehearsed) -> str:
    """The page."""
    report = shown.report
    body = [
        tag("h1", "Rehearsal of ", ", ".join(shown.paths)),
        tag(
            "p", click.unstyle(summary(report)), class_=f"summary {'good' if report.agrees and report.holds else 'bad'}"
        ),
        tag("h2", "The world"),
        tag("div", drawing.svg(shown.world), class_="drawing"),
        tag("h2", "Model and reality", id="matrix"),
        _matrix([cell for cell in report.cells if not cell.expectation], "q"),
        *_expectations(shown),
        *(part for number, fault in enumerate(report.faults) for part in _fault(shown, fault, f"f{number}-")),
        tag("h2", "Questions"),
        tag("p", "What differs is shown here; a sign above or a name leads to the others.", class_="dim"),
        *(_question(shown, cell, "q") for cell in report.cells),
        *_notes(shown),
        *_times(shown),
    ]
    head = [
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        tag("title", f"Rehearsal of {', '.join(shown.paths)}"),
        tag("style", Markup(STYLE)),
    ]
    page = tag("html", tag("head", joined(head)), tag("body", joined(body)), lang="en")
    return f"<!DOCTYPE html>\n{page}"


def _matrix(cells: Sequence[Cell], prefix: str) -> Markup:
    """URL × (vantage, family), each a link to the question."""
    columns = list(dict.fromkeys((cell.vantage, cell.family) for cell in cells))
    rows: dict[str, dict[tuple[str, str], Cell]] = {}
    for cell in cells:
        rows.setdefault(cell.url, {})[cell.vantage, cell.family] = cell
    if not rows:
        return tag("p", "No hostname was asked for.", class_="dim")
    head = [tag("th", "URL"), *(tag("th", vantage, Markup("<br>"), f"IPv{family}") for vantage, family in columns)]
    lines = [
        tag("tr", tag("th", url), *(_cell(row[column], prefix) if column in row else tag("td") for column in columns))
        for url, row in rows.items()
    ]
    return tag(
        "div", tag("table", tag("thead", tag("tr", *head)), tag("tbody", *lines), class_="matrix"), class_="wide"
    )


def _cell(cell: Cell, prefix: str) -> Markup:
    link = tag("a", SIGNS[cell.verdict][0], href=f"#{prefix}{cell.number}", title=f"{label(cell)}: {cell.model}")
    return tag("td", link, class_=cell.verdict.value)


def _question(shown: Rehearsed, cell: Cell, prefix: str) -> Markup:
    """Both accounts; only what differs is shown before somebody asks for it."""
    sign = tag("span", SIGNS[cell.verdict][0], class_=f"sign {cell.verdict.value}")
    told = [tag("h3", sign, " ", label(cell))]
    if cell.expectation:
        told.append(tag("p", f"asked for the Expectation {cell.expectation}", class_="dim"))
    told += [tag("p", difference, class_="difference") for difference in cell.differences]
    told += [tag("p", note, class_="dim") for note in cell.notes]
    told.append(
        tag(
            "div",
            tag("div", tag("h4", "model"), *_told(predicted(cell, shown.locator))),
            tag("div", tag("h4", "reality"), *_told(observed(cell))),
            class_="accounts",
        )
    )
    told.append(tag("p", tag("a", "back to the matrix", href="#matrix"), class_="dim"))
    shows = " shows" if cell.verdict is Verdict.DIFFERS or shown.verbose else ""
    return tag("section", *told, id=f"{prefix}{cell.number}", class_=f"question{shows}")


def _told(accounts: Iterable[Account]) -> Iterator[Markup]:
    is_empty = True
    for account in accounts:
        is_empty = False
        yield tag("p", account.way, class_="way")
        yield tag("ol", *(tag("li", said, " ", tag("span", where, class_="dim")) for said, where in account.stations))
        yield tag("p", f"→ {account.end}", class_="end")
    if is_empty:
        yield tag("p", "nothing", class_="dim")


def _expectations(shown: Rehearsed) -> Iterator[Markup]:
    report = shown.report
    if not report.expectations:
        return
    numbers = {(cell.expectation, cell.vantage, cell.family): cell.number for cell in report.cells if cell.expectation}
    lines = []
    for item in report.expectations:
        number = numbers.get((item.expectation, item.vantage, item.family))
        sign = "✓" if item.holds else "✗"
        failures = [tag("p", f"model: {failure}", class_="difference") for failure in item.model]
        failures += [tag("p", f"reality: {failure}", class_="difference") for failure in item.reality]
        failures += [tag("p", demand, class_="dim") for demand in item.unseen]
        name = tag("a", item.expectation, href=f"#q{number}") if number is not None else text(item.expectation)
        cells = [
            tag("td", sign, class_="agrees" if item.holds else "differs"),
            tag("td", name),
            tag("td", table.label(item.vantage, item.family)),
            tag("td", item.url, *failures),
            tag("td", output.place(item.origin, shown.locator), class_="dim"),
        ]
        lines.append(tag("tr", *cells))
    yield tag("h2", "Expectations")
    yield tag("div", tag("table", tag("tbody", *lines), class_="expectations"), class_="wide")


def _fault(shown: Rehearsed, fault: Broken, prefix: str) -> Iterator[Markup]:
    yield tag("h2", f"Broken: {fault.fault}")
    yield tag("p", outcome(fault))
    told = [tag("li", said) for said in fault.did]
    told += [
        tag("li", f"{word}: ", tag("a", label(cell), href=f"#{prefix}{cell.number}"), f": {cell.model}")
        for word, cell in changed(fault)
    ]
    told += [
        tag("li", f"{NOT_AS_BEFORE}: ", tag("a", label(one), href=f"#{prefix}after-{one.number}"), class_="difference")
        for one in fault.after
    ]
    if told:
        yield tag("ul", *told)
    yield _matrix(fault.cells, prefix)
    yield from (_question(shown, cell, prefix) for cell in fault.cells)
    yield from (_question(shown, cell, f"{prefix}after-") for cell in fault.after)


def _notes(shown: Rehearsed) -> Iterator[Markup]:
    notes = [f"{note.text}  {output.place(note.origin, shown.locator)}" for note in shown.report.world.notes]
    told = [tag("li", note) for note in dict.fromkeys(notes)]
    told += [tag("li", failure, class_="difference") for failure in (*shown.report.notes, *shown.report.ended)]
    if told:
        yield tag("h2", "What is otherwise than described")
        yield tag("ul", *told)


def _times(shown: Rehearsed) -> Iterator[Markup]:
    if shown.report.timings:
        lines = [
            tag("tr", tag("td", stage), tag("td", f"{seconds:.2f} s"))
            for stage, seconds in shown.report.timings.items()
        ]
        yield tag("h2", "Times")
        yield tag("table", tag("tbody", *lines))
