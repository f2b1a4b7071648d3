"""`gatewright diff`: which name, from where, changes its fate between two versions of the manifests."""

from __future__ import annotations

import os
import posixpath
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click
from msgspec import structs

from gatewright.base import collector
from gatewright.base.errors import UsageError
from gatewright.base.origin import Locator, Origin, Place
from gatewright.check.compare import compare
from gatewright.check.finding import Finding
from gatewright.check.run import Report
from gatewright.cli import output
from gatewright.cli.check import FAIL_ON, examine, report, verdict
from gatewright.cli.reports import changes
from gatewright.sources import revision

EPILOG = """\b
Examples:
  gatewright diff main HEAD --path deploy
  gatewright diff old-folder new-folder
  gatewright diff HEAD .                     what the uncommitted changes do
  gatewright diff main . -o json
\b
Exit codes: 0 nothing got worse, 1 a finding was introduced (see --fail-on), 2 usage or input, 3 our fault.
docs/diff.md describes the JSON document.
"""


@click.command("diff", epilog=EPILOG)
@click.option(
    "--path", "paths", multiple=True, metavar="PATH", help="Read this of each version; repeatable.  [default: .]"
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
    introduced, fixed, and are unchanged.  What exists is a path, whatever git knows by that name.
    """
    with collector.paused(), tempfile.TemporaryDirectory(prefix="gatewright-") as folder:
        sides = [_Side(word, paths, Path(folder) / name) for word, name in ((old, "old"), (new, "new"))]
        _hold_something(sides, paths)
        say = output.StatusLine().progress
        before, after = [side.examined(say) for side in sides]
        compared = compare(before, after, sides[0].rename, sides[1].rename)
        if form in ("table", "wide"):
            click.echo(changes.text(compared, *sides, wide=form == "wide"))
        else:
            click.echo(output.machine(changes.document(compared, *sides), form))
    sys.exit(verdict(compared.introduced, fail_on))


def _hold_something(sides: list[_Side], paths: tuple[str, ...]) -> None:
    """UsageError for a path that neither side has; one that only one side has was added or removed."""
    for path in paths:
        if not any((side.root / path).exists() for side in sides):
            raise UsageError(f"neither {sides[0].word} nor {sides[1].word} has {path}")


class _Side:
    """One of the two versions, and how its files are called in print."""

    def __init__(self, word: str, paths: tuple[str, ...], folder: Path) -> None:
        """UsageError for a word that is neither a path nor a revision."""
        self.word = word
        self._paths = paths
        self._locator: Locator | None = None
        self._is_revision = not os.path.lexists(word)
        self.root = Path(word).absolute()
        if self._is_revision:
            if not revision.is_revision(word):
                raise UsageError(f"{word} is neither a path nor a revision that git knows here")
            folder.mkdir()
            self.root = revision.extract(word, paths, folder)

    def examined(self, say: Callable[[str], None]) -> Report:
        """The report on this side, without a word of the temporary folder."""
        inside = [self.root / path for path in self._paths if (self.root / path).exists()]
        model, checker = examine(tuple(map(str, inside if self._paths else [self.root])), say)
        self._locator = model.locator
        found = report(model, checker)
        return structs.replace(
            found,
            findings=tuple(map(self._told, found.findings)),
            suppressed=tuple((self._told(item), word) for item, word in found.suppressed),
        )

    def rename(self, file: str) -> str:
        """A file relative to the version's root."""
        try:
            return str(Path(file).relative_to(self.root))
        except ValueError:
            return file

    def locate(self, origin: Origin) -> Place:
        """The place as it is printed: in the revision, or on disk."""
        assert self._locator is not None
        place = self._locator.locate(origin)
        file = self.rename(place.file)
        return Place(file if self._is_revision else posixpath.normpath(posixpath.join(self.word, file)), place.line)

    def _told(self, found: Finding) -> Finding:
        """A finding whose words name files as both sides call them."""
        root = f"{self.root}/"
        return structs.replace(found, message=found.message.replace(root, ""), fix=found.fix.replace(root, ""))
