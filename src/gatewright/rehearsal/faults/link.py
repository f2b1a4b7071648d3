"""`link:NAME`: a link is down at all of its ends, as if it were not there."""

from __future__ import annotations

from collections.abc import Mapping

from gatewright.graph.breaking import Things, outage
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.rehearsal.faults import devices
from gatewright.rehearsal.faults.base import Fault, Ground
from gatewright.rehearsal.world import World


class LinkFault(Fault):
    """The programs of a link end, and the wires of one that has none are taken down."""

    def aim(self, things: Things) -> None:
        things.find("link", self.name)

    def supposed(self, ground: Ground) -> Mapping[Key, Intent | None]:
        return outage(links=(self.name,))

    async def strike(self, ground: Ground) -> None:
        for name in reversed(ground.daemons.concerned(f"link:{self.name}")):
            await ground.daemons.stop(name)
        for space, names in self._wires(ground.world).items():
            await devices.down(space, names)

    async def mend(self, ground: Ground) -> None:
        for space, names in self._wires(ground.world).items():
            await devices.up(ground.world, space, names)
        for name in ground.daemons.concerned(f"link:{self.name}"):
            await ground.daemons.start(name)

    def _wires(self, world: World) -> dict[str, list[str]]:
        """By space, the ends of the segment that a link without programs is."""
        bridge = world.networks.get(f"link:{self.name}", "")
        found: dict[str, list[str]] = {}
        for wire in world.wires if bridge else ():
            if wire.other.bridge == bridge:
                found.setdefault(wire.one.space, []).append(wire.one.device)
        return found
