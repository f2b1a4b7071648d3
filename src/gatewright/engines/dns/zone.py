"""One zone in memory: its names, its serial, and its latest changes for incremental transfers (RFC 1995).

Held alike by the control plane and by every worker, which apply the same pushes in the same order.  What is answered
for a name is not decided here: `answers` does.
"""

from __future__ import annotations

import struct
from collections import deque

from msgspec import Struct

from gatewright.engines.dns.content import Push, RRset, RRsets, ZoneConfig

SOA = 6
JOURNAL_NAMES = 20_000
"""How many changed names are remembered for incremental transfers; who is further behind copies the whole zone."""


class Delta(Struct, frozen=True):
    """One change of a zone: the names that it touched as they were before and as they are after."""

    from_serial: int
    to_serial: int
    before: dict[bytes, RRsets]
    after: dict[bytes, RRsets]


class Zone:
    """A zone's names by wire name; a name without record sets is not in it."""

    def __init__(self, config: ZoneConfig, serial: int) -> None:
        self.config = config
        self.serial = serial
        self.names: dict[bytes, RRsets] = {}
        self.journal: deque[Delta] = deque()
        self._journalled = 0
        self._loaded = False

    def configure(self, config: ZoneConfig) -> None:
        """Take another frame.  The way to another SOA cannot be told: the changes so far had the former one."""
        if (config.soa, config.ttl) != (self.config.soa, self.config.ttl):
            self.journal.clear()
            self._journalled = 0
            self._loaded = False
        self.config = config

    def apply(self, push: Push) -> Delta:
        """Take the next state.  The journal keeps what it can hold; the first push is the zone itself and no change of
        it, and what comes at an equal serial belongs to the same state."""
        before = {name: self.names.get(name, ()) for name in push.changes}
        for name, sets in push.changes.items():
            if sets:
                self.names[name] = sets
            else:
                self.names.pop(name, None)
        delta = Delta(self.serial, push.serial, before, push.changes)
        remember = self._loaded and push.serial != self.serial
        self.serial = push.serial
        self._loaded = True
        if remember:
            self.journal.append(delta)
            self._journalled += len(before)
        while self.journal and self._journalled > JOURNAL_NAMES:
            self._journalled -= len(self.journal.popleft().before)
        return delta

    def since(self, serial: int) -> tuple[Delta, ...] | None:
        """The changes from a serial to now, in order; None when they are no longer all known."""
        if serial == self.serial:
            return ()
        for index, delta in enumerate(self.journal):
            if delta.from_serial == serial:
                return tuple(self.journal)[index:]
        return None

    def soa(self, serial: int | None = None) -> RRset:
        """The SOA record set, with this serial or the present one."""
        soa = self.config.soa
        times = struct.pack(
            "!IIIII", self.serial if serial is None else serial, soa.refresh, soa.retry, soa.expire, soa.negative_ttl
        )
        return RRset(SOA, self.config.ttl, (soa.primary + soa.mailbox + times,))
