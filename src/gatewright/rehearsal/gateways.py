"""The gateways of a world: an Envoy in every space that has some, all told by the control plane that this process is.

    graph ──► one DataPlane for each space ── Unix socket ──► Envoy, started inside the space

They are what `gatewright run` would start there, but for two things: they listen at the addresses that the world gives
them, which are theirs without a doubt, and nobody stands in for backends, which are real here.  Counterparts:
`certificates`, what they show; `servers`, what stands behind them; `runtime.run`, the loop for the real thing.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import immutables
from msgspec import Struct, structs
from prometheus_client import CollectorRegistry

from gatewright.base.errors import EngineError
from gatewright.engines.envoy.bindings import Bindings, PortKey, Socket
from gatewright.engines.envoy.process import EnvoyOptions
from gatewright.graph.nodes import Change, Graph, VirtualHostKey
from gatewright.rehearsal.certificates import Certificates
from gatewright.rehearsal.spaces import inside
from gatewright.rehearsal.world import GatewaySpot
from gatewright.runtime.dataplane import DataPlane
from gatewright.runtime.folder import StateFolder
from gatewright.runtime.users import Users

HEAP_BYTES: Final = 256 * 1024**2
CONNECTIONS: Final = 5_000
END_SECONDS: Final = 0.0


class _Door(Struct, frozen=True):
    """The Envoy of one space, and the gateways that it is."""

    space: str
    plane: DataPlane
    gateways: frozenset[str]
    bindings: Bindings


class Gateways:
    """All Envoys of one world.

    `folder`: where their state and logs go (see `log`), with a path of at most 60 octets; `resolvers`: the addresses
    of those whom the Envoy of a space asks for names.
    """

    def __init__(
        self,
        graph: Graph,
        spots: Iterable[GatewaySpot],
        folder: Path,
        certificates: Certificates,
        resolvers: Mapping[str, str],
    ) -> None:
        self._graph = self._with_backends(graph, certificates)
        self._folder = folder
        self._certificates = certificates
        self._faults: list[str] = []
        by_space: dict[str, list[GatewaySpot]] = {}
        for spot in spots:
            by_space.setdefault(spot.space, []).append(spot)
        self._doors = {
            space: self._door(number, space, here, resolvers.get(space, ""))
            for number, (space, here) in enumerate(sorted(by_space.items()))
        }
        self._users = Users(folder / "users", self.settled, self._reach_users, _nothing)

    async def start(
        self, progress: Callable[[str], None] = lambda _: None, names: Awaitable[object] | None = None
    ) -> None:
        """Start all of them side by side, and wait until they serve.  EngineError when one does not.

        `names`: who answers for names is there.  They are told nothing before: an Envoy whose resolver is silent tries
        again after seconds only.
        """
        all_ = everything(self._graph)
        starting = (door.plane.start() for door in self._doors.values())
        await asyncio.gather(self._know_users(all_), *starting)
        if names is not None:
            await names
        self._push(all_)
        waiting = set(self._doors)

        async def serves(door: _Door) -> None:
            await self._serves(door)
            waiting.discard(door.space)
            progress(f"waiting for {', '.join(sorted(waiting)[:4])}" if waiting else "")

        await asyncio.gather(*(serves(door) for door in self._doors.values()))

    async def apply(self, graph: Graph, change: Change) -> None:
        """Follow the graph, and wait until all Envoys have taken the change; certificates are all looked up again."""
        self._graph = self._with_backends(graph, self._certificates)
        await self._know_users(change)
        self._push(structs.replace(change, backends=change.backends | self._verified))
        for door in self._doors.values():
            door.plane.renew_certificates()
        await self.settled()

    async def settled(self) -> bool:
        """Wait until all Envoys that run have taken everything; False if they do not in time."""
        running = (door.plane for door in self._doors.values() if door.plane.process.id is not None)
        return all(await asyncio.gather(*(plane.settled() for plane in running)))

    async def stop(self) -> None:
        """End all of them."""
        await asyncio.gather(*(door.plane.stop(END_SECONDS) for door in self._doors.values()), self._users.stop())

    async def silence(self, space: str) -> None:
        """End the Envoy of a space, until `resume`; nothing where there is none."""
        if space in self._doors:
            await self._doors[space].plane.process.stop(END_SECONDS)

    async def resume(self, space: str) -> None:
        """Start the Envoy of a space again, and wait until it serves; nothing where there is none."""
        if space in self._doors:
            await self._doors[space].plane.process.start()
            await self._serves(self._doors[space])

    def log(self, space: str) -> Path | None:
        """The folder with the logs of a space's Envoy: `envoy/envoy.log` and `access.log`, a JSON line per request."""
        return self._state(list(self._doors).index(space)).root if space in self._doors else None

    @property
    def spaces(self) -> tuple[str, ...]:
        """Those with an Envoy."""
        return tuple(self._doors)

    @property
    def failures(self) -> tuple[str, ...]:
        """What does not serve as described, each in a sentence."""
        told = list(self._faults)
        for door in self._doors.values():
            told += (f"{one.name} in {door.space} is refused by Envoy: {one.message}" for one in door.plane.refused)
            told += (f"{one.message} ({door.space})" for one in door.plane.problems)
        return tuple(dict.fromkeys((*told, *(one.message for one in self._users.problems))))

    @property
    def ended(self) -> tuple[str, ...]:
        """Envoys that have ended by themselves, each in a sentence; they were started again."""
        ends = ((door.space, door.plane.process.ends) for door in self._doors.values())
        return tuple(f"the Envoy of {space} has ended by itself ({count}×)" for space, count in ends if count)

    # --- inside ---------------------------------------------------------------------------------

    def _with_backends(self, graph: Graph, certificates: Certificates) -> Graph:
        """Backends show certificates of ours instead of their own: whoever verifies them has to trust these, too."""
        backends = graph.backends
        verified = {key: one.tls for key, one in backends.items() if one.tls is not None and one.tls.verify}
        self._verified = frozenset(verified)
        if not verified:
            return graph
        changed = immutables.Map(backends)
        for key, tls in verified.items():
            trusting = structs.replace(tls, ca=certificates.trust_for_backend(tls.ca), system_ca=False)
            changed = changed.set(key, structs.replace(backends[key], tls=trusting))
        return structs.replace(graph, backends=changed)

    def _door(self, number: int, space: str, spots: list[GatewaySpot], resolver: str) -> _Door:
        state = self._state(number)
        state.prepare()
        options = EnvoyOptions(
            concurrency=1,
            max_heap_bytes=HEAP_BYTES,
            max_downstream_connections=CONNECTIONS,
            dns_resolvers=(resolver,) if resolver else (),
            around=functools.partial(inside, space),
        )
        plane = DataPlane(state, options, CollectorRegistry(), authority=self._certificates.unsaid)
        plane.door_certificates = self._certificates.for_door
        sockets, faults = placed(self._graph, spots)
        self._faults += faults
        bindings = Bindings(sockets, access_log=str(state.access_log))
        return _Door(space, plane, frozenset(spot.gateway for spot in spots), bindings)

    def _state(self, number: int) -> StateFolder:
        return StateFolder(self._folder / str(number))

    async def _know_users(self, change: Change) -> None:
        here = {gateway for door in self._doors.values() for gateway in door.gateways}
        hosts = frozenset(key for key in change.virtual_hosts if key.gateway in here)
        await self._users.apply(self._graph, structs.replace(change, virtual_hosts=hosts))

    def _reach_users(self, socket: Path) -> None:
        for door in self._doors.values():
            door.plane.reach_users(socket)

    def _push(self, change: Change) -> None:
        hosts: dict[str, set[VirtualHostKey]] = {}
        for key in change.virtual_hosts:
            hosts.setdefault(key.gateway, set()).add(key)
        for door in self._doors.values():
            own = frozenset(key for gateway in door.gateways for key in hosts.get(gateway, ()))
            share = structs.replace(change, gateways=change.gateways & door.gateways, virtual_hosts=own)
            door.plane.apply(self._graph, share, door.bindings)

    async def _serves(self, door: _Door) -> None:
        """An Envoy is ready before it has its listeners: these come when it has the endpoints of its clusters."""
        if not await door.plane.wait_live():
            raise EngineError(f"the Envoy of {door.space} has not taken its configuration; see {self.log(door.space)}")


