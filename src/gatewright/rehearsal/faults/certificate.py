"""`certificate:expire` and `certificate:NAMESPACE/NAME`: certificates that issuers made for Secrets ended yesterday."""

from __future__ import annotations

from collections.abc import Mapping

from gatewright.graph.breaking import EXPIRE, Things
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.rehearsal.faults.base import Fault, Ground


class CertificateFault(Fault):
    """One certificate, by its Secret, or all of them.  The model is told by the Secrets themselves."""

    def aim(self, things: Things) -> None:
        found = things.find("certificate", self.name)
        self._secret = "" if self.name == EXPIRE else next(iter(found))

    def supposed(self, ground: Ground) -> Mapping[Key, Intent | None]:
        return {}

    async def strike(self, ground: Ground) -> None:
        change = ground.certificates.expire(self._secret)
        await ground.gateways.apply(ground.model.graph, change)

    async def mend(self, ground: Ground) -> None:
        change = ground.certificates.renew()
        await ground.gateways.apply(ground.model.graph, change)
