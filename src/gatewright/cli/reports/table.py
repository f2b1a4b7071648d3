"""For people: findings by severity, then the matrix.  `short` leaves out of the matrix what is well when it is long."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import click

from gatewright.base.problem import Severity
from gatewright.check.expectations import asked_at
from gatewright.check.matrix import Cell, Row
from gatewright.cli import breaking, output
from gatewright.cli.output import COLOURS
from gatewright.cli.reports.shown import Located, Shown
from gatewright.trace.hops import OutcomeKind

ROWS = 40
"""Longer matrices show only what fails, unless `wide` is asked for."""

MANY = 6
"""How many hosts or places one finding lists."""

TOLD = 3
"""How many different failures of one hostname are told in words."""

NARROW = 36
"""With fewer columns left, words go on lines of their own."""

_WORDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_SIGNS = {
    OutcomeKind.DELIVERED: ("✓", "green"),
    OutcomeKind.RESPONSE: ("↪", "cyan"),
    OutcomeKind.ABSENT: ("·", "white"),
    OutcomeKind.UNKNOWN: ("?", "yellow"),
}
_ASKS = ("!", "yellow")
_FAILS = ("✗", "red")
WELL = frozenset({OutcomeKind.DELIVERED.value, OutcomeKind.RESPONSE.value, OutcomeKind.ABSENT.value})


def short(shown: Shown) -> str:
    """Findings and a matrix of signs."""
    told = "\n\n".join(findings(shown.findings, wide=False))
    return _join(breaking.line(shown.broken), told, _matrix(shown.matrix), _summary(shown))


def wide(shown: Shown) -> str:
    """Findings with all of their hosts, and every cell of the matrix with its outcome in words."""
    told = "\n\n".join(findings(shown.findings, wide=True))
    return _join(breaking.line(shown.broken), told, _every_cell(shown.matrix), _accepted(shown), _summary(shown))


def _join(*parts: str) -> str:
    return "\n\n".join(filter(None, parts))


# --- findings -----------------------------------------------------------------------------------


def findings(found: Iterable[Located], *, wide: bool) -> Iterator[str]:
    """Findings, each a text; those that lead to the same and are mended the same way are one."""
    groups: dict[tuple[object, ...], list[Located]] = defaultdict(list)
    for item in found:
        groups[_alike(item)].append(item)
    for group in groups.values():
        yield _finding(group, wide=wide)


def _alike(item: Located) -> tuple[object, ...]:
    found = item.finding
    return (found.severity, found.id, found.consequence, found.fix, found.snippet, found.patch)


def _finding(group: Sequence[Located], *, wide: bool) -> str:
    """What and where, whom it concerns, what it leads to, what to do."""
    found = group[0].finding
    head = f"{click.style(_WORDS[found.severity], fg=COLOURS[found.severity], bold=True)} "
    head += click.style(found.id, bold=True)
    limit = None if wide else MANY
    if len(group) == 1:
        lines = [f"{head}  {click.style(str(group[0].places[0]), dim=True)}", *_said(group[0], limit, "  ")]
    else:
        lines = [f"{head}  {click.style(f'{len(group)} times', dim=True)}"]
        for item in group:
            lines += [f"  {click.style(str(item.places[0]), dim=True)}", *_said(item, limit, "    ")]
    lines += output.paragraph(found.consequence, "→ ")
    lines += output.paragraph(found.fix, "fix: ")
    lines += [f"    {line}" for line in found.snippet.rstrip().splitlines()]
    if found.patch is not None and found.patch.value is not None:
        path = ".".join(map(str, found.patch.origin.path))
        lines += output.paragraph(f"{path}: {found.patch.value}", "patch: ")
    return "\n".join(lines)


def _said(item: Located, limit: int | None, indent: str) -> list[str]:
    """What one of a group says for itself."""
    found, others = item.finding, item.places[1:]
    return [
        *output.paragraph(found.message, "", indent),
        *output.paragraph(_some(found.hosts, limit), "hosts: ", indent),
        *output.paragraph(_some(found.vantages, limit), "from: ", indent),
        *output.paragraph(_some([str(place) for place in others], limit), "see also: ", indent),
    ]


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


def label(vantage: str, family: str) -> str:
    """How a column of the matrix is called."""
    return f"from {vantage} over IPv{family}" if vantage else asked_at(vantage)


def _sign(cell: Cell) -> str:
    sign, colour = _ASKS if cell.asks else _SIGNS.get(OutcomeKind(cell.kind), _FAILS)
    return click.style(sign, fg=colour)


def _is_well(cell: Cell) -> bool:
    return cell.kind in WELL or cell.asks


def _matrix(rows: Sequence[Row]) -> str:
    """Hostname × (vantage, family) in signs, and in words what fails."""
    columns = list(dict.fromkeys(label(cell.vantage, cell.family) for row in rows for cell in row.cells))
    if not columns:
        return ""
    shown = rows if len(rows) <= ROWS else [row for row in rows if not all(map(_is_well, row.cells))]
    hidden = len(rows) - len(shown)
    names = letters(len(columns))
    lines: list[str] = []
    if shown and len(columns) > 1:
        legend = [f"{name} {column}" for name, column in zip(names, columns, strict=True)]
        lines = [click.style(line, dim=True) for line in legend]
        width = max(len(row.host) for row in shown[:ROWS])
        lines.append(f"{'':<{width}}  {' '.join(names)}")
    elif shown:
        lines = [click.style(f"{columns[0]}:", dim=True)]
    for row in shown[:ROWS]:
        lines += _row(row, dict(zip(columns, names, strict=True)), max(len(row.host) for row in shown[:ROWS]))
    if any(cell.asks for row in shown[:ROWS] for cell in row.cells):
        lines.append(click.style("! asks for credentials, which nobody sends here", dim=True))
    if len(shown) > ROWS:
        lines.append(click.style(f"… and {len(shown) - ROWS} more that fail (-o wide shows them)", dim=True))
    if hidden:
        told = f"{output.count(hidden, 'hostname')} without a failure (-o wide shows them)"
        lines.append(click.style(f"… and {told}" if shown else told, dim=True))
    return "\n".join(lines)


def letters(count: int) -> list[str]:
    """Short names of columns, all of one width."""
    if count <= 26:
        return [chr(ord("a") + number) for number in range(count)]
    return [f"{number:0{len(str(count))}}" for number in range(1, count + 1)]


def _row(row: Row, columns: dict[str, str], width: int) -> list[str]:
    """One hostname: a sign for each column, and the words beside them or below."""
    cells = {label(cell.vantage, cell.family): cell for cell in row.cells}
    signs = [
        " " * (len(name) - 1) + (_sign(cells[column]) if column in cells else " ") for column, name in columns.items()
    ]
    taken = width + 4 + sum(len(name) + 1 for name in columns.values()) - 1
    head = f"{row.host:<{width}}  {' '.join(signs)}"
    words = list(_told(row, columns))
    if output.columns() - taken >= NARROW:
        told = [line for text in words for line in _fitted(text, output.columns() - taken)]
        return [f"{head}  {told[0]}".rstrip(), *(f"{'':<{taken}}{line}" for line in told[1:])]
    told = [line for text, fails in words if fails for line in _fitted((text, fails), output.columns() - 4)]
    return [head, *(f"    {line}" for line in told)]


def _fitted(told: tuple[str, bool], width: int) -> list[str]:
    """Words in lines: failures whole, successes in one line."""
    text, fails = told
    if fails:
        return textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)
    return [textwrap.shorten(text, width, placeholder=" …")]


def _told(row: Row, columns: dict[str, str]) -> Iterator[tuple[str, bool]]:
    """The outcomes that fail, with the columns where they do; or the one that most share."""
    bad: dict[str, list[str]] = {}
    for cell in row.cells:
        if not _is_well(cell):
            bad.setdefault(cell.outcome, []).append(columns[label(cell.vantage, cell.family)])
    for outcome, names in list(bad.items())[:TOLD]:
        yield (f"{' '.join(names)}: {outcome}" if len(names) < len(columns) else outcome), True
    if len(bad) > TOLD:
        yield f"and {len(bad) - TOLD} more (-o wide shows them)", False
    if not bad:
        outcomes = dict.fromkeys(cell.outcome for cell in row.cells if cell.kind != OutcomeKind.ABSENT)
        others = f" (+{len(outcomes) - 1})" if len(outcomes) > 1 else ""
        yield next(iter(outcomes), "no address anywhere") + others, False


def _every_cell(rows: Sequence[Row]) -> str:
    """Every cell on a line of its own."""
    if not rows:
        return ""
    host_width = max(len(row.host) for row in rows)
    labels = [label(cell.vantage, cell.family) for row in rows for cell in row.cells]
    label_width = max(map(len, labels), default=0)
    return "\n".join(
        f"{row.host:<{host_width}}  {label(cell.vantage, cell.family):<{label_width}}  {_sign(cell)} {cell.outcome}"
        for row in rows
        for cell in row.cells
    )


def _summary(shown: Shown) -> str:
    counts = [
        click.style(output.count(count, _WORDS[severity]), fg=COLOURS[severity])
        for severity in (Severity.ERROR, Severity.WARNING, Severity.INFO)
        if (count := shown.count(severity))
    ]
    told = ", ".join(counts) or click.style("no findings", fg="green")
    accepted = f", {len(shown.suppressed)} accepted" if shown.suppressed else ""
    unknown = sum(shown.documents.unknown.values())
    read = f"{output.count(shown.documents.read, 'document')} read" + (f", {unknown} of other kinds" if unknown else "")
    asked = [output.count(len(shown.matrix), "hostname")] if shown.matrix else []
    return " · ".join([told + accepted, *asked, read])
