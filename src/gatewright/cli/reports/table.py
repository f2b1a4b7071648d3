"""For people: findings by severity, then the matrix.  `short` leaves out of the matrix what is well when it is long."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

import click

from gatewright.base.problem import Severity
from gatewright.check.matrix import Cell, Row
from gatewright.cli.output import COLOURS
from gatewright.cli.reports.shown import Located, Shown
from gatewright.trace.hops import OutcomeKind

WIDTH = 110
ROWS = 40
"""Longer matrices show only what fails, unless `wide` is asked for."""

MANY = 6
"""How many hosts or places one finding lists."""

_WORDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_SIGNS = {
    OutcomeKind.DELIVERED: ("✓", "green"),
    OutcomeKind.RESPONSE: ("↪", "cyan"),
    OutcomeKind.ABSENT: ("·", "white"),
    OutcomeKind.UNKNOWN: ("?", "yellow"),
}
_FAILS = ("✗", "red")
WELL = frozenset({OutcomeKind.DELIVERED.value, OutcomeKind.RESPONSE.value, OutcomeKind.ABSENT.value})


def short(shown: Shown) -> str:
    """Findings and a matrix of signs."""
    return _join(_findings(shown.findings, wide=False), _matrix(shown.matrix), _summary(shown))


def wide(shown: Shown) -> str:
    """Findings with all of their hosts, and every cell of the matrix with its outcome in words."""
    return _join(_findings(shown.findings, wide=True), _cells(shown.matrix), _accepted(shown), _summary(shown))


def _join(*parts: str) -> str:
    return "\n\n".join(filter(None, parts))


# --- findings -----------------------------------------------------------------------------------


def _findings(found: Sequence[Located], *, wide: bool) -> str:
    return "\n\n".join(finding(item, wide=wide) for item in found)


def finding(item: Located, *, wide: bool = False) -> str:
    """One finding: what and where, whom it concerns, what it leads to, what to do."""
    found = item.finding
    head = click.style(_WORDS[found.severity], fg=COLOURS[found.severity], bold=True)
    first, *others = item.places
    lines = [f"{head} {click.style(found.id, bold=True)}  {click.style(str(first), dim=True)}"]
    lines += _paragraph("", found.message)
    lines += _paragraph("→ ", found.consequence)
    lines += _paragraph("fix: ", found.fix)
    lines += [f"    {line}" for line in found.snippet.rstrip().splitlines()]
    if found.patch is not None and found.patch.value is not None:
        path = ".".join(map(str, found.patch.origin.path))
        lines += _paragraph("patch: ", f"{path}: {found.patch.value}")
    limit = None if wide else MANY
    lines += _paragraph("hosts: ", _some(found.hosts, limit))
    lines += _paragraph("from: ", _some(found.vantages, limit))
    lines += _paragraph("see also: ", _some([str(place) for place in others], limit))
    return "\n".join(lines)


def _paragraph(label: str, text: str) -> list[str]:
    if not text:
        return []
    return textwrap.wrap(
        label + text, WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def _some(items: Iterable[str], limit: int | None) -> str:
    listed = list(items)
    more = f" and {len(listed) - limit} more" if limit is not None and len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more


def _accepted(shown: Shown) -> str:
    lines = [
        f"accepted {item.finding.id}  {item.places[0]}: {word.reason}"
        + (f" (until {word.until})" if word.until else "")
        for item, word in shown.suppressed
    ]
    return "\n".join(click.style(line, dim=True) for line in lines)


# --- matrix -------------------------------------------------------------------------------------


def _sign(cell: Cell) -> str:
    sign, colour = _SIGNS.get(OutcomeKind(cell.kind), _FAILS)
    return click.style(sign, fg=colour)


def _label(cell: Cell) -> str:
    return f"{cell.vantage} v{cell.family}" if cell.vantage else "at the gateways"


def _matrix(rows: Sequence[Row]) -> str:
    """Hostname × (vantage, family) in signs, and in words what fails."""
    if not rows or not rows[0].cells:
        return ""
    shown = rows if len(rows) <= ROWS else [row for row in rows if any(cell.kind not in WELL for cell in row.cells)]
    hidden = len(rows) - len(shown)
    labels = list(dict.fromkeys(_label(cell) for row in rows for cell in row.cells))
    lines = [f"{letter} {label}" for letter, label in zip(_letters(len(labels)), labels, strict=True)]
    lines = [click.style(line, dim=True) for line in lines]
    width = max((len(row.host) for row in shown[:ROWS]), default=0)
    if shown:
        lines.append(f"{'':<{width}}  {' '.join(_letters(len(labels)))}")
    for row in shown[:ROWS]:
        cells = {_label(cell): cell for cell in row.cells}
        signs = [_sign(cells[label]) if label in cells else " " for label in labels]
        lines.append(f"{row.host:<{width}}  {' '.join(signs)}  {_told(row)}".rstrip())
    if len(shown) > ROWS:
        lines.append(click.style(f"… and {len(shown) - ROWS} more that fail (-o wide shows them)", dim=True))
    if hidden:
        lines.append(click.style(f"{hidden} more hostnames are well from everywhere (-o wide shows them)", dim=True))
    return "\n".join(lines)


def _letters(count: int) -> list[str]:
    return [chr(ord("a") + number) if number < 26 else str(number) for number in range(count)]


def _told(row: Row) -> str:
    """The worst outcome, or the one that all cells share."""
    bad = [cell for cell in row.cells if cell.kind not in WELL]
    outcomes = dict.fromkeys(cell.outcome for cell in (bad or row.cells) if bad or cell.kind != OutcomeKind.ABSENT)
    told = next(iter(outcomes), "no address anywhere")
    text = textwrap.shorten(told, WIDTH, placeholder=" …")
    return text + (f" (+{len(outcomes) - 1})" if len(outcomes) > 1 else "")


def _cells(rows: Sequence[Row]) -> str:
    """Every cell on a line of its own."""
    if not rows:
        return ""
    host_width = max(len(row.host) for row in rows)
    label_width = max((len(_label(cell)) for row in rows for cell in row.cells), default=0)
    return "\n".join(
        f"{row.host:<{host_width}}  {_label(cell):<{label_width}}  {_sign(cell)} {cell.outcome}"
        for row in rows
        for cell in row.cells
    )


def _summary(shown: Shown) -> str:
    counts = [
        click.style(f"{count} {_WORDS[severity]}{'s' if count != 1 else ''}", fg=COLOURS[severity])
        for severity in (Severity.ERROR, Severity.WARNING, Severity.INFO)
        if (count := shown.count(severity))
    ]
    told = ", ".join(counts) or click.style("no findings", fg="green")
    accepted = f", {len(shown.suppressed)} accepted" if shown.suppressed else ""
    unknown = sum(shown.documents.unknown.values())
    read = f"{shown.documents.read} documents read" + (f", {unknown} of other kinds" if unknown else "")
    asked = f"{len(shown.matrix)} hostnames" if shown.matrix else "no hostnames"
    return f"{told}{accepted} · {asked} · {read}"
