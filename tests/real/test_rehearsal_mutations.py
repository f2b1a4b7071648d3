"""The model broken on purpose: a rehearsal has to find every decision that is taken wrongly.

One world shows all of them.  It is built and asked as it should be; then each mutation of the model says what it would
have predicted.  That the sound model agrees with this world is what makes a disagreement mean anything.
"""

from __future__ import annotations

import pytest
from tests.support import mutated, worlds
from tests.support.shared import Shared

pytestmark = pytest.mark.real

FOLDER = worlds.ROOT / "tests" / "fixtures" / "rehearsal" / "mutations"


@pytest.fixture(scope="module")
def found(shared: Shared) -> dict[str, list[str]]:
    differences: dict[str, list[str]] = shared.value("mutations", lambda: worlds.run(mutated.all_of, str(FOLDER)))
    return differences


def test_the_sound_model_agrees(found: dict[str, list[str]]) -> None:
    assert found[""] == []


def test_a_rehearsal_finds_every_mutation(found: dict[str, list[str]]) -> None:
    assert found.keys() == {"", *mutated.MUTATIONS}
    assert [name for name in mutated.MUTATIONS if not found[name]] == []
