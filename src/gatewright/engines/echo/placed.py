"""Echo backends at sockets that somebody else has made, each answering as one service.

Where the services have real addresses, such as in a rehearsal's namespaces.  Counterpart: `server`, which makes up
loopback addresses for services that have none.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final, cast

from gatewright.base.sensitive import Sensitive
from gatewright.engines.echo.answer import Request, describe
from gatewright.engines.echo.connection import Connection
from gatewright.engines.echo.service import EchoService
from gatewright.engines.echo.tls import server_context

WHO: Final = b"who"
"""A datagram of these octets is answered with who received it, as JSON; every other one is sent back."""

_BACKLOG: Final = 1024


class PlacedEcho:
    """Answers at sockets.  `issue`: chain and key for the name that a TLS client asks for ("" for none); without it,
    one certificate made here that nobody trusts."""

    def __init__(self, issue: Callable[[str], tuple[bytes, Sensitive]] | None = None) -> None:
        self._context = server_context(issue("") if issue else None, issue)
        self._listening: dict[socket.socket, asyncio.Server | asyncio.DatagramTransport] = {}
        self._open: set[asyncio.Transport] = set()

    async def answer(self, listening: socket.socket, service: EchoService) -> None:
        """Answer as `service` at a socket: a listening one, or a bound one for datagrams.  It is ours from then on."""
        loop = asyncio.get_running_loop()
        if listening.type == socket.SOCK_DGRAM:
            transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(service), sock=listening)
            self._listening[listening] = transport
        else:
            self._listening[listening] = await loop.create_server(
                lambda: Connection(lambda _: service, self._context, self._open), sock=listening, backlog=_BACKLOG
            )

    async def close(self) -> None:
        """Stop listening and end every connection."""
        for listening in self._listening.values():
            listening.close()
        self._listening.clear()
        for transport in [*self._open]:
            transport.abort()


class _Datagrams(asyncio.DatagramProtocol):
    """Sends every datagram back, but tells who asks who it is."""

    def __init__(self, service: EchoService) -> None:
        self._service = service

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        asked = Request(method="", path="", host="", proto="UDP", headers=[], peer=addr[0])
        self._transport.sendto(describe(asked, self._service) if data == WHO else data, addr)
