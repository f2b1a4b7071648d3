"""What a set of zones answers to a question, on the wire (RFC 1034, 4.3.2; RFC 4592; RFC 6604; RFC 8482).

Pure: the same zones and question, the same octets.  An `Answer` is everything after the question; compression points
into the question, which always stands at octet 12, so that it can be kept and put behind anybody's spelling of it.
Counterparts: `wire`, which read the question; `responder`, which keeps answers.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from gatewright.engines.dns import wire
from gatewright.engines.dns.content import RRset
from gatewright.engines.dns.tree import Tree, suffixes
from gatewright.engines.dns.wire import ANY, CNAME, DNAME, DS, NOERROR, NS, NXDOMAIN, SOA

CHASES: Final = 12
"""How many aliases are followed; where the chain goes on, the asker asks on."""

MESSAGE_OCTETS: Final = 65_535

_FRAME = struct.Struct("!HHIH")
_COMPRESSED: Final = {NS: 0, CNAME: 0, wire.PTR: 0, wire.MX: 2}
"""Types whose data ends in a name that may be compressed (RFC 3597, 4), and the octets before it."""


class Answer(Struct, frozen=True, gc=False):
    """`tail`: the records behind a question.  `is_own`: it depends on nothing but the record sets at that very name.

    `identity` says which answers are alike to rate limiting: with random names, all those made of one thing.
    """

    rcode: int
    authoritative: bool
    counts: tuple[int, int, int]
    tail: bytes
    is_own: bool
    identity: bytes


class _Draft:
    """The records of an answer while they are collected."""

    def __init__(self) -> None:
        self.answers: list[tuple[bytes, RRset]] = []
        self.authorities: list[tuple[bytes, RRset]] = []
        self.additionals: list[tuple[bytes, RRset]] = []
        self.rcode = NOERROR
        self.authoritative = True
        self.is_own = False
        self.identity = b""


Zones = Mapping[bytes, Tree]
"""The zones of one view by their domain."""


def zone_for(zones: Zones, name: bytes, type: int) -> Tree | None:
    """The zone with the longest domain; for DS the one above the cut, if it is here (RFC 4035, 3.1.4.1)."""
    apex = None
    for suffix in suffixes(name):
        tree = zones.get(suffix)
        if tree is None:
            continue
        if type == DS and suffix == name and apex is None and len(name) > 1:
            apex = tree
            continue
        return tree
    return apex


def answer(zones: Zones, name: bytes, type: int) -> Answer | None:
    """The answer of these zones; None when none of them has the name."""
    tree = zone_for(zones, name, type)
    if tree is None:
        return None
    draft, seen = _Draft(), {name}
    follow = _step(draft, tree, name, type, True)
    while follow is not None and follow not in seen and len(seen) <= CHASES:
        seen.add(follow)
        tree = zone_for(zones, follow, type)
        follow = None if tree is None else _step(draft, tree, follow, type, False)
    counts = (_count(draft.answers), _count(draft.authorities), _count(draft.additionals))
    tail = _write(name, [*draft.answers, *draft.authorities, *draft.additionals])
    return Answer(draft.rcode, draft.authoritative, counts, tail, draft.is_own, draft.identity or name)


def _count(section: list[tuple[bytes, RRset]]) -> int:
    return sum(len(rrset.rdata) for _, rrset in section)


def _step(draft: _Draft, tree: Tree, name: bytes, type: int, is_first: bool) -> bytes | None:
    """Answer for one name in one zone; gives the name that an alias leads on to."""
    cut = tree.cut_for(name)
    if cut is not None and not (cut == name and type == DS):
        alias = tree.find(cut, DNAME)
        if alias is None or (tree.find(cut, NS) is not None and cut != tree.apex):
            _refer(draft, tree, cut, is_first)
            return None
        if cut != name:
            return _substitute(draft, name, cut, alias, is_first)
    owner = name
    if not tree.exists(name):
        encloser = tree.encloser(name)
        owner = b"\1*" + encloser
        if is_first:
            draft.identity = owner
        if not tree.exists(owner):
            draft.rcode = NXDOMAIN
            _deny(draft, tree)
            return None
    sets = tree.at(owner)
    # For ANY one record set is answer enough (RFC 8482, 4.1).
    found = next((rrset for rrset in sets if (rrset.type == type or type == ANY) and rrset.rdata), None)
    if found is not None:
        draft.answers.append((name, found))
        draft.is_own = is_first and owner == name and found.type != SOA
        return None
    alias = next((rrset for rrset in sets if rrset.type == CNAME), None)
    if alias is not None:
        draft.answers.append((name, alias))
        return alias.rdata[0].lower()
    _deny(draft, tree)
    return None


def _deny(draft: _Draft, tree: Tree) -> None:
    """No such data: the SOA with the TTL for negative answers (RFC 2308, 3 and 5)."""
    soa = tree.zone.soa()
    ttl = min(soa.ttl, tree.zone.config.soa.negative_ttl)
    draft.authorities.append((tree.apex, RRset(soa.type, ttl, soa.rdata)))


def _refer(draft: _Draft, tree: Tree, cut: bytes, is_first: bool) -> None:
    """A referral, with the addresses of those servers that are below a cut of this zone (RFC 9471)."""
    servers = tree.find(cut, NS)
    assert servers is not None, "a cut without DNAME has NS"
    if is_first:
        draft.authoritative, draft.identity = False, cut
    draft.authorities.append((cut, servers))
    for server in servers.rdata:
        name = server.lower()
        draft.additionals += [(name, rrset) for rrset in tree.at(name) if rrset.type in (wire.A, wire.AAAA)]


def _substitute(draft: _Draft, name: bytes, cut: bytes, alias: RRset, is_first: bool) -> bytes | None:
    """A DNAME above the name: the record and the CNAME that it makes (RFC 6672, 3.1)."""
    if is_first:
        draft.identity = cut
    draft.answers.append((cut, alias))
    target = name[: len(name) - len(cut)] + alias.rdata[0]
    if len(target) > wire.NAME_OCTETS:
        draft.rcode = 6  # YXDOMAIN (RFC 6672, 2.2)
        return None
    draft.answers.append((name, RRset(CNAME, alias.ttl, (target,))))
    return target.lower()


def _write(question: bytes, records: list[tuple[bytes, RRset]]) -> bytes:
    """The records as they follow a question for this name."""
    base = wire.HEADER + len(question) + 4
    known: dict[bytes, int] = {}
    at = wire.HEADER
    for suffix in suffixes(question):
        if len(suffix) > 1:
            known[suffix] = at
            at += suffix[0] + 1
    out = bytearray()
    for owner, rrset in records:
        before = _COMPRESSED.get(rrset.type)
        for rdata in rrset.rdata:
            _name(out, base, known, owner)
            frame = len(out)
            out += _FRAME.pack(rrset.type, wire.IN, rrset.ttl, len(rdata))
            if before is not None:
                out += rdata[:before]
                _name(out, base, known, rdata[before:])
                struct.pack_into("!H", out, frame + 8, len(out) - frame - 10)
            elif rrset.type == SOA:
                primary = wire.name_end(rdata, 0) or 0
                _name(out, base, known, rdata[:primary])
                _name(out, base, known, rdata[primary:-20])
                out += rdata[-20:]
                struct.pack_into("!H", out, frame + 8, len(out) - frame - 10)
            else:
                out += rdata
    return bytes(out)


def _name(out: bytearray, base: int, known: dict[bytes, int], name: bytes) -> None:
    """Write a name, or as much of it as has not been written yet (RFC 1035, 4.1.4)."""
    for suffix in suffixes(name):
        at = known.get(suffix)
        if at is not None:
            out += (0xC000 | at).to_bytes(2)
            return
        here = base + len(out)
        if len(suffix) > 1 and here < 0x4000:
            known[suffix] = here
        out += suffix[: suffix[0] + 1]
