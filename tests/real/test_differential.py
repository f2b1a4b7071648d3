"""What the model says of a request is what a real Envoy does with it: random installations, random requests.

A seed names an installation and its questions, so that a disagreement can be asked again.  `make fuzz` asks many more:
GATEWRIGHT_FUZZ_REQUESTS of each sort, from GATEWRIGHT_FUZZ_SEED on.
"""

from __future__ import annotations

import asyncio
import os

import pytest

from support import needs
from support.differential import (
    DIALECTS,
    ENCODED_DIALECTS,
    ENCODED_ROUTES,
    ROUTES,
    Installations,
    disagreements,
)

pytestmark = pytest.mark.real

REQUESTS = 120
PER_INSTALLATION = 500


@pytest.fixture(autouse=True)
def _envoy() -> None:
    needs.package("envoy")
    needs.package("grpc")


@pytest.mark.parametrize("seed", [3, 7, 11, 16, 20, 33, 112, 119, 125, 140, 151, 158, 103, 106])
def test_model_and_envoy_agree(seed: int) -> None:
    found = asyncio.run(disagreements(ROUTES, seed, REQUESTS))
    assert not found, "\n".join([f"seed {seed}", *found])


@pytest.mark.parametrize("seed", [77, 5008, 5031, 11, 36, 84, 125, 73, 107, 123, 30, 60, 98, 507])
def test_model_and_envoy_agree_on_dialects(seed: int) -> None:
    found = asyncio.run(disagreements(DIALECTS, seed, REQUESTS))
    assert not found, "\n".join([f"seed {seed}", *found])


@pytest.mark.parametrize("of", [ENCODED_ROUTES, ENCODED_DIALECTS], ids=["routes", "dialects"])
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_model_and_envoy_agree_on_encoded_paths(of: Installations, seed: int) -> None:
    found = asyncio.run(disagreements(of, seed, REQUESTS))
    assert not found, "\n".join([f"seed {seed}", *found])


@pytest.mark.fuzz
@pytest.mark.parametrize(
    "of",
    [ROUTES, DIALECTS, ENCODED_ROUTES, ENCODED_DIALECTS],
    ids=["routes", "dialects", "encoded-routes", "encoded-dialects"],
)
def test_model_and_envoy_agree_on_very_many_requests(of: Installations) -> None:
    wanted = int(os.environ.get("GATEWRIGHT_FUZZ_REQUESTS", "100000"))
    first = int(os.environ.get("GATEWRIGHT_FUZZ_SEED", "1000"))
    found: list[str] = []
    for seed in range(first, first + -(-wanted // PER_INSTALLATION)):
        found += [f"seed {seed}: {line}" for line in asyncio.run(disagreements(of, seed, PER_INSTALLATION))]
        assert len(found) < 10, "\n".join(found)
    assert not found, "\n".join(found)
