"""A zone as a tree: which names exist only by what is below them, and where it is delegated (RFC 1034, 4.2; RFC 4592).

Kept beside a `Zone` while it changes, at the cost of the depth of the names that change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gatewright.engines.dns.content import RRset, RRsets
from gatewright.engines.dns.wire import DNAME, NS
from gatewright.engines.dns.zone import Delta, Zone


class Tree:
    """`zone` with the number of existing names below each name, and the names that cut it off."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.apex = zone.config.domain
        self.below: dict[bytes, int] = {}
        self.cuts: set[bytes] = set()
        """Names below the apex with NS, and all names with DNAME: an answer for what is below is another's."""
        self._count(zone.names, 1)
        self._cut(zone.names.items())

    def apply(self, delta: Delta) -> bool:
        """Follow a change that the zone has taken.  True if it concerns answers for other names than those changed."""
        before = {name for name, sets in delta.before.items() if sets}
        after = {name for name, sets in delta.after.items() if sets}
        self._count(before - after, -1)
        self._count(after - before, 1)
        earlier = {name for name in delta.after if name in self.cuts}
        self._cut(delta.after.items())
        return earlier != {name for name in delta.after if name in self.cuts}

    def exists(self, name: bytes) -> bool:
        """Is the name there, with data or with names below it (RFC 4592, 2.2.2)?"""
        return name in self.zone.names or name in self.below or name == self.apex

    def at(self, name: bytes) -> RRsets:
        """Everything at a name, the SOA included."""
        sets = self.zone.names.get(name, ())
        return (*sets, self.zone.soa()) if name == self.apex else sets

    def find(self, name: bytes, type: int) -> RRset | None:
        """One record set at a name."""
        return next((rrset for rrset in self.at(name) if rrset.type == type), None)

    def cut_for(self, name: bytes) -> bytes | None:
        """The topmost cut at or above a name."""
        if not self.cuts:
            return None
        return next((upper for upper in reversed((name, *self._above(name))) if upper in self.cuts), None)

    def encloser(self, name: bytes) -> bytes:
        """The closest encloser: the longest existing ancestor (RFC 4592, 3.3.1)."""
        return next((upper for upper in self._above(name) if self.exists(upper)), self.apex)

    def _above(self, name: bytes) -> Iterator[bytes]:
        """The ancestors within the zone, the apex last."""
        while name != self.apex and len(name) > 1:
            name = parent(name)
            yield name

    def _count(self, names: Iterable[bytes], step: int) -> None:
        below = self.below
        for name in names:
            for upper in self._above(name):
                count = below.get(upper, 0) + step
                if count:
                    below[upper] = count
                else:
                    del below[upper]

    def _cut(self, names: Iterable[tuple[bytes, RRsets]]) -> None:
        for name, sets in names:
            types = [rrset.type for rrset in sets]
            if (NS in types and name != self.apex) or DNAME in types:
                self.cuts.add(name)
            else:
                self.cuts.discard(name)


def parent(name: bytes) -> bytes:
    """The name without its first label."""
    return name[name[0] + 1 :]


def suffixes(name: bytes) -> Iterator[bytes]:
    """The name and its ancestors down to, and with, the root."""
    while len(name) > 1:
        yield name
        name = name[name[0] + 1 :]
    yield name
