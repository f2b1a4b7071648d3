"""`check --watch`: after the first report, what each change of the files changes.

Only what a change concerns is examined again (`Checker.update`).  The counterpart that also goes live is `run`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import click

from gatewright.base import collector
from gatewright.check.compare import compare
from gatewright.check.run import Checker, Report
from gatewright.cli import output
from gatewright.cli.reports import changes
from gatewright.pipeline import Model

NAMED = 3
"""How many changed files a line names."""


def follow(model: Model, checker: Checker, shown: Report, choose: Callable[[Report], Report], *, wide: bool) -> Report:
    """Print changes until Ctrl-C; the report as it stands then.  UsageError where files cannot be watched."""
    try:
        from gatewright.sources.watch import watch
    except ModuleNotFoundError as error:
        raise output.not_installed(error) from error
    line = output.StatusLine()

    async def rounds() -> None:
        nonlocal shown
        async for paths in watch(model):
            started = time.monotonic()
            before, shown = shown, _examined(model, checker, paths, shown, choose)
            if before is not shown:
                line.progress("")
                _print(before, shown, model, wide=wide)
                line.say(click.style(f"{_named(paths)} · {(time.monotonic() - started) * 1000:.0f} ms", dim=True))
            line.progress("following the files; Ctrl-C ends")

    with suppress(KeyboardInterrupt):
        asyncio.run(rounds())
    line.progress("")
    return shown


def _examined(
    model: Model, checker: Checker, paths: Iterable[str], shown: Report, choose: Callable[[Report], Report]
) -> Report:
    """The report after these files changed; the very same one when nothing did."""
    with collector.paused():
        state = model.refresh(paths)
        if state is None:
            return shown
        checker.update(state.change, state.concerned)
        return choose(checker.report(model.problems(), model.suppressions(), model.analysis.today))


def _print(before: Report, after: Report, model: Model, *, wide: bool) -> None:
    compared = compare(before, after)
    click.echo("\n" + changes.text(compared, model.locator, model.locator, wide=wide))


def _named(paths: Iterable[str]) -> str:
    names = sorted(paths)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"
