"""Addresses that several networks hold: whose are they where a way ends?"""

from __future__ import annotations

import pytest

from gatewright.graph.network.nodes import Place, Way
from gatewright.graph.network.twice import ends_elsewhere
from gatewright.graph.network.ways import way
from gatewright.graph.sight import Sight
from support.mapped import World
from support.networked import cluster, network, node, site

MAP = (
    site("a", network("lan", "10.0.0.0/24"), node("m", "10.0.0.5"), cluster("k", "m")),
    site(
        "b",
        *(network("lan", "10.0.0.0/24"), network("own", "10.7.0.0/24")),
        *(node("m", "10.0.0.6"), node("n", "10.7.0.6")),
    ),
    site("c", network("wide", "10.3.0.0/16"), network("narrow", "10.3.1.0/24"), node("m", "10.3.1.5")),
)

CASES = {
    "at home": ("network:a/lan", "10.0.0.50", "cluster:a/k", False),
    "at home, on the machine": ("network:a/lan", "10.0.0.5", "machine:a/m", False),
    "at another site": ("network:b/lan", "10.0.0.50", "cluster:a/k", True),
    "at another site, on a machine": ("network:b/lan", "10.0.0.6", "machine:a/m", True),
    "who has it is not there": ("network:b/lan", "10.0.0.50", "machine:b/n", False),
    "only one network holds it": ("network:b/own", "10.7.0.50", "cluster:a/k", False),
    "neighbours are looked for on the segment, whatever lies within it": (
        "network:c/wide", "10.3.1.50", "machine:c/m", True,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("start", "address", "runs", "elsewhere"), CASES.values(), ids=CASES)
def test_whose_it_is_where_a_way_ends(start: str, address: str, runs: str, elsewhere: bool) -> None:
    world = World(*MAP)

    def ends(sight: Sight) -> tuple[Way, bool]:
        found = way(sight, _place(start), address, 443, "tcp")
        return found, ends_elsewhere(sight, found, (_place(runs),))

    found, answer = world.answer(ends)
    assert found.reached
    assert answer is elsewhere


def _place(text: str) -> Place:
    kind, _, id_ = text.partition(":")
    return Place(kind, id_)
