"""The DNS server of a run: what is planned goes through the primary to the workers, and what they say comes back.

plan ──► Primary ──► pushes ──► Workers ──► answers
             ▲                     │
             └──── RFC 2136 ◄──────┘
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import socket
from pathlib import Path
from typing import IO, Final

from msgspec import structs

from gatewright.base.errors import EngineError
from gatewright.engines.dns import channel
from gatewright.engines.dns.content import Listen, Plan, Push, ViewConfig, ZoneConfig
from gatewright.engines.dns.notify import Notifier, NotifyStatus
from gatewright.engines.dns.primary import Primary
from gatewright.engines.dns.responder import ViewStats
from gatewright.engines.dns.udp import bind, cannot
from gatewright.engines.dns.update import UpdateRequest
from gatewright.engines.dns.workers import CHUNK_NAMES, Workers, running
from gatewright.system import files

MOST_WORKERS: Final = 2
PORT_TRIES: Final = 50


class DnsServer:
    """Serves on `listen` with so many `workers` (0: one for each processor, two at most), with its state in `folder`.

    Nothing is answered before the first `apply`.
    """

    def __init__(self, folder: Path, listen: tuple[Listen, ...], workers: int = 0) -> None:
        self._folder = folder
        self._wanted = listen
        self._count = workers or min(MOST_WORKERS, len(os.sched_getaffinity(0)))
        self._frame: tuple[tuple[ViewConfig, ...], tuple[ZoneConfig, ...]] = ((), ())
        self._news: set[str] = set()
        self._telling: asyncio.Task[None] | None = None
        self._lock: IO[bytes] | None = None
        self._held: list[socket.socket] = []
        self.bound: tuple[Listen, ...] = ()

    # --- life -----------------------------------------------------------------------------------

    def hold(self) -> None:
        """Take the addresses, unless that is done: nobody else gets them, and nobody is answered there yet.

        Raises EngineError when one cannot be had, naming it.
        """
        if not self._held:
            is_taken_over = bool(running(self._folder))
            try:
                self.bound = tuple(self._hold(listen, is_taken_over and listen.port != 0) for listen in self._wanted)
            except BaseException:
                self.release()
                raise

    def release(self) -> None:
        """Let the addresses go, where nothing was started."""
        for held in self._held:
            held.close()
        self._held = []

    async def start(self) -> None:
        """Take the addresses (see `hold`) and start the workers.

        Raises EngineError when an address cannot be had, or when another run has the state folder.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            self._lock = files.lock(self._folder / "lock")
        except OSError as error:
            raise EngineError(f"cannot use {self._folder}: {error.strerror}") from error
        try:
            self.hold()
            self._primary = Primary(self._folder)
            self._workers = Workers(self._folder, self._count, self._snapshot, self._update)
            await self._workers.start()
            self._notifier = Notifier(self._primary.zones, self.bound)
        except BaseException:
            self._let_go()
            raise

    def apply(self, plan: Plan) -> None:
        """Serve this plan from now on; returns before the workers do (see `settled`)."""
        self._carry(self._primary.take(plan), plan)

    async def settled(self) -> None:
        """Wait until every worker answers what was applied.  Raises EngineError when one cannot listen."""
        await self._workers.settled()

    async def stop(self) -> None:
        """End the workers: nothing answers any more."""
        await self._fall_silent()
        await self._workers.stop()
        self._let_go()

    async def detach(self) -> None:
        """Leave the workers answering, for the next run to take over."""
        await self._fall_silent()
        await self._workers.detach()
        self._let_go()

    # --- dynamic records ------------------------------------------------------------------------

    def put(self, zone_id: str, name: bytes, type: int, rdata: bytes, ttl: int) -> None:
        """Add a record beside those of the plan.  Raises EngineError when the zone does not take it."""
        self._carry(self._primary.add(zone_id, name, type, ttl, rdata))

    def take_away(self, zone_id: str, name: bytes, type: int, rdata: bytes | None) -> None:
        """Remove such a record, or with None all of the type; one that is not there is no error."""
        self._carry(self._primary.remove(zone_id, name, type, rdata))

    # --- what was seen --------------------------------------------------------------------------

    def stats(self) -> dict[str, ViewStats]:
        """What the workers of this run have answered, by view ("" for clients without one); a second old at most."""
        return self._workers.stats()

    def pids(self) -> tuple[int, ...]:
        """The processes that answer."""
        return self._workers.pids()

    def notified(self) -> tuple[NotifyStatus, ...]:
        """What the secondaries know of each zone."""
        return self._notifier.statuses

    @property
    def primary(self) -> Primary:
        """The master copy of the zones."""
        return self._primary

    # --- inside ---------------------------------------------------------------------------------

    def _carry(self, pushes: list[Push], plan: Plan | None = None) -> None:
        """Bring the next state to the workers."""
        frame = self._frame if plan is None else (plan.views, plan.zones)
        reconfigured, self._frame = frame != self._frame, frame
        if self._workers.is_serving:
            self._push(pushes, reconfigured)
        elif plan is not None:
            self._workers.serve(self.bound)
        self._news.update(push.zone for push in pushes)
        if (self._news or reconfigured) and (self._telling is None or self._telling.done()):
            self._telling = asyncio.get_running_loop().create_task(self._tell_secondaries())

    def _push(self, pushes: list[Push], reconfigured: bool) -> None:
        messages: list[channel.ToWorker] = []
        if reconfigured:
            messages.append(channel.Configure(*self._frame))
        if pushes:
            messages.append(channel.content(pushes))
        if messages:
            self._workers.tell(*messages)

    async def _tell_secondaries(self) -> None:
        """Whoever is told of a change must find it, whichever worker answers."""
        told: tuple[ViewConfig, ...] | None = None
        while self._news or told != self._frame[0]:
            news, told = sorted(self._news), self._frame[0]
            self._news.clear()
            await self._workers.settled()
            self._notifier.configure(told)
            for zone in news:
                if zone in self._primary.zones:
                    self._notifier.changed(zone)

    async def _fall_silent(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        await self._notifier.close()

    def _snapshot(self) -> list[channel.Configure | channel.Content]:
        """Everything that a new worker has to know."""
        messages: list[channel.Configure | channel.Content] = [channel.Configure(*self._frame)]
        for id, zone in self._primary.zones.items():
            names = iter(zone.names.items())
            while chunk := dict(itertools.islice(names, CHUNK_NAMES)):
                messages.append(channel.content([Push(id, zone.serial, chunk)]))
            if not zone.names:
                messages.append(channel.content([Push(id, zone.serial, {})]))
        return messages

    def _update(self, request: UpdateRequest) -> int:
        """Apply a verified update (RFC 2136); gives the response code."""
        rcode, pushes = self._primary.update(request)
        self._carry(pushes)
        return rcode

    def _hold(self, listen: Listen, is_taken_over: bool) -> Listen:
        """Reserve an address for our workers and resolve port 0; a bound socket that does not listen takes nothing."""
        for _ in range(PORT_TRIES):
            held = None
            try:
                # Nobody else may have it: the kernel would share queries out between us and another run.  A former run
                # of ours may, which is why it is the workers who find out then.
                if listen.port and not is_taken_over:
                    bind(listen, socket.SOCK_STREAM, shared=False).close()
                held = bind(listen, socket.SOCK_STREAM)
                port = int(held.getsockname()[1])
                if not is_taken_over:
                    bind(Listen(listen.address, port), socket.SOCK_DGRAM, shared=False).close()
                self._held.append(held)
                return structs.replace(listen, port=port)
            except OSError as error:
                if held is not None:
                    held.close()
                if listen.port or error.errno != errno.EADDRINUSE:
                    raise EngineError(cannot(listen, error)) from error
        raise EngineError(f"DNS cannot listen on {listen.address}: no port is free for both UDP and TCP")

    def _let_go(self) -> None:
        self.release()
        if self._lock is not None:
            self._lock.close()
            self._lock = None
