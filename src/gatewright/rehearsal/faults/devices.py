"""Devices of a world that stands, taken down and brought up again with all that the kernel forgot meanwhile.

A device that is down loses its IPv6 addresses, its routes and whom it answers for; its far end sees no carrier.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gatewright.rehearsal import builder
from gatewright.rehearsal.world import End, World


def ends(world: World, space: str) -> Iterator[tuple[End, End]]:
    """The wires of a space: its own end first."""
    for wire in world.wires:
        for near, far in ((wire.one, wire.other), (wire.other, wire.one)):
            if near.space == space:
                yield near, far


async def down(space: str, devices: Iterable[str]) -> None:
    """Take devices of a space down."""
    await builder.batch(space, [f"link set {device} down" for device in devices])


async def up(world: World, space: str, devices: Iterable[str]) -> None:
    """Bring devices of a space up again, with the addresses, routes and neighbours that the plan gives them."""
    wanted = frozenset(devices)
    lines: list[str] = []
    for near, _ in ends(world, space):
        if near.device in wanted:
            lines.append(f"link set {near.device} up")
            lines += [f"addr replace {a} dev {near.device}{' nodad' if ':' in a else ''}" for a in near.addresses]
    planned = next((one.ip for one in world.spaces if one.name == space), ())
    lines += [_again(line) for line in planned if wanted.intersection(line.split())]
    await builder.batch(space, lines)


def _again(line: str) -> str:
    """A line that may have been run before."""
    return line.replace(" add ", " replace ", 1) if not line.startswith("neigh add proxy") else line
