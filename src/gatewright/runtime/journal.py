"""Tells what happens: each Problem and each refusal once for as long as it lasts, and the files that say what is live.

Everything that costs as much as there are VirtualHosts is done in a thread, on immutable values: an edit must not
wait because an earlier one is being written about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import structs

from gatewright.base.origin import Locator
from gatewright.base.problem import Problem, Severity
from gatewright.runtime import report
from gatewright.system import files

DELAY = 0.25
"""Seconds after a change until it is written about: saves come in bursts."""

MOST_LINES = 50
"""How many new Problems are printed at once; `gatewright status` has them all."""


class Journal:
    """Keeps the status file, and the ready file if one is asked for, at what `look` sees."""

    def __init__(
        self,
        status: Path,
        ready_file: Path | None,
        locator: Locator,
        look: Callable[[], report.Facts],
        tell: Callable[[report.Fault], None],
    ) -> None:
        self._status = status
        self._ready_file = ready_file
        self._locator = locator
        self._look = look
        self._tell_one = tell
        self._told: set[Problem | report.Refused] = set()
        self._located: tuple[tuple[Problem, ...], tuple[report.Fault, ...]] = ((), ())
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._is_failing = False
        self._is_live = False

    def soon(self) -> None:
        """Something changed.  Nothing is written before the first `now`: until then nothing is live."""
        if self._is_live and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(DELAY, self._due)

    async def now(self) -> report.Live:
        """Tell and write at once; what was written."""
        facts = self._look()
        refused = self._tell(facts)
        written = await asyncio.to_thread(self._write, facts, self._faults(facts), refused)
        self._is_live = True
        return written

    def tell(self) -> None:
        """Tell what is new; write nothing."""
        self._tell(self._look())

    async def close(self) -> None:
        """Write no more: nothing is live."""
        if self._timer is not None:
            self._timer.cancel()
        if self._writing is not None:
            await self._writing
        self.clear()

    def clear(self) -> None:
        """Take the files away, also those of a run that was killed: whoever waits for them waits for a new run."""
        for file in (self._status, self._ready_file):
            if file is not None:
                file.unlink(missing_ok=True)

    # --- telling --------------------------------------------------------------------------------

    def _tell(self, facts: report.Facts) -> tuple[report.Refused, ...]:
        refused = report.refused(facts.refusals, facts.graph, self._locator)
        new = report.faults((one for one in facts.problems if one not in self._told), self._locator)
        lines = [*new, *(report.refused_fault(one) for one in refused if one not in self._told)]
        for line in lines[:MOST_LINES]:
            self._tell_one(line)
        if len(lines) > MOST_LINES:
            message = f"{len(lines) - MOST_LINES:,} more problems"
            self._tell_one(
                report.Fault("more", Severity.INFO.value, message, "", 0, "gatewright status shows all of them")
            )
        self._told = {*facts.problems, *refused}
        return refused

    def _faults(self, facts: report.Facts) -> tuple[report.Fault, ...]:
        if facts.problems != self._located[0]:
            self._located = (facts.problems, report.faults(facts.problems, self._locator))
        return self._located[1]

    # --- writing --------------------------------------------------------------------------------

    def _due(self) -> None:
        self._timer = None
        if self._writing is not None and not self._writing.done():
            self.soon()
            return
        self._writing = asyncio.create_task(self._write_soon())

    async def _write_soon(self) -> None:
        """A disk that is full must not end what is live."""
        try:
            await self.now()
            self._is_failing = False
        except OSError as error:
            if not self._is_failing:
                self._is_failing = True
                message = f"the status cannot be written to {self._status}: {error.strerror or error}"
                self._tell_one(report.Fault("status-unwritable", Severity.ERROR.value, message, "", 0, ""))

    def _write(
        self, facts: report.Facts, faults: tuple[report.Fault, ...], refused: tuple[report.Refused, ...]
    ) -> report.Live:
        live = report.live(facts, faults, refused)
        files.write(self._status, msgspec.json.encode(live))
        if self._ready_file is not None:
            ready = structs.replace(live, problems=(), held_back=())
            files.write(self._ready_file, msgspec.json.format(msgspec.json.encode(ready)), 0o644)
        return live
