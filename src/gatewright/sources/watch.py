"""Tells when files change: sets of changed paths, about a millisecond after a save.

What the paths mean is the business of `FileSource.refresh`, the counterpart.  Where the kernel has
to be asked, `gatewright.sources.inotify` knows; this module only decides when a change is worth
looking at:

- a file counts as saved when its writer closes it, or when it is renamed to its name, never while
  it is being written;
- `_TOGETHER`: what is saved together is handed on together, so a change waits this long for
  company, and all of them no longer than `_BURST`;
- `_GRACE`: a path that is gone or empty gets this long to come back, because editors save by
  deleting and renaming, or by emptying and writing, and a route must not blink for that.

Whatever may have been missed (at the start, after a folder was replaced, after a flood of events)
is covered by handing on the named paths themselves: "look at everything in it".
"""

# Paths are strings here as in the rest of the sources.
# ruff: noqa: PTH116
from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Iterable
from typing import Protocol

from gatewright.sources.inotify import Following

_TOGETHER = 0.001
_BURST = 0.05
_GRACE = 0.1


class Watched(Protocol):
    """What is to be watched; a `FileSource` is one."""

    @property
    def watched(self) -> tuple[str, ...]: ...


async def watch(source: Watched) -> AsyncIterator[frozenset[str]]:
    """Every set of paths that changed since the last one; first of all everything.

    Ends when it is closed.  What happens while the caller works is collected into the next set.
    EngineError when the kernel refuses to watch.
    """
    changing: _Changing | None = None
    while True:
        paths = source.watched
        with Following(paths) as following:
            if changing is None:
                changing = _Changing()
                yield frozenset(paths)
            else:
                changing.add(paths)
            while source.watched == paths:
                changing.add(following.changed())
                if following.lost:
                    break
                ready = changing.ready()
                if ready:
                    yield ready
                else:
                    await _wait(following.descriptor, changing.wait())


class _Changing:
    """Paths that changed, until it is time to look at them."""

    def __init__(self) -> None:
        self._saved: set[str] = set()
        self._first = self._last = 0.0
        """When the first and the last of those came."""
        self._gone: dict[str, float] = {}
        """Until when each of these may come back."""

    def add(self, paths: Iterable[str]) -> None:
        now = asyncio.get_running_loop().time()
        for path in paths:
            if _has_something(path):
                self._gone.pop(path, None)
                if not self._saved:
                    self._first = now
                self._last = now
                self._saved.add(path)
            else:
                self._saved.discard(path)
                self._gone[path] = now + _GRACE

    def ready(self) -> frozenset[str]:
        """The paths whose time has come."""
        now = asyncio.get_running_loop().time()
        ready = {path for path, due in self._gone.items() if due <= now}
        for path in ready:
            del self._gone[path]
        if self._saved and self._together() <= now:
            ready |= self._saved
            self._saved.clear()
        return frozenset(ready)

    def wait(self) -> float | None:
        """How long until the next path may be ready, in seconds; None when there is none."""
        due = list(self._gone.values())
        if self._saved:
            due.append(self._together())
        return max(0.0, min(due) - asyncio.get_running_loop().time()) if due else None

    def _together(self) -> float:
        return min(self._last + _TOGETHER, self._first + _BURST)


async def _wait(descriptor: int, seconds: float | None) -> None:
    """Until there is something to read, or time is up.

    Not by `asyncio.timeout`, which takes a Ctrl-C that came while the caller worked for the end of a short time.
    """
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, over.set)
    late = loop.call_later(seconds, over.set) if seconds is not None else None
    try:
        await over.wait()
    finally:
        loop.remove_reader(descriptor)
        if late is not None:
            late.cancel()


def _has_something(path: str) -> bool:
    """Is there anything at the path?  A folder never counts as empty."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    return status.st_size > 0 or stat.S_ISDIR(status.st_mode)
