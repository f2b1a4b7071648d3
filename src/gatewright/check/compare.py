"""Two reports side by side: which name, from where, changes its fate; which findings came, went and stayed.

A finding is the same when its id, message and file are; lines and order may move.  `comparable(x, x)` is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct

from gatewright.base.origin import Origin
from gatewright.check.finding import Finding
from gatewright.check.matrix import Cell, Row
from gatewright.check.run import Report

Rename = Callable[[str], str]
"""From a file as it was read to how both sides call it."""


class Turn(Struct, frozen=True):
    """A cell of the matrix whose outcome differs; "" on a side where the name or the vantage is not."""

    host: str
    vantage: str
    family: str
    before: str
    after: str
    kind_before: str = ""
    kind_after: str = ""


class Comparison(Struct, frozen=True):
    """What differs from the old to the new.  `unchanged` findings are given as they are in the new."""

    turns: tuple[Turn, ...]
    introduced: tuple[Finding, ...]
    fixed: tuple[Finding, ...]
    unchanged: tuple[Finding, ...]


def compare(old: Report, new: Report, old_name: Rename, new_name: Rename) -> Comparison:
    """Set two reports side by side."""
    before = {_identity(item, old_name): item for item in old.findings}
    after = {_identity(item, new_name): item for item in new.findings}
    return Comparison(
        turns=tuple(_turns(_cells(old.matrix), _cells(new.matrix))),
        introduced=tuple(item for key, item in after.items() if key not in before),
        fixed=tuple(item for key, item in before.items() if key not in after),
        unchanged=tuple(item for key, item in after.items() if key in before),
    )


def _identity(finding: Finding, name: Rename) -> tuple[str, str, str]:
    first: Origin = finding.origins[0]
    return (finding.id, finding.message, name(first.file))


def _cells(rows: Iterable[Row]) -> dict[tuple[str, str, str], Cell]:
    return {(row.host, cell.vantage, cell.family): cell for row in rows for cell in row.cells}


def _turns(before: dict[tuple[str, str, str], Cell], after: dict[tuple[str, str, str], Cell]) -> Iterable[Turn]:
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key), after.get(key)
        if was is None or now is None or was.outcome != now.outcome:
            yield Turn(
                *key,
                before=was.outcome if was else "",
                after=now.outcome if now else "",
                kind_before=was.kind if was else "",
                kind_after=now.kind if now else "",
            )
