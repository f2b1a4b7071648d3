"""What differs between two reports, in print and as a document.  `check --watch` and `diff` both say it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from gatewright.base.origin import Locator
from gatewright.check.compare import Comparison, Turn
from gatewright.check.finding import Finding
from gatewright.cli import output
from gatewright.cli.reports import table
from gatewright.cli.reports.shown import VERSION, finding_document, locate

_COLOURS = {"introduced": "red", "fixed": "green", "unchanged": "white"}


def text(compared: Comparison, old: Locator, new: Locator, *, wide: bool) -> str:
    """For people: names first, then findings; `wide` lists those that stayed, too."""
    parts = ["\n".join(map(_turn, compared.turns))] if compared.turns else []
    for title, found, locator in (
        ("introduced", compared.introduced, new),
        ("fixed", compared.fixed, old),
        ("unchanged", compared.unchanged if wide else (), new),
    ):
        label = click.style(title, fg=_COLOURS[title], bold=True)
        shown = (locate(item, locator) for item in found)
        parts += [f"{label} {told}" for told in table.findings(shown, wide=wide)]
    return "\n\n".join([*parts, _summary(compared)])


def document(compared: Comparison, old: Locator, new: Locator) -> dict[str, Any]:
    """For programs, see docs/diff.md."""
    return {
        "version": VERSION,
        "changes": [
            {
                "host": turn.host,
                "vantage": turn.vantage or None,
                "family": int(turn.family),
                "before": turn.before or None,
                "after": turn.after or None,
            }
            for turn in compared.turns
        ],
        "introduced": _findings(compared.introduced, new),
        "fixed": _findings(compared.fixed, old),
        "unchanged": _findings(compared.unchanged, new),
    }


def _findings(found: Iterable[Finding], locator: Locator) -> list[dict[str, Any]]:
    return [finding_document(locate(item, locator)) for item in found]


def _turn(turn: Turn) -> str:
    better = turn.kind_after in table.WELL and turn.kind_before not in table.WELL
    worse = turn.kind_after not in table.WELL and turn.kind_before in table.WELL | {""}
    sign, colour = ("+", "green") if better else ("-", "red") if worse else ("~", "cyan")
    before, after = turn.before or "(not there)", turn.after or "(not there)"
    where = table.label(turn.vantage, turn.family)
    head = f"{click.style(sign, fg=colour)} {click.style(turn.host, bold=True)} {where}"
    return "\n".join([head, *output.paragraph(f"  {before}"), *output.paragraph(f"→ {after}")])


def _summary(compared: Comparison) -> str:
    fates = output.count(len(compared.turns), "changed fate")
    return (
        f"{fates} · {output.count(len(compared.introduced), 'finding')} introduced, "
        f"{len(compared.fixed)} fixed, {len(compared.unchanged)} unchanged"
    )
