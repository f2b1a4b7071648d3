"""On which nodes the pods of a world are, for the model to know: manifests often leave it open.  Those of Services are
told as endpoints.

The world decides it once, and both sides are told, as with pods (`invent`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gatewright.base.origin import made
from gatewright.graph.names.servers import CLUSTER_DNS
from gatewright.graph.network.stays import STAY
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.stays import StayIntent
from gatewright.rehearsal.world import Role, World, resolver

SEEN: Final = Key(STAY, "", "rehearsal")
ORIGIN: Final = made("the rehearsal")


def stays(world: World) -> Mapping[Key, Intent | None]:
    """What the model is told of where gateways, Vantages and resolvers are that are pods."""
    machines = {space.name for space in world.spaces if space.role is Role.MACHINE}
    above = {wire.one.space: wire.other.space for wire in world.wires if wire.other.space in machines}
    on = {space: machine.partition(":")[2] for space, machine in above.items()}
    own = resolver("")
    return {
        SEEN: StayIntent(
            SEEN,
            ORIGIN,
            gateways=tuple((spot.gateway, on[spot.space]) for spot in world.gateways if spot.space in on),
            vantages=tuple((spot.vantage, on[spot.space]) for spot in world.vantages if spot.space in on),
            resolvers=tuple(
                (space.removeprefix(own).removeprefix(f"{CLUSTER_DNS}-"), machine)
                for space, machine in on.items()
                if space.startswith(own)
            ),
        )
    }
