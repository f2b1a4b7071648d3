"""One query off the wire, within limits, and the small answers that need no zone (RFC 1035, 4; RFC 6891; RFC 7871).

Nothing here raises, whatever the bytes.  What is dropped is `None`: too short to have a header, or itself a response
(answering one could go round in circles).  Counterpart: `answers`, which fills the rest of an answer.
"""

from __future__ import annotations

import struct
from typing import Final

from msgspec import Struct

HEADER: Final = 12
UDP_PLAIN: Final = 512
UDP_PAYLOAD: Final = 1232
"""What we send over UDP at most, and offer to take: it fits every path with IPv6 (DNS Flag Day 2020)."""

NAME_OCTETS: Final = 255
LABEL_OCTETS: Final = 63

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = 0, 1, 2, 3, 4, 5
BADVERS: Final = 16

QUERY: Final = 0
A, NS, CNAME, SOA, PTR, MX, AAAA, SRV, DNAME, OPT, DS, TSIG = 1, 2, 5, 6, 12, 15, 28, 33, 39, 41, 43, 250
IXFR, AXFR, ANY = 251, 252, 255
IN: Final = 1
CLIENT_SUBNET: Final = 8

QR, AA, TC, RD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0010
DO: Final = 0x8000

_COUNTS = struct.Struct("!HHHH")
_RECORD = struct.Struct("!HHIH")


class Subnet(Struct, frozen=True, gc=False):
    """A client subnet (RFC 7871, 6): address family 1 or 2, prefix length, the address cut to that prefix."""

    family: int
    prefix: int
    address: bytes


class Edns(Struct, frozen=True, gc=False):
    """What an OPT record says; `payload` as sent, `is_bad` when an option of it cannot be read."""

    version: int
    payload: int
    wants_dnssec: bool
    subnet: Subnet | None = None
    is_bad: bool = False


class Query(Struct, frozen=True, gc=False):
    """A well-formed query with one question.  `name` lower-case on the wire; the question ends at octet `end`.

    `is_plain`: QUERY for data that can be answered without state: no transfer, no TSIG.
    """

    name: bytes
    type: int
    qclass: int
    end: int
    edns: Edns | None
    is_plain: bool


def parse(message: bytes) -> Query | int | None:
    """The query; or the rcode to refuse it with, NOTIMP for every other opcode; or None to drop it."""
    if len(message) < HEADER or message[2] & 0x80:
        return None
    if message[2] & 0x78 != QUERY:
        return NOTIMP
    questions, answers, authorities, additionals = _COUNTS.unpack_from(message, 4)
    end = question_end(message)
    if questions != 1 or end is None:
        return FORMERR
    name = message[HEADER : end - 4].lower()
    kind = int.from_bytes(message[end - 4 : end - 2])
    qclass = int.from_bytes(message[end - 2 : end])
    # An IXFR brings its SOA along (RFC 1995, 3); no other query has answers or authorities.
    if answers or (authorities and kind != IXFR):
        return FORMERR
    if authorities or kind in (AXFR, IXFR):
        return Query(name, kind, qclass, end, None, False)
    return _additionals(message, Query(name, kind, qclass, end, None, True), additionals)


def _additionals(message: bytes, query: Query, count: int) -> Query | int:
    """Read OPT and see TSIG; both have their place only once (RFC 6891, 6.1.1; RFC 8945, 5.1)."""
    at, edns, plain = query.end, None, True
    if count > 2:
        return FORMERR
    for index in range(count):
        start = at
        found = name_end(message, at)
        if found is None or found + 10 > len(message):
            return FORMERR
        kind, payload, ttl, length = _RECORD.unpack_from(message, found)
        at = found + 10 + length
        if at > len(message):
            return FORMERR
        if kind == OPT:
            if edns is not None or found != start + 1:
                return FORMERR
            edns = _edns(payload, ttl, message[found + 10 : at])
        elif kind == TSIG and index == count - 1:
            plain = False
    if at != len(message):
        return FORMERR
    return Query(query.name, query.type, query.qclass, query.end, edns, plain)


def question_end(message: bytes) -> int | None:
    """Where the first question ends; None when its name is compressed, too long or cut off."""
    end = name_end(message, HEADER)
    return None if end is None or end + 4 > len(message) else end + 4


def name_end(message: bytes, at: int) -> int | None:
    """Where an uncompressed name ends; None when it is compressed, too long or cut off."""
    size, start = len(message), at
    while at < size:
        length = message[at]
        at += length + 1
        if length == 0:
            return at if at - start <= NAME_OCTETS else None
        if length > LABEL_OCTETS:
            return None
    return None


def _edns(payload: int, ttl: int, options: bytes) -> Edns:
    subnet, is_bad, at = None, False, 0
    while at < len(options):
        if at + 4 > len(options):
            is_bad = True
            break
        code, length = struct.unpack_from("!HH", options, at)
        data = options[at + 4 : at + 4 + length]
        at += 4 + length
        if len(data) != length:
            is_bad = True
        elif code == CLIENT_SUBNET:
            again, subnet = subnet, _subnet(data)
            is_bad = is_bad or subnet is None or again is not None
    return Edns((ttl >> 16) & 0xFF, payload, bool(ttl & DO), subnet, is_bad)


def _subnet(data: bytes) -> Subnet | None:
    """RFC 7871, 6 and 7.1.2: the scope is 0 in queries, the address as long as needed, nothing beyond the prefix."""
    if len(data) < 4:
        return None
    family, prefix, scope = struct.unpack_from("!HBB", data)
    address, most = data[4:], {1: 32, 2: 128}.get(family, 0)
    if not most or scope or prefix > most or len(address) != (prefix + 7) // 8:
        return None
    if prefix % 8 and address[-1] & (0xFF >> prefix % 8):
        return None
    return Subnet(family, prefix, address)


def opt_record(edns: Edns, extended: int = 0, scope: int = 0) -> bytes:
    """The OPT record of an answer: our payload size, the upper bits of the rcode, DO and the client subnet echoed."""
    options = b""
    if edns.subnet is not None and not edns.is_bad:
        subnet = edns.subnet
        data = struct.pack("!HBB", subnet.family, subnet.prefix, scope) + subnet.address
        options = struct.pack("!HH", CLIENT_SUBNET, len(data)) + data
    ttl = (extended << 24) | (DO if edns.wants_dnssec else 0)
    return b"\0" + _RECORD.pack(OPT, UDP_PAYLOAD, ttl, len(options)) + options


def refusal(message: bytes, rcode: int, query: Query | None = None) -> bytes:
    """An answer without records: the id, opcode, RD and question of the query, if that could be read, and its OPT."""
    flags = QR | (int.from_bytes(message[2:4]) & (0x7800 | RD)) | (rcode & 0xF)
    question, opt = b"", b""
    if query is not None:
        question = message[HEADER : query.end]
        opt = opt_record(query.edns, rcode >> 4) if query.edns is not None else b""
    return message[:2] + struct.pack("!HHHHH", flags, 1 if question else 0, 0, 0, 1 if opt else 0) + question + opt


def limit(edns: Edns | None) -> int:
    """How large an answer over UDP may be (RFC 6891, 6.2.3: less than 512 counts as 512)."""
    return UDP_PLAIN if edns is None else min(max(edns.payload, UDP_PLAIN), UDP_PAYLOAD)
