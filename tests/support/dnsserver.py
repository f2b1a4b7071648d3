"""The DNS engine's server with its worker processes, in a test's own loop, and in a process that can be killed."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import dns.asyncquery
import dns.message

from gatewright.engines.dns.content import Listen, Plan
from gatewright.engines.dns.server import DnsServer

LOOPBACK = (Listen("127.0.0.1", 0),)
SECONDS = 60.0


def has_ipv6() -> bool:
    """Is there an IPv6 loopback address?"""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@contextlib.asynccontextmanager
async def serving(
    folder: Path, plan: Plan, listen: tuple[Listen, ...] = LOOPBACK, workers: int = 1
) -> AsyncIterator[DnsServer]:
    """A server that answers this plan."""
    server = DnsServer(folder, listen, workers)
    await server.start()
    try:
        server.apply(plan)
        async with asyncio.timeout(SECONDS):
            await server.settled()
        yield server
    finally:
        await server.stop()


async def ask(
    at: Listen, name: str, kind: str = "A", tcp: bool = False, source: str | None = None, **query: object
) -> dns.message.Message:
    """One query; raises dns.exception.Timeout without an answer."""
    message = dns.message.make_query(name, kind, **query)  # type: ignore[arg-type]
    send = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
    return await send(message, at.address, timeout=SECONDS, port=at.port, source=source)


def values(message: dns.message.Message) -> list[str]:
    """The data of the answer section."""
    return [str(rdata) for rrset in message.answer for rdata in rrset]
