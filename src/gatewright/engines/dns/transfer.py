"""Zones copied: AXFR (RFC 5936) and IXFR (RFC 1995), as messages made one by one while the client takes them.

Who may is told by `is_allowed`; signatures are `privileged`'s.  A transfer is of one state of the zone, whatever
changes meanwhile: record sets are values, so that a list of them is a snapshot.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Iterator
from typing import Final

from gatewright.engines.dns.content import KeyConfig, RRset, RRsets, ViewConfig
from gatewright.engines.dns.records import MalformedError, Message, read_name
from gatewright.engines.dns.serials import is_later
from gatewright.engines.dns.wire import AA, AXFR, HEADER, IN, QR, SOA
from gatewright.engines.dns.zone import Delta, Zone

MESSAGE_OCTETS: Final = 32_000
"""A message is sent when it has grown to this; the two octets of its length would allow twice as much."""

_APEX: Final = b"\xc0\x0c"
"""A pointer to the name in the question, which is the zone's."""


def is_allowed(view: ViewConfig, client: str, key: KeyConfig | None) -> bool:
    """May this client copy zones of the view?  Who is in `transfer_to`, and the secondaries: by key, else address."""
    if key is not None and any(secondary.key == key.name for secondary in view.secondaries):
        return True
    address = ipaddress.ip_address(client)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(not other.key and ipaddress.ip_address(other.address) == address for other in view.secondaries):
        return True
    return any(address in ipaddress.ip_network(network, strict=False) for network in view.transfer_to)


def messages(request: Message, zone: Zone, tcp: bool) -> Iterator[bytes]:
    """The answer to an AXFR or IXFR of this zone, over UDP never more than the SOA (RFC 1995, 2).

    Raises MalformedError for an IXFR that does not tell its serial.
    """
    if request.question is None:
        raise MalformedError
    if request.question[1] == AXFR:
        return _pack(request, _axfr(zone))
    serial = _serial(request)
    if not tcp or not is_later(zone.serial, serial):
        return _pack(request, [_record(zone, zone.config.domain, zone.soa())])
    deltas = zone.since(serial)
    if deltas is None or sum(len(delta.before) for delta in deltas) > len(zone.names):
        return _pack(request, _axfr(zone))
    return _pack(request, _ixfr(zone, deltas))


def _serial(request: Message) -> int:
    """What the client has: the SOA that it sends along (RFC 1995, 3)."""
    if len(request.authorities) != 1 or request.authorities[0].type != SOA:
        raise MalformedError
    soa = request.authorities[0]
    after = read_name(request.wire, read_name(request.wire, soa.start)[1])[1]
    if after + 20 != soa.end:
        raise MalformedError
    return int.from_bytes(request.wire[after : after + 4])


def _axfr(zone: Zone) -> Iterator[bytes]:
    """Everything, between two SOAs (RFC 5936, 2.2)."""
    domain, soa = zone.config.domain, zone.soa()
    names = list(zone.names.items())
    edge = _record(zone, domain, soa)
    yield edge
    for name, sets in names:
        yield from _records(zone, name, sets)
    yield edge


def _ixfr(zone: Zone, deltas: Iterable[Delta]) -> Iterator[bytes]:
    """What was, then what came, for each change (RFC 1995, 4)."""
    domain, now = zone.config.domain, _record(zone, zone.config.domain, zone.soa())
    yield now
    for delta in deltas:
        yield _record(zone, domain, zone.soa(delta.from_serial))
        for name, sets in delta.before.items():
            yield from _records(zone, name, _without(sets, delta.after[name]))
        yield _record(zone, domain, zone.soa(delta.to_serial))
        for name, sets in delta.after.items():
            yield from _records(zone, name, _without(sets, delta.before[name]))
    yield now


def _without(sets: RRsets, others: RRsets) -> RRsets:
    """The records of `sets` that `others` does not have; another TTL makes another record."""
    known = {(rrset.type, rrset.ttl): rrset.rdata for rrset in others}
    left = []
    for rrset in sets:
        there = known.get((rrset.type, rrset.ttl), ())
        rdata = tuple(data for data in rrset.rdata if data not in there)
        if rdata:
            left.append(RRset(rrset.type, rrset.ttl, rdata))
    return tuple(left)


def _records(zone: Zone, name: bytes, sets: RRsets) -> Iterator[bytes]:
    for rrset in sets:
        owner = name[: -len(zone.config.domain)] + _APEX
        for data in rrset.rdata:
            yield owner + struct.pack("!HHIH", rrset.type, IN, rrset.ttl, len(data)) + data


def _record(zone: Zone, name: bytes, rrset: RRset) -> bytes:
    return next(_records(zone, name, (rrset,)))


def _pack(request: Message, records: Iterable[bytes]) -> Iterator[bytes]:
    """The records in as many messages as it takes, each with the question that their names point at."""
    wire = request.wire
    question = wire[HEADER : request.question_end]
    parts: list[bytes] = []
    size = 0
    for record in records:
        if parts and size + len(record) > MESSAGE_OCTETS:
            yield _message(wire, question, parts)
            parts, size = [], 0
        parts.append(record)
        size += len(record)
    yield _message(wire, question, parts)


def _message(wire: bytes, question: bytes, records: list[bytes]) -> bytes:
    head = struct.pack("!HHHHH", QR | AA, 1, len(records), 0, 0)
    return b"".join((wire[:2], head, question, *records))
