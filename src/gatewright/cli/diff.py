"""`gatewright diff`: which name, from where, changes its fate between two versions of the manifests."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from gatewright.base.errors import UsageError
from gatewright.base.origin import Locator, Origin, Place
from gatewright.check.compare import Comparison, Turn, compare
from gatewright.check.finding import Finding
from gatewright.check.run import SEVERITIES
from gatewright.cli import output
from gatewright.cli.check import FAIL_ON, examine
from gatewright.cli.reports import table
from gatewright.cli.reports.shown import VERSION, finding_document, locate
from gatewright.sources import revision

EPILOG = """\b
Examples:
  gatewright diff main HEAD --path deploy
  gatewright diff old-folder new-folder
  gatewright diff HEAD .                     what the uncommitted changes do
  gatewright diff main . -o json
\b
Exit codes: 0 nothing got worse, 1 a finding was introduced (see --fail-on), 2 usage or input, 3 our fault.
"""


@click.command("diff", epilog=EPILOG)
@click.option(
    "--path", "paths", multiple=True, metavar="PATH", help="Read this of each revision; repeatable.  [default: .]"
)
@click.option(
    "-o", "--output", "form", type=click.Choice(["table", "wide", "json", "yaml"]), default="table", show_default=True,
    help="How to print it; wide also lists unchanged findings.",
)  # fmt: skip
@click.option(
    "--fail-on", type=click.Choice(list(FAIL_ON)), default="warning", show_default=True,
    help="Exit with 1 when a finding at least this bad was introduced.",
)  # fmt: skip
@click.argument("old")
@click.argument("new")
def command(paths: tuple[str, ...], form: str, fail_on: str, old: str, new: str) -> None:
    """Compare two versions of the manifests: folders or files, or revisions that git knows.

    Tells the hostnames that lead somewhere else, by vantage and address family, and the findings that were
    introduced, fixed, and are unchanged.
    """
    with tempfile.TemporaryDirectory(prefix="gatewright-") as folder:
        sides = [_Side(word, paths, Path(folder) / name) for word, name in ((old, "old"), (new, "new"))]
        say = output.StatusLine().progress
        (before, _), (after, _) = [side.examined(say) for side in sides]
        compared = compare(before, after, sides[0].rename, sides[1].rename)
        text = _text(compared, sides, wide=form == "wide") if form in ("table", "wide") else None
        click.echo(text if text is not None else output.machine(_document(compared, sides), form))
    counted = SEVERITIES[: FAIL_ON[fail_on]]
    sys.exit(1 if any(item.severity in counted for item in compared.introduced) else 0)


class _Side:
    """One of the two versions, and how its files are called in print."""

    def __init__(self, word: str, paths: tuple[str, ...], folder: Path) -> None:
        """UsageError for a word that is neither a path nor a revision."""
        self._locator: Locator | None = None
        self._revision = not Path(word).exists()
        self._root = folder if self._revision else Path(word)
        if self._revision:
            if not revision.is_revision(word):
                raise UsageError(f"{word} is neither a path nor a revision that git knows here")
            folder.mkdir()
            revision.extract(word, paths, folder)
        inside = [self._root / path for path in paths] if paths else [self._root]
        missing = next((path for path in inside if not path.exists()), None)
        if missing is not None:
            raise UsageError(f"{word} has no {self.rename(str(missing))}")
        self._read = tuple(map(str, inside))

    def examined(self, say: Any) -> Any:
        report, model = examine(self._read, say)
        self._locator = model.locator
        return report, model

    def rename(self, file: str) -> str:
        """A file relative to the version's root."""
        try:
            return str(Path(file).relative_to(self._root))
        except ValueError:
            return file

    def locate(self, origin: Origin) -> Place:
        assert self._locator is not None
        place = self._locator.locate(origin)
        return Place(self.rename(place.file) if self._revision else place.file, place.line)


def _document(compared: Comparison, sides: list[_Side]) -> dict[str, Any]:
    old, new = sides
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


def _findings(found: Iterable[Finding], side: _Side) -> list[dict[str, Any]]:
    return [finding_document(locate(item, side)) for item in found]


def _text(compared: Comparison, sides: list[_Side], *, wide: bool) -> str:
    old, new = sides
    parts = [_turn(turn) for turn in compared.turns]
    for title, colour, found, side in (
        ("introduced", "red", compared.introduced, new),
        ("fixed", "green", compared.fixed, old),
        ("unchanged", "white", compared.unchanged if wide else (), new),
    ):
        for item in found:
            parts.append(f"{click.style(title, fg=colour, bold=True)} {table.finding(locate(item, side), wide=wide)}")
    counts = (
        f"{len(compared.turns)} changed fates · {len(compared.introduced)} findings introduced, "
        f"{len(compared.fixed)} fixed, {len(compared.unchanged)} unchanged"
    )
    return "\n\n".join([*parts, counts])


def _turn(turn: Turn) -> str:
    where = f"{turn.vantage} v{turn.family}" if turn.vantage else "at the gateways"
    better = turn.kind_after in table.WELL and turn.kind_before not in table.WELL
    worse = turn.kind_after not in table.WELL and turn.kind_before in table.WELL | {""}
    sign, colour = ("+", "green") if better else ("-", "red") if worse else ("~", "cyan")
    before, after = turn.before or "(not there)", turn.after or "(not there)"
    return f"{click.style(sign, fg=colour)} {click.style(turn.host, bold=True)} from {where}\n    {before}\n  → {after}"