def everything(graph: Graph) -> Change:
    """What of a graph differs from an empty one, but for `objects`."""
    return Change(
        gateways=frozenset(graph.gateways),
        virtual_hosts=frozenset(graph.virtual_hosts),
        backends=frozenset(graph.backends),
        certificates=frozenset(graph.certificates),
        attachments=frozenset(graph.attachments),
        pooled=frozenset(graph.certificate_names),
    )


def placed(graph: Graph, spots: Iterable[GatewaySpot]) -> tuple[Mapping[PortKey, tuple[Socket, ...]], list[str]]:
    """The sockets of the gateways of one space: every described port at every address of its spot.

    Also, in sentences, what nobody can reach because it has no address, or one that another gateway has the port of.
    """
    sockets: dict[PortKey, tuple[Socket, ...]] = {}
    owners: dict[tuple[Socket, bool], str] = {}
    faults = []
    for spot in sorted(spots, key=lambda one: one.gateway):
        gateway = graph.gateways[spot.gateway]
        if not spot.addresses:
            faults.append(f"{gateway.id} has no address in {spot.space}")
        for port in gateway.ports:
            found = []
            for address in spot.addresses:
                where = Socket(address, port.number)
                owner = owners.setdefault((where, port.udp), gateway.id)
                if owner == gateway.id:
                    found.append(where)
                else:
                    faults.append(f"{gateway.id} cannot have {address} port {port.number} in {spot.space}: {owner} has")
            if found:
                sockets[PortKey(gateway.id, port.number, port.udp)] = tuple(found)
    return sockets, faults


def _nothing() -> None:
    """Nobody waits for what may have changed: `failures` is asked."""
