"""What a rehearsal asks: the questions that `check` asks the model, one by one, for real clients to ask again.

Every Expectation from each of its vantages in each of its families, as `check.expectations` asks it, and every hostname
from every vantage in every family, as `check.matrix` does.  Pure.  Counterparts: `clients`, which ask; `compare`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from msgspec import structs

from gatewright.check import matrix
from gatewright.graph.names import zones
from gatewright.graph.sight import Sight
from gatewright.kinds.intents.asking import ExpectationIntent
from gatewright.rehearsal.asking import Question
from gatewright.trace.journey import Branch, Walks, journey
from gatewright.trace.request import Request, request


class Part(enum.StrEnum):
    """The two sources of questions."""

    EXPECTATIONS = "expectations"
    MATRIX = "matrix"


ALL = frozenset(Part)


def questions(sight: Sight, parts: frozenset[Part] = ALL, only: Iterable[str] = ()) -> tuple[Question, ...]:
    """A question about the whole model: what is asked of it, numbered from 0.  Expectations come first.

    `only`: names of Expectations and hostnames, with wildcards; none: all.  Vantages that the map does not
    have, and families that a vantage lacks, are left out: nobody is there to ask.  `check` reports them.
    """
    wanted = tuple(only)
    found: list[Question] = []
    if Part.EXPECTATIONS in parts:
        found += _expected(sight, wanted)
    if Part.MATRIX in parts:
        found += _cells(sight, wanted)
    return tuple(structs.replace(item, number=number) for number, item in enumerate(found))


def predicted(sight: Sight, question: Question, walks: Walks | None = None) -> tuple[Branch, ...]:
    """What the model says to a question.  `walks` is shared by questions that are asked in a row."""
    return journey(sight, question.vantage, question.request, (question.family,), walks).branches


def all_predicted(sight: Sight, asked: tuple[Question, ...]) -> tuple[tuple[Branch, ...], ...]:
    """A question about the whole model: what it says to all of these, in their order."""
    walks = Walks()
    return tuple(predicted(sight, question, walks) for question in asked)


def _expected(sight: Sight, only: tuple[str, ...]) -> Iterator[Question]:
    there = _vantages(sight)
    for wanted in sight.all("Expectation", ExpectationIntent):
        if not _is_wanted(wanted.key.name, only):
            continue
        asked = request(wanted.url, wanted.method, tuple(f"{k}: {v}" for k, v in wanted.headers), wanted.sni)
        for name in wanted.vantages or sorted(there):
            for family in there.get(name, ()):
                if not wanted.families or family in wanted.families:
                    yield Question(0, name, family, asked, wanted, wanted.body)


def _cells(sight: Sight, only: tuple[str, ...]) -> Iterator[Question]:
    there = _vantages(sight)
    for host in sorted({*sight.names(), *sight.ask(zones.names)}):
        asked = matrix.asked(sight, host) if _is_wanted(host, only) else None
        if asked is not None:
            yield from _everywhere(there, asked)


def _is_wanted(name: str, only: tuple[str, ...]) -> bool:
    return not only or any(name == pattern or fnmatchcase(name, pattern) for pattern in only)


def _everywhere(there: dict[str, tuple[str, ...]], asked: Request) -> Iterator[Question]:
    for name, families in there.items():
        for family in families:
            yield Question(0, name, family, asked)


def _vantages(sight: Sight) -> dict[str, tuple[str, ...]]:
    """Families by vantage, without those who only stand at the gateways: no client is there."""
    return {name: families for name, families in sight.ask(matrix.vantages) if name != matrix.AT_GATEWAY}
