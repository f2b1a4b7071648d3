"""Serial numbers of zones (RFC 1982): they only rise, also over restarts and crashes.

What is kept on disk is a ceiling ahead of use, so that a change of a zone costs no write: who starts anew begins above
it, or at the present time where that is later.  Counterpart: `primary`, which counts with them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from gatewright.engines.dns import state

RESERVED = 10_000
"""How many serials one write allows."""

_MODULUS = 1 << 32
_HALF = 1 << 31

logger = logging.getLogger(__name__)


def is_later(serial: int, other: int) -> bool:
    """Is `serial` greater than `other` in the arithmetic of RFC 1982, 3.2?"""
    return serial != other and (serial - other) % _MODULUS < _HALF


def after(serial: int, count: int = 1) -> int:
    """The serial so many changes later (RFC 1982, 3.1); never 0, which some secondaries take for "none"."""
    return (serial + count) % _MODULUS or 1


class Serials:
    """The serials of all zones that ever were, by zone id."""

    def __init__(self, file: Path, clock: Callable[[], float]) -> None:
        """Raises EngineError when the file cannot be read."""
        self._file = file
        self._clock = clock
        self._ceilings: dict[str, int] = state.load(file, dict[str, int]) or {}
        self._used: dict[str, int] = {}
        self._unsaved = False

    def next(self, zone: str) -> int:
        """The zone's next serial.  `save` before anybody sees it."""
        ceiling = self._ceilings.get(zone)
        used = self._used.get(zone, ceiling)
        if used is None:
            serial = int(self._clock()) % _MODULUS or 1
        elif zone in self._used:
            serial = after(used)
        else:
            now = int(self._clock()) % _MODULUS
            # What was used last lies anywhere up to the ceiling: the time has to be later than all of that.
            spent = (used, (used - RESERVED) % _MODULUS)
            serial = now if all(is_later(now, one) for one in spent) else after(used)
        self._used[zone] = serial
        if ceiling is None or not is_later(ceiling, serial):
            self._ceilings[zone] = after(serial, RESERVED)
            self._unsaved = True
        return serial

    def save(self) -> None:
        """Write the ceilings where one was raised.

        A disk that is full stops no zone: they go on, the next change tries again, and after a crash the time of day
        is still there.
        """
        if not self._unsaved:
            return
        try:
            state.save(self._file, self._ceilings)
        except OSError as error:
            logger.warning("cannot save the serials of DNS zones in %s: %s", self._file, error.strerror)
            return
        self._unsaved = False
