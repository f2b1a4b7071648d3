"""Two reports side by side: which name, from where, changes its fate; which findings came, went and stayed.

Lines and order may move, documents too, and files may be renamed: what is left over on both sides is matched by less
and less.  A report compared with itself shows nothing but unchanged findings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable

from msgspec import Struct

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


def _same(file: str) -> str:
    return file


def compare(old: Report, new: Report, old_name: Rename = _same, new_name: Rename = _same) -> Comparison:
    """Set two reports side by side."""
    introduced, fixed = dict.fromkeys(new.findings), dict.fromkeys(old.findings)
    _pair(fixed, introduced, old_name, new_name)
    # What was accepted since is not mended: it is neither fixed nor unchanged.
    _pair(fixed, dict.fromkeys(item for item, _ in new.suppressed), old_name, new_name)
    return Comparison(
        turns=tuple(_turns(_cells(old.matrix), _cells(new.matrix))),
        introduced=tuple(introduced),
        fixed=tuple(fixed),
        unchanged=tuple(item for item in new.findings if item not in introduced),
    )


Found = dict[Finding, None]
"""Findings in their order."""


def _pair(old: Found, new: Found, old_name: Rename, new_name: Rename) -> None:
    """Take out of both what is the same."""
    for identity in (_in_document, _in_file, _anywhere, _otherwise):
        waiting: dict[Hashable, list[Finding]] = defaultdict(list)
        for item in old:
            waiting[identity(item, old_name)].append(item)
        for item in tuple(new):
            there = waiting.get(identity(item, new_name))
            if there:
                del new[item], old[there.pop(0)]


# What makes a finding the same, from exact to rough.


def _in_document(finding: Finding, name: Rename) -> Hashable:
    first = finding.origins[0]
    return (finding.id, finding.message, name(first.file), first.document, first.path)


def _in_file(finding: Finding, name: Rename) -> Hashable:
    return (finding.id, finding.message, name(finding.origins[0].file))


def _anywhere(finding: Finding, _name: Rename) -> Hashable:
    return (finding.id, finding.message)


def _otherwise(finding: Finding, name: Rename) -> Hashable:
    """The same fault of the same field, in other words: an address in it changed, say."""
    first = finding.origins[0]
    return (finding.id, name(first.file), first.document, first.path)


# --- the matrix ---------------------------------------------------------------------------------


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
