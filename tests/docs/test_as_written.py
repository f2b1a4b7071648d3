"""What is wrong with five installations as their documents describe them, check finds; and it says nothing untrue."""

from __future__ import annotations

import pytest

from gatewright.check.rules import RULES
from support import aswritten
from support.aswritten import CASES, Case

NAMES = [case.name for case in CASES]
LIFTED = {problem: rule.id for rule in RULES for problem in rule.lifts}


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_the_faults_of_the_document_are_found(case: Case) -> None:
    found = {LIFTED.get(finding.id, finding.id) for finding in aswritten.findings(case)[0]}
    assert set(case.faults) <= found, f"not found: {set(case.faults) - found}"


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_the_findings_are_those_that_were_reviewed(case: Case) -> None:
    expected = case.expected.read_text(encoding="utf-8")
    assert aswritten.produce(case) == expected, "if this is meant: scripts/golden, and review the diff"


def test_every_document_is_a_case() -> None:
    used = {folder.partition("/")[0] for case in CASES for folder in case.folders}
    assert used == {path.name for path in aswritten.FIXTURES.iterdir() if path.is_dir()}


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_the_readme_tells_of_every_finding(case: Case) -> None:
    text = (aswritten.FIXTURES / case.folders[0].partition("/")[0] / "README.md").read_text(encoding="utf-8")
    found = {finding.id for finding in aswritten.findings(case)[0]}
    assert not {id for id in found if f"`{id}`" not in text}
