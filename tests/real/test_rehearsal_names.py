"""Names in worlds of the examples, and in one with every kind of resolver: the model has every answer that is given."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support import rehearsed_names, worlds

pytestmark = pytest.mark.real

EXAMPLES = Path(__file__).parents[2] / "examples"
FIXTURES = Path(__file__).parents[1] / "fixtures" / "rehearsal"


@pytest.mark.parametrize(
    ("example", "programs"),
    [
        ("dual-ingress", {"resolver:home-dns"}),
        ("dual-stack-edge", {"resolver:home-dns"}),
        ("gateway-split-dns", set()),
        ("hybrid-labs", set()),
        ("tenant-ingress", {"resolver:dc-dns", "resolver:gatewright-dc"}),
    ],
)
def test_examples(example: str, programs: set[str]) -> None:
    found = worlds.run(rehearsed_names.compared, str(EXAMPLES / example))
    assert found["wrong"] == []
    assert set(found["programs"]) == programs
    assert found["asked"] > 50


def test_every_kind_of_resolver() -> None:
    found = worlds.run(rehearsed_names.compared, str(FIXTURES / "resolvers"))
    assert found["wrong"] == []
    assert set(found["programs"]) == {
        f"resolver:{name}" for name in ("ours", "unbound", "bind", "bind-house", "dnsmasq")
    }
