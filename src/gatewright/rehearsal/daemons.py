"""The programs of a World: started in their spaces, watched until they serve, stopped and started again by faults.

They are children of process 1 of the rehearsal, so none of them outlives it.  Their output goes to a file each in the
folder of the world.  Counterparts: `readiness`, how it is known that they serve; `gateways`, which does the same for
Envoys.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from gatewright.base.errors import EngineError
from gatewright.rehearsal import builder, isolation, readiness
from gatewright.rehearsal.spaces import inside
from gatewright.rehearsal.world import Daemon, File, netns

READY_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.01
END_SECONDS: Final = 2.0
KEPT_LINES: Final = 3
MOST_SAID: Final = 1 << 20
"""Octets of what a daemon says at its start that are looked at."""
KEPT: Final = frozenset({"HOME", "LANG", "LC_ALL", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "TMPDIR"})
"""What of our environment programs get: the rest may be somebody's secrets."""


def write(folder: Path, files: Iterable[File]) -> None:
    """The files that daemons read, for nobody else to read.  Whatever their names are, they are in the folder."""
    for file in files:
        path = folder / file.path
        if not path.resolve().is_relative_to(folder.resolve()):
            raise EngineError(f"{file.path} is no file of the rehearsal's own folder")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(file.content)


class Daemons:
    """Those of one world.  `folder` is where their files and logs are."""

    def __init__(self, daemons: Iterable[Daemon], folder: Path) -> None:
        self._daemons = {daemon.name: daemon for daemon in daemons}
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    async def start_all(self, progress: Callable[[str], None]) -> None:
        """Start all of them side by side.  EngineError when one does not come to serve."""
        waiting = set(self._daemons)
        serves = {name: asyncio.Event() for name in self._daemons}

        async def one(daemon: Daemon) -> None:
            for name in daemon.needs:
                await serves[name].wait()
            await self.start(daemon.name)
            serves[daemon.name].set()
            waiting.discard(daemon.name)
            progress(f"waiting for {', '.join(sorted(waiting)[:4])}" if waiting else "")

        await asyncio.gather(*(one(daemon) for daemon in self._daemons.values()))

    async def start(self, name: str) -> None:
        """Start one, and wait until it serves."""
        daemon = self._daemons[name]
        for command in daemon.before:
            await builder.run(daemon.space, self._words(command))
        log = self._log(name)
        before = log.stat().st_size if log.exists() else 0
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        words = self._words(daemon.command)
        try:
            with inside(daemon.space):
                process = subprocess.Popen(  # noqa: ASYNC220  (nothing may be awaited inside)
                    words, stdin=subprocess.DEVNULL, stdout=descriptor, stderr=descriptor, cwd=self._folder,
                    env={name: os.environ[name] for name in KEPT & os.environ.keys()} | dict(daemon.environment),
                )  # fmt: skip
        except OSError as error:
            raise EngineError(f"cannot start {name} ({words[0]}): {error.strerror}") from error
        finally:
            os.close(descriptor)
        self._running[name] = process
        await self._ready(daemon, process, before)
        for command in daemon.then:
            await builder.run(daemon.space, self._words(command))
        await builder.batch(daemon.space, daemon.after)

    async def stop(self, name: str) -> None:
        """End one; nothing when it does not run."""
        process = self._running.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)
        daemon = self._daemons[name]
        for command in daemon.cleanup:
            await builder.run(daemon.space, self._words(command))

    def concerned(self, what: str) -> tuple[str, ...]:
        """The names of those that are this thing of the map (`link:wg-home`) or run in a space of this name."""
        return tuple(d.name for d in self._daemons.values() if what in (d.concerns, d.space, d.name))

    def ended(self) -> tuple[tuple[str, str], ...]:
        """Those that have ended by themselves, each with its last words."""
        return tuple(
            (name, self._last_words(name)) for name, process in self._running.items() if process.poll() is not None
        )

    # --- inside ---------------------------------------------------------------------------------

    def _words(self, command: Sequence[str]) -> list[str]:
        words = [word.replace("{folder}", str(self._folder)) for word in command]
        return [isolation.program(words[0]) or words[0], *words[1:]]

    def _log(self, name: str) -> Path:
        path = self._folder / "logs" / f"{netns(name)}.log"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    async def _ready(self, daemon: Daemon, process: subprocess.Popen[bytes], before: int) -> None:
        """Wait until all conditions have held; `before`: octets that it had said in earlier lives."""
        deadline = time.monotonic() + READY_SECONDS
        for condition in daemon.ready:
            while not readiness.holds(condition, daemon.space, self._said(daemon.name, before)):
                if process.poll() is not None:
                    raise EngineError(f"{daemon.name} ended at once: {self._last_words(daemon.name)}")
                if time.monotonic() > deadline:
                    words = self._last_words(daemon.name)
                    raise EngineError(f"{daemon.name} does not serve after {READY_SECONDS:g} s: {words}")
                await asyncio.sleep(POLL_SECONDS)

    def _said(self, name: str, before: int) -> str:
        with self._log(name).open("rb") as stream:
            stream.seek(before)
            return stream.read(MOST_SAID).decode(errors="replace")

    def _last_words(self, name: str) -> str:
        with contextlib.suppress(OSError):
            lines = self._log(name).read_text(errors="replace").strip().splitlines()
            return " · ".join(lines[-KEPT_LINES:]) or "without a word"
        return "without a word"
