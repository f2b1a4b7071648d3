"""What a cluster does when a node is gone: programs start again below other nodes, and these announce their addresses.

A pod that is started again keeps its name and address here, which no cluster promises but which changes nothing that
is asked: its wire ends at another node, and routes, translations and neighbours follow.  Everything is read off the
World and the description; nothing is left of it after `undo`.  Counterpart: `plan.doors`, where they were at first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_interface
from typing import Final

from msgspec import Struct

from gatewright.base.errors import UsageError
from gatewright.graph.network.nodes import Machine, Topology
from gatewright.rehearsal import builder, isolation
from gatewright.rehearsal.faults import announcing, devices
from gatewright.rehearsal.plan.clusters.announced import host
from gatewright.rehearsal.plan.clusters.joined import family
from gatewright.rehearsal.spaces import inside
from gatewright.rehearsal.world import ROUTER, SWITCH, End, World, netns, node

CHAIN: Final = "nat_postrouting"
PROXY: Final = "neigh add proxy "
ROUTES: Final = ("route replace ", "route add ")


class Below(Struct, frozen=True):
    """A space below a node: its end of the wire, and the node's."""

    near: End
    far: End

    @property
    def space(self) -> str:
        return self.near.space

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(address.partition("/")[0] for address in self.near.addresses)


def below(world: World, space: str) -> list[Below]:
    """All that is uplinked to a space."""
    return [
        Below(far, near)
        for near, far in devices.ends(world, space)
        if near.addresses == (f"{ROUTER}/64",) and far.space != SWITCH
    ]


def segment(world: World, space: str, address: str) -> str:
    """The device of a space on the segment that holds an address, "" for none."""
    for near, far in devices.ends(world, space):
        if far.space == SWITCH and any(_in(address, own) for own in near.addresses):
            return near.device
    return ""


def _in(address: str, own: str) -> bool:
    return family(address) == family(own) and ip_interface(address) in ip_interface(own).network


