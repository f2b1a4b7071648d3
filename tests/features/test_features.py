"""Every feature case: what its manifests amount to is what was reviewed, to the letter."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import golden


@pytest.mark.parametrize("case", golden.cases(), ids=lambda case: f"{case.parent.name}/{case.name}")
def test_feature(case: Path, tmp_path: Path) -> None:
    assert golden.produce(case, tmp_path) == golden.expected(case), (
        "if this is meant: scripts/golden, and review the diff"
    )


def test_there_are_cases() -> None:
    assert len(golden.cases()) >= 30
