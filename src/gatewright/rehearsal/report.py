"""What a rehearsal found, as values, and as the document that `gatewright rehearse -o json` prints.

The document is a stable interface: fields are added, never renamed or removed, within one `version`.  Counterparts:
`compare`, which finds; whoever prints it otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from gatewright.base.origin import Locator, Origin
from gatewright.check import expectations
from gatewright.check.matrix import fate
from gatewright.rehearsal.asking import Observation
from gatewright.rehearsal.compare import Comparison, Landmarks, Verdict, trusting, unmet_for_real, unseen_demands
from gatewright.rehearsal.compare.verdicts import in_words
from gatewright.rehearsal.world import Note, World
from gatewright.trace.branches import Branch

VERSION = 1


class WorldSummary(Struct, frozen=True):
    """How large the world was.  `spaces` by role; `notes`: what in it is otherwise than described."""

    spaces: Mapping[str, int]
    wires: int
    daemons: int
    gateways: int
    backends: int
    vantages: int
    notes: tuple[Note, ...]


class Cell(Struct, frozen=True):
    """One question: model and reality in a line each, and the stations of both for whoever wants to see why."""

    number: int
    vantage: str
    family: str
    url: str
    method: str
    expectation: str
    model: str
    reality: str
    verdict: Verdict
    differences: tuple[str, ...]
    notes: tuple[str, ...]
    branches: tuple[Branch, ...]
    observations: tuple[Observation, ...]


class Expected(Struct, frozen=True):
    """An Expectation from one vantage in one family: what the model, and what reality does not meet of it.  `unseen`:
    demands that no client can see."""

    expectation: str
    origin: Origin
    vantage: str
    family: str
    url: str
    model: tuple[str, ...]
    reality: tuple[str, ...]
    unseen: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.model and not self.reality


class Broken(Struct, frozen=True):
    """What something's failure did.  `fault` as the user called it; `seconds` until all that still works was seen to
    work, None where not all of it was, or nothing is left; `cells` as they were then.

    `did`: what the world did about it by itself, in sentences.  `worked`: how many cells did before; by their numbers,
    `lost` are those of them that did not then, `moved` those that went another way.  `after`: the cells that are not
    as before although all was mended."""

    fault: str
    seconds: float | None
    cells: tuple[Cell, ...]
    did: tuple[str, ...] = ()
    worked: int = 0
    lost: tuple[int, ...] = ()
    moved: tuple[int, ...] = ()
    after: tuple[Cell, ...] = ()

    @property
    def returned(self) -> str:
        """In words: how long it took.  Asking is part of it, so that it is a bound for what was not interrupted."""
        if self.seconds is not None:
            return f"what still works was seen to within {self.seconds:.1f} s"
        return "nothing is left that works" if len(self.lost) == self.worked else "not all that should still work does"


class RehearsalReport(Struct, frozen=True):
    """All of it.  `timings` in seconds by stage; `notes`: what could not be made as described; `ended`: what of
    the world ended by itself, so that nobody knows what the rest shows."""

    world: WorldSummary
    cells: tuple[Cell, ...]
    expectations: tuple[Expected, ...]
    faults: tuple[Broken, ...] = ()
    timings: Mapping[str, float] = {}
    notes: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Is there no difference, also while something was broken?

        A rehearsal that asked nothing, or nothing that the model knows about, shows nothing; nor does one whose world
        fell apart.
        """
        cells = [*self.cells, *(cell for fault in self.faults for cell in (*fault.cells, *fault.after))]
        verdicts = {cell.verdict for cell in cells}
        return Verdict.DIFFERS not in verdicts and Verdict.AGREES in verdicts and not self.ended

    @property
    def holds(self) -> bool:
        """Are all Expectations met, by model and reality?"""
        return all(item.holds for item in self.expectations)


def summary(world: World) -> WorldSummary:
    """A world in numbers."""
    roles = Counter(space.role.value for space in world.spaces)
    return WorldSummary(
        dict(sorted(roles.items())),
        len(world.wires),
        len(world.daemons),
        len(world.gateways),
        len(world.echoes),
        len(world.vantages),
        world.notes,
    )


def cell(comparison: Comparison, branches: Sequence[Branch], observations: Sequence[Observation]) -> Cell:
    """A comparison for a report."""
    asked = comparison.question
    return Cell(
        asked.number,
        asked.vantage,
        asked.family,
        asked.request.url,
        asked.request.method,
        asked.expectation.key.name if asked.expectation is not None else "",
        _joined(fate(branch).words for branch in branches) or "no address",
        _joined(map(in_words, observations)) or "nothing was observed",
        comparison.verdict,
        comparison.differences,
        comparison.notes,
        tuple(branches),
        tuple(observations),
    )


