"""What every kind of fault has, and the world that it strikes."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping

from msgspec import Struct

from gatewright.graph.breaking import Things
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.pipeline import Model
from gatewright.rehearsal.certificates import Certificates
from gatewright.rehearsal.daemons import Daemons
from gatewright.rehearsal.gateways import Gateways
from gatewright.rehearsal.servers import Servers
from gatewright.rehearsal.world import World


class Ground(Struct, frozen=True):
    """A world that stands, and all that runs in it.  `imagine`: the world as it would be planned now."""

    world: World
    imagine: Callable[[], World]
    model: Model
    daemons: Daemons
    gateways: Gateways
    servers: Servers
    certificates: Certificates


class Fault(abc.ABC):
    """One thing that fails.  `text`: as the user called it; `name`: which one is meant."""

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = name

    @abc.abstractmethod
    def aim(self, things: Things) -> None:
        """Find what is meant, before anything is built.  UsageError with what there is."""

    @abc.abstractmethod
    async def strike(self, ground: Ground) -> None:
        """Break it.  UsageError where this machine cannot."""

    @abc.abstractmethod
    def supposed(self, ground: Ground) -> Mapping[Key, Intent | None]:
        """What the model is told while it lasts; empty where `strike` changes the model itself."""

    async def react(self, ground: Ground) -> tuple[str, ...]:
        """What the world does about it by itself, in sentences."""
        return ()

    @abc.abstractmethod
    async def mend(self, ground: Ground) -> None:
        """Have everything as it was before; the model is told already."""

    def silenced(self, world: World) -> frozenset[str]:
        """The vantages from which nobody can ask while it lasts."""
        return frozenset()
