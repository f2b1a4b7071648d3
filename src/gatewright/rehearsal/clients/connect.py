"""Connections of clients: sockets made in a vantage's space.  What goes wrong on the way is a `Failure`, a value.

Counterparts: `tls`, which encrypts; `http` and `streams`, which speak over a `Line`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from typing import Final

from msgspec import Struct

from gatewright.rehearsal import spaces
from gatewright.rehearsal.asking import Ended

READ: Final = 65_536

_UNREACHABLE: Final = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM, errno.EADDRNOTAVAIL, errno.ENETDOWN}
    | {errno.EHOSTDOWN, errno.EPROTO, errno.EINVAL}
)
"""ICMP's words, no route, and a firewall of the client's own."""


class Limits(Struct, frozen=True):
    """Seconds for a connection to be made, and for each answer on it."""

    connect: float
    answer: float


USUAL: Final = Limits(2.0, 3.0)
PATIENT: Final = Limits(10.0, 10.0)
"""What clients have, and for those who were late."""


class Failure(Struct, frozen=True):
    """How a try ended without an answer, and why in words."""

    ended: Ended
    detail: str


class Line:
    """An open connection, in clear or encrypted."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def tls(self) -> ssl.SSLObject | None:
        found: ssl.SSLObject | None = self._writer.get_extra_info("ssl_object")
        return found

    @property
    def alpn(self) -> str:
        """The protocol that was agreed upon, "" none."""
        return (self.tls.selected_alpn_protocol() or "") if self.tls is not None else ""

    def send(self, data: bytes) -> None:
        """Never blocks."""
        if data:
            self._writer.write(data)

    async def drained(self) -> None:
        """Wait until the far end has taken most of what was sent.  OSError when it has gone."""
        await self._writer.drain()

    async def receive(self) -> bytes:
        """What comes next; b"" at the end.  OSError when the connection breaks."""
        return await self._reader.read(READ)

    def close(self) -> None:
        """At once: nobody waits for goodbyes."""
        self._writer.transport.abort()


async def reached(space: str, address: str, port: int, seconds: float) -> socket.socket | Failure:
    """A TCP connection from a space."""
    made = spaces.make_socket(space, family(address), socket.SOCK_STREAM)
    try:
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(made, (address, port))
    except OSError as error:
        made.close()
        return unreached(error, address, port, seconds)
    except BaseException:
        made.close()
        raise
    return made


async def plain(made: socket.socket) -> Line:
    """A connection in clear."""
    return Line(*await asyncio.open_connection(sock=made))


def unreached(error: OSError, address: str, port: int, seconds: float) -> Failure:
    """Why there is no connection.  What is no network's fault is raised again."""
    where = f"{address} port {port}"
    if isinstance(error, TimeoutError):
        return Failure(Ended.TIMEOUT, f"no answer from {where} in {seconds:g} s")
    if isinstance(error, ConnectionError):
        return Failure(Ended.REFUSED, f"{where} refuses the connection")
    if error.errno in _UNREACHABLE:
        return Failure(Ended.UNREACHABLE, f"{where}: {said(error)}")
    raise error


def said(error: OSError) -> str:
    """An error in words."""
    return os.strerror(error.errno) if error.errno else str(error) or type(error).__name__


def family(address: str) -> socket.AddressFamily:
    """The family of a literal address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET
