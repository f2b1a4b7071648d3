"""Records as text to the wire: names (RFC 1035, 3.1) and record data (RFC 3597, 4), uncompressed.

What most zones are full of is done here, dnspython does the rest.  What cannot be a value does not get here:
`graph.names.recorddata` has judged it before.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable

import dns.name
import dns.rdatatype

from gatewright.engines.dns.content import RRset
from gatewright.graph.names import recorddata

_LENGTHS = tuple(bytes((length,)) for length in range(256))

COMMON = {"A": 1, "NS": 2, "CNAME": 5, "PTR": 12, "TXT": 16, "AAAA": 28}


def wire_name(name: str) -> bytes:
    """A name on the wire, lower-case; with or without a trailing dot, "" is the root."""
    if "\\" in name:
        return dns.name.from_text(name.lower()).to_wire() or b"\0"
    labels = name.lower().removesuffix(".").encode("ascii").split(b".")
    return b"".join([_LENGTHS[len(label)] + label for label in labels if label]) + b"\0"


def type_number(type_: str) -> int:
    """The number of a type; ValueError when there is none."""
    return COMMON.get(type_) or int(dns.rdatatype.RdataType.make(type_))


def rrset(type_: str, ttl: int, values: Iterable[str]) -> RRset:
    """A record set."""
    found = [_data(type_, value) for value in values]
    return RRset(type_number(type_), ttl, tuple(sorted(set(found)) if len(found) > 1 else found))


def _data(type_: str, value: str) -> bytes:
    if type_ == "A":
        return socket.inet_pton(socket.AF_INET, value)
    if type_ == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if type_ in recorddata.NAMES:
        return wire_name(value)
    if type_ in recorddata.TEXTS:
        return b"".join(bytes((len(part),)) + part for part in recorddata.strings(value))
    return recorddata.parsed(type_, value).to_wire() or b""
