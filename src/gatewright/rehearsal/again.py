"""Whoever was late is asked once more: a busy machine is no difference between model and reality.

Nothing in a rehearsal is slow, so that a client who waited for long, and then met something else than the model says,
may only have met a machine with too little time.  When all others are done, such questions are asked again, with much
more time; what is met then counts, and the report says what it was before.  Counterparts: `clients`, `compare`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import structs

from gatewright.rehearsal.asking import Observation
from gatewright.rehearsal.clients.asker import Clients
from gatewright.rehearsal.compare import Comparison, Verdict
from gatewright.rehearsal.compare.verdicts import in_words
from gatewright.rehearsal.concluding import Judge

LATE: Final = 1.0
"""Seconds after which somebody on the way may have given up; no limit in a world is shorter."""


def was_late(compared: Comparison) -> bool:
    """Does it differ where somebody has waited?"""
    return any(_is_late(pair.observation) for pair in compared.pairs if pair.judgement.differences)


async def asked(
    clients: Clients,
    judge: Judge,
    seen: Sequence[tuple[Observation, ...]],
    differs: Callable[[Comparison], None],
) -> list[tuple[Observation, ...]]:
    """What counts of what was `seen`: the second time of those who were late; `differs` is told what differs then."""
    found = list(seen)
    late = [place for place, observations in enumerate(seen) if was_late(judge.compare(place, observations))]
    if not late:
        return found
    for place, observations in zip(late, await clients.patient().ask_all([judge.asked[n] for n in late]), strict=True):
        before = "; ".join(in_words(one) for one in found[place] if _is_late(one))
        told = f"asked again with more time: {before}"
        found[place] = tuple(structs.replace(one, hops=(told, *one.hops)) for one in observations)
        compared = judge.compare(place, found[place])
        if compared.verdict is Verdict.DIFFERS:
            differs(compared)
    return found


def _is_late(seen: Observation | None) -> bool:
    return seen is not None and seen.seconds >= LATE