class Mover:
    """Moves what was below one node.  `up`: the machines of its cluster that are left."""

    def __init__(self, world: World, known: Topology, gone: Machine, up: Iterable[str]) -> None:
        self._world = world
        self._map = known
        self._gone = gone
        self._up = tuple(up)
        self._lines = {space.name: space.ip for space in world.spaces}
        self._rules = {space.name: space.nft for space in world.spaces}
        self._undo: list[tuple[str, str]] = []
        self._back: list[tuple[str, str, str, str]] = []
        self._touched: set[str] = set()

    async def move(self, one: Below, to: str) -> None:
        """Have a space below another machine, with all of its addresses, but announce nothing yet."""
        old, new = node(self._gone.id), node(to)
        name = f"mv{len(self._back)}"
        await builder.batch(old, [f"link set {one.far.device} netns {netns(new)} name {name}"])
        self._back.append((new, name, old, one.far.device))
        await builder.batch(new, [f"link set {name} up", f"addr add {ROUTER}/64 dev {name} nodad"])
        for address in one.addresses:
            await self._lead_others(address, to)
        for line in self._of_device(old, one.far.device):
            await self._do(new, line.replace(f"dev {one.far.device}", f"dev {name}"))
        await self._translate(one, old, new)

    async def announce(self, address: str, holder: str, by: Iterable[str]) -> str:
        """Have an address that the lost node announced, or routed, announced by the first of these machines that can;
        its id, "" where none can.  `holder`: the machine below which its space is."""
        for id_ in by:
            device = segment(self._world, node(id_), address)
            if not device:
                continue
            if id_ != holder:
                await self._do(node(id_), f"route replace {host(address)} {self._hop(id_, holder, address)}")
            await self._do(node(id_), f"{PROXY}{address} dev {device}")
            if family(address) == 6:
                with inside(node(id_)):
                    (builder.PROC / "ipv6/conf/all/proxy_ndp").write_text("1", encoding="ascii")
            announcing.tell(node(id_), device, address)
            return id_
        return ""

    async def redirect(self, address: str, to: str) -> None:
        """Routers and nodes that handed an address to the lost node hand it to another."""
        for space, lines in self._lines.items():
            for line in lines:
                if space != node(to) and line.startswith(tuple(f"{word}{host(address)} via " for word in ROUTES)):
                    via = line.split()[4]
                    if via in self._gone.addresses:
                        new = next((a for a in self._map.machines[to].addresses if family(a) == family(via)), "")
                        if new:
                            await self._do(space, line.replace(f"via {via} ", f"via {new} "))

    async def undo(self) -> None:
        """Put everything back where it was; the lost node's own devices are for others to bring up."""
        for space, line in reversed(self._undo):
            await builder.batch(space, [line])
        for here, name, there, device in reversed(self._back):
            await builder.batch(here, [f"link set {name} netns {netns(there)} name {device}"])
        for space in self._touched:
            await reload(space, self._rules[space])

    def announced(self) -> Iterator[tuple[str, str]]:
        """The addresses for which the lost node answers on its segments, with its device there."""
        for line in self._lines[node(self._gone.id)]:
            if line.startswith(PROXY):
                words = line.removeprefix(PROXY).split()
                yield words[0], words[2]

    # --- inside ---------------------------------------------------------------------------------

    async def _do(self, space: str, line: str) -> None:
        """Run a line, and know how to take it back: by the line that was there, or by what deletes it."""
        words = line.split()
        was = next(
            (one for one in self._lines[space] if one.startswith(tuple(f"{word}{words[2]} " for word in ROUTES))), ""
        )
        await builder.batch(space, [line.replace("route add", "route replace", 1)])
        if was and line.startswith(ROUTES):
            self._undo.append((space, was.replace("route add", "route replace", 1)))
        elif line.startswith(PROXY):
            self._undo.append((space, line.replace("neigh add", "neigh del", 1)))
        else:
            device = words[words.index("dev") + 1]
            self._undo.append((space, f"route del {words[2]} dev {device}"))

    def _of_device(self, space: str, device: str) -> list[str]:
        """The routes that a node has to further addresses behind a device."""
        lines = self._lines[space]
        return [line for line in lines if line.startswith(ROUTES) and f" dev {device}" in line and " lo" not in line]

    async def _lead_others(self, address: str, to: str) -> None:
        """The other nodes send an address of a pod where they send those of its new node's pods."""
        for id_ in self._up:
            if id_ == to or segment(self._world, node(id_), address):
                continue
            was = next(
                (line for line in self._lines[node(id_)] if line.startswith(f"route replace {host(address)} ")), ""
            )
            hop = self._way(id_, to, address)
            if was and hop:
                await self._do(node(id_), f"route replace {host(address)} {hop}")

    def _way(self, here: str, to: str, address: str) -> str:
        """How a node sends to pods below another one, as the rest of a route."""
        own = [a for one in below(self._world, node(to)) for a in one.addresses]
        own += [line.split()[2].partition("/")[0] for line in self._lines[node(to)] if line.startswith("addr add ")]
        starts = tuple(f"route replace {host(a)} " for a in own if family(a) == family(address))
        found = (line.split(maxsplit=3)[3] for line in self._lines[node(here)] if starts and line.startswith(starts))
        return next(found, "") or self._hop(here, to, address)

    def _hop(self, here: str, to: str, address: str) -> str:
        """By way of a machine on the same segment."""
        for via in self._map.machines[to].addresses:
            device = segment(self._world, node(here), via)
            if device and family(via) == family(address):
                return f"via {via} dev {device}"
        raise UsageError(f"{here} cannot hand {address} on to {to}: they are on no segment together")

    async def _translate(self, one: Below, old: str, new: str) -> None:
        """What leaves the cluster has the address of its node."""
        own = frozenset(one.addresses)
        lines = [
            line
            for line in self._rules[old].splitlines()
            if line.endswith(" masquerade") and own.intersection(line.replace(",", " ").split())
        ]
        if lines:
            self._touched.add(new)
            head = f"add table inet gatewright\nadd chain inet gatewright {CHAIN} "
            head += "{ type nat hook postrouting priority srcnat; policy accept; }\n"
            text = head + "".join(f"add rule inet gatewright {CHAIN} {line}\n" for line in lines)
            await builder.run(new, [isolation.program("nft"), "-f", "-"], text.encode())


async def reload(space: str, ruleset: str) -> None:
    """Have exactly this ruleset in a space."""
    text = f"add table inet gatewright\ndelete table inet gatewright\n{ruleset}"
    await builder.run(space, [isolation.program("nft"), "-f", "-"], text.encode())
