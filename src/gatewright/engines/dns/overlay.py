"""Records that come and go beside the manifests: ACME challenges and dynamic updates (RFC 2136), kept over restarts.

A change is on the disk before it counts.  What the manifests say (`static`) always wins: `merged` is what is served.
Counterparts: `primary`, which serves both; `update`, whose requests `decide` answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from gatewright.engines.dns import state
from gatewright.engines.dns.content import RRset, RRsets

CNAME = 5


class _Kept(Struct, frozen=True):
    """One dynamic record set on the disk."""

    zone: str
    name: bytes
    type: int
    ttl: int
    rdata: tuple[bytes, ...]


class Overlay:
    """The dynamic record sets of all zones, by zone id and name."""

    def __init__(self, file: Path) -> None:
        """Raises EngineError when the file cannot be read."""
        self._file = file
        self._zones: dict[str, dict[bytes, RRsets]] = {}
        for kept in state.load(file, tuple[_Kept, ...]) or ():
            names = self._zones.setdefault(kept.zone, {})
            names[kept.name] = with_set(names.get(kept.name, ()), RRset(kept.type, kept.ttl, kept.rdata))

    def names(self, zone: str) -> Mapping[bytes, RRsets]:
        """The zone's dynamic record sets."""
        return self._zones.get(zone, {})

    def change(self, zone: str, changes: Mapping[bytes, RRsets]) -> None:
        """These names have these dynamic record sets from now on.  Raises OSError, with nothing changed."""
        names = {**self.names(zone), **changes}
        zones = {**self._zones, zone: {name: sets for name, sets in names.items() if sets}}
        state.save(
            self._file,
            [
                _Kept(id, name, rrset.type, rrset.ttl, rrset.rdata)
                for id, names in zones.items()
                for name, sets in names.items()
                for rrset in sets
            ],
        )
        self._zones = zones


def find(sets: RRsets, type: int) -> RRset | None:
    """The record set of this type."""
    return next((rrset for rrset in sets if rrset.type == type), None)


def with_set(sets: RRsets, rrset: RRset) -> RRsets:
    """The sets with this one in place of the one of its type."""
    return tuple(sorted((*(other for other in sets if other.type != rrset.type), rrset), key=_by_type))


def without_type(sets: RRsets, type: int) -> RRsets:
    """The sets without that of this type."""
    return tuple(rrset for rrset in sets if rrset.type != type)


def with_record(sets: RRsets, type: int, ttl: int, rdata: bytes) -> RRsets:
    """The sets with this record.  Its TTL becomes that of the set (RFC 2181, 5.2); a CNAME has one value."""
    old = find(sets, type)
    values = {rdata} if old is None or type == CNAME else {*old.rdata, rdata}
    return with_set(sets, RRset(type, ttl, tuple(sorted(values))))


def without_record(sets: RRsets, type: int, rdata: bytes) -> RRsets:
    """The sets without this record."""
    old = find(sets, type)
    if old is None or rdata not in old.rdata:
        return sets
    rest = tuple(value for value in old.rdata if value != rdata)
    return with_set(sets, RRset(type, old.ttl, rest)) if rest else without_type(sets, type)


def merged(static: RRsets, dynamic: RRsets) -> RRsets:
    """What is served at a name.  One type on both sides: the data of both with the TTL of the manifests; a CNAME stands
    alone (RFC 1034, 3.6.2), and where both sides disagree about that the manifests win."""
    if not dynamic or not static:
        return static or dynamic
    if find(static, CNAME) is not None or find(dynamic, CNAME) is not None:
        return static
    sets = {rrset.type: rrset for rrset in dynamic}
    for rrset in static:
        other = sets.get(rrset.type)
        values = rrset.rdata if other is None else tuple(sorted({*rrset.rdata, *other.rdata}))
        sets[rrset.type] = RRset(rrset.type, rrset.ttl, values)
    return tuple(sorted(sets.values(), key=_by_type))


def conflicts(sets: RRsets, type: int) -> bool:
    """Would a record of this type put a CNAME beside other data?"""
    return any((rrset.type == CNAME) != (type == CNAME) for rrset in sets)


def _by_type(rrset: RRset) -> int:
    return rrset.type


Lookup = Callable[[bytes], RRsets]
"""The record sets at a name."""
