"""On which nodes the gateways of a world are, for the model to know: manifests often leave it open.

The world decides it once, and both sides are told, as with pods (`invent`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gatewright.base.origin import made
from gatewright.graph.network.starts import STAY
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.stays import StayIntent
from gatewright.rehearsal.world import Role, World

SEEN: Final = Key(STAY, "", "rehearsal")
ORIGIN: Final = made("the rehearsal")


def stays(world: World) -> Mapping[Key, Intent | None]:
    """What the model is told of where gateways are that are pods."""
    machines = {space.name for space in world.spaces if space.role is Role.MACHINE}
    above = {wire.one.space: wire.other.space for wire in world.wires if wire.other.space in machines}
    found = [(spot.gateway, above[spot.space].partition(":")[2]) for spot in world.gateways if spot.space in above]
    return {SEEN: StayIntent(SEEN, ORIGIN, tuple(found))}