def expected(
    comparison: Comparison, branches: Sequence[Branch], observations: Sequence[Observation], known: Landmarks
) -> Expected | None:
    """The Expectation that a question was asked for, held against both; None for a cell of the matrix.

    A certificate of which the model does not know who issued it keeps nobody out on either side.
    """
    asked = comparison.question
    wanted = asked.expectation
    if wanted is None:
        return None
    model = [failure for branch in branches for failure in expectations.unmet(wanted, branch)]
    if not branches and wanted.outcome not in ("", "absent"):
        model = ["the name has no address"]
    met = [
        trusting(pair.branch, seen) if pair.branch is not None else seen
        for pair, seen in zip(comparison.pairs, observations, strict=False)
    ]
    reality = [failure for seen in met for failure in unmet_for_real(wanted, seen, known)]
    unseen = [demand for seen in observations for demand in unseen_demands(wanted, seen, known)]
    return Expected(
        wanted.key.name,
        wanted.origin,
        asked.vantage,
        asked.family,
        wanted.url,
        tuple(dict.fromkeys(model)),
        tuple(dict.fromkeys(reality if observations else ["nothing was observed"])),
        tuple(dict.fromkeys(unseen)),
    )


def _joined(words: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(words))


# --- the document -------------------------------------------------------------------------------


def document(report: RehearsalReport, locator: Locator) -> dict[str, Any]:
    """The report as JSON's values."""
    verdicts = Counter(item.verdict for item in report.cells)
    written = _Written(locator)
    return {
        "version": VERSION,
        "agrees": report.agrees,
        "holds": report.holds,
        "counts": {verdict.value: verdicts[verdict] for verdict in Verdict},
        "world": written.world(report.world),
        "cells": [written.cell(item) for item in report.cells],
        "expectations": [written.expected(item) for item in report.expectations],
        "faults": [
            {
                "fault": item.fault,
                "seconds": item.seconds if item.seconds is None else round(item.seconds, 3),
                "did": list(item.did),
                "worked": item.worked,
                "lost": list(item.lost),
                "moved": list(item.moved),
                "cells": [written.cell(one) for one in item.cells],
                "after": [written.cell(one) for one in item.after],
            }
            for item in report.faults
        ],
        "timings": {stage: round(seconds, 3) for stage, seconds in report.timings.items()},
        "notes": list(report.notes),
        "ended": list(report.ended),
    }


class _Written:
    """The parts of the document."""

    def __init__(self, locator: Locator) -> None:
        self._locator = locator

    def _origin(self, origin: Origin | None) -> dict[str, Any] | None:
        place = self._locator.locate(origin) if origin is not None else None
        return {"file": place.file, "line": place.line} if place is not None else None

    def world(self, world: WorldSummary) -> dict[str, Any]:
        return {
            "spaces": dict(world.spaces),
            "wires": world.wires,
            "daemons": world.daemons,
            "gateways": world.gateways,
            "backends": world.backends,
            "vantages": world.vantages,
            "notes": [{"text": note.text, "origin": self._origin(note.origin)} for note in world.notes],
        }

    def cell(self, item: Cell) -> dict[str, Any]:
        return {
            "number": item.number,
            "vantage": item.vantage,
            "family": item.family,
            "url": item.url,
            "method": item.method,
            "expectation": item.expectation or None,
            "model": item.model,
            "reality": item.reality,
            "verdict": item.verdict.value,
            "differences": list(item.differences),
            "notes": list(item.notes),
            "branches": [self.branch(branch) for branch in item.branches],
            "observations": [observation(seen) for seen in item.observations],
        }

    def branch(self, branch: Branch) -> dict[str, Any]:
        return {
            "resolver": branch.resolver,
            "address": branch.address,
            "outcome": branch.outcome.kind.value,
            "words": fate(branch).words,
            "gateways": list(branch.gateways),
            "links": list(branch.links),
            "hops": [
                {"kind": hop.kind.value, "summary": hop.summary, "origin": self._origin(hop.origin)}
                for hop in branch.hops
            ],
        }

    def expected(self, item: Expected) -> dict[str, Any]:
        return {
            "expectation": item.expectation,
            "origin": self._origin(item.origin),
            "vantage": item.vantage,
            "family": item.family,
            "url": item.url,
            "holds": item.holds,
            "model": list(item.model),
            "reality": list(item.reality),
            "unseen": list(item.unseen),
        }


def observation(seen: Observation) -> dict[str, Any]:
    """What a client met, as it stands in the document."""
    echo = seen.echo
    return {
        "resolver": seen.resolver,
        "named": seen.named.value,
        "addresses": list(seen.addresses),
        "address": seen.address,
        "ended": seen.ended.value,
        "status": seen.status or None,
        "location": seen.location or None,
        "redirects": [{"status": status, "location": location} for status, location in seen.redirects],
        "backend": f"{echo.namespace}/{echo.service}:{echo.port}" if echo is not None else None,
        "certificate": list(seen.certificate),
        "links": None if seen.links is None else list(seen.links),
        "seconds": round(seen.seconds, 4),
        "words": in_words(seen),
        "hops": list(seen.hops),
    }
