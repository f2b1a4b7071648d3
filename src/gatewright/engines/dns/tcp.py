"""Queries over TCP (RFC 7766): messages behind two octets of length, many on one connection, within limits.

A connection that brings no whole query for a while is closed, as is the one that has been idle longest when there are
too many.  While a special request such as a transfer is answered, its connection's later queries wait, and no faster
than the client reads is anything written.  Counterparts: `responder`, which answers; `udp`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Final, cast

from gatewright.engines.dns.content import Listen
from gatewright.engines.dns.responder import Client, Responder
from gatewright.engines.dns.udp import Special, at, is_wildcard

IDLE_SECONDS: Final = 10.0
STALL_SECONDS: Final = 30.0
"""How long a client may leave what it asked for unread."""

MOST_CONNECTIONS: Final = 512
"""For each worker, over all addresses."""

MOST_QUERIES: Final = 100_000
"""On one connection; a client that has more to ask opens another."""


class TcpListener:
    """One address.  `connections` is shared by the listeners of a worker, the longest idle first."""

    def __init__(
        self,
        listen: Listen,
        bound: socket.socket,
        responder: Responder,
        special: Special,
        connections: dict[Connection, None],
    ) -> None:
        self.listen = listen
        self.responder = responder
        self.special = special
        self.connections = connections
        self._socket = bound
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Accept from now on."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), sock=self._socket, backlog=512)

    def close(self) -> None:
        """Accept no more; open connections live on until they are idle or the process ends."""
        if self._server is not None:
            self._server.close()


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, owner: TcpListener) -> None:
        self._owner = owner
        self._listen = owner.listen
        self._connections = owner.connections
        self._buffer = bytearray()
        self._queries = 0
        self._writable = asyncio.Event()
        self._writable.set()
        self._task: asyncio.Task[None] | None = None

    # --- asyncio.Protocol -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are of no class of asyncio's
        self._loop = asyncio.get_running_loop()
        self._address: str = (transport.get_extra_info("peername") or ("",))[0]
        if is_wildcard(self._listen):
            self._listen = at(self._listen, (transport.get_extra_info("sockname") or (self._listen.address,))[0])
        if not self._address:
            self._transport.abort()
            return
        if len(self._connections) >= MOST_CONNECTIONS:
            next(iter(self._connections)).abort()
        self._connections[self] = None
        self._timer = self._loop.call_later(IDLE_SECONDS, self._time_out)
        self._last = self._loop.time()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > 2 * 65_537:
            self._transport.pause_reading()
        if self._task is None:
            self._advance()

    def eof_received(self) -> bool:
        return self._task is not None  # what was asked before is still answered

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.pop(self, None)
        if hasattr(self, "_timer"):
            self._timer.cancel()
        self._writable.set()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._writable.set()
        self._transport.resume_reading()
        if self._task is None:
            self._advance()

    # --- queries --------------------------------------------------------------------------------

    def abort(self) -> None:
        """Hang up at once."""
        self._connections.pop(self, None)
        self._transport.abort()

    def finish(self) -> None:
        """Hang up when what was asked is answered."""
        if self._task is None:
            self._transport.close()

    def _advance(self) -> None:
        """Answer the whole queries that are there, as long as the client takes the answers."""
        buffer, owner = self._buffer, self._owner
        replies = bytearray()
        while len(buffer) >= 2 and self._writable.is_set() and not self._transport.is_closing():
            size = int.from_bytes(buffer[:2])
            if len(buffer) < size + 2:
                break
            message = bytes(buffer[2 : size + 2])
            del buffer[: size + 2]
            self._queries += 1
            self._stay()
            client = owner.responder.client(self._listen, self._address)
            reply = owner.responder.respond(message, client, self._listen, True)
            if reply:
                replies += len(reply).to_bytes(2) + reply
                if len(replies) > 65_536:
                    self._transport.write(bytes(replies))
                    replies.clear()
            elif reply is None or self._queries > MOST_QUERIES:
                self._transport.close()  # no DNS: there is nothing to say to it
            else:
                self._transport.write(bytes(replies))
                self._task = self._loop.create_task(self._answer(message, client))
                return
        if replies:
            self._transport.write(bytes(replies))
        if self._queries > MOST_QUERIES:
            self._transport.close()
        elif self._writable.is_set() and len(buffer) <= 2 * 65_537:
            self._transport.resume_reading()

    async def _answer(self, message: bytes, client: Client) -> None:
        """A special request; what the client has asked since then follows."""
        try:
            async for reply in self._owner.special(message, self._address, client, True):
                self._transport.write(len(reply).to_bytes(2) + reply)
                async with asyncio.timeout(STALL_SECONDS):
                    await self._writable.wait()
                if self._transport.is_closing():
                    return
                self._stay()
        except TimeoutError:
            self.abort()
        finally:
            self._task = None
        self._advance()

    # --- time -----------------------------------------------------------------------------------

    def _stay(self) -> None:
        """Something was asked or is being answered: this connection is not the one to go."""
        self._last = self._loop.time()
        if self._connections.pop(self, self) is None:
            self._connections[self] = None

    def _time_out(self) -> None:
        idle = self._loop.time() - self._last
        allowed = IDLE_SECONDS if self._task is None else STALL_SECONDS
        if idle >= allowed:
            with contextlib.suppress(RuntimeError):
                self.abort()
            return
        self._timer = self._loop.call_later(allowed - idle, self._time_out)
