"""The questions of a rehearsal are those that `check` asks: nothing more, nothing left out."""

from __future__ import annotations

from functools import lru_cache

import pytest

from gatewright.check import expectations
from gatewright.check.matrix import row, vantages
from gatewright.graph.analysis import Analysis
from gatewright.graph.names import zones
from gatewright.kinds.intents.asking import ExpectationIntent
from gatewright.pipeline import Model
from gatewright.rehearsal.questions import ALL, Part, predicted, questions
from support.needs import REPOSITORY

EXAMPLES = sorted(path.parent.name for path in (REPOSITORY / "examples").glob("*/site"))
EXPECTED, MATRIX = frozenset({Part.EXPECTATIONS}), frozenset({Part.MATRIX})


@lru_cache
def analysis(name: str) -> Analysis:
    model = Model()
    model.read((str(REPOSITORY / "examples" / name),))
    return model.analysis


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_expectation_is_asked_where_somebody_is(name: str) -> None:
    known = analysis(name)
    there = dict(known.answer(vantages))
    judged = {
        (verdict.expectation, verdict.vantage, verdict.family)
        for key in known.objects.keys_of((ExpectationIntent,))
        for verdict in known.answer(expectations.verdicts, key)
        if verdict.family in there.get(verdict.vantage, ())
    }

    asked = [(q.expectation.key.name, q.vantage, q.family) for q in known.answer(questions, EXPECTED) if q.expectation]

    assert sorted(asked) == sorted(judged)
    assert asked


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_cell_of_the_matrix_is_asked(name: str) -> None:
    known = analysis(name)
    rows = [known.answer(row, host) for host in {*known.names, *known.answer(zones.names)}]
    cells = [(one.url, cell.vantage, cell.family) for one in rows if one is not None for cell in one.cells]

    asked = [(q.request.url, q.vantage, q.family) for q in known.answer(questions, MATRIX)]

    assert sorted(asked) == sorted(cells)
    assert asked


def test_the_model_says_to_a_question_what_check_says() -> None:
    known = analysis("dual-stack-edge")
    for question in known.answer(questions, EXPECTED):
        wanted = question.expectation
        assert wanted is not None
        verdict = next(
            found
            for found in known.answer(expectations.verdicts, wanted.key)
            if (found.vantage, found.family) == (question.vantage, question.family)
        )
        branches = known.answer(predicted, question)
        assert {branch.family for branch in branches} <= {question.family}
        assert verdict.failures == tuple(
            dict.fromkeys(failure for branch in branches for failure in expectations.unmet(wanted, branch))
        )


def test_numbers_tell_questions_apart() -> None:
    found = analysis("dual-stack-edge").answer(questions, ALL)

    assert [question.number for question in found] == list(range(len(found)))


def test_only_what_is_named_is_asked() -> None:
    known = analysis("dual-stack-edge")
    every = known.answer(questions, ALL)
    name = next(question.expectation.key.name for question in every if question.expectation)
    host = next(question.request.host for question in every if not question.expectation)

    found = known.answer(questions, ALL, (name, host))

    assert {question.expectation.key.name for question in found if question.expectation} == {name}
    assert {question.request.host for question in found if not question.expectation} == {host}


def test_without_vantages_nobody_asks() -> None:
    """Who only stands at the gateways is no client."""
    model = Model()
    model.read((str(REPOSITORY / "examples" / "dual-stack-edge" / "grafana.yaml"),))

    assert model.analysis.answer(questions, ALL) == ()
