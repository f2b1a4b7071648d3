"""Processes by what cannot come again: their number and the moment of their start."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from msgspec import Struct


class ProcessId(Struct, frozen=True):
    """A process that cannot be mistaken for a later one of the same number.

    `start_time`: field 22 of /proc/PID/stat, clock ticks after boot.
    """

    pid: int
    start_time: int


def start_time_of(pid: int) -> int | None:
    """When a process started, in clock ticks after boot; None if there is none, or only its zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The second field, the command, is in parentheses and may contain anything.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def is_alive(process: ProcessId) -> bool:
    """Does this very process still run?"""
    return start_time_of(process.pid) == process.start_time


async def wait_end(process: ProcessId) -> None:
    """Wait until a process ends, also one that is not our child."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        if is_alive(process):  # or the number is another's by now
            await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
