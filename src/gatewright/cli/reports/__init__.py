"""What `check`, `diff` and `test` print: one file per format, each a function from a `Shown` to text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gatewright.cli.reports import document, github, junit, sarif, table
from gatewright.cli.reports.shown import Shown

TEXTS: dict[str, Callable[[Shown], str]] = {
    "table": table.short,
    "wide": table.wide,
    "yaml": document.as_yaml,
    "sarif": sarif.render,
    "github": github.render,
    "junit": junit.render,
}
FORMATS = ("table", "wide", "json", "yaml", "sarif", "github", "junit")


def pieces(form: str, shown: Shown) -> Iterator[str]:
    """A report as text, in pieces where it may be very long."""
    if form == "json":
        yield from document.as_json(shown)
    else:
        yield TEXTS[form](shown)
