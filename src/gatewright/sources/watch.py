"""Tells when files change: sets of changed paths, a few milliseconds after a save.

What the paths mean is the business of `FileSource.refresh`, the counterpart.  This module only
decides when a change is worth looking at, and that is what its delays are for:

- `_QUIET`: a path is handed on when two looks at it, this long apart, see the same size and time,
  so that a file is not read while it is being written;
- `_GRACE`: a path that is gone or empty gets this long to come back, because editors save by
  deleting and renaming, or by emptying and writing, and a route must not blink for that;
- `_STEP`: how often the library looks for events of the kernel, and how long it then waits for
  more.  Its default is 50 ms; 2 ms costs about one percent of a processor.

A watched folder can be replaced, vanish and come back: the kernel watches inodes, not names, so
every `_CHECK` the names are compared with what is watched.  Whatever may have been missed (at the
start, after such a change, after a flood of events) is covered by handing on the folder itself,
which means "look at everything in it".
"""

# Paths are strings here as in the rest of the sources.
# ruff: noqa: PTH112, PTH116, PTH119, PTH120
from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Protocol

from gatewright.base.errors import EngineError

_STEP = 2  # milliseconds
_QUIET = 0.001
_GRACE = 0.1
_CHECK = 0.25
# The kernel queues 16,384 events; when this many came at once some may have been lost.
_FLOOD = 4_000

Look = tuple[int, int, int] | None


class Watched(Protocol):
    """What is to be watched; a `FileSource` is one."""

    @property
    def watched(self) -> tuple[str, ...]: ...


async def watch(source: Watched) -> AsyncIterator[frozenset[str]]:
    """Every set of paths that changed since the last one; first of all everything.

    Ends when it is closed.  What happens while the caller works is collected into the next set.
    """
    changing = _Changing()
    while True:
        paths = source.watched
        identities = [_identity(path) for path in paths]
        events: asyncio.Queue[set[str]] = asyncio.Queue()
        tasks = _start(paths, events)
        # The first step of a task sets up the kernel's watches; from here on nothing is missed.
        await asyncio.sleep(0)
        yield frozenset(paths)
        try:
            while not any(task.done() for task in tasks):
                await _collect(events, changing, paths)
                ready = changing.ready()
                if ready:
                    yield ready
                if source.watched != paths or [_identity(path) for path in paths] != identities:
                    break
            for task in tasks:
                if task.done():
                    _raise_failure(task)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class _Changing:
    """Paths that changed, until they have stopped changing."""

    def __init__(self) -> None:
        self._paths: dict[str, tuple[Look, float]] = {}

    def add(self, paths: Iterable[str]) -> None:
        now = asyncio.get_running_loop().time()
        for path in paths:
            look = _look(path)
            self._paths[path] = (look, now + (_QUIET if look is not None and look[1] else _GRACE))

    def ready(self) -> frozenset[str]:
        """The paths that are as they were when last looked at."""
        now = asyncio.get_running_loop().time()
        due = [(path, look) for path, (look, when) in self._paths.items() if when <= now]
        ready = {path for path, look in due if _look(path) == look}
        for path in ready:
            del self._paths[path]
        self.add(path for path, _ in due if path not in ready)
        return frozenset(ready)

    def wait(self) -> float:
        """How long until the next path may be ready, in seconds."""
        if not self._paths:
            return _CHECK
        now = asyncio.get_running_loop().time()
        return min(_CHECK, max(0.0, min(when for _, when in self._paths.values()) - now))


async def _collect(events: asyncio.Queue[set[str]], changing: _Changing, paths: tuple[str, ...]) -> None:
    """Wait for events or until something is due, and take all events that are there."""
    collected: set[str] = set()
    with suppress(TimeoutError):
        collected |= await asyncio.wait_for(events.get(), changing.wait())
    while not events.empty():
        collected |= events.get_nowait()
    if len(collected) >= _FLOOD:
        collected.update(paths)
    changing.add(collected)


def _start(paths: tuple[str, ...], events: asyncio.Queue[set[str]]) -> list[asyncio.Task[None]]:
    """Watch folders with all that is below them, and files through the folder that they are in.

    A file itself cannot be watched: who saves it by renaming replaces it.
    """
    folders = [path for path in paths if os.path.isdir(path)]
    files = frozenset(paths).difference(folders)
    parents = {os.path.dirname(path) for path in files}
    tasks = []
    if folders:
        tasks.append(asyncio.create_task(_pump(folders, None, events)))
    present = [parent for parent in parents if os.path.isdir(parent)]
    if present:
        tasks.append(asyncio.create_task(_pump(present, files, events)))
    return tasks


async def _pump(paths: list[str], only: frozenset[str] | None, events: asyncio.Queue[set[str]]) -> None:
    """Hand on the library's events until cancelled: all below `paths`, or `only` these directly in them."""
    from watchfiles import awatch

    # No events are dropped by name here: what a name means is for the source to know.
    async for changes in awatch(
        *paths,
        watch_filter=None,
        debounce=50,
        step=_STEP,
        recursive=only is None,
        ignore_permission_denied=True,
    ):
        changed = {path for _, path in changes}
        if only is not None:
            changed = {path for path in changed if path in only or os.path.basename(path).startswith("..")}
        if changed:
            await events.put(changed)


def _raise_failure(task: asyncio.Task[None]) -> None:
    """The library gives up when a path vanishes while it is being set up (try again) or at the kernel's limits."""
    error = task.exception()
    if error is None or isinstance(error, FileNotFoundError):
        return
    if isinstance(error, OSError):
        raise EngineError(f"cannot watch the files: {error}; raise fs.inotify.max_user_watches") from error
    raise error


def _look(path: str) -> Look:
    """What changes when a file does; None when there is none.  A folder never counts as empty."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    if stat.S_ISDIR(status.st_mode):
        return (0, 1, status.st_ino)
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _identity(path: str) -> tuple[int, int] | None:
    """Which folder a name stands for now; a file is watched by name, so any will do."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else (0, 0)
