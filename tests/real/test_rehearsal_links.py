"""Links of a rehearsal are real: WireGuard, Nebula and Liqo carry packets of exactly the MTU that the model says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support import rehearsed_links, worlds

pytestmark = pytest.mark.real

EXAMPLES = Path(__file__).parents[2] / "examples"

PAIRS = {
    # Both families through a router behind address translation, which also answers for what is behind the link.
    "homes": [
        ("home/n1", "cloud/edge", "192.168.178.201"),
        ("home/n2", "cloud/edge", "fda8:a1db:5685::201"),
        ("cloud/edge", "home/n3", "192.168.178.7"),
        ("cloud/edge", "home/n1", "fda8:a1db:5685::5"),
    ],
    # What neither end of dials goes through the one that both dial.
    "hub": [
        ("east/pc", "west/pc", "10.2.0.5"),
        ("west/pc", "east/pc", "fd00:1::5"),
        ("east/pc", "cloud/hub", "10.9.0.1"),
    ],
    # All goes through the link but the packets that carry it.
    "everything": [("hotel/laptop", "dc/vpn", "10.0.0.2"), ("dc/vpn", "hotel/laptop", "10.99.0.2")],
    "unsaid": [("a/n", "b/n", "10.2.0.5"), ("c/n", "d/n", "10.4.0.5"), ("d/n", "c/n", "fd00:3::5")],
}


@pytest.mark.parametrize("case", PAIRS)
def test_packets_pass(case: str) -> None:
    _judge(worlds.run(rehearsed_links.through, case, PAIRS[case]))


def test_liqo_in_nebula() -> None:
    found = worlds.run(rehearsed_links.of_example, str(EXAMPLES / "dual-ingress"))
    assert [one["links"] for one in found] == [["nebula"], ["nebula"], ["liqo", "nebula"], ["liqo", "nebula"]]
    udp_only, *others = found  # Nebula's own firewall at home lets in no TCP but that of one port
    assert not udp_only.pop("stream")
    _judge([udp_only | {"stream": True}, *others])


def test_a_link_ends_and_comes_back() -> None:
    assert worlds.run(rehearsed_links.interrupted) == ["192.168.178.5", "", "192.168.178.5"]


def _judge(found: list[dict[str, Any]]) -> None:
    for one in found:
        assert one["links"], one
        assert one["moved"] == one["links"], one
        assert one["small"], one
        assert one["whole"], one
        assert one["larger"] == "", one
        assert one["stream"], one
