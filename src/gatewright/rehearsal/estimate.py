"""What a world will take of this machine, before anything of it is made."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from gatewright.base.errors import UsageError
from gatewright.rehearsal.world import World

MIB: Final = 1024**2
SPACE: Final = 1.0 * MIB
"""What a namespace with its devices, routes and rules takes of the kernel (0.6 to 0.8 with 33 to 544 of them)."""

ENVOYS: Final = 60 * MIB
ENVOY: Final = 22 * MIB
"""What all Envoys share, which is the program itself, and each has for itself (15 to 18 with a few virtual hosts)."""

PROGRAM: Final = 36 * MIB
PROGRAMS: Final = {
    "wireguard-go": 4 * MIB,  # 1.5, and 2.5 when busy
    "nebula": 9 * MIB,
    "dnsmasq": 2 * MIB,
    "unbound": 10 * MIB,
    "pebble": 14 * MIB,
}
"""What a program takes, and those that take less: named 30, Python 20 to 35."""

OURSELVES: Final = 170 * MIB
"""Whoever waits outside, the model with the clients, and the process of all backends and name servers."""

QUESTION: Final = 0.06 * MIB
"""Both accounts of a question are kept for the report."""

ECHO: Final = 0.02 * MIB
KEPT: Final = 0.9
"""The part of the memory that is free now which a world may take."""


def needed(world: World, questions: int = 0) -> int:
    """The octets of memory that a world takes at most while so many questions are asked, roughly."""
    envoys = len({spot.space for spot in world.gateways})
    programs = (PROGRAMS.get(Path(daemon.command[0]).name, PROGRAM) for daemon in world.daemons)
    return int(
        OURSELVES
        + questions * QUESTION
        + len(world.spaces) * SPACE
        + (ENVOYS + envoys * ENVOY if envoys else 0)
        + sum(programs)
        + (len(world.echoes) + len(world.name_servers)) * ECHO
    )


def check(world: World, questions: int = 0) -> None:
    """UsageError when the world is too large for this machine."""
    if is_too_large(world, questions):
        free, wanted = available(), needed(world, questions)
        envoys = len({spot.space for spot in world.gateways})
        raise UsageError(
            f"this world needs about {wanted / MIB:,.0f} MiB of memory ({len(world.spaces)} namespaces,"
            f" {envoys} Envoys, {len(world.daemons)} other programs, {questions:,} questions), and"
            f" {free / MIB:,.0f} MiB are free here: rehearse fewer sites at a time, or use a larger machine"
        )


def is_too_large(world: World, questions: int = 0) -> bool:
    """Does it take more than may be had?"""
    free = available()
    return bool(free) and needed(world, questions) > free * KEPT


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
