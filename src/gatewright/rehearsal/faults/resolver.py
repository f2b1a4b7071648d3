"""`resolver:NAME`: a resolver of the map is silent, at all of its addresses."""

from __future__ import annotations

from collections.abc import Mapping

from gatewright.graph.breaking import Things, outage
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.rehearsal.faults.base import Fault, Ground


class ResolverFault(Fault):
    """The program that it is ends; nothing is at its port then."""

    def aim(self, things: Things) -> None:
        things.find("resolver", self.name)

    def supposed(self, ground: Ground) -> Mapping[Key, Intent | None]:
        return outage(resolvers=(self.name,))

    async def strike(self, ground: Ground) -> None:
        for name in ground.daemons.concerned(self._called):
            await ground.daemons.stop(name)
        if self._is_ours(ground):
            await ground.servers.silence(self._called)

    async def mend(self, ground: Ground) -> None:
        for name in ground.daemons.concerned(self._called):
            await ground.daemons.start(name)
        if self._is_ours(ground):
            await ground.servers.resume(self._called)

    @property
    def _called(self) -> str:
        return f"resolver:{self.name}"

    def _is_ours(self, ground: Ground) -> bool:
        return any(server.name == self._called for server in ground.world.name_servers)
