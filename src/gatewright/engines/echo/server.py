"""The echo backend: one listener that stands in for any number of Services which have no endpoints.

Every service port gets a loopback address of its own from 127.64.0.0/10, derived from its name so that it stays
the same across restarts, and the address that was called tells the service.  One listening socket serves all
addresses: it is bound to the loopback device, which no packet from outside reaches.  Where the kernel
refuses that (Linux before 5.7 without privileges) each service gets a socket.  UDP services, which are few, each
have a socket anyway.

Not a proxy and not a load balancer: its counterparts are Envoy, which connects to the addresses, and `answer`,
which knows what to say.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import socket
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import cast

from gatewright.base.errors import EngineError
from gatewright.base.sensitive import Sensitive
from gatewright.engines.echo.connection import Connection
from gatewright.engines.echo.service import Address, EchoService, Transport
from gatewright.engines.echo.tls import server_context

_ADDRESSES = ipaddress.IPv4Network("127.64.0.0/10")
_BACKLOG = 4096


class EchoServer:
    """Answers for `services`.  `port` is shared by all of them (0: any free one); `certificate` chain and key."""

    def __init__(
        self,
        services: Iterable[EchoService] = (),
        *,
        port: int = 0,
        certificate: tuple[bytes, Sensitive] | None = None,
    ) -> None:
        self._wanted = tuple(services)
        self._port = port
        self._certificate = certificate
        self._addresses: dict[EchoService, Address] = {}
        self._services: dict[str, EchoService] = {}
        self._shared: asyncio.Server | None = None
        self._own: dict[EchoService, asyncio.Server | asyncio.DatagramTransport] = {}
        self._open: set[asyncio.Transport] = set()

    @property
    def addresses(self) -> Mapping[EchoService, Address]:
        """Where each service is answered for, now and after updates; empty before `start`."""
        return MappingProxyType(self._addresses)

    async def start(self) -> None:
        """Listen; raises EngineError where that is not possible."""
        self._context = server_context(self._certificate)
        listener = _loopback_listener(self._port)
        if listener is not None:
            self._port = listener.getsockname()[1]
            self._shared = await self._serve(listener)
        await self.update(self._wanted)

    async def update(self, services: Iterable[EchoService]) -> None:
        """Answer for exactly these services from now on.

        A removed service takes no new connections; open ones end when their peer ends them, as with a pod that
        drains.
        """
        wanted = set(services)
        for service in self._addresses.keys() - wanted:
            self._remove(service)
        for service in sorted(wanted - self._addresses.keys()):
            await self._add(service)

    async def close(self) -> None:
        """Stop listening and end every connection."""
        for service in [*self._addresses]:
            self._remove(service)
        if self._shared:
            self._shared.close()
            self._shared = None
        for transport in [*self._open]:
            transport.abort()

    async def _add(self, service: EchoService) -> None:
        host = self._free_host(service)
        try:
            if service.transport is Transport.UDP:
                self._own[service] = await self._serve_datagrams(host)
            elif self._shared is None:
                self._own[service] = await self._serve(_bound(host, self._port))
        except OSError as error:
            raise EngineError(f"the echo backend of {service} cannot listen: {error.strerror}") from error
        self._addresses[service] = Address(host, self._port)
        self._services[host] = service

    def _remove(self, service: EchoService) -> None:
        del self._services[self._addresses.pop(service).host]
        if own := self._own.pop(service, None):
            own.close()

    def _free_host(self, service: EchoService) -> str:
        """The address of a service: derived from its name, the next free one where two names meet."""
        digest = int.from_bytes(hashlib.sha256(str(service).encode()).digest()[:8], "big")
        while True:
            host = str(_ADDRESSES[digest % _ADDRESSES.num_addresses])
            if host not in self._services:
                return host
            digest += 1

    async def _serve(self, listener: socket.socket) -> asyncio.Server:
        self._port = self._port or listener.getsockname()[1]
        return await asyncio.get_running_loop().create_server(
            lambda: Connection(self._called, self._context, self._open), sock=listener, backlog=_BACKLOG
        )

    async def _serve_datagrams(self, host: str) -> asyncio.DatagramTransport:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            _Datagrams, local_addr=(host, self._port)
        )
        self._port = self._port or transport.get_extra_info("sockname")[1]
        return transport

    def _called(self, address: tuple[str, int]) -> EchoService | None:
        return self._services.get(address[0])


class _Datagrams(asyncio.DatagramProtocol):
    """Sends every datagram back."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(data, addr)


def _loopback_listener(port: int) -> socket.socket | None:
    """A socket for every address of the loopback device and of no other, or None where the kernel has no such."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
    except OSError:
        listener.close()
        return None
    return _bind(listener, "0.0.0.0", port)  # noqa: S104 - the device restricts it


def _bound(host: str, port: int) -> socket.socket:
    return _bind(socket.socket(socket.AF_INET, socket.SOCK_STREAM), host, port)


def _bind(listener: socket.socket, host: str, port: int) -> socket.socket:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise EngineError(f"the echo backend cannot listen on port {port}: {error.strerror}") from error
    return listener
