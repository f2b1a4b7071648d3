"""Packets as they pass in a world, at every segment, at the internet and at every gateway, for tcpdump and Wireshark.

A capture is a folder with one file (pcap, LINKTYPE_LINUX_SLL2) for each of these places.  Not tcpdump itself: it gives
up what root has, which users without root cannot in a namespace of theirs.  Counterpart: `builder`, which made them.
"""

from __future__ import annotations

import asyncio
import os
import re
import selectors
import socket
import struct
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from msgspec import Struct

from gatewright.base.errors import UsageError
from gatewright.rehearsal.spaces import inside
from gatewright.rehearsal.world import INTERNET, SWITCH, World

ALL: Final = 0x0003  # ETH_P_ALL
SNAPLEN: Final = 262_144
SLL2: Final = 276
SO_TIMESTAMPNS: Final = 35
SOL_PACKET: Final = 263
PACKET_ADD_MEMBERSHIP: Final = 1
PACKET_MR_PROMISC: Final = 1
BUFFER: Final = 16 * 1024**2
TICK: Final = 0.1
"""How long after the end the last packets may still be on their way to us."""

Place = tuple[str, str, str]
"""What it is called, the space, and the device to listen at, "" for all."""


class Tap(Struct, frozen=True):
    """One place that is listened at.  `devices`: their numbers there."""

    socket: socket.socket
    file: BinaryIO
    devices: Mapping[str, int]


def places(world: World) -> Iterator[Place]:
    """Where packets are looked at."""
    yield INTERNET, INTERNET, ""
    for network, bridge in world.networks.items():
        yield f"network {network}", SWITCH, bridge
    for space in dict.fromkeys(spot.space for spot in world.gateways):
        yield space, space, ""


def named(text: str) -> str:
    """A file name that says this."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:100] or "capture"


@asynccontextmanager
async def capturing(world: World, folder: Path) -> AsyncIterator[None]:
    """Write all packets of the world into files of this folder, which only their owner can read.

    UsageError when they cannot be made or written.
    """
    with ExitStack() as kept:
        with _told(folder):
            await asyncio.to_thread(folder.mkdir, 0o700, parents=True, exist_ok=True)
            taps = [_tap(folder, place, kept) for place in places(world)]
        over = threading.Event()
        listening = asyncio.create_task(asyncio.to_thread(_listen, taps, over))
        try:
            yield
        finally:
            over.set()
            with _told(folder):
                await listening


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"cannot write packets to {folder}: {error.strerror}") from error


def _tap(folder: Path, place: Place, kept: ExitStack) -> Tap:
    name, space, device = place
    descriptor = os.open(folder / f"{named(name)}.pcap", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    file = kept.enter_context(os.fdopen(descriptor, "wb", buffering=0))  # a full disk is told where it is met
    file.write(struct.pack("=IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, SNAPLEN, SLL2))  # times in nanoseconds
    with inside(space):
        tap = kept.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL)))
        devices = {each: number for number, each in socket.if_nameindex()}
    if device:
        tap.bind((device, ALL))
        everything = struct.pack("iHH8s", devices[device], PACKET_MR_PROMISC, 0, b"")
        tap.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, everything)
    tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    tap.setblocking(False)
    return Tap(tap, file, devices)


def _listen(taps: Sequence[Tap], over: threading.Event) -> None:
    """Until it is over and nothing comes any more."""
    with selectors.DefaultSelector() as waiting:
        for tap in taps:
            waiting.register(tap.socket, selectors.EVENT_READ, tap)
        while (ready := waiting.select(TICK)) or not over.is_set():
            for key, _ in ready:
                _write(key.data)


def _write(tap: Tap) -> None:
    """One packet, as the formats of pcap and SLL2 have it (tcpdump.org/linktypes)."""
    packet, extra, _, sender = tap.socket.recvmsg(SNAPLEN, 64)
    device, protocol, kind, hardware, address = sender
    seconds, nanoseconds = struct.unpack("qq", extra[0][2][:16]) if extra else (0, 0)
    head = struct.pack(
        "!HHIHBB8s", protocol, 0, tap.devices.get(device, 0), hardware, kind, len(address), bytes(address[:8])
    )
    size = len(head) + len(packet)
    tap.file.write(struct.pack("=IIII", seconds, nanoseconds, size, size) + head + packet)
