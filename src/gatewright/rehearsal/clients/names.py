"""DNS as a stub resolver does it: UDP, then TCP where the answer was cut off; CNAMEs followed within the answer.

Answers are kept for the time of one run, since nothing in a world changes while it is asked: one query for each
(space, resolver, name, type).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterable
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
from msgspec import Struct

from gatewright.rehearsal import spaces
from gatewright.rehearsal.asking import Ended, Named
from gatewright.rehearsal.clients.connect import Failure, Limits, Line, family, plain, reached, said
from gatewright.rehearsal.clients.streams import asked

PORT: Final = 53
ENDINGS: Final = {dns.rcode.NXDOMAIN: Named.NXDOMAIN, dns.rcode.REFUSED: Named.REFUSED}
TYPES: Final = {"4": dns.rdatatype.A, "6": dns.rdatatype.AAAA}
LONGEST_CHAIN: Final = 16
OPEN: Final = 32
HELD: Final = 0.5
"""How many queries are open at once, and for how many seconds one counts as open: resolvers on a busy machine are not
flooded until they miss their own time limits, and those that say nothing hold nobody up."""


class Told(Struct, frozen=True):
    """What a resolver said; `seconds` that it took."""

    named: Named
    addresses: tuple[str, ...] = ()
    detail: str = ""
    seconds: float = 0.0


class Names:
    """Asks the resolvers of vantages."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._room = asyncio.Semaphore(OPEN)
        self._asked: dict[tuple[str, tuple[str, ...], str, str], asyncio.Task[Told]] = {}

    async def ask(self, space: str, addresses: tuple[str, ...], name: str, version: str, *, anew: bool = False) -> Told:
        """The addresses of a name in a family ("4", "6"), of one resolver that is at any of these `addresses`.

        `anew`: whatever was answered before.
        """
        if anew:
            return await self._query(space, addresses, name, version)
        key = (space, addresses, name, version)
        if key not in self._asked:
            self._asked[key] = asyncio.ensure_future(self._query(space, addresses, name, version))
        return await asyncio.shield(self._asked[key])

    async def _query(self, space: str, addresses: tuple[str, ...], name: str, version: str) -> Told:
        async with self._room:
            asking = asyncio.ensure_future(_ask(space, addresses, name, version, self.limits))
            await asyncio.wait((asking,), timeout=HELD)
        return await asking


async def _ask(space: str, addresses: tuple[str, ...], name: str, version: str, limits: Limits) -> Told:
    """The first answer of somebody who can be reached."""
    begun = asyncio.get_running_loop().time()
    told = Told(Named.SILENT, detail="the resolver has no address")
    try:
        query = dns.message.make_query(name, TYPES[version])
    except (dns.exception.DNSException, UnicodeError) as error:
        return Told(Named.FAILED, detail=f"{name}: {error}")
    for address in addresses:
        told = await _ask_one(space, address, query, limits)
        if told.named is not Named.SILENT:
            break
    return Told(told.named, told.addresses, told.detail, asyncio.get_running_loop().time() - begun)


async def _ask_one(space: str, address: str, query: dns.message.Message, limits: Limits) -> Told:
    with spaces.make_socket(space, family(address), socket.SOCK_DGRAM) as made:
        came = await asked(made, address, PORT, query.to_wire(), limits.answer)
    if isinstance(came, Failure):
        return Told(Named.SILENT, detail=came.detail)
    answer = _read(came, query)
    if answer is not None and answer.flags & dns.flags.TC:
        whole = await _over_tcp(space, address, query, limits)
        if isinstance(whole, Failure):
            return Told(Named.SILENT, detail=whole.detail)
        answer = _read(whole, query)
    if answer is None:
        return Told(Named.FAILED, detail=f"what {address} answers is no DNS")
    return _told(answer, query)


def _read(octets: bytes, query: dns.message.Message) -> dns.message.Message | None:
    try:
        answer = dns.message.from_wire(octets)
    except (dns.exception.DNSException, struct.error, ValueError):
        return None
    return answer if query.is_response(answer) else None


async def _over_tcp(space: str, address: str, query: dns.message.Message, limits: Limits) -> bytes | Failure:
    made = await reached(space, address, PORT, limits.connect)
    if isinstance(made, Failure):
        return made
    line = await plain(made)
    octets = query.to_wire()
    try:
        line.send(struct.pack("!H", len(octets)) + octets)
        async with asyncio.timeout(limits.answer):
            return await _framed(line)
    except (TimeoutError, OSError) as error:
        return Failure(Ended.SILENT, f"no answer from {address} over TCP: {said(error)}")
    finally:
        line.close()


async def _framed(line: Line) -> bytes:
    """A message with its length in front (RFC 1035, clause 4.2.2)."""
    came = b""
    while len(came) < 2 or len(came) - 2 < int.from_bytes(came[:2]):
        data = await line.receive()
        if not data:
            raise ConnectionResetError("the connection is closed")
        came += data
    return came[2 : 2 + int.from_bytes(came[:2])]


def _told(answer: dns.message.Message, query: dns.message.Message) -> Told:
    code = answer.rcode()
    question = query.question[0]
    if code == dns.rcode.NOERROR:
        addresses = tuple(_addresses(answer, question.name, question.rdtype))
        return Told(Named.ANSWER if addresses else Named.NODATA, addresses)
    return Told(ENDINGS.get(code, Named.FAILED), detail=dns.rcode.to_text(code))


def _addresses(answer: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Iterable[str]:
    """The addresses at the end of a name's CNAMEs, as far as they are in this answer."""
    sets = {(found.name, found.rdtype): found for found in answer.answer}
    for _ in range(LONGEST_CHAIN):
        alias = sets.get((name, dns.rdatatype.CNAME))
        if alias is None:
            break
        name = alias[0].target
    found = sets.get((name, kind))
    return [item.address for item in found] if found is not None else []
