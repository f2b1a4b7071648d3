"""A worker process: `python -m gatewright.engines.dns.worker DESCRIPTOR`, the descriptor being its end of a channel.

It binds its own sockets (several workers share a port with SO_REUSEPORT) only when it has been told everything, and
answers on when the control plane is gone.  SIGTERM ends it, after what has arrived is answered.
Counterpart: `workers`, which starts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Final, cast

import uvloop

from gatewright.engines.dns import channel, tcp, udp, wire
from gatewright.engines.dns.content import Push, RRsets, ViewConfig
from gatewright.engines.dns.responder import Client, Responder
from gatewright.engines.dns.update import UpdateRequest
from gatewright.engines.dns.zone import Zone
from gatewright.system.channel import Receiver, encode

if TYPE_CHECKING:
    from gatewright.engines.dns.privileged import Privileged

STATS_SECONDS: Final = 1.0
CLOSE_SECONDS: Final = 0.5
"""For what is still on its way over TCP."""


class Worker:
    """The process: what it serves, its listeners, and its end of the channel."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._receiver = Receiver(reader, channel.ToWorker)
        self._writer = writer
        self._responder = Responder()
        self._udp: list[udp.UdpListener] = []
        self._tcp: list[tcp.TcpListener] = []
        self._connections: dict[tcp.Connection, None] = {}
        self._updates: dict[int, asyncio.Future[int]] = {}
        self._asked = 0
        self._privileged: Privileged | None = None
        self._shared: dict[RRsets, RRsets] = {}
        self._ended = asyncio.Event()
        self._failed = False

    async def run(self) -> bool:
        """Follow the channel as long as it is there, and serve until told to end.  True for a good end."""
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self._ended.set)
        following = loop.create_task(self._follow())
        reporting = loop.create_task(self._report())
        await self._ended.wait()
        for listener in self._tcp:
            listener.close()
        for datagrams in self._udp:
            datagrams.close()
        for connection in tuple(self._connections):
            connection.finish()
        if self._connections:
            await asyncio.sleep(CLOSE_SECONDS)
        following.cancel()
        reporting.cancel()
        return not self._failed

    # --- the channel ----------------------------------------------------------------------------

    async def _follow(self) -> None:
        while (message := await self._receiver.next()) is not None:
            match message:
                case channel.Content():
                    self._take(message)
                case channel.Configure():
                    self._configure(message)
                case channel.Sync():
                    self._tell(channel.Synced(message.number))
                case channel.Serve():
                    await self._serve(message)
                case channel.Updated():
                    future = self._updates.get(message.id)
                    if future is not None and not future.done():
                        future.set_result(message.rcode)
        self._writer.close()
        for future in self._updates.values():
            future.cancel()
        if not self._udp:
            self._ended.set()  # nobody will ever tell us what to serve

    def _tell(self, message: channel.ToControl) -> None:
        if not self._writer.is_closing():
            self._writer.write(encode(message))

    async def _report(self) -> None:
        told = None
        while True:
            await asyncio.sleep(STATS_SECONDS)
            stats = channel.Stats(self._responder.stats())
            if stats != told:
                self._tell(stats)
                told = stats

    def _configure(self, message: channel.Configure) -> None:
        zones = []
        for config in message.zones:
            zone = self._responder.zones.get(config.id)
            if zone is None:
                zone = Zone(config, 0)
            else:
                zone.configure(config)
            zones.append(zone)
        self._responder.configure(message.views, zones)
        self._privileged = None

    def _take(self, message: channel.Content) -> None:
        for zone, serial, changes in message.pushes:
            self._responder.change(Push(zone, serial, changes if self._udp else self._share(changes)))

    def _share(self, names: dict[bytes, RRsets]) -> dict[bytes, RRsets]:
        """The names of a gateway have the same addresses: while much is loaded, what is equal is kept once."""
        return {name: self._shared.setdefault(sets, sets) for name, sets in names.items()}

    # --- serving --------------------------------------------------------------------------------

    async def _serve(self, message: channel.Serve) -> None:
        at = None
        try:
            for at in message.listen:
                stream = udp.bind(at, socket.SOCK_STREAM)
                self._tcp.append(tcp.TcpListener(at, stream, self._responder, self._special, self._connections))
                datagrams = udp.bind(at, socket.SOCK_DGRAM)
                self._udp.append(udp.UdpListener(at, datagrams, self._responder, self._special))
            for listener in self._tcp:
                await listener.start()
        except OSError as error:
            self._tell(channel.Failed(udp.cannot(at, error) if at is not None else f"DNS: {error.strerror}"))
            self._failed = True
            self._ended.set()
            return
        self._shared.clear()
        gc.collect()
        gc.freeze()
        for listening in self._udp:
            listening.start()

    async def _special(self, message: bytes, address: str, client: Client, over_tcp: bool) -> AsyncIterator[bytes]:
        """Transfers, signed queries, updates; loaded when the first comes, as most workers never see one."""
        if self._privileged is None:
            from gatewright.engines.dns.privileged import Privileged

            self._privileged = Privileged(self._responder.zones, self._responder.views.by_name, self._send_update)
        view = client.lane.config if client.lane is not None else None

        def plain(query: bytes, seen: ViewConfig) -> bytes:
            return self._responder.as_seen_by(query, seen, over_tcp)

        lane, is_transfer = client.lane, _is_transfer(message)
        answering = cast("AsyncGenerator[bytes]", self._privileged.answer(message, address, view, over_tcp, plain))
        async with contextlib.aclosing(answering) as replies:
            async for reply in replies:
                if is_transfer and lane is not None and not reply[3] & 0xF:
                    lane.transfers += 1
                is_transfer = False
                yield reply

    async def _send_update(self, request: UpdateRequest) -> int:
        """Have the control plane apply an update.  Raises OSError when it is gone."""
        if self._writer.is_closing():
            raise ConnectionError("the control plane is gone")
        self._asked += 1
        number = self._asked
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._updates[number] = future
        try:
            self._tell(channel.Update(number, request))
            return await future
        finally:
            self._updates.pop(number, None)


def _is_transfer(message: bytes) -> bool:
    end = wire.question_end(message)
    return end is not None and int.from_bytes(message[end - 4 : end - 2]) in (wire.AXFR, wire.IXFR)


def main() -> int:
    """Serve until SIGTERM."""
    end = socket.socket(fileno=int(sys.argv[1]))

    async def run() -> bool:
        reader, writer = await asyncio.open_connection(sock=end)
        return await Worker(reader, writer).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return 0 if runner.run(run()) else 1


if __name__ == "__main__":
    sys.exit(main())
