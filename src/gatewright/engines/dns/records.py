"""Whole messages, all sections, compressed names included (RFC 1035, 4.1): for requests that `wire` is too small for.

`survey` looks at a message that nobody has vouched for and follows no pointer; `read` is for what was let in.
Everything is bounded: names by their length, pointers by pointing backwards, records by the message itself.
"""

from __future__ import annotations

import struct
from typing import Final

from msgspec import Struct

from gatewright.engines.dns.wire import (
    HEADER,
    LABEL_OCTETS,
    NAME_OCTETS,
    OPT,
    QR,
    RD,
    TSIG,
    Edns,
    opt_record,
    question_end,
)

META_TYPES: Final = frozenset({0, 41, *range(128, 256)} - {252, 255})
"""Types that no zone can hold (RFC 6895, 3.1); AXFR and ANY apart, which have meanings of their own."""

POINTERS: Final = 32
"""So many may a name be put together with; a chain of them costs time and says nothing."""

_RECORD = struct.Struct("!HHIH")
_POINTER: Final = 0xC0
_HIGHEST_TTL: Final = 0x7FFFFFFF


class MalformedError(Exception):
    """The message cannot be read: FORMERR."""


class Record(Struct, frozen=True, gc=False):
    """A record where it stands: it begins at `at`, its data are the octets `start` to `end` of the message."""

    name: bytes
    type: int
    rclass: int
    ttl: int
    at: int
    start: int
    end: int


class Survey(Struct, frozen=True, gc=False):
    """The outline of a message: where its question ends (HEADER: it has none), its EDNS payload size (0: no EDNS) and
    where its signature begins (0: none)."""

    question_end: int
    payload: int = 0
    signature: int = 0


class Message(Struct, frozen=True):
    """A message with one question or none (name, type, class); its records by section.

    `question_end`: the octet behind the question.
    """

    wire: bytes
    question: tuple[bytes, int, int] | None
    question_end: int
    answers: tuple[Record, ...]
    authorities: tuple[Record, ...]
    additionals: tuple[Record, ...]

    @property
    def opcode(self) -> int:
        """RFC 1035, 4.1.1."""
        return (self.wire[2] >> 3) & 0xF


def survey(wire: bytes) -> Survey:
    """Raises MalformedError: also when a TSIG is not the last record (RFC 8945, 5.1), an OPT not the only one, the
    question not alone or compressed, or something follows the last record."""
    if len(wire) < HEADER:
        raise MalformedError
    questions, answers, authorities, additionals = struct.unpack_from("!HHHH", wire, 4)
    at = HEADER
    if questions > 1:
        raise MalformedError
    if questions:
        end = question_end(wire)
        if end is None:
            raise MalformedError
        at = end
    end, payload, signature = at, 0, 0
    total = answers + authorities + additionals
    for index in range(total):
        start = at
        at = _skip_name(wire, at)
        if at + 10 > len(wire):
            raise MalformedError
        kind, rclass, _, length = _RECORD.unpack_from(wire, at)
        at += 10 + length
        if kind == TSIG:
            if index != total - 1 or not additionals:
                raise MalformedError
            signature = start
        elif kind == OPT:
            if payload:
                raise MalformedError
            payload = max(rclass, 1)
    if at != len(wire):
        raise MalformedError
    return Survey(end, payload, signature)


def _skip_name(wire: bytes, at: int) -> int:
    """Where a name ends in the message."""
    while at < len(wire):
        length = wire[at]
        if not length:
            return at + 1
        if length >= _POINTER:
            return at + 2
        if length > LABEL_OCTETS:
            break
        at += 1 + length
    raise MalformedError


def reply(wire: bytes, outline: Survey, rcode: int, flags: int = 0) -> bytes:
    """An answer without records: id, opcode, RD and question of the request, OPT where it had one."""
    head = QR | flags | (int.from_bytes(wire[2:4]) & (0x7800 | RD)) | rcode
    question = wire[HEADER : outline.question_end]
    opt = opt_record(Edns(0, outline.payload, False)) if outline.payload else b""
    return wire[:2] + struct.pack("!HHHHH", head, bool(question), 0, 0, bool(opt)) + question + opt


def read(wire: bytes) -> Message:
    """Raises MalformedError, also for more than one question and for octets behind the last record."""
    if len(wire) < HEADER:
        raise MalformedError
    questions, *counts = struct.unpack_from("!HHHH", wire, 4)
    at, question = HEADER, None
    if questions > 1:
        raise MalformedError
    if questions:
        name, at = read_name(wire, at)
        if at + 4 > len(wire):
            raise MalformedError
        question = (name, *struct.unpack_from("!HH", wire, at))
        at += 4
    end = at
    sections = []
    for count in counts:
        section = []
        for _ in range(count):
            record = _record(wire, at)
            section.append(record)
            at = record.end
        sections.append(tuple(section))
    if at != len(wire):
        raise MalformedError
    return Message(wire, question, end, *sections)


def _record(wire: bytes, at: int) -> Record:
    name, start = read_name(wire, at)
    if start + 10 > len(wire):
        raise MalformedError
    kind, rclass, ttl, length = _RECORD.unpack_from(wire, start)
    start += 10
    if start + length > len(wire):
        raise MalformedError
    return Record(name, kind, rclass, ttl if ttl <= _HIGHEST_TTL else 0, at, start, start + length)


def read_name(wire: bytes, at: int) -> tuple[bytes, int]:
    """The name at an octet, lower-case and uncompressed, and where the next field begins.  Raises MalformedError."""
    labels, size, after, before, hops = [], 0, 0, at, 0
    while True:
        if at >= len(wire):
            raise MalformedError
        length = wire[at]
        if length >= _POINTER:
            if at + 2 > len(wire):
                raise MalformedError
            target = ((length & 0x3F) << 8) | wire[at + 1]
            hops += 1
            after = after or at + 2
            if target >= before or hops > POINTERS:  # every pointer leads further back, so there is an end
                raise MalformedError
            at = before = target
            continue
        if length > LABEL_OCTETS or at + 1 + length > len(wire):
            raise MalformedError
        labels.append(wire[at : at + 1 + length])
        size += 1 + length
        at += 1 + length
        if size > NAME_OCTETS:
            raise MalformedError
        if not length:
            return b"".join(labels).lower(), after or at


def is_within(name: bytes, domain: bytes) -> bool:
    """Is the name the domain or below it?  Both on the wire."""
    at = 0
    while len(name) - at > len(domain):
        at += 1 + name[at]
    return name[at:] == domain


def rdata(wire: bytes, record: Record) -> bytes:
    """The record's data uncompressed.  Raises MalformedError when they are none of their type."""
    import dns.exception
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype

    try:
        parsed = dns.rdata.from_wire(
            dns.rdataclass.IN, dns.rdatatype.RdataType.make(record.type), wire, record.start, record.end - record.start
        )
        data = parsed.to_wire(canonicalize=True)
    except (dns.exception.DNSException, ValueError, struct.error, IndexError) as error:
        raise MalformedError from error
    if data is None:
        raise MalformedError
    return data
