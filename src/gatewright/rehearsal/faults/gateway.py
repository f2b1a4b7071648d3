"""`gateway:ID`: the program of a gateway ends, wherever it runs; its ports are closed."""

from __future__ import annotations

from collections.abc import Mapping

from gatewright.graph.breaking import Things, outage
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.rehearsal.faults.base import Fault, Ground
from gatewright.rehearsal.world import World


class GatewayFault(Fault):
    """An Envoy; the gateways that are the same one end with it."""

    def aim(self, things: Things) -> None:
        (self._id,) = things.find("gateway", self.name)

    def supposed(self, ground: Ground) -> Mapping[Key, Intent | None]:
        spaces = self._spaces(ground.world)
        return outage(gateways=sorted({spot.gateway for spot in ground.world.gateways if spot.space in spaces}))

    async def strike(self, ground: Ground) -> None:
        for space in self._spaces(ground.world):
            await ground.gateways.silence(space)

    async def mend(self, ground: Ground) -> None:
        for space in self._spaces(ground.world):
            await ground.gateways.resume(space)

    def _spaces(self, world: World) -> list[str]:
        return sorted({spot.space for spot in world.gateways if spot.gateway == self._id})
