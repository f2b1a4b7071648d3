"""What check says of real installations: it never fails on them, and finds what a review of each finding confirmed."""

from __future__ import annotations

import pytest

from support import corpus, needs
from support.checked import examined


def installations() -> list[str]:
    """Those whose findings were reviewed."""
    return sorted(path.stem for path in corpus.EXPECTED.glob("*.txt"))


@pytest.mark.parametrize("repository", installations())
def test_the_findings_are_those_that_were_reviewed(repository: str) -> None:
    folder = needs.corpus() / repository
    assert corpus.produce(folder) == corpus.expected(repository).read_text(encoding="utf-8")


def test_every_installation_was_reviewed() -> None:
    assert [path.name for path in corpus.repositories(needs.corpus())] == installations()


def test_all_installations_at_once_are_judged() -> None:
    """Four clusters that know nothing of each other, as one input: contradictions, and no failure."""
    report, model = examined(needs.corpus())
    assert report.matrix
    assert all(cell.fates for row in report.matrix for cell in row.cells)
    assert all(model.locator.locate(origin).line for item in report.findings for origin in item.origins[:1])
