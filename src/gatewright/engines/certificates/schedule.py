"""What comes next: ids by the moment at which they are due, then by how urgent they are.  O(log n) per change.

Knows nothing of certificates.  Counterpart: `manager`, which asks it in each turn.
"""

from __future__ import annotations

import heapq
import itertools
import math

Rank = tuple[float, ...]
"""How urgent something is: smaller first."""


class Schedule:
    """Each id has one moment, or waits its turn among those whose moment has come."""

    def __init__(self) -> None:
        self._moments: list[tuple[float, int, str]] = []
        self._turns: list[tuple[Rank, int, str]] = []
        self._current: dict[str, tuple[int, Rank]] = {}
        self._counter = itertools.count()

    def __len__(self) -> int:
        return len(self._current)

    def put(self, name: str, moment: float, rank: Rank) -> None:
        """From `moment` on it is that id's turn, instead of what was said before."""
        number = next(self._counter)
        self._current[name] = number, rank
        if moment < math.inf:
            heapq.heappush(self._moments, (moment, number, name))
        self._tidy()

    def discard(self, name: str) -> None:
        """It no longer has a moment."""
        self._current.pop(name, None)

    def take(self, now: float) -> str | None:
        """The most urgent of those whose moment has come, which then has none any more; None when there is none."""
        while self._moments and self._moments[0][0] <= now:
            _, number, name = heapq.heappop(self._moments)
            if self._is_current(name, number):
                heapq.heappush(self._turns, (self._current[name][1], number, name))
        while self._turns:
            _, number, name = heapq.heappop(self._turns)
            if self._is_current(name, number):
                del self._current[name]
                return name
        return None

    def next(self) -> float:
        """The next moment, infinite without one; 0 while somebody waits for a turn."""
        while self._turns and not self._is_current(self._turns[0][2], self._turns[0][1]):
            heapq.heappop(self._turns)
        while self._moments and not self._is_current(self._moments[0][2], self._moments[0][1]):
            heapq.heappop(self._moments)
        if self._turns:
            return 0.0
        return self._moments[0][0] if self._moments else math.inf

    def _is_current(self, name: str, number: int) -> bool:
        current = self._current.get(name)
        return current is not None and current[0] == number

    def _tidy(self) -> None:
        """What was put and overtaken often must not pile up."""
        if len(self._moments) > 2 * len(self._current) + 1024:
            live = [item for item in self._moments if self._is_current(item[2], item[1])]
            heapq.heapify(live)
            self._moments = live
