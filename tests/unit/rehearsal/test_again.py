"""Who was late is asked once more; who was not, or agrees, is not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import cast

import pytest

from gatewright.rehearsal import again
from gatewright.rehearsal.asking import Ended, Named, Observation, Question
from gatewright.rehearsal.clients.asker import Clients
from gatewright.rehearsal.compare import Comparison, Pair, Verdict
from gatewright.rehearsal.compare.verdicts import Judgement
from gatewright.rehearsal.concluding import Judge
from gatewright.trace.request import request

GOOD = Observation(0, "home", Named.ANSWER, ("192.0.2.1",), "192.0.2.1", Ended.ANSWERED, 200, seconds=4.0)
LATE = Observation(0, "home", Named.ANSWER, ("192.0.2.1",), "192.0.2.1", Ended.TIMEOUT, seconds=2.0)
FAILED = Observation(0, "home", Named.FAILED, seconds=1.5, detail="SERVFAIL")
QUICK = Observation(0, "home", Named.ANSWER, ("192.0.2.1",), "192.0.2.1", Ended.REFUSED, seconds=0.1)


class Judging:
    """What is answered agrees."""

    asked = tuple(Question(number, "phone", "4", request(f"http://{number}.test/")) for number in range(3))

    def compare(self, place: int, observations: Sequence[Observation]) -> Comparison:
        pairs = [
            Pair(None, one, Judgement() if one.ended is Ended.ANSWERED else Judgement(("it differs",)))
            for one in observations
        ]
        differences = tuple(words for pair in pairs for words in pair.judgement.differences)
        verdict = Verdict.DIFFERS if differences else Verdict.AGREES
        return Comparison(self.asked[place], verdict, differences, tuple(pairs))


class Asked:
    """Meets the same whatever is asked, once it is patient."""

    def __init__(self, *met: Observation) -> None:
        self.met = met
        self.hosts: list[str] = []

    def patient(self) -> Asked:
        return self

    async def ask_all(self, questions: Iterable[Question]) -> list[tuple[Observation, ...]]:
        self.hosts += [question.request.host for question in questions]
        return [self.met for _ in self.hosts]


def ask(clients: Asked, *seen: Observation) -> tuple[list[tuple[Observation, ...]], int]:
    """What counts, and how often a difference is told."""
    told: list[Comparison] = []
    met = [(one,) for one in seen]
    asking = again.asked(cast("Clients", clients), cast("Judge", Judging()), met, told.append)
    return asyncio.run(asking), len(told)


@pytest.mark.parametrize("late", [LATE, FAILED])
def test_who_was_late_is_asked_again_and_that_counts(late: Observation) -> None:
    clients = Asked(GOOD)
    found, told = ask(clients, GOOD, late, QUICK)

    assert clients.hosts == ["1.test"]
    assert ([met[0].ended for met in found], told) == ([Ended.ANSWERED, Ended.ANSWERED, Ended.REFUSED], 0)
    assert found[0] == (GOOD,)
    (said,) = found[1][0].hops
    assert said.startswith("asked again with more time: ")


def test_what_is_so_again_differs() -> None:
    found, told = ask(Asked(LATE), LATE)
    assert ([met[0].ended for met in found], told) == ([Ended.TIMEOUT], 1)


def test_where_nobody_was_late_nobody_is_asked() -> None:
    clients = Asked(GOOD)
    assert ask(clients, GOOD, QUICK) == ([(GOOD,), (QUICK,)], 0)
    assert clients.hosts == []
