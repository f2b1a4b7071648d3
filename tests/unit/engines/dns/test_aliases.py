"""Aliases: followed as they come and go, and the last good addresses stay."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from gatewright.engines.dns.aliases import Aliases
from gatewright.engines.dns.content import Plan

SECONDS = 60
BOTH = 2


class _Server(asyncio.DatagramProtocol):
    """A DNS server that knows the addresses of one name, or fails."""

    def __init__(self) -> None:
        self.failing = False
        self.asked = 0
        self.answered_both = asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked += 1
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if self.failing:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif query.question[0].to_text().endswith("IN A"):
            answer.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", "192.0.2.2", "192.0.2.1"))
        assert self._transport is not None
        self._transport.sendto(answer.to_wire(), addr)
        if self.asked >= BOTH:
            self.answered_both.set()


class _Planner:
    """Knows one alias, and notes what it is told."""

    def __init__(self) -> None:
        self.aliases: dict[str, set[object]] = {"lb.example.net": {"here"}}
        self.told: list[tuple[str, tuple[str, ...]]] = []
        self.heard = asyncio.Event()

    def resolved(self, target: str, addresses: tuple[str, ...]) -> Plan | None:
        self.told.append((target, addresses))
        self.heard.set()
        return Plan((), (), {})


@contextmanager
def _closing(transport: asyncio.BaseTransport) -> Iterator[None]:
    try:
        yield
    finally:
        transport.close()


async def _serving() -> tuple[_Server, asyncio.BaseTransport, int]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(_Server, local_addr=("127.0.0.1", 0))
    return server, transport, transport.get_extra_info("sockname")[1]


def test_what_is_found_is_told_and_applied() -> None:
    async def run() -> None:
        _, transport, port = await _serving()
        planner, applied = _Planner(), []
        aliases = Aliases(planner, applied.append, ("127.0.0.1",), port)
        with _closing(transport):
            aliases.update()
            await asyncio.wait_for(planner.heard.wait(), SECONDS)
            await aliases.close()
        assert planner.told == [("lb.example.net", ("192.0.2.1", "192.0.2.2"))]
        assert len(applied) == 1

    asyncio.run(run())


def test_who_says_nothing_changes_nothing() -> None:
    async def run() -> None:
        server, transport, port = await _serving()
        server.failing = True
        planner = _Planner()
        aliases = Aliases(planner, lambda _: None, ("127.0.0.1",), port)
        with _closing(transport):
            aliases.update()
            await asyncio.wait_for(server.answered_both.wait(), SECONDS)
            # A further round trip of our own: by then the answers have been read.
            asked = dns.message.make_query("other.example.net.", "A")
            await dns.asyncquery.udp(asked, "127.0.0.1", port=port, timeout=SECONDS)
            await aliases.close()
        assert planner.told == []

    asyncio.run(run())


def test_an_alias_that_is_gone_is_asked_for_no_more() -> None:
    async def run() -> None:
        _, transport, port = await _serving()
        planner = _Planner()
        aliases = Aliases(planner, lambda _: None, ("127.0.0.1",), port)
        with _closing(transport):
            aliases.update()
            planner.aliases.clear()
            aliases.update()
            await aliases.close()
        assert planner.told == []

    asyncio.run(run())
