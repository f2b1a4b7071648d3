"""Does the ground of a rehearsal agree with the model: who reaches whom, past which firewalls, without links?

Real TCP connections between namespaces, from every machine and vantage to every address of a machine, are held against
`graph.network.ways`; refusals have to come at once.  Links, pods and doors have tests of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gatewright.rehearsal import isolation

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
EXAMPLES = ("dual-ingress", "dual-stack-edge", "gateway-split-dns", "hybrid-labs", "tenant-ingress")
SEEDS = 24
AT_ONCE = 8
"""Random worlds that one process builds, one after the other."""

SECONDS = 300


def probed(*what: str) -> list[dict[str, Any]]:
    """The lines that `support.probing` says."""
    refusal = isolation.refusal()
    if refusal:
        assert not os.environ.get("CI"), refusal
        pytest.skip(refusal)
    done = subprocess.run(
        [sys.executable, "-m", "support.probing", *what],
        cwd=ROOT / "tests", capture_output=True, text=True, check=False, timeout=SECONDS,
        env=os.environ | {"PYTHONPATH": str(ROOT / "tests")},
    )  # fmt: skip
    assert not done.returncode, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_agree(example: str) -> None:
    *differences, last = probed(str(ROOT / "examples" / example))
    assert not differences
    assert last["tried"] > 20


@pytest.mark.parametrize("first", range(1, SEEDS + 1, AT_ONCE))
def test_random_maps_agree(first: int) -> None:
    lines = probed(*(f"random:{seed}" for seed in range(first, first + AT_ONCE)))
    tried = [line["tried"] for line in lines if "tried" in line]
    assert not [line for line in lines if "tried" not in line]
    assert len(tried) == AT_ONCE
    assert sum(tried) > 300


def test_a_firewall_that_is_not_there_is_missed() -> None:
    """The comparison can fail: a world without its firewalls lets in what the model does not."""
    *differences, _ = probed("open:5")
    assert differences
    assert all("does not let" in line["model"] for line in differences)
