"""What a fault comes to: it is struck, everything is asked again until it is as the model predicts, and it is mended.

Counterparts: `faults.base.Fault`, what is done; `concluding.Judge`, what the model says meanwhile.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
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
        ground = self._ground
        silenced = fault.silenced(ground.world)
        asked = tuple(question for question in self._asked if question.vantage not in silenced)
        everything, before = before, [cell for cell in before if cell.vantage not in silenced]
        struck = time.monotonic()
        await fault.strike(ground)
        supposed = fault.supposed(ground)
        was = {key: ground.model.provided(key) for key in supposed}
        await self._tell(supposed)
        did = await fault.react(ground)
        judge = self._judge(asked)
        verdicts = [cell.verdict for cell in before]
        during, seconds = await self._ask(
            judge, struck, lambda place, now: is_settled(now, verdicts[place], knows=judge.knows(place))
        )
        await self._tell(was)
        await fault.mend(ground)
        after, _ = await self._ask(
            self._judge(self._asked), time.monotonic(), lambda place, now: is_mended(now, everything[place].verdict)
        )
        return Broken(
            fault.text,
            seconds,
            during,
            did,
            sum(map(works, before)),
            tuple(cell.number for cell, now in zip(before, during, strict=True) if works(cell) and not works(now)),
            tuple(cell.number for cell, now in zip(before, during, strict=True) if _moves(cell, now)),
            tuple(now for cell, now in zip(everything, after, strict=True) if not is_mended(now.verdict, cell.verdict)),
        )

    async def _tell(self, changes: Mapping[Key, Intent | None]) -> None:
        """Tell the model, and the gateways what of it concerns them."""
        if changes:
            change = self._ground.model.provide(changes).change
            await self._ground.gateways.apply(self._ground.model.graph, change)

    def _judge(self, asked: Sequence[Question]) -> Judge:
        return Judge(self._ground.model, self._ground.world, asked)

    async def _ask(
        self, judge: Judge, since: float, settles: Callable[[int, Verdict], bool]
    ) -> tuple[tuple[Cell, ...], float | None]:
        """The cells as they become within the bound, and the seconds until all that work were seen to; None where one
        is not, or none works.  `settles`: need a question, by its place, not be asked again that came out so?"""
        seen: dict[int, tuple[Observation, ...]] = {}
        when: dict[int, float] = {}

        def noting(places: Sequence[int]) -> Callable[[int, tuple[Observation, ...]], None]:
            def note(number: int, observations: tuple[Observation, ...]) -> None:
                place = places[number]
                seen[place] = observations
                if settles(place, judge.compare(place, observations).verdict):
                    when[place] = time.monotonic() - since

            return note

        left: Sequence[int] = range(len(judge.asked))
        while left:
            self._clients.forget()
            await self._clients.ask_all([judge.asked[place] for place in left], self._told, noting(left))
            left = [place for place in left if place not in when] if time.monotonic() - since < BOUND else ()
        cells, _ = judge.cells([seen[place] for place in range(len(judge.asked))])
        working = [when.get(place, math.inf) for place, cell in enumerate(cells) if works(cell)]
        last = max(working, default=math.inf)
        return cells, last if math.isfinite(last) else None


def is_settled(now: Verdict, before: Verdict, *, knows: bool) -> bool:
    """Is something as the model predicts while something else is broken?  Where it is not, it may still come to be.

    So it may where the model is excused that was right before; what differed before is told already.  `knows`: does the
    model say how it ends?
    """
    return now in (Verdict.AGREES, before) or (now is Verdict.UNKNOWN and not knows)


def is_mended(now: Verdict, before: Verdict) -> bool:
    """Is it as it was before anything was broken, or better?"""
    return now in (Verdict.AGREES, before)


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
