"""What `check`, `diff` and `test` print: one file per format, each a function from a `Shown` to text."""

from __future__ import annotations

from collections.abc import Callable

from gatewright.cli.reports import document, github, junit, sarif, table
from gatewright.cli.reports.shown import Shown

FORMATS: dict[str, Callable[[Shown], str]] = {
    "table": table.short,
    "wide": table.wide,
    "json": document.as_json,
    "yaml": document.as_yaml,
    "sarif": sarif.render,
    "github": github.render,
    "junit": junit.render,
}
