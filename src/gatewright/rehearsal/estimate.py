"""What a world will take of this machine, before anything of it is made."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from gatewright.base.errors import UsageError
from gatewright.rehearsal.world import World

MIB: Final = 1024**2
SPACE: Final = 0.4 * MIB
"""What a namespace with its devices and rules takes of the kernel (measured with 200)."""

ENVOY: Final = 75 * MIB
DAEMON: Final = 20 * MIB
OURSELVES: Final = 350 * MIB
"""The model, the clients and the process of all backends and name servers."""

ECHO: Final = 0.02 * MIB
KEPT: Final = 0.9
"""The part of the memory that is free now which a world may take."""


def needed(world: World) -> int:
    """The octets of memory that a world takes, roughly."""
    envoys = len({spot.space for spot in world.gateways})
    return int(
        OURSELVES
        + len(world.spaces) * SPACE
        + envoys * ENVOY
        + len(world.daemons) * DAEMON
        + (len(world.echoes) + len(world.name_servers)) * ECHO
    )


def check(world: World) -> None:
    """UsageError when the world is too large for this machine."""
    if is_too_large(world):
        free, wanted = available(), needed(world)
        envoys = len({spot.space for spot in world.gateways})
        raise UsageError(
            f"this world needs about {wanted / MIB:,.0f} MiB of memory ({len(world.spaces)} namespaces,"
            f" {envoys} Envoys, {len(world.daemons)} other programs), and {free / MIB:,.0f} MiB are free here:"
            " rehearse fewer sites at a time, or use a larger machine"
        )


def is_too_large(world: World) -> bool:
    """Does it take more than may be had?"""
    free = available()
    return bool(free) and needed(world) > free * KEPT


def available() -> int:
    """The memory that may be had now, in octets; 0 where nobody knows.  The limit of our own control group counts."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii").strip()
        found += [int(limit) - int(used)] if limit.isdecimal() else []
    except (OSError, ValueError, IndexError):
        pass
    return min(found, default=0)
