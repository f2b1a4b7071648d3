"""Which links a request took, by the counters of their devices: read before and after, while nobody else asks.

Every request is sent twice, and only the links that it moves both times count: neighbours that look for each other and
handshakes of tunnels move counters, too, but not each time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gatewright.rehearsal import spaces

LEAST: Final = 60
"""Octets both ways that no keepalive needs: the smallest exchange is a SYN and its refusal, of 100."""

Devices = Mapping[str, tuple[tuple[str, str], ...]]
Reading = Mapping[str, Mapping[tuple[str, str], int]]
"""Octets by link and device (space, name)."""


def read(links: Devices) -> Reading:
    """Octets received and sent so far."""
    by_space: dict[str, dict[str, int]] = {}
    found: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
    for link, devices in links.items():
        for space, device in devices:
            if space not in by_space:
                with spaces.inside(space):
                    by_space[space] = _octets(Path("/proc/thread-self/net/dev").read_text(encoding="ascii"))
            found[link][space, device] = by_space[space].get(device, 0)
    return found


def moved(before: Reading, after: Reading) -> frozenset[str]:
    """The links that carried something from one end to another: what enters a link that is not up comes out nowhere.
    A link of which one end is seen alone carried what moved there."""
    carried = {
        link: sum(octets - before[link][device] >= LEAST for device, octets in devices.items())
        for link, devices in after.items()
    }
    return frozenset(link for link, ends in carried.items() if ends >= min(2, len(after[link])) and ends)


def _octets(table: str) -> dict[str, int]:
    """By device, from /proc/net/dev: two lines of titles, then `device: received (8 columns) sent (8 columns)`."""
    found = {}
    for line in table.splitlines()[2:]:
        device, _, numbers = line.partition(":")
        columns = numbers.split()
        found[device.strip()] = int(columns[0]) + int(columns[8])
    return found
