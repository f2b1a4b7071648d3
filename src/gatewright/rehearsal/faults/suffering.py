"""What a fault comes to: it is struck, everything is asked again until it is as the model predicts, and it is mended.

Counterparts: `faults.base.Fault`, what is done; `concluding.Judge`, what the model says meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from gatewright.rehearsal.asking import Observation, Question
from gatewright.rehearsal.clients.asker import Clients
from gatewright.rehearsal.compare import Verdict
from gatewright.rehearsal.concluding import Judge
from gatewright.rehearsal.faults.base import Fault, Ground
from gatewright.rehearsal.report import Broken, Cell
from gatewright.trace.branches import Branch
from gatewright.trace.hops import OutcomeKind

BOUND: Final = 30.0
"""For how many seconds what works again is waited for."""

WORKING: Final = frozenset({OutcomeKind.DELIVERED, OutcomeKind.RESPONSE})

Seen = list[tuple[Observation, ...]]


class Sufferer:
    """Asks the same questions of a world before, during and after its faults.  `told` (done, all) while it asks."""

    def __init__(
        self,
        ground: Ground,
        clients: Clients,
        asked: Sequence[Question],
        told: Callable[[int, int], None],
    ) -> None:
        self._ground = ground
        self._clients = clients
        self._asked = tuple(asked)
        self._told = told

    async def suffer(self, fault: Fault, before: Sequence[Cell]) -> Broken:
        """Break it, see what comes of it, and mend it.  `before`: the cells of the world as it is without."""
        struck = time.monotonic()
        did = await fault.strike(self._ground)
        supposed = fault.supposed()
        if supposed:
            self._ground.model.provide(supposed)
        during, seconds = await self._ask(struck)
        if supposed:
            self._ground.model.provide(dict.fromkeys(supposed))
        await fault.mend(self._ground)
        after, _ = await self._ask(time.monotonic())
        return Broken(
            fault.text,
            seconds,
            during,
            did,
            sum(map(works, before)),
            tuple(cell.number for cell, now in zip(before, during, strict=True) if works(cell) and not works(now)),
            tuple(cell.number for cell, now in zip(before, during, strict=True) if _moves(cell, now)),
            tuple(cell for cell in after if cell.verdict is Verdict.DIFFERS),
        )

    async def _ask(self, since: float) -> tuple[tuple[Cell, ...], float | None]:
        """The cells as they become within the bound, and the seconds until all that differed at first agreed."""
        judge = Judge(self._ground.model, self._ground.world, self._asked)
        self._clients.forget()
        seen = await self._clients.ask_all(self._asked, self._told)
        differing = self._differing(judge, seen, range(len(seen)))
        while differing and time.monotonic() - since < BOUND:
            self._clients.forget()
            again = await self._clients.ask_all([self._asked[place] for place in differing])
            for place, observations in zip(differing, again, strict=True):
                seen[place] = observations
            differing = self._differing(judge, seen, differing)
        cells, _ = judge.cells(seen)
        return cells, None if differing else time.monotonic() - since

    def _differing(self, judge: Judge, seen: Seen, places: Sequence[int]) -> list[int]:
        return [place for place in places if judge.compare(place, seen[place]).verdict is Verdict.DIFFERS]


def works(cell: Cell) -> bool:
    """Is there an answer, whichever of the ways that the client can go?  Who asks a silent resolver asks the next."""
    ends = [branch.outcome.kind for branch in _answered(cell)]
    return bool(ends) and all(kind in WORKING for kind in ends)


def _moves(before: Cell, now: Cell) -> bool:
    return works(before) and works(now) and _ways(before) != _ways(now)


def _answered(cell: Cell) -> list[Branch]:
    """The ways of those whose resolver answers."""
    return [one for one in cell.branches if one.address or one.outcome.kind is not OutcomeKind.UNREACHABLE]


def _ways(cell: Cell) -> set[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    return {(one.resolver, one.address, tuple(one.gateways), tuple(one.links)) for one in _answered(cell)}
