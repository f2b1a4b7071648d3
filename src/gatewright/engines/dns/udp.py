"""Queries over UDP: a socket that is read until it is empty whenever it has something.

Reading and sending go straight to the socket: a transport's copies and futures cost more than an answer does.
Counterparts: `responder`, which answers; `tcp`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from msgspec import structs

from gatewright.engines.dns.content import Listen
from gatewright.engines.dns.responder import SPECIAL, Client, Responder

Special = Callable[[bytes, str, Client, bool], AsyncIterator[bytes]]
"""Answers what is no plain query: its octets, the client's address, what is known of it, over TCP."""

BATCH: Final = 64
"""Queries that are answered before the loop looks at something else."""

MOST_OCTETS: Final = 4096
MOST_SPECIAL: Final = 64
"""Special requests at a time; more are dropped, and tried again by whoever needs them."""

MOST_ADDRESSES: Final = 1_000
"""Addresses of this machine that are remembered."""

BUFFER_OCTETS: Final = 4 << 20
_PKTINFO: Final = {
    socket.AF_INET: (socket.IPPROTO_IP, 8, socket.IPPROTO_IP, 8),  # IP_PKTINFO, which Python does not name
    socket.AF_INET6: (socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, socket.IPPROTO_IPV6, socket.IPV6_PKTINFO),
}


class UdpListener:
    """One address; `listen` as it was asked for, with the port that it has."""

    def __init__(self, listen: Listen, bound: socket.socket, responder: Responder, special: Special) -> None:
        self._listen = listen
        self._socket = bound
        self._responder = responder
        self._special = special
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_wildcard = is_wildcard(listen)
        self._asked: dict[bytes, Listen] = {}

    def start(self) -> None:
        """Answer from now on."""
        if self._is_wildcard:
            level, option, _, _ = _PKTINFO[self._socket.family]
            self._socket.setsockopt(level, option, 1)
        read = self._read_wildcard if self._is_wildcard else self._read
        asyncio.get_running_loop().add_reader(self._socket.fileno(), read)

    def close(self) -> None:
        """Answer what has arrived, and let go of the address.

        A connected socket gets nothing more from others (they go to the other sockets of the port), and keeps what it
        has; closed at once it would lose that.
        """
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        with contextlib.suppress(OSError):
            self._socket.connect(("127.0.0.1" if self._socket.family == socket.AF_INET else "::1", 9))
        read = self._read_wildcard if self._is_wildcard else self._read
        while read():
            pass
        for task in self._tasks:
            task.cancel()
        self._socket.close()

    def _read(self) -> bool:
        """Answer a batch.  True if there may be more."""
        receive, send = self._socket.recvfrom, self._socket.sendto
        listen, known, respond = self._listen, self._responder.client, self._responder.respond
        try:
            for _ in range(BATCH):
                message, address = receive(MOST_OCTETS)
                client = known(listen, address[0])
                reply = respond(message, client, listen)
                if reply:
                    try:
                        send(reply, address)
                    except OSError:
                        continue  # no room, no route, or a firewall of ours: as if it were lost on the way
                elif reply is not None:
                    self._hand_over(message, client, address, ())
        except OSError:
            return False  # empty
        return True

    def _read_wildcard(self) -> bool:
        """The same for a socket on all addresses: an answer has to leave from the one that was asked."""
        _, _, level, kind = _PKTINFO[self._socket.family]
        room = socket.CMSG_SPACE(20)
        try:
            for _ in range(BATCH):
                message, control, _, address = self._socket.recvmsg(MOST_OCTETS, room)
                source = [item for item in control if item[:2] == (level, kind)]
                listen = self._at(source)
                client = self._responder.client(listen, address[0])
                reply = self._responder.respond(message, client, listen)
                if reply:
                    with contextlib.suppress(OSError):
                        self._socket.sendmsg([reply], _from(source), 0, address)
                elif reply is not None:
                    self._hand_over(message, client, address, _from(source))
        except OSError:
            return False
        return True

    def _at(self, source: list[tuple[int, int, bytes]]) -> Listen:
        """The address that was asked: as if it had a socket of its own, since a view may have it in `listen`."""
        data = source[0][2] if source else b""
        listen = self._asked.get(data)
        if listen is None:
            if len(self._asked) >= MOST_ADDRESSES:
                self._asked.clear()
            local = data[4:8] if self._socket.family == socket.AF_INET else data[:16]
            listen = at(self._listen, socket.inet_ntop(self._socket.family, local)) if data else self._listen
            self._asked[data] = listen
        return listen

    def _hand_over(self, message: bytes, client: Client, address: Any, source: Any) -> None:
        assert message[:0] == SPECIAL
        if len(self._tasks) < MOST_SPECIAL:
            task = asyncio.get_running_loop().create_task(self._answer(message, client, address, source))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: bytes, client: Client, address: Any, source: Any) -> None:
        async for reply in self._special(message, address[0], client, False):
            with contextlib.suppress(OSError):
                self._socket.sendmsg([reply], source, 0, address)


def _from(control: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """Control data that sends from the address at which a packet arrived, over whatever interface leads back."""
    sent = []
    for level, kind, data in control:
        if level == socket.IPPROTO_IP:  # struct in_pktinfo: interface, local address, address in the header
            sent.append((level, kind, b"\0\0\0\0" + data[4:8] + b"\0\0\0\0"))
        else:  # struct in6_pktinfo: address, interface; link-local addresses need theirs
            local = data[:2] == b"\xfe\x80"
            sent.append((level, kind, data if local else data[:16] + b"\0\0\0\0"))
    return sent


def cannot(listen: Listen, error: OSError) -> str:
    """A sentence about an address that cannot be had, with what to do."""
    hints = {
        errno.EACCES: "; ports below 1024 need CAP_NET_BIND_SERVICE; or give a port, ADDRESS:5300",
        errno.EADDRINUSE: f"; `ss -lntup 'sport = :{listen.port}'` tells whose it is",
        errno.EADDRNOTAVAIL: "; this machine does not have it",
    }
    told = hints.get(error.errno or 0, "")
    return f"DNS cannot listen on {listen.address} port {listen.port}: {error.strerror}{told}"


def is_wildcard(listen: Listen) -> bool:
    """Is it on all addresses of a family?"""
    return ipaddress.ip_address(listen.address.partition("%")[0]).is_unspecified


def at(listen: Listen, address: str) -> Listen:
    """Where one on all addresses was asked."""
    return structs.replace(listen, address=address.partition("%")[0])


def bind(listen: Listen, kind: socket.SocketKind, *, shared: bool = True) -> socket.socket:
    """A socket on this address that others of ours may share, or that nobody else has.  Raises OSError."""
    family = socket.AF_INET6 if ":" in listen.address else socket.AF_INET
    bound = socket.socket(family, kind)
    try:
        bound.setblocking(False)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if kind == socket.SOCK_STREAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_OCTETS)
        bound.bind(socket.getaddrinfo(listen.address, listen.port, family, kind, 0, socket.AI_NUMERICHOST)[0][4])
    except BaseException:
        bound.close()
        raise
    return bound
