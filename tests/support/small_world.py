"""A world small enough to know by heart, for real clients: a phone, a server, a name server, and a link.

    vantage:phone ── 198.51.100.1 ── internet ── 203.0.113.10 ── node:dc/web      echo at 80, 443 and 5000
                  └─ 10.9.0.1 ────── the link wg ────── 10.9.0.2 ─┘              no gateway in between

The server also redirects (8081), objects to large bodies (8082), hangs up (8083), says nothing (8084) and drops what
comes for 203.0.113.11.  Its names are in `NAMES`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
from tests.support.keys import Pair, pair

from gatewright.base.sensitive import Sensitive
from gatewright.engines.echo.placed import PlacedEcho
from gatewright.engines.echo.service import EchoService, Transport
from gatewright.rehearsal import builder, spaces
from gatewright.rehearsal.clients import Clients
from gatewright.rehearsal.clients.connect import USUAL, Limits
from gatewright.rehearsal.world import INTERNET, Chain, Draft, Role, VantageSpot, World, default_routes, node, vantage

PHONE, WEB = vantage("phone"), node("dc/web")
SERVER, DROPPED, SERVER_6 = "203.0.113.10", "203.0.113.11", "2001:db8::10"
NEAR, FAR = "10.9.0.1", "10.9.0.2"
LINKS = {"wg": ((PHONE, "eth1"), (WEB, "eth1"))}
SERVICE = EchoService("shop", "web", 80)

NAMES: Mapping[str, tuple[str, ...]] = {
    "app.test.": (f"A {SERVER}", f"AAAA {SERVER_6}"),
    "two.test.": (f"A {SERVER}", f"A {DROPPED}"),
    "alias.test.": ("CNAME app.test.",),
    "linked.test.": (f"A {FAR}",),
    "nowhere.test.": ("A 192.0.2.1",),
    "four.test.": (f"A {SERVER}",),
    "large.test.": tuple(f"A 203.0.113.{number}" for number in range(10, 60)),
    "expired.test.": (f"A {SERVER}",),
    "strange.test.": (f"A {SERVER}",),
}


def world() -> World:
    """Its spaces and what joins them."""
    draft = Draft()
    phone = draft.space(PHONE, Role.VANTAGE)
    web = draft.space(WEB, Role.MACHINE)
    for space, addresses in ((phone, ["198.51.100.1", "2001:db8:1::1"]), (web, [SERVER, DROPPED, SERVER_6])):
        default_routes(space, draft.uplink(space, draft.spaces[INTERNET], addresses)[0])
    draft.wire(phone, web, [f"{NEAR}/30"], [f"{FAR}/30"])
    web.rule(Chain.INPUT, f"ip daddr {DROPPED} drop")
    return draft.world()


def phone(*resolvers: tuple[str, str]) -> VantageSpot:
    """Who asks."""
    sources = {"4": "198.51.100.1", "6": "2001:db8:1::1"}
    return VantageSpot("phone", PHONE, ("4", "6"), sources, resolvers or (("home", SERVER),))


class Standing:
    """The world with its servers, and who is trusted there."""

    def __init__(self) -> None:
        now = datetime.now(UTC)
        self.authority = pair(ca=True, now=now, subject="authority")
        self._stranger = pair(ca=True, now=now, subject="stranger")
        self._echo = PlacedEcho(self._issue)
        self.queries: list[tuple[str, str]] = []
        """(transport, name) of each query."""

    async def begin(self) -> None:
        """Build and serve."""
        await builder.build(world(), lambda _: None)
        for address in (SERVER, SERVER_6, FAR):
            for port in (80, 443, 8443):
                await self._echo.answer(spaces.listener(WEB, address, port), SERVICE)
        datagrams = spaces.listener(WEB, SERVER, 5000, socket.SOCK_DGRAM)
        await self._echo.answer(datagrams, EchoService("shop", "games", 5000, Transport.UDP))
        await self._names()
        for port, handle in ((8081, _redirecting), (8082, _objecting), (8083, _hanging_up), (8084, _silent)):
            await asyncio.start_server(handle, sock=spaces.listener(WEB, SERVER, port))

    def clients(self, *resolvers: tuple[str, str], patience: float = 0.0, limits: Limits = USUAL) -> Clients:
        """Those of the phone."""
        return Clients([phone(*resolvers)], {"phone": self.authority.cert_pem}, LINKS, patience, limits)

    def _issue(self, name: str) -> tuple[bytes, Sensitive]:
        """A good certificate, but for names that ask for another."""
        now = datetime.now(UTC)
        shown: Pair
        match name:
            case "expired.test":
                shown = pair(name, now=datetime(2020, 1, 1, tzinfo=UTC), issuer=self.authority)
            case "strange.test":
                shown = pair(name, now=now, issuer=self._stranger)
            case "alias.test":
                shown = pair("app.test", now=now, issuer=self.authority)
            case _:
                shown = pair(name or "unnamed.test", now=now, issuer=self.authority)
        return shown.cert_pem, Sensitive(shown.key_pem)

    async def _names(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(
            lambda: _Datagrams(self._answer), sock=spaces.listener(WEB, SERVER, 53, socket.SOCK_DGRAM)
        )

        async def over_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(asyncio.IncompleteReadError):
                size = int.from_bytes(await reader.readexactly(2))
                answer = self._answer(await reader.readexactly(size), "tcp")
                writer.write(struct.pack("!H", len(answer)) + answer)
            writer.close()

        await asyncio.start_server(over_tcp, sock=spaces.listener(WEB, SERVER, 53))

    def _answer(self, octets: bytes, transport: str) -> bytes:
        query = dns.message.from_wire(octets)
        name, kind = query.question[0].name, query.question[0].rdtype
        self.queries.append((transport, str(name)))
        answer = dns.message.make_response(query)
        if str(name) not in NAMES:
            answer.set_rcode(dns.rcode.REFUSED if str(name).startswith("refused") else dns.rcode.NXDOMAIN)
        elif transport == "udp" and str(name) == "large.test.":
            answer.flags |= dns.flags.TC
        else:
            for owner in (str(name), *(line.split()[1] for line in NAMES[str(name)] if line.startswith("CNAME"))):
                for line in NAMES[owner]:
                    written, data = line.split()
                    if written in ("CNAME", kind.name):
                        answer.answer.append(dns.rrset.from_text(owner, 60, "IN", written, data))
        return answer.to_wire()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, answer: Callable[[bytes, str], bytes]) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(self._answer(data, "udp"), addr)


# --- servers of one word ------------------------------------------------------------------------


async def _asked(reader: asyncio.StreamReader) -> bytes:
    with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return await reader.readuntil(b"\r\n\r\n")
    return b""


async def _say(writer: asyncio.StreamWriter, status: str, *headers: str) -> None:
    lines = (f"HTTP/1.1 {status}", *headers, "content-length: 0", "connection: close")
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    with contextlib.suppress(OSError):
        await writer.drain()
    writer.close()


async def _redirecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """/on leads to the echo, /out to a name that nobody has, /round to itself, /0 to /1 and so on."""
    path = (await _asked(reader)).split(b" ")[1].decode()
    if path[1:].isdecimal():
        await _say(writer, "302 Found", f"location: /{int(path[1:]) + 1}")
        return
    places = {"/on": "http://app.test/arrived", "/out": "https://elsewhere.test/", "/round": "/round"}
    await _say(writer, "301 Moved", f"location: {places.get(path, 'ftp://app.test/')}")


async def _objecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """To bodies of more than 2 MiB, by their declared length."""
    head = (await _asked(reader)).lower()
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or b"0")
    await _say(writer, "413 Too Large" if length > 2 << 20 else "200 OK")


async def _hanging_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.close()


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()
