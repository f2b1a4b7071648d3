"""`node:[SITE/]NAME`: a machine is gone, with all that ran on it; its cluster does what clusters do after a while.

Endpoints on it are taken out, and no other pods come in their place: that takes clusters minutes.  Gateways, resolvers,
cloudflareds and clients that were pods of it start again on other nodes that may run them, and load balancer addresses
are announced by others that may (MetalLB, Cilium L2).  Nobody asks from the machine itself.  Counterpart: `moving`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping

from msgspec import Struct

from gatewright.graph.breaking import Things, outage, unready
from gatewright.graph.network.nodes import Cluster, Topology
from gatewright.graph.network.outages import machines_down
from gatewright.graph.network.starts import starts
from gatewright.graph.network.topology import topology
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.rehearsal import builder
from gatewright.rehearsal.faults import announcing, devices
from gatewright.rehearsal.faults.base import Fault, Ground
from gatewright.rehearsal.faults.moving import Below, Mover, below, reload, segment
from gatewright.rehearsal.plan.announcers import announcers
from gatewright.rehearsal.world import NameServer, World, node


class _Plan(Struct, frozen=True):
    """A cluster without a machine.  `up`: the machines that are left; `may_run`: on which of them each gateway may."""

    known: Topology
    cluster: Cluster
    up: tuple[str, ...]
    may_run: Mapping[str, frozenset[str]]


class NodeFault(Fault):
    """One machine of the map."""

    def aim(self, things: Things) -> None:
        (self.machine,) = things.find("node", self.name)
        self._space = node(self.machine)
        self._movers: list[Mover] = []
        self._moved: dict[str, str] = {}
        self._changed: list[tuple[str, str]] = []
        self._added: list[tuple[str, str]] = []

    def silenced(self, world: World) -> frozenset[str]:
        return frozenset(spot.vantage for spot in world.vantages if spot.space == self._space)

    # --- broken ---

    async def strike(self, ground: Ground) -> None:
        await devices.down(self._space, self._devices(ground.world))
        for space in self._gone(ground.world):
            await _end(ground, space)

    def supposed(self, ground: Ground) -> Mapping[Key, Intent | None]:
        gone = {a for one in below(ground.world, self._space) for a in one.addresses}
        gone.update(ground.model.analysis.answer(_addresses, self.machine))
        changed = ground.model.analysis.answer(unready, frozenset(gone))
        was = {key: ground.model.provided(key) for key in changed}
        ground.model.provide(changed)
        self._planned = ground.imagine()
        ground.model.provide(was)
        return {**changed, **outage(machines=(self.machine,))}

    async def react(self, ground: Ground) -> tuple[str, ...]:
        await self._spread_anew(ground.world)
        told: list[str] = []
        for plan in ground.model.analysis.answer(_plans, self.machine):
            mover = Mover(ground.world, plan.known, plan.known.machines[self.machine], plan.up)
            self._movers.append(mover)
            for one in below(ground.world, self._space):
                if one.space not in self._moved and (to := self._target(ground, plan, one)):
                    await mover.move(one, to)
                    self._moved[one.space] = to
                    told.append(f"{one.space} starts again on {to}")
            told += [said async for said in self._announce(ground, mover, plan)]
        for space in self._moved:
            await _begin(ground, space)
        for server in self._renamed(ground.world, self._planned):
            await ground.servers.silence(server.name)
            await ground.servers.resume(server.name, server)
        return tuple(told)

    # --- mended ---

    async def mend(self, ground: Ground) -> None:
        for mover in self._movers:
            await mover.undo()
        for space, line in reversed(self._added):
            await builder.batch(space, [line])
        for space, ruleset in self._changed:
            await reload(space, ruleset)
        for server in self._renamed(self._planned, ground.world):
            await ground.servers.silence(server.name)
            await ground.servers.resume(server.name, server)
        await devices.up(ground.world, self._space, self._devices(ground.world))
        for mover in self._movers:
            for address, device in mover.announced():
                announcing.tell(self._space, device, address)
        for space in self._gone(ground.world):
            if space not in self._moved:
                await _begin(ground, space)

    # --- inside ---------------------------------------------------------------------------------

    def _devices(self, world: World) -> list[str]:
        return [near.device for near, _ in devices.ends(world, self._space)]

    def _gone(self, world: World) -> list[str]:
        """The machine, and what ran on it."""
        return [self._space, *(one.space for one in below(world, self._space))]

    async def _spread_anew(self, world: World) -> None:
        """Services stand for the pods that are left, and other nodes answer at addresses of load balancers."""
        before = {space.name: space for space in world.spaces}
        for space in self._planned.spaces:
            old = before.get(space.name)
            if old is None or space.name == self._space:
                continue
            if space.nft != old.nft:
                self._changed.append((space.name, old.nft))
                await reload(space.name, space.nft)
            for line in space.ip:
                if line.startswith("addr add ") and line not in old.ip:
                    address = line.split()[2].partition("/")[0]
                    await builder.batch(space.name, [line.replace("addr add", "addr replace", 1)])
                    self._added.append((space.name, line.replace("addr add", "addr del", 1).removesuffix(" nodad")))
                    announcing.tell(space.name, line.split()[4], address)

    def _renamed(self, old: World, new: World) -> list[NameServer]:
        """The name servers of clusters that say something else: names of headless Services are those of their pods."""
        was = {server.name: server for server in old.name_servers}
        ended = frozenset(self._gone(old)) - self._moved.keys()
        return [one for one in new.name_servers if one.name in was and one != was[one.name] and one.space not in ended]

    def _target(self, ground: Ground, plan: _Plan, one: Below) -> str:
        """Where a space that was below the machine is from now on, "" for nowhere: pods of Services are gone."""
        world = ground.world
        gateways = [spot for spot in world.gateways if spot.space == one.space]
        if not gateways and any(echo.space == one.space for echo in world.echoes):
            return ""
        fitting = plan.up
        for spot in gateways:
            may = plan.may_run.get(spot.gateway, frozenset())
            fitting = tuple(id_ for id_ in fitting if id_ in may)
        names = [a for a in _addresses_of(world, one.space) if segment(world, self._space, a)]
        near = [id_ for id_ in fitting if names and all(segment(world, node(id_), a) for a in names)]
        return next(iter(near or fitting), "")

    async def _announce(self, ground: Ground, mover: Mover, plan: _Plan) -> AsyncIterator[str]:
        """Others announce what the machine did, and hand on what it was handed."""
        world = ground.world
        homes = {a: to for space, to in self._moved.items() for a in _addresses_of(world, space)}
        for address, _ in mover.announced():
            holder = homes.get(address) or _holder(world, address, plan.up)
            if not holder:
                continue
            may = ground.model.analysis.answer(announcers, plan.cluster, address)
            by = [id_ for id_ in dict.fromkeys((holder, *may)) if id_ in may and id_ in plan.up]
            new = await mover.announce(address, holder, by)
            yield f"{address} is announced by {new}" if new else f"nobody is left to announce {address}"
        for address, to in homes.items():
            await mover.redirect(address, to)


# --- what runs where ----------------------------------------------------------------------------


async def _end(ground: Ground, space: str) -> None:
    """End all programs of a space."""
    for name in ground.daemons.concerned(space):
        await ground.daemons.stop(name)
    for server in ground.world.name_servers:
        if server.space == space:
            await ground.servers.silence(server.name)
    await ground.gateways.silence(space)


async def _begin(ground: Ground, space: str) -> None:
    """Start all programs of a space again; the far ends of links, too, which know nothing of new connections."""
    concerned = {daemon.name: daemon.concerns for daemon in ground.world.daemons}
    for name in ground.daemons.concerned(space):
        link = concerned[name].startswith("link:")
        together = ground.daemons.concerned(concerned[name]) if link else (name,)
        for one in reversed(together):
            await ground.daemons.stop(one)
        for one in together:
            await ground.daemons.start(one)
    for server in ground.world.name_servers:
        if server.space == space:
            await ground.servers.resume(server.name)
    await ground.gateways.resume(space)


def _addresses_of(world: World, space: str) -> list[str]:
    """The addresses of a space, those that it has besides included."""
    own = [address for near, _ in devices.ends(world, space) for address in near.addresses]
    lines = next((one.ip for one in world.spaces if one.name == space), ())
    own += [line.split()[2] for line in lines if line.startswith("addr add ")]
    return [address.partition("/")[0] for address in own]


def _holder(world: World, address: str, machines: Iterable[str]) -> str:
    """The machine below which a space has an address, "" for none."""
    found = (id_ for id_ in machines for one in below(world, node(id_)) if address in _addresses_of(world, one.space))
    return next(found, "")


# --- what is described --------------------------------------------------------------------------


def _addresses(sight: Sight, machine: str) -> tuple[str, ...]:
    """A question: the addresses of a machine."""
    return sight.ask(topology).machines[machine].addresses


def _plans(sight: Sight, machine: str) -> tuple[_Plan, ...]:
    """A question: the clusters of a machine, without it."""
    known = sight.ask(topology)
    gone = sight.ask(machines_down)
    may = {one: frozenset(id_ for s in sight.ask(starts, one) for id_ in s.machines) - gone for one in sight.gateways()}
    return tuple(
        _Plan(known, cluster, tuple(id_ for id_ in cluster.machines if id_ not in gone), may)
        for cluster in known.clusters.values()
        if machine in cluster.machines
    )
