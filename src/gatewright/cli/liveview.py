"""What a rehearsal is doing, on stderr: a live view on a terminal, a line for each stage elsewhere.

Part of `rehearse`.  Nothing here decides anything: `rehearsal.Listener` tells.
"""

from __future__ import annotations

import sys
import time
from typing import Protocol

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from gatewright.cli import output
from gatewright.cli.reports.table import label
from gatewright.rehearsal.compare import Comparison
from gatewright.rehearsal.rehearsal import Listener

SHOWN = 5
"""How many differences stand in the live view at a time."""

_BAR = 40


class View(Protocol):
    """Who shows it."""

    def listener(self) -> Listener:
        """For a `Rehearsal`."""

    def close(self) -> None:
        """Nothing more is shown; the terminal is as it was."""


def view() -> View:
    """The one that fits to stderr."""
    return _Terminal() if sys.stderr.isatty() else _Lines()


class _Stages:
    """Stages and how long they took."""

    def __init__(self) -> None:
        self.done: list[tuple[str, float]] = []
        self.now = ""
        self.detail = ""
        self.asked = (0, 0)
        self.differences: list[str] = []
        self._since = 0.0

    def stage(self, name: str) -> tuple[str, float] | None:
        """Another one begins; the one that has ended, if any."""
        ended = (self.now, time.monotonic() - self._since) if self.now else None
        if ended is not None:
            self.done.append(ended)
        self.now, self.detail, self._since = name, "", time.monotonic()
        return ended

    def elapsed(self) -> float:
        """For how long the present one goes on."""
        return time.monotonic() - self._since

    def differs(self, compared: Comparison) -> str:
        """A difference in a line."""
        asked = compared.question
        line = output.harmless(
            f"{asked.request.url} {label(asked.vantage, asked.family)}: {' · '.join(compared.differences)}"
        )
        self.differences.append(line)
        return line


class _Lines:
    """For pipes: one line for each stage that has ended, and one for each difference."""

    def __init__(self) -> None:
        self._stages = _Stages()

    def listener(self) -> Listener:
        return Listener(self._stage, lambda _detail: None, lambda _done, _whole: None, self._differs)

    def close(self) -> None:
        self._stage("")

    def _stage(self, name: str) -> None:
        if (ended := self._stages.stage(name)) is not None:
            _say(f"{ended[0]}: {ended[1]:.1f} s")

    def _differs(self, compared: Comparison) -> None:
        _say(f"differs: {self._stages.differs(compared)}")


class _Terminal:
    """For people."""

    def __init__(self) -> None:
        self._stages = _Stages()
        self._turning = Spinner("dots", style="cyan")
        self._live = Live(
            console=Console(stderr=True), refresh_per_second=8, transient=True, get_renderable=self._shown,
            redirect_stdout=False,
        )  # fmt: skip
        self._live.start()

    def listener(self) -> Listener:
        return Listener(self._stage, self._detail, self._asked, self._differs)

    def close(self) -> None:
        self._live.stop()

    def _stage(self, name: str) -> None:
        self._stages.stage(name)

    def _detail(self, detail: str) -> None:
        self._stages.detail = detail

    def _asked(self, done: int, whole: int) -> None:
        self._stages.asked = (done, whole)

    def _differs(self, compared: Comparison) -> None:
        self._stages.differs(compared)

    def _shown(self) -> RenderableType:
        stages = self._stages
        grid = Table.grid(padding=(0, 1))
        for name, seconds in stages.done:
            grid.add_row(Text("✓", "green"), Text(name, "dim"), Text(f"{seconds:.1f} s", "dim"), "")
        if stages.now:
            done, whole = stages.asked
            asking = stages.now == "asking" and whole > 0
            detail: RenderableType = (
                ProgressBar(whole, done, width=_BAR) if asking else Text(stages.detail, "dim", overflow="ellipsis")
            )
            counted = f"  {done} of {whole}" if asking else ""
            elapsed = Text(f"{stages.elapsed():.1f} s{counted}")
            grid.add_row(self._turning, Text(stages.now, "bold"), elapsed, detail)
        differing = [Text(f"✗ {line}", "red", no_wrap=True, overflow="ellipsis") for line in stages.differences]
        hidden = len(differing) - SHOWN
        more = [Text(f"… and {hidden} more", "dim")] if hidden > 0 else []
        return Group(grid, *differing[:SHOWN], *more)


def _say(line: str) -> None:
    output.StatusLine().say(click.style(line, dim=True))
