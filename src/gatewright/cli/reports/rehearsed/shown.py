"""What a report of a rehearsal shows, and the two accounts of one question side by side: stations of the model, and
what real clients met."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from gatewright.base.origin import Locator
from gatewright.check.matrix import fate
from gatewright.cli import output
from gatewright.cli.reports import table
from gatewright.rehearsal.asking import Observation
from gatewright.rehearsal.compare.verdicts import in_words
from gatewright.rehearsal.report import Cell, RehearsalReport
from gatewright.rehearsal.world import World
from gatewright.trace.branches import Branch


class Account(Struct, frozen=True):
    """One way that a request goes: by whom and where to, its stations and where each is written, how it ends."""

    way: str
    stations: tuple[tuple[str, str], ...]
    end: str

    def lines(self) -> tuple[str, ...]:
        """In words, a line each."""
        return (self.way, *(f"  {said}  {where}".rstrip() for said, where in self.stations), f"→ {self.end}")


class Rehearsed(Struct, frozen=True):
    """Everything that a format may print.  `paths`: what was read.  `verbose`: both accounts of every question."""

    report: RehearsalReport
    world: World
    locator: Locator
    paths: tuple[str, ...]
    verbose: bool = False


def label(cell: Cell) -> str:
    """What was asked, and from where."""
    method = "" if cell.method == "GET" else f"{cell.method} "
    return f"{method}{cell.url} {table.label(cell.vantage, cell.family)}"


def predicted(cell: Cell, locator: Locator) -> Iterator[Account]:
    """The model's account, way by way."""
    for branch in cell.branches:
        stations = [(f"{hop.kind.value}: {hop.summary}", output.place(hop.origin, locator)) for hop in branch.hops]
        yield Account(_way(branch), tuple(stations), fate(branch).words)


def observed(cell: Cell) -> Iterator[Account]:
    """Reality's account, way by way."""
    for seen in cell.observations:
        yield Account(_way(seen), tuple((hop, "") for hop in seen.hops), in_words(seen))


def _way(one: Branch | Observation) -> str:
    resolver = f"by {one.resolver} " if one.resolver else ""
    return f"{resolver}at {one.address}" if one.address else resolver.strip() or "the URL's own address"
