"""Every rule's findings come and go with what they are about: its feature cases are edited into one another.

The findings after an edit are those of somebody who has never seen anything else.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from gatewright.check.rules import RULES
from gatewright.check.run import Checker
from gatewright.pipeline import Model
from support.checked import CHECKS, EXPECTED, cases, examined, ids
from support.keys import NOW

Files = dict[Path, bytes]


def load(case: Path) -> Files:
    return {
        path.relative_to(case): path.read_bytes()
        for path in sorted(case.rglob("*"))
        if path.is_file() and path.name != EXPECTED
    }


def edit(folder: Path, before: Files, after: Files) -> list[str]:
    """Make the files of one case those of another; returns the paths that this touches."""
    touched = []
    for name in before.keys() - after.keys():
        (folder / name).unlink()
        touched.append(str(folder / name))
    for name, content in after.items():
        if before.get(name) != content:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
            touched.append(str(folder / name))
    return touched


@pytest.mark.parametrize("rule", sorted({case.parent.name for case in cases()}))
def test_findings_follow_edits(rule: str, tmp_path: Path) -> None:
    first, *others = [load(case) for case in cases() if case.parent == CHECKS / rule]
    edit(tmp_path, {}, first)
    model = Model(lambda: NOW)
    model.read([str(tmp_path)])
    checker = Checker(model.analysis, RULES)
    checker.run()
    for before, after in pairwise((first, *others, first)):
        state = model.refresh(edit(tmp_path, before, after))
        if state is not None:
            checker.update(state.change, state.concerned)
        problems = model.problems()
        if any(problem.id in ("held", "held-back") for problem in problems):
            continue  # what cannot be read or used keeps its last good version, which nobody else has seen
        kept = checker.report(problems, model.suppressions(), NOW.date())
        cold, _ = examined(tmp_path)
        assert kept.findings == cold.findings
        assert kept.matrix == cold.matrix


ABOUT_READING = ("invalid-document", "unreadable-file", "file-not-manifests", "suppression-idle")


@pytest.mark.parametrize(
    "case", [c for c in cases() if c.parent.name not in ABOUT_READING], ids=lambda c: f"{c.parent.name}/{c.name}"
)
def test_a_case_is_about_nothing_else_than_its_rule(case: Path) -> None:
    """A document that cannot be read makes everything a near miss."""
    report, _ = examined(case)
    unread = ids("invalid-document") | ids("unreadable-file")
    assert [finding.message for finding in report.findings if finding.id in unread] == []
