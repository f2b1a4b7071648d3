"""What `rehearse` prints: one file per format, each a function from a `Rehearsed` to text."""

from __future__ import annotations

from collections.abc import Callable

from gatewright.cli import output
from gatewright.cli.reports.rehearsed import html, junit, table
from gatewright.cli.reports.rehearsed.shown import Rehearsed
from gatewright.rehearsal import report

TEXTS: dict[str, Callable[[Rehearsed], str]] = {
    "table": table.short,
    "wide": table.wide,
    "junit": junit.render,
    "html": html.render,
    "json": lambda shown: output.machine(report.document(shown.report, shown.locator), "json"),
    "yaml": lambda shown: output.machine(report.document(shown.report, shown.locator), "yaml"),
}


def text(form: str, shown: Rehearsed) -> str:
    """A report as text."""
    return TEXTS[form](shown)
