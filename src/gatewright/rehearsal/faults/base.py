"""What every kind of fault has, and the world that it strikes."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from msgspec import Struct

from gatewright.base.errors import UsageError
from gatewright.base.origin import made
from gatewright.graph.network.outages import OUTAGE
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.naming import ResolverIntent
from gatewright.kinds.intents.outages import OutageIntent
from gatewright.kinds.intents.places import LinkIntent
from gatewright.pipeline import Model
from gatewright.rehearsal.certificates import Certificates
from gatewright.rehearsal.daemons import Daemons
from gatewright.rehearsal.gateways import Gateways
from gatewright.rehearsal.servers import Servers
from gatewright.rehearsal.world import World

ORIGIN: Final = made("--break")
SUPPOSED: Final = Key(OUTAGE, "", "supposed")


class Ground(Struct, frozen=True):
    """A world that stands, and all that runs in it.  `imagine`: the world as it would be planned now."""

    world: World
    imagine: Callable[[], World]
    model: Model
    daemons: Daemons
    gateways: Gateways
    servers: Servers
    certificates: Certificates


class Things(Struct, frozen=True):
    """What there is to break: machines and gateways by id, all else by name."""

    links: frozenset[str]
    networks: frozenset[str]
    machines: frozenset[str]
    resolvers: frozenset[str]
    gateways: frozenset[str]
    certificates: frozenset[str] = frozenset()
    """The Secrets that issuers have made certificates for, as namespace/name."""


def things(sight: Sight) -> Things:
    """A question: all that can be broken."""
    known = sight.ask(topology)
    return Things(
        frozenset(link.key.name for link in sight.all("Link", LinkIntent)),
        frozenset(known.networks),
        frozenset(known.machines),
        frozenset(one.key.name for one in sight.all("Resolver", ResolverIntent)),
        frozenset(sight.gateways()),
    )


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


def outage(
    *,
    links: Iterable[str] = (),
    machines: Iterable[str] = (),
    resolvers: Iterable[str] = (),
    gateways: Iterable[str] = (),
) -> dict[Key, Intent | None]:
    """What the model is told of things that are down."""
    said = OutageIntent(SUPPOSED, ORIGIN, tuple(links), tuple(machines), tuple(resolvers), tuple(gateways))
    return {SUPPOSED: said}


def known(what: str, name: str, there: Iterable[str]) -> str:
    """The name of the thing that is meant, which may lack its first part where that is clear.  UsageError with what
    there is."""
    all_ = sorted(there)
    found = [name] if name in all_ else [one for one in all_ if one.endswith(f"/{name}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"the {what} {name} may be {' or '.join(found)}")
    raise UsageError(f"there is no {what} {name} to break (there are: {', '.join(all_) or 'none'})")
