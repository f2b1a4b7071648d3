"""Secondaries told of changes (RFC 1996): each of a view, of each of its zones, until it acknowledges.

A burst of changes makes one message; one that is not acknowledged is repeated ever less often, and given up until the
next change.  Nothing is transferred here: the secondary comes for it, see `transfer`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from gatewright.engines.dns import records, tsig
from gatewright.engines.dns.content import KeyConfig, Listen, SecondaryConfig, ViewConfig
from gatewright.engines.dns.wire import AA, IN, QR, SOA
from gatewright.engines.dns.zone import Zone

BURST_SECONDS: Final = 0.1
"""So long is waited for further changes."""

ANSWER_SECONDS: Final = 2.0
FIRST_SECONDS: Final = 1.0
MOST_SECONDS: Final = 60.0
ATTEMPTS: Final = 10
"""The back-off: after 1, 2, 4 ... 60 seconds; all together some five minutes."""

AT_ONCE: Final = 64
"""So many messages wait for their acknowledgement at a time."""

NOTIFY: Final = 4

Pair = tuple[str, SecondaryConfig]
"""A zone's id and one of its secondaries."""


class NotifyStatus(Struct, frozen=True):
    """What one secondary knows of one zone: the `serial` that it was last told of and `acknowledged` (None: none yet),
    whether its last answer was an error (`rcode`, 0 for none), and whether it was given up for now."""

    zone: str
    address: str
    port: int
    acknowledged: int | None
    serial: int
    rcode: int = 0
    given_up: bool = False


