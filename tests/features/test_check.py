"""Every rule fires where it should, to the letter, and stays silent where it nearly would."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatewright.check.rule import Scope
from gatewright.check.rules import RULES
from support import checked


@pytest.mark.parametrize("case", checked.cases(), ids=lambda case: f"{case.parent.name}/{case.name}")
def test_case(case: Path, tmp_path: Path) -> None:
    found = checked.produce(case, tmp_path)
    expected = (case / checked.EXPECTED).read_text(encoding="utf-8")
    assert found == expected, "if this is meant: scripts/golden, and review the diff"
    assert bool(found) == case.name.startswith("fires")


@pytest.mark.parametrize("rule", [rule.id for rule in RULES])
def test_every_rule_has_a_case_that_fires_and_a_near_miss(rule: str) -> None:
    names = [case.name for case in checked.cases() if case.parent.name == rule]
    assert any(name.startswith("fires") for name in names), "a case named fires*"
    assert any(name.startswith("near-miss") for name in names), "a case named near-miss*"


def test_ids_are_unique() -> None:
    ids = [name for rule in RULES for name in {rule.id, *rule.lifts}]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_is_whole(rule: object) -> None:
    from gatewright.check.rule import Rule

    assert isinstance(rule, Rule)
    assert (rule.check is None) == (rule.scope is Scope.PROBLEM)
    assert bool(rule.kinds) == (rule.scope is Scope.OBJECT)
    assert len(rule.page.strip().splitlines()) >= 5, "the page says what, why, how it looks and how it is mended"
    assert rule.consequence or not rule.lifts
