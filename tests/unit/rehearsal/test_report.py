"""What a rehearsal reports: values that cannot agree by being empty, and a document with stable fields."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import structs

from gatewright.base.origin import Origin, Place
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.asking import ExpectationIntent
from gatewright.rehearsal.asking import EchoSeen, Ended, Named, Observation, Question
from gatewright.rehearsal.compare import Landmarks, Verdict, compare
from gatewright.rehearsal.report import (
    Broken,
    Cell,
    Expected,
    RehearsalReport,
    WorldSummary,
    cell,
    document,
    expected,
    summary,
)
from gatewright.rehearsal.world import Draft, Role
from gatewright.trace.branches import Branch, Trust
from gatewright.trace.hops import BackendName, Hop, HopKind, Outcome, OutcomeKind
from gatewright.trace.request import request

NOBODY = Landmarks({}, {}, {})
WANTED = ExpectationIntent(
    Key("Expectation", "", "arrives"), Origin("map.yaml", "1"), "http://app.test/", outcome="delivered"
)
QUESTION = Question(3, "phone", "4", request("http://app.test/"), WANTED)
BRANCH = Branch(
    "4",
    "home",
    "192.0.2.1",
    (Hop(HopKind.BACKEND, "shop/web:80"),),
    Outcome(OutcomeKind.DELIVERED, 200, backend=BackendName("shop", "web", 80)),
)
MET = Observation(
    3, "home", Named.ANSWER, ("192.0.2.1",), "192.0.2.1", Ended.ANSWERED, 200, echo=EchoSeen("shop", "web", 80)
)
MISSED = structs.replace(MET, ended=Ended.TIMEOUT, status=0, echo=None)
WORLD = WorldSummary({"vantage": 1}, 0, 0, 0, 0, 1, ())


class Lines:
    """A Locator."""

    def locate(self, origin: Origin) -> Place:
        return Place(origin.file, 7)


def shown(seen: tuple[Observation, ...] = (MET,)) -> tuple[Cell, Expected]:
    comparison = compare(QUESTION, (BRANCH,), seen, NOBODY)
    found = expected(comparison, (BRANCH,), seen, NOBODY)
    assert found is not None
    return cell(comparison, (BRANCH,), seen), found


def report(*seen: Observation, **more: Any) -> RehearsalReport:
    one, wanted = shown(seen)
    return RehearsalReport(WORLD, (one,), (wanted,), **more)


def test_agreement_and_demands_are_two_things() -> None:
    """The model may be right about what users do not want."""
    good, bad = report(MET), report(MISSED)

    assert (good.agrees, good.holds) == (True, True)
    assert (bad.agrees, bad.holds) == (False, False)
    assert bad.expectations[0].model == ()
    assert bad.expectations[0].reality == ("expected delivered, but no connection in time",)


def test_what_nobody_asked_does_not_agree() -> None:
    assert not RehearsalReport(WORLD, (), ()).agrees
    assert not report().agrees
    assert report().expectations[0].reality == ("nothing was observed",)


def test_what_the_model_knows_nothing_about_shows_nothing() -> None:
    one, _ = shown((MET,))
    unknown = structs.replace(one, verdict=Verdict.UNKNOWN)
    assert not RehearsalReport(WORLD, (unknown,), ()).agrees
    assert RehearsalReport(WORLD, (unknown, one), ()).agrees


def test_a_world_that_fell_apart_shows_nothing() -> None:
    apart = report(MET, ended=("resolver:dns has ended: without a word",))
    assert not apart.agrees
    assert document(apart, Lines())["ended"] == ["resolver:dns has ended: without a word"]


def test_a_difference_under_a_fault_counts() -> None:
    fault = Broken("node:edge", 1.5, (shown((MISSED,))[0],))

    assert not report(MET, faults=(fault,)).agrees


def test_the_document_has_both_sides() -> None:
    found = document(report(MISSED, timings={"building": 1.23456}), Lines())

    assert json.loads(json.dumps(found)) == found
    assert found["version"] == 1
    assert found["counts"] == {"agrees": 0, "differs": 1, "unknown": 0}
    assert found["timings"] == {"building": 1.235}
    (one,) = found["cells"]
    assert one["model"] == "delivered to shop/web:80"
    assert one["reality"] == "no connection in time"
    assert one["verdict"] == Verdict.DIFFERS.value
    assert one["branches"][0]["hops"] == [{"kind": "backend", "summary": "shop/web:80", "origin": None}]
    assert one["observations"][0]["ended"] == "timeout"
    assert found["expectations"][0]["origin"] == {"file": "map.yaml", "line": 7}


def test_the_fields_of_the_document_are_stable() -> None:
    found = document(report(MET), Lines())

    assert list(found) == [
        *(
            "version",
            "agrees",
            "holds",
            "counts",
            "world",
            "cells",
            "expectations",
            "faults",
            "timings",
            "notes",
            "ended",
        )
    ]
    assert list(found["cells"][0]) == [
        *("number", "vantage", "family", "url", "method", "expectation", "model", "reality", "verdict"),
        *("differences", "notes", "branches", "observations"),
    ]


def test_what_the_model_knows_nothing_of_keeps_nobody_out() -> None:
    refused = structs.replace(MET, ended=Ended.UNTRUSTED, beyond=Ended.ANSWERED)
    vague = structs.replace(BRANCH, trust=Trust.UNKNOWN)

    found = expected(compare(QUESTION, (vague,), (refused,), NOBODY), (vague,), (refused,), NOBODY)

    assert found is not None
    assert found.holds
    assert not shown((refused,))[1].holds


def test_a_world_in_numbers() -> None:
    draft = Draft()
    draft.space("vantage:phone", Role.VANTAGE)
    draft.note("geneve is stood in for by vxlan")

    found = summary(draft.world())

    assert found.spaces == {"internet": 1, "switch": 1, "vantage": 1}
    assert [note.text for note in found.notes] == ["geneve is stood in for by vxlan"]


@pytest.mark.parametrize("seen", [(MET,), ()])
def test_a_cell_of_the_matrix_expects_nothing(seen: tuple[Observation, ...]) -> None:
    asked = structs.replace(QUESTION, expectation=None)

    assert expected(compare(asked, (BRANCH,), seen, NOBODY), (BRANCH,), seen, NOBODY) is None
