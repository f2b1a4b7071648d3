"""Random small worlds, rehearsed: what the model says of every hostname from every vantage is what real clients meet.

A seed names a world, so that a disagreement can be looked at again.  `make fuzz` rehearses many more:
GATEWRIGHT_FUZZ_WORLDS of them, from GATEWRIGHT_FUZZ_SEED on.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from tests.support import rehearsed_sites, worlds

pytestmark = pytest.mark.real

COMPARABLE = 0.6
"""At least this part of the questions to a world have to be such that the model has an answer."""

SECONDS = 240.0


def _faults(seed: int, found: dict[str, Any]) -> list[str]:
    faults = [f"seed {seed}: {one}" for one in (*found["differences"], *found["failures"])]
    if found["verdicts"].get("agrees", 0) < COMPARABLE * found["asked"]:
        faults.append(f"seed {seed}: hardly anything can be compared: {found['verdicts']} {found['unknown'][:3]}")
    return faults


@pytest.mark.parametrize("seed", [13, 14, 19, 502, 516, 517, 519, 521])
def test_model_and_world_agree(seed: int) -> None:
    found = worlds.run(rehearsed_sites.of_seed, seed)

    assert found["asked"] >= 15
    assert _faults(seed, found) == []


@pytest.mark.fuzz
def test_model_and_very_many_worlds_agree() -> None:
    first = int(os.environ.get("GATEWRIGHT_FUZZ_SEED", "1000"))
    faults: list[str] = []
    for seed in range(first, first + int(os.environ.get("GATEWRIGHT_FUZZ_WORLDS", "200"))):
        faults += _faults(seed, worlds.run(rehearsed_sites.of_seed, seed, seconds=SECONDS))
        assert len(faults) < 10, "\n".join(faults)
    assert faults == []
