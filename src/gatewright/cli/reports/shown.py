"""What a report shows: findings with their places found, the matrix, and what became of the documents."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from gatewright.base.origin import Locator, Place
from gatewright.base.problem import Severity
from gatewright.check.finding import Finding
from gatewright.check.matrix import Row
from gatewright.check.rule import Rule
from gatewright.kinds.intents import Suppression
from gatewright.pipeline import Documents

VERSION = 1


class Located(Struct, frozen=True):
    """A finding and the file and line of each of its origins, the one to mend first."""

    finding: Finding
    places: tuple[Place, ...]


class Shown(Struct, frozen=True):
    """Everything that a format may print.  `rules` are those that were applied; `broken` what is supposed to be."""

    findings: tuple[Located, ...]
    matrix: tuple[Row, ...]
    suppressed: tuple[tuple[Located, Suppression], ...]
    documents: Documents
    rules: tuple[Rule, ...]
    broken: tuple[str, ...] = ()

    def count(self, severity: Severity) -> int:
        """How many findings of this severity there are."""
        return sum(item.finding.severity is severity for item in self.findings)

    def by_id(self) -> dict[str, Rule]:
        """The rule of each finding's id: its own, or that of a Problem that it lifts."""
        return {name: rule for rule in self.rules for name in (*rule.lifts, rule.id)}


def relative(file: str) -> str:
    """A file as seen from the current folder where it is below, with forward slashes: how code hosts know it."""
    path = Path(file)
    with suppress(ValueError):
        path = path.relative_to(Path.cwd())
    return posixpath.normpath(path.as_posix())


def locate(finding: Finding, locator: Locator) -> Located:
    """A finding with its places, each once."""
    places: Iterable[Place] = (locator.locate(origin) for origin in finding.origins)
    return Located(finding, tuple(dict.fromkeys(places)))


def finding_document(item: Located) -> dict[str, Any]:
    """One finding in the JSON document, see docs/check.md."""
    finding = item.finding
    patch = finding.patch
    return {
        "id": finding.id,
        "severity": finding.severity.value,
        "message": finding.message,
        "consequence": finding.consequence or None,
        "fix": finding.fix or None,
        "origins": [{"file": place.file, "line": place.line or None} for place in item.places],
        "vantages": list(finding.vantages),
        "hosts": list(finding.hosts),
        "patch": {"file": patch.origin.file, "path": list(patch.origin.path), "value": patch.value} if patch else None,
        "snippet": finding.snippet or None,
    }
