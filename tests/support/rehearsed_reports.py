"""Reports of rehearsals without a world: the model's account is real, what clients met is written here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from gatewright.cli.reports.rehearsed.shown import Rehearsed
from gatewright.pipeline import Model
from gatewright.rehearsal import report
from gatewright.rehearsal.asking import EchoSeen, Ended, Named, Observation, Question
from gatewright.rehearsal.concluding import Judge
from gatewright.rehearsal.plan.whole import whole
from gatewright.rehearsal.questions import questions
from gatewright.rehearsal.world import World
from support import needs

SMALL = needs.REPOSITORY / "tests" / "fixtures" / "rehearsal" / "small"
ADDRESS = "192.168.7.2"


@cache
def world_of(folder: str) -> World:
    """The world that a folder describes, planned but not built."""
    model = Model()
    model.read([folder])
    return model.analysis.answer(whole, frozenset())


def delivered(question: Question, **others: object) -> Observation:
    """What the model says, met."""
    echo = EchoSeen("web", "app", 80, peer=ADDRESS, host="app.example.com", path="/")
    known: dict[str, object] = {
        "resolver": "", "named": Named.ANSWER, "addresses": (ADDRESS,), "address": ADDRESS, "ended": Ended.ANSWERED,
        "status": 200, "echo": echo, "certificate": ("app.example.com",), "hops": ("connected",),
    }  # fmt: skip
    return Observation(question=question.number, **{**known, **others})  # type: ignore[arg-type]


def timeout(question: Question) -> Observation:
    """What it does not say."""
    return delivered(question, ended=Ended.TIMEOUT, status=0, echo=None, certificate=())


def shown(*, verbose: bool = False, differing: Sequence[int] = (), hostile: str = "") -> Rehearsed:
    """A report of the small world in which these questions time out; `hostile` stands among what clients met."""
    model = Model()
    model.read([str(SMALL)])
    asked = model.analysis.answer(questions)
    world = world_of(str(SMALL))
    judge = Judge(model, world, asked)
    resolver = _resolver(judge, asked)
    seen = []
    for number, question in enumerate(asked):
        met = timeout(question) if number in differing else delivered(question)
        seen.append(
            (Observation(**{**_fields(met), "resolver": resolver, "hops": (*met.hops, *filter(None, (hostile,)))}),)
        )
    cells, held = judge.cells(seen)
    found = report.RehearsalReport(report.summary(world), cells, held, timings={"building": 0.5, "asking": 0.25})
    return Rehearsed(found, world, model.locator, (str(SMALL),), verbose)


def _fields(seen: Observation) -> dict[str, object]:
    return {name: getattr(seen, name) for name in Observation.__struct_fields__}


def _resolver(judge: Judge, asked: Sequence[Question]) -> str:
    """The resolver that the model asks."""
    cells, _ = judge.cells([(delivered(question),) for question in asked])
    return cells[0].branches[0].resolver
