"""A rehearsal from the command line, once we are inside: what is shown, kept and written.  Part of `rehearse`."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final
from urllib.parse import urlsplit

import click
from msgspec import Struct, structs

from gatewright.base.errors import EngineError, UsageError
from gatewright.cli import liveview, output
from gatewright.cli.reports import rehearsed
from gatewright.cli.reports.rehearsed.shown import Rehearsed
from gatewright.rehearsal import capture, isolation, standing
from gatewright.rehearsal import estimate as estimating
from gatewright.rehearsal.asking import Observation, Question
from gatewright.rehearsal.compare import Verdict
from gatewright.rehearsal.concluding import Judge
from gatewright.rehearsal.questions import Part
from gatewright.rehearsal.rehearsal import REAL, Listener, Options, Rehearsal
from gatewright.rehearsal.report import RehearsalReport
from gatewright.rehearsal.world import World

MOST_CAPTURED: Final = 25
"""How many questions that differ are asked again for their packets."""


class Wishes(Struct, frozen=True):
    """What the user asks for, see `rehearse`."""

    paths: tuple[str, ...]
    form: str
    file: Path | None
    only: tuple[str, ...]
    parts: frozenset[Part]
    patience: float
    acme: bool
    capture: Path | None
    capture_all: bool
    faults: tuple[str, ...]
    keep: bool
    verbose: bool

    def options(self, folder: Path) -> Options:
        """The same for a `Rehearsal`."""
        programs = REAL if self.acme else REAL - {"pebble"}
        return Options(self.paths, folder, self.parts, self.only, self.patience, programs, self.faults)


def rehearse(wishes: Wishes) -> int:
    """Build, ask, report; the exit code, as `isolation.enter` wants it."""
    isolation.settle()
    view = liveview.view()

    def end(number: int, _frame: FrameType | None) -> None:
        for again in isolation.ENDING:  # Ctrl-C comes twice: from the terminal, and handed on
            signal.signal(again, signal.SIG_IGN)
        view.close()
        os._exit(128 + number)

    for number in isolation.ENDING:
        signal.signal(number, end)
    try:
        rehearsal = Rehearsal(wishes.options(standing.WORLD), view.listener())
        asked = _asked(rehearsal)
        rehearsal.plan()
        return asyncio.run(_Conductor(wishes, rehearsal, view).run(asked))
    finally:
        view.close()


def estimate(wishes: Wishes) -> int:
    """Tell what would be built; 2 when this machine cannot bear it."""
    with tempfile.TemporaryDirectory(prefix="gatewright-") as folder:
        silent = Listener(lambda _: None, lambda _: None, lambda _done, _whole: None)
        rehearsal = Rehearsal(wishes.options(Path(folder) / "world"), silent)
        asked = _asked(rehearsal)
        world = rehearsal.imagine()
    roles = Counter(space.role.value for space in world.spaces)
    needed, free = estimating.needed(world, len(asked)), estimating.available()
    missing = isolation.missing(rehearsal.needed())
    told = ", ".join(output.count(number, role) for role, number in sorted(roles.items()))
    lines = [
        f"{len(world.spaces)} namespaces: {told}",
        f"{output.count(len(world.wires), 'wire')}, {output.count(len(world.networks), 'network')},"
        f" {output.count(len(world.links), 'link')}",
        f"{output.count(len({spot.space for spot in world.gateways}), 'Envoy')} and"
        f" {output.count(len(world.daemons), 'other program')}"
        f" ({', '.join(sorted({Path(daemon.command[0]).name for daemon in world.daemons})) or 'none'})",
        f"{output.count(len(asked), 'question')} from {output.count(len(world.vantages), 'vantage')}",
        f"about {needed / estimating.MIB:,.0f} MiB of memory"
        + (f" ({free / estimating.MIB:,.0f} free)" if free else ""),
    ]
    if missing:
        lines.append(click.style(f"missing: apt-get install {' '.join(missing)}", fg="red"))
    refusal = "" if missing else isolation.refusal()
    lines += [click.style(refusal, fg="red")] if refusal else []
    click.echo("\n".join(lines))
    return 2 if missing or refusal or estimating.is_too_large(world, len(asked)) else 0


def _asked(rehearsal: Rehearsal) -> tuple[Question, ...]:
    """Read everything, and what is asked of it.  UsageError when that is nothing."""
    problems = rehearsal.read()
    documents = rehearsal.model.documents()
    if not documents.read and not documents.unknown:
        raise UsageError(f"there is no manifest that can be read in {' '.join(rehearsal.options.paths)}")
    output.problems(problems, rehearsal.model.locator, every=False, rest_by="gatewright check tells of them")
    asked = rehearsal.questions()
    if not asked and rehearsal.options.only:
        raise UsageError(f"there is no Expectation and no hostname {' or '.join(rehearsal.options.only)}")
    if not asked:
        raise UsageError("there is nothing to ask: describe a Vantage (kind: Vantage) in a site map")
    return asked


class _Conductor:
    """Has a rehearsal done and told."""

    def __init__(self, wishes: Wishes, rehearsal: Rehearsal, view: liveview.View) -> None:
        self.wishes = wishes
        self.rehearsal = rehearsal
        self.view = view

    async def run(self, asked: Sequence[Question]) -> int:
        world = (await self.rehearsal.stand()).world
        standing.announce(self.wishes.paths, world)
        judge = self.rehearsal.judge(asked)
        seen = await self._ask(judge)
        found = self.rehearsal.conclude(judge, seen)
        await self._capture(found, judge)
        if self.wishes.faults:
            found = structs.replace(found, faults=await self.rehearsal.suffer(asked, found.cells))
        self.view.close()
        self._tell(Rehearsed(found, world, self.rehearsal.model.locator, self.wishes.paths, self.wishes.verbose))
        if self.wishes.keep:
            await self._keep()
        return 0 if found.agrees and found.holds else isolation.NO

    async def _ask(self, judge: Judge) -> list[tuple[Observation, ...]]:
        folder = self.wishes.capture
        if folder is None or not self.wishes.capture_all:
            return await self.rehearsal.ask(judge.asked, judge)
        async with capture.capturing(self._world(), folder):
            return await self.rehearsal.ask(judge.asked, judge)

    async def _capture(self, found: RehearsalReport, judge: Judge) -> None:
        """Ask what differs again, one by one, each with a folder for its packets."""
        if self.wishes.capture is None or self.wishes.capture_all:
            return
        differing = [cell for cell in found.cells if cell.verdict is Verdict.DIFFERS]
        numbers = {question.number: question for question in judge.asked}
        for cell in differing[:MOST_CAPTURED]:
            host = urlsplit(cell.url).hostname or cell.url
            name = capture.named(f"{cell.number:03} {host} from {cell.vantage} IPv{cell.family}")
            async with capture.capturing(self._world(), self.wishes.capture / name):
                await self.rehearsal.ask([numbers[cell.number]])

    def _world(self) -> World:
        if self.rehearsal.world is None:
            raise EngineError("nothing is planned")
        return self.rehearsal.world

    def _tell(self, shown: Rehearsed) -> None:
        file = self.wishes.file
        if file is None:
            click.echo(rehearsed.text(self.wishes.form, shown))
            return
        click.echo(rehearsed.text("table", shown))
        try:
            with file.open("w", encoding="utf-8") as stream:
                stream.write(click.unstyle(rehearsed.text(self.wishes.form, shown)) + "\n")
        except OSError as error:
            raise UsageError(f"cannot write {file}: {error.strerror}") from error

    async def _keep(self) -> None:
        """Until somebody ends it; the world is served meanwhile."""
        ended = asyncio.Event()
        for number in isolation.ENDING:
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        pid = isolation.outer_pid()
        click.echo(f"the world stands: gatewright enter --pid {pid} in another terminal; Ctrl-C ends it", err=True)
        await ended.wait()
