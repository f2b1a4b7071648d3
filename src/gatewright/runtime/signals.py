"""What may be asked of a run by signals: end (SIGTERM, SIGINT), hurry with it (once more), look again (SIGHUP)."""

from __future__ import annotations

import asyncio
import signal
import sys


class Signals:
    """Handlers on the running loop, as events.

    A SIGHUP asks to look at everything again, as it does of other servers; but a run whose terminal was closed is
    meant to end, and that comes as a SIGHUP too.
    """

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.hurry = asyncio.Event()
        self.again = asyncio.Event()
        self._had_terminal = sys.stderr.isatty()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._look)

    def _end(self) -> None:
        (self.hurry if self.stop.is_set() else self.stop).set()

    def _look(self) -> None:
        if self._had_terminal and not sys.stderr.isatty():
            self._end()
        else:
            self.again.set()
