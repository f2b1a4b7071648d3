"""What the model says to the questions of a rehearsal, held against what clients met, one by one or all at once.

Counterparts: `clients`, which ask; `compare`, how one question is judged; `report`, what becomes of the judgements.
"""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.pipeline import Model
from gatewright.rehearsal import report
from gatewright.rehearsal.asking import Observation, Question
from gatewright.rehearsal.compare import Comparison, compare, landmarks
from gatewright.rehearsal.questions import all_predicted
from gatewright.rehearsal.report import Cell, Expected
from gatewright.rehearsal.world import World
from gatewright.trace.hops import OutcomeKind


class Judge:
    """Knows what a model says now to these questions about a world.  Another one is needed when either has changed."""

    def __init__(self, model: Model, world: World, asked: Sequence[Question]) -> None:
        self.asked = tuple(asked)
        self._said = model.analysis.answer(all_predicted, self.asked)
        self._known = landmarks(world, model.graph.backends.values())

    def compare(self, place: int, observations: Sequence[Observation]) -> Comparison:
        """The question at this place against what was met."""
        return compare(self.asked[place], self._said[place], observations, self._known)

    def knows(self, place: int) -> bool:
        """Does the model say how the question at this place ends, on any branch?"""
        return any(branch.outcome.kind is not OutcomeKind.UNKNOWN for branch in self._said[place])

    def cells(self, seen: Sequence[Sequence[Observation]]) -> tuple[tuple[Cell, ...], tuple[Expected, ...]]:
        """All questions, and the Expectations that some were asked for.  `seen` in their order."""
        cells: list[Cell] = []
        held: list[Expected] = []
        for place, (branches, observations) in enumerate(zip(self._said, seen, strict=True)):
            compared = self.compare(place, observations)
            cells.append(report.cell(compared, branches, observations))
            if (outcome := report.expected(compared, branches, observations, self._known)) is not None:
                held.append(outcome)
        return tuple(cells), tuple(held)
