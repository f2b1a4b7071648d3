"""Where a route found a place, and where it was refused: what `parents` and `classes` fill in."""

from __future__ import annotations

from msgspec import Struct, field

from gatewright.graph.nodes import Refusal, VirtualHostKey
from gatewright.graph.objects import Placement

Placed = list[tuple[VirtualHostKey, Placement]]


class Places(Struct):
    """The places of one route, as they are found."""

    placed: Placed = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
