"""For people: model against reality by hostname, what differs with both accounts side by side, Expectations, times."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Final

import click

from gatewright.base.origin import Locator
from gatewright.cli import output
from gatewright.cli.reports import table
from gatewright.cli.reports.rehearsed.shown import Account, Rehearsed, label, observed, predicted
from gatewright.rehearsal.compare import Verdict
from gatewright.rehearsal.report import Broken, Cell, Expected, RehearsalReport

SIGNS: Final = {Verdict.AGREES: ("✓", "green"), Verdict.DIFFERS: ("✗", "red"), Verdict.UNKNOWN: ("?", "yellow")}

STAGES: Final = ("reading", "planning", "building", "starting", "ordering")
"""What it takes until a world stands."""

NOT_AS_BEFORE: Final = "mended, but not as before"

NARROW: Final = 80
"""With fewer columns, the two accounts stand one below the other."""

ROOM: Final = 36
"""With fewer columns left beside the signs, words are left out."""


def short(shown: Rehearsed) -> str:
    """A matrix of signs, and in words what differs and what does not hold."""
    return _whole(shown, _matrix(_cells(shown.report.cells)))


def wide(shown: Rehearsed) -> str:
    """The same with every question on a line of its own."""
    return _whole(shown, "\n".join(_line(cell) for cell in shown.report.cells))


def _whole(shown: Rehearsed, first: str) -> str:
    report = shown.report
    told = [cell for cell in report.cells if shown.verbose or cell.verdict is not Verdict.AGREES]
    parts = [
        first,
        *(side_by_side(cell, shown.locator) for cell in told),
        "\n".join(line for item in report.expectations for line in _expected(item, shown.locator)),
        *(_broken(fault, shown.locator) for fault in report.faults),
        _notes(report, shown.locator),
        summary(report),
    ]
    return "\n\n".join(filter(None, parts))


def _cells(cells: Iterable[Cell]) -> list[Cell]:
    """Those of the matrix."""
    return [cell for cell in cells if not cell.expectation]


# --- matrix -------------------------------------------------------------------------------------


def _matrix(cells: Sequence[Cell]) -> str:
    """URL × (vantage, family): does reality do as the model says?"""
    columns = list(dict.fromkeys(table.label(cell.vantage, cell.family) for cell in cells))
    rows: dict[str, dict[str, Cell]] = {}
    for cell in cells:
        rows.setdefault(cell.url, {})[table.label(cell.vantage, cell.family)] = cell
    if not rows:
        return ""
    letters = table.letters(len(columns))
    width = max(map(len, rows))
    lines = [click.style(f"{letter} {column}", dim=True) for letter, column in zip(letters, columns, strict=True)]
    lines.append(f"{'':<{width}}  {' '.join(letters)}")
    for url, row in rows.items():
        signs = [
            " " * (len(letter) - 1) + (_sign(row[column].verdict) if column in row else " ")
            for letter, column in zip(letters, columns, strict=True)
        ]
        taken = width + 4 + sum(len(letter) + 1 for letter in letters) - 1
        room = output.columns() - taken
        words = f"  {textwrap.shorten(_words(row.values()), room, placeholder=' …')}" if room >= ROOM else ""
        lines.append(f"{url:<{width}}  {' '.join(signs)}{words}")
    return "\n".join(lines)


def _words(cells: Iterable[Cell]) -> str:
    """What becomes of a URL in most places."""
    said = Counter(cell.model for cell in cells)
    others = f" (+{len(said) - 1})" if len(said) > 1 else ""
    return said.most_common(1)[0][0] + others


def _line(cell: Cell) -> str:
    name = f"  {cell.expectation}" if cell.expectation else ""
    told = cell.model if cell.verdict is Verdict.AGREES else f"model: {cell.model} · reality: {cell.reality}"
    return f"{_sign(cell.verdict)} {label(cell)}  {told}{click.style(name, dim=True)}"


def _sign(verdict: Verdict) -> str:
    sign, colour = SIGNS[verdict]
    return click.style(sign, fg=colour)


# --- model and reality --------------------------------------------------------------------------


def side_by_side(cell: Cell, locator: Locator) -> str:
    """Both accounts of one question, beside each other where the terminal is wide enough."""
    lines = [f"{_sign(cell.verdict)} {click.style(label(cell), bold=True)}"]
    if cell.expectation:
        lines += output.paragraph(f"asked for the Expectation {cell.expectation}")
    for difference in cell.differences:
        lines += output.paragraph(output.harmless(difference), "differs: ")
    for note in cell.notes:
        lines += [click.style(line, dim=True) for line in output.paragraph(output.harmless(note), "note: ")]
    width = output.columns() - 2
    if width < NARROW:
        model, reality = _told(predicted(cell, locator), width), _told(observed(cell), width)
        lines += ["  model", *(f"  {line}" for line in model), "  reality", *(f"  {line}" for line in reality)]
        return "\n".join(lines)
    half = (width - 3) // 2
    model, reality = _told(predicted(cell, locator), half), _told(observed(cell), half)
    lines.append(click.style(f"  {'model':<{half}} │ reality", dim=True))
    lines += [f"  {one:<{half}} │ {other}".rstrip() for one, other in zip_longest(model, reality, fillvalue="")]
    return "\n".join(lines)


def _told(accounts: Iterator[Account], width: int) -> list[str]:
    """Accounts in lines of at most this width."""
    lines: list[str] = []
    for account in accounts:
        lines += _wrapped(account.way, width, "")
        for said, where in account.stations:
            lines += _wrapped(output.harmless(said), width, "  ")
            if len(lines[-1]) + len(where) + 2 <= width:
                lines[-1] += f"  {where}" if where else ""
            else:
                lines += _wrapped(where, width, "    ")
        lines += _wrapped(f"→ {output.harmless(account.end)}", width, "")
    return lines or ["nothing"]


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False
    )  # fmt: skip


# --- the rest -----------------------------------------------------------------------------------


def _expected(item: Expected, locator: Locator) -> Iterator[str]:
    sign, colour = ("✓", "green") if item.holds else ("✗", "red")
    where = click.style(output.place(item.origin, locator), dim=True)
    yield f"{click.style(sign, fg=colour)} {item.expectation} {table.label(item.vantage, item.family)}  {where}"
    for who, failures in (("model", item.model), ("reality", item.reality)):
        for failure in failures:
            yield from output.paragraph(output.harmless(failure), f"{who}: ", indent="    ")
    for demand in item.unseen:
        yield from (click.style(line, dim=True) for line in output.paragraph(output.harmless(demand), indent="    "))


def _broken(fault: Broken, locator: Locator) -> str:
    head = f"{click.style(f'broken: {fault.fault}', bold=True)}  {outcome(fault)}"
    told = [*fault.did, *(f"{word}: {label(cell)}: {cell.model}" for word, cell in changed(fault))]
    told += [f"{NOT_AS_BEFORE}: {label(cell)}" for cell in fault.after]
    lines = [line for one in told for line in output.paragraph(output.harmless(one), "", "    ")]
    differing = [
        side_by_side(cell, locator) for cell in (*fault.cells, *fault.after) if cell.verdict is Verdict.DIFFERS
    ]
    return "\n\n".join(["\n".join([head, *lines, _matrix(fault.cells)]), *differing])


def outcome(fault: Broken) -> str:
    """What was left while something was broken, in a line."""
    return f"{fault.worked - len(fault.lost)} of {fault.worked} cells still work; {fault.returned}"


def changed(fault: Broken) -> Iterator[tuple[str, Cell]]:
    """The cells that were lost, and those that went another way."""
    cells = {cell.number: cell for cell in fault.cells}
    for word, numbers in (("lost", fault.lost), ("moved", fault.moved)):
        yield from ((word, cells[number]) for number in numbers)


def _notes(report: RehearsalReport, locator: Locator) -> str:
    told = [f"{note.text}  {output.place(note.origin, locator)}".rstrip() for note in report.world.notes]
    lines = [line for note in dict.fromkeys(told) for line in output.paragraph(output.harmless(note), "note: ", "")]
    return "\n".join([*(click.style(line, dim=True) for line in lines), *_failures(report)])


def _failures(report: RehearsalReport) -> Iterator[str]:
    """What does not run as it should."""
    for failure in (*report.notes, *report.ended):
        yield from output.paragraph(output.harmless(failure), f"{click.style('failed', fg='red')}: ", "")


def summary(report: RehearsalReport) -> str:
    """All of it in a line."""
    counts = Counter(cell.verdict for cell in report.cells)
    held = sum(item.holds for item in report.expectations)
    told = [
        f"{output.count(len(report.cells), 'question')}: "
        + click.style(f"{counts[Verdict.AGREES]:,} agree", fg="green")
        + ", "
        + click.style(f"{counts[Verdict.DIFFERS]:,} differ", fg="red" if counts[Verdict.DIFFERS] else None)
        + (f", {counts[Verdict.UNKNOWN]:,} not comparable" if counts[Verdict.UNKNOWN] else "")
    ]
    if report.cells and not counts[Verdict.AGREES] and not counts[Verdict.DIFFERS]:
        told.append(click.style("nothing is shown: the model knows too little to be compared", fg="red"))
    if report.ended:
        told.append(click.style("parts of the world ended by themselves", fg="red"))
    if report.expectations:
        all_hold = held == len(report.expectations)
        said = f"{held} of {len(report.expectations):,} Expectations hold"
        told.append(click.style(said, fg="green" if all_hold else "red"))
    if times := _times(report):
        told.append(times)
    return " · ".join(told)


def _times(report: RehearsalReport) -> str:
    standing = sum(report.timings.get(stage, 0.0) for stage in STAGES)
    asking = report.timings.get("asking", 0.0)
    return f"stood in {standing:.1f} s, asked in {asking:.1f} s" if report.timings else ""
