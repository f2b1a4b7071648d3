"""Packets as they pass in a world: a tcpdump at every segment, at the internet and at every gateway.

A capture is a folder with one file for each of these places.  Counterpart: `builder`, which made them.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from gatewright.base.errors import EngineError
from gatewright.rehearsal import isolation
from gatewright.rehearsal.spaces import inside
from gatewright.rehearsal.world import INTERNET, SWITCH, World

SECONDS: Final = 5.0
"""How long tcpdump may take to begin, and to end."""

Place = tuple[str, str, str]
"""What it is called, the space, and the device to listen at."""


def places(world: World) -> Iterator[Place]:
    """Where packets are looked at."""
    yield INTERNET, INTERNET, "any"
    for network, bridge in world.networks.items():
        yield f"network {network}", SWITCH, bridge
    for space in dict.fromkeys(spot.space for spot in world.gateways):
        yield space, space, "any"


def named(text: str) -> str:
    """A file name that says this."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:100] or "capture"


@asynccontextmanager
async def capturing(world: World, folder: Path) -> AsyncIterator[None]:
    """Write all packets of the world into files of this folder, which only their owner can read.

    EngineError when tcpdump does not begin, OSError when files cannot be made.
    """
    await asyncio.to_thread(folder.mkdir, 0o700, parents=True, exist_ok=True)
    running: list[subprocess.Popen[bytes]] = []
    try:
        for name, space, device in places(world):
            running.append(_start(folder / f"{named(name)}.pcap", space, device))
        await asyncio.gather(*(asyncio.to_thread(_begun, process) for process in running))
        yield
    finally:
        for process in running:
            process.terminate()
        await asyncio.gather(*(asyncio.to_thread(_ended, process) for process in running))


def _start(file: Path, space: str, device: str) -> subprocess.Popen[bytes]:
    """Packets go to its output, so that it opens no file: not every system lets it open any."""
    command = (isolation.program("tcpdump"), "-n", "-U", "-i", device, "-w", "-")
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with inside(space):
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=descriptor, stderr=subprocess.PIPE)
    finally:
        os.close(descriptor)


def _begun(process: subprocess.Popen[bytes]) -> None:
    """It says so when it listens."""
    assert process.stderr is not None
    said = b""
    while line := process.stderr.readline():
        if b"listening on" in line:
            return
        said = line
    raise EngineError(f"tcpdump: {said.decode(errors='replace').strip() or 'ended without a word'}")


def _ended(process: subprocess.Popen[bytes]) -> None:
    try:
        process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
