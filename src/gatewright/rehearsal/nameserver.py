"""Name servers of a rehearsal: what a resolver or authoritative server does, as a value, and those who do it for real.

    Behaviour ──► nameserving.Answering ──► NameServers: sockets in the spaces of a world, one process

A second account of how resolvers behave, made from what their programs document and not from `graph.names`, so that the
two can be held against each other.  What stands in for: CoreDNS, k8s_gateway, AdGuard Home, Pi-hole, FRITZ!Box,
Technitium, public resolvers, and whatever program is not installed.  No DNSSEC, no cache: faults count at once.
Counterparts: `plan.names`, which writes Behaviours; `own_dns`, our own engine in a space of a world.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import Final, cast

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import msgspec

from gatewright.base.errors import EngineError
from gatewright.rehearsal.nameserving.answering import Answering
from gatewright.rehearsal.nameserving.behaviour import Behaviour as Behaviour  # noqa: PLC0414  (for who plans)
from gatewright.rehearsal.spaces import listener, make_socket
from gatewright.rehearsal.world import NameServer

PORT: Final = 53
UPSTREAM_SECONDS: Final = 2.5
"""How long an upstream may take, on a busy machine; less than the patience of clients."""

IDLE_SECONDS: Final = 5.0
UDP_OCTETS: Final = 1232
MOST_OCTETS: Final = 65_535
MOST_CONNECTIONS: Final = 256

log = logging.getLogger(__name__)


class NameServers:
    """Answers for many name servers of a world, each by its name; must be inside the rehearsal's namespaces."""

    def __init__(self) -> None:
        self._running: dict[str, _Serving] = {}

    async def start(self, server: NameServer) -> None:
        """Answer for one more from now on.  EngineError when an address cannot be had."""
        if server.name in self._running:
            raise ValueError(f"{server.name} answers already")
        serving = self._running[server.name] = _Serving(server)
        try:
            await serving.start()
        except EngineError:
            del self._running[server.name]
            raise

    async def stop(self, name: str = "") -> None:
        """Answer no more: one server, or all of them."""
        names = [name] if name else list(self._running)
        await asyncio.gather(*(self._running.pop(each).stop() for each in names if each in self._running))


class _Serving:
    """One name server: its sockets and what it is doing."""

    def __init__(self, server: NameServer) -> None:
        self._server = server
        behaviour = msgspec.msgpack.decode(server.behaviour, type=Behaviour)
        self._answering = Answering(behaviour, Upstream(server.space))
        self._transports: list[asyncio.DatagramTransport] = []
        self._listeners: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = 0

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            for address in self._server.addresses:
                datagrams = listener(self._server.space, address, PORT, socket.SOCK_DGRAM)
                transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=datagrams)
                self._transports.append(transport)
                stream = listener(self._server.space, address, PORT)
                self._listeners.append(await asyncio.start_server(self._converse, sock=stream))
        except EngineError:
            await self.stop()
            raise

    async def stop(self) -> None:
        for transport in self._transports:
            transport.close()
        for listening in self._listeners:
            listening.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def asked(self, transport: asyncio.DatagramTransport, octets: bytes, client: tuple[str, int]) -> None:
        """A datagram."""
        task = asyncio.get_running_loop().create_task(self._reply(transport, octets, client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reply(self, transport: asyncio.DatagramTransport, octets: bytes, client: tuple[str, int]) -> None:
        answer = await self._answer(octets, UDP_OCTETS)
        if answer and not transport.is_closing():
            transport.sendto(answer, client)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._open += 1
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while self._open <= MOST_CONNECTIONS:
                async with asyncio.timeout(IDLE_SECONDS):
                    octets = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
                answer = await self._answer(octets, MOST_OCTETS)
                if not answer:
                    break
                writer.write(len(answer).to_bytes(2) + answer)
                await writer.drain()
        self._open -= 1
        writer.close()

    async def _answer(self, octets: bytes, most: int) -> bytes:
        """The answer to a message, b"" for what is no query."""
        try:
            query = dns.message.from_wire(octets)
        except (dns.exception.DNSException, ValueError):
            return b""
        if query.flags & dns.flags.QR or len(query.question) != 1:
            return b""
        response = dns.message.make_response(query, recursion_available=True)
        try:
            said = await self._answering.answer(query.question[0].name, query.question[0].rdtype)
        except Exception:
            log.exception("%s cannot answer %s", self._server.name, query.question[0])
            response.set_rcode(dns.rcode.SERVFAIL)
            return response.to_wire()
        response.set_rcode(said.rcode)
        response.answer, response.authority = list(said.answer), list(said.authority)
        try:
            return response.to_wire(
                max_size=most if query.edns >= 0 else min(most, 512) if most == UDP_OCTETS else most
            )
        except dns.exception.TooBig:
            response.answer, response.authority = [], []
            response.flags |= dns.flags.TC
            return response.to_wire()


class _Datagrams(asyncio.DatagramProtocol):
    """The UDP socket of a name server."""

    def __init__(self, owner: _Serving) -> None:
        self._owner = owner
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # uvloop's are of no class of asyncio's

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None:
            self._owner.asked(self._transport, data, addr)


class Upstream:
    """Asks others on behalf of a name server, by sockets of its own space."""

    def __init__(self, space: str) -> None:
        self._space = space

    async def ask(self, address: str, query: dns.message.Message) -> dns.message.Message | None:
        """What the server at an address says; None when it says nothing in time, or cannot be reached."""
        with contextlib.suppress(OSError, TimeoutError, dns.exception.DNSException, ValueError, EOFError):
            async with asyncio.timeout(UPSTREAM_SECONDS):
                octets = await self._exchange(address, query, socket.SOCK_DGRAM)
                answer = dns.message.from_wire(octets, ignore_trailing=True)
                if answer.flags & dns.flags.TC:
                    answer = dns.message.from_wire(await self._exchange(address, query, socket.SOCK_STREAM))
                if query.is_response(answer):
                    return answer
        return None

    async def _exchange(self, address: str, query: dns.message.Message, kind: socket.SocketKind) -> bytes:
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with make_socket(self._space, family, kind) as asking:
            await loop.sock_connect(asking, (address, PORT))
            octets = query.to_wire()
            if kind == socket.SOCK_DGRAM:
                await loop.sock_sendall(asking, octets)
                return await loop.sock_recv(asking, MOST_OCTETS)
            await loop.sock_sendall(asking, len(octets).to_bytes(2) + octets)
            return await self._exactly(asking, int.from_bytes(await self._exactly(asking, 2)))

    @staticmethod
    async def _exactly(asking: socket.socket, count: int) -> bytes:
        loop = asyncio.get_running_loop()
        found = b""
        while len(found) < count:
            more = await loop.sock_recv(asking, count - len(found))
            if not more:
                raise EOFError
            found += more
        return found