class Notifier:
    """Lives in the control plane.  `zones` by id is read as it is (that of Primary)."""

    def __init__(
        self, zones: Mapping[str, Zone], listens: Iterable[Listen] = (), clock: Callable[[], float] = time.time
    ) -> None:
        """`listens`: where we answer, so that messages come from the address that secondaries know us by."""
        self._zones = zones
        self._listens = tuple(listens)
        self._clock = clock
        self._views: dict[str, ViewConfig] = {}
        self._statuses: dict[Pair, NotifyStatus] = {}
        self._tasks: dict[Pair, asyncio.Task[None]] = {}
        self._wakes: dict[Pair, asyncio.Event] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    def configure(self, views: Iterable[ViewConfig]) -> None:
        """Take the views, after Primary took its plan.  Secondaries that are new are told of every zone."""
        self._views = {view.name: view for view in views}
        wanted = {pair for zone in self._zones for pair in self._pairs(zone)}
        for pair in [pair for pair in {*self._statuses, *self._tasks} if pair not in wanted]:
            self._statuses.pop(pair, None)
            self._wakes.pop(pair, None)
            task = self._tasks.pop(pair, None)
            if task is not None:
                task.cancel()
        for pair in wanted:
            if pair not in self._statuses:
                self._start(pair)

    def changed(self, zone: str) -> None:
        """This zone has another serial, and whoever answers for it does so.  Needs a running loop."""
        for pair in self._pairs(zone):
            self._start(pair)

    @property
    def statuses(self) -> tuple[NotifyStatus, ...]:
        """Of every zone and secondary, sorted."""
        return tuple(sorted(self._statuses.values(), key=lambda status: (status.zone, status.address, status.port)))

    async def close(self) -> None:
        """Tell nobody any more."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _pairs(self, id: str) -> list[Pair]:
        zone = self._zones.get(id)
        view = self._views.get(zone.config.view) if zone is not None else None
        return [(id, secondary) for secondary in view.secondaries] if view is not None else []

    def _start(self, pair: Pair) -> None:
        """Have it told; a task that is at it sees the new serial by itself."""
        known, zone = self._statuses.get(pair), self._zones[pair[0]]
        serial = zone.serial
        if known is None:
            known = NotifyStatus(pair[0], pair[1].address, pair[1].port, None, serial)
        self._statuses[pair] = replace(known, serial=serial, given_up=False)
        task = self._tasks.get(pair)
        if task is not None and not task.done():
            self._wakes[pair].set()
            return
        self._wakes[pair] = asyncio.Event()
        self._tasks[pair] = asyncio.get_running_loop().create_task(self._tell(pair))

    async def _tell(self, pair: Pair) -> None:
        """Until it has acknowledged the present serial, or nothing helps."""
        pause, attempts, told = FIRST_SECONDS, 0, -1
        await asyncio.sleep(BURST_SECONDS)
        while attempts < ATTEMPTS:
            zone = self._zones.get(pair[0])
            if zone is None:
                return
            serial = zone.serial
            if serial != told:
                pause, attempts, told = FIRST_SECONDS, 0, serial
            attempts += 1
            async with self._turns:
                rcode = await self._ask(zone, pair[1])
            status = self._statuses[pair]
            if rcode == 0:
                self._statuses[pair] = replace(status, acknowledged=serial, rcode=0)
                if zone.serial == serial:
                    return
                await asyncio.sleep(BURST_SECONDS)
                continue
            if rcode is not None:
                self._statuses[pair] = replace(status, rcode=rcode)
            await self._rest(pair, pause)
            pause = min(pause * 2, MOST_SECONDS)
        self._statuses[pair] = replace(self._statuses[pair], given_up=True)

    async def _rest(self, pair: Pair, seconds: float) -> None:
        """Until it is time to repeat, or there is news."""
        wake = self._wakes[pair]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await wake.wait()
                wake.clear()
                await asyncio.sleep(BURST_SECONDS)

    async def _ask(self, zone: Zone, secondary: SecondaryConfig) -> int | None:
        """One message and its answer: the response code, None when there was none in time."""
        key = self._key(zone, secondary)
        message = _message(zone, random.randrange(1 << 16))  # noqa: S311 - the socket's port is what cannot be guessed
        mac = b""
        if key is not None:
            message, mac = tsig.sign_request(message, key, self._clock)
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[int] = loop.create_future()

        def receive(data: bytes) -> None:
            rcode = _rcode(data, message, key, mac, self._clock)
            if rcode is not None and not answered.done():
                answered.set_result(rcode)

        try:
            transport = await self._open(zone.config.view, secondary, receive)
        except OSError:
            return None
        try:
            transport.sendto(message)
            async with asyncio.timeout(ANSWER_SECONDS):
                return await answered
        except TimeoutError:
            return None
        finally:
            transport.close()

    async def _open(
        self, view: str, secondary: SecondaryConfig, receive: Callable[[bytes], None]
    ) -> asyncio.DatagramTransport:
        loop = asyncio.get_running_loop()
        remote = (secondary.address, secondary.port)
        source = self._source(view, secondary.address)
        if source is not None:
            with contextlib.suppress(OSError):  # not every address of ours reaches everybody
                return (
                    await loop.create_datagram_endpoint(
                        lambda: _Answers(receive), local_addr=(source, 0), remote_addr=remote
                    )
                )[0]
        return (await loop.create_datagram_endpoint(lambda: _Answers(receive), remote_addr=remote))[0]

    def _source(self, view: str, address: str) -> str | None:
        """The address of ours in the secondary's family that its view is answered at."""
        family = _family(address)
        own = [
            listen
            for listen in self._listens
            if _family(listen.address) == family and listen.address not in ("0.0.0.0", "::")  # noqa: S104 - compared
        ]
        own.sort(key=lambda listen: listen.view != view)
        return own[0].address if own and own[0].view in (view, "") else None

    def _key(self, zone: Zone, secondary: SecondaryConfig) -> KeyConfig | None:
        view = self._views.get(zone.config.view)
        keys = view.keys if view is not None and secondary.key else ()
        return next((key for key in keys if key.name == secondary.key and key.secret), None)


class _Answers(asyncio.DatagramProtocol):
    """Hands on what comes; errors of the network are silence, which is repeated after."""

    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self._receive = receive

    def datagram_received(self, data: bytes, _: object) -> None:
        self._receive(data)


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _message(zone: Zone, id: int) -> bytes:
    """RFC 1996, 3: a NOTIFY of the zone's SOA, with the new SOA as a hint in the answer section."""
    domain, soa = zone.config.domain, zone.soa()
    head = struct.pack("!HHHHHH", id, (NOTIFY << 11) | AA, 1, 1, 0, 0)
    record = b"\xc0\x0c" + struct.pack("!HHIH", SOA, IN, soa.ttl, len(soa.rdata[0])) + soa.rdata[0]
    return head + domain + struct.pack("!HH", SOA, IN) + record


def _rcode(data: bytes, request: bytes, key: KeyConfig | None, mac: bytes, clock: Callable[[], float]) -> int | None:
    """The response code, when this is the answer to the request, signed as that was."""
    try:
        outline = records.survey(data)
    except records.MalformedError:
        return None
    flags = int.from_bytes(data[2:4])
    if data[:2] != request[:2] or not flags & QR or (flags >> 11) & 0xF != NOTIFY:
        return None
    rcode = flags & 0xF
    if key is not None and not tsig.is_answer_to(data, outline.signature, key, mac, clock):
        return rcode or None  # who does not know the key cannot sign the error; only an acknowledgement has to be
    return rcode
