"""The server as the control plane sees it: a process that is started when there are users, told of them, kept running.

It outlives us; `process.json` in the state folder names it.  The next control plane starts its own, which takes the
socket's place in one step, and only then ends the old one.  Counterparts: `worker`, the process; `channel`, what is
said.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from gatewright.base.errors import EngineError
from gatewright.engines.users import channel
from gatewright.engines.users.content import Users
from gatewright.engines.users.worker import DRAIN_SECONDS
from gatewright.system import children, files
from gatewright.system.channel import Receiver, encode
from gatewright.system.children import Child
from gatewright.system.processes import ProcessId

MODULE: Final = "gatewright.engines.users.worker"
BACKOFF_FIRST: Final = 0.1
BACKOFF_MOST: Final = 10.0
STABLE_SECONDS: Final = 30.0
INHERIT_SECONDS: Final = 5.0

log = logging.getLogger(__name__)


class UsersServer:
    """Checks users at `socket`, which is in `folder`.  There is a process while there are users.

    `noticed` is called when `failure` may have changed.
    """

    def __init__(self, folder: Path, noticed: Callable[[], None] = lambda: None) -> None:
        self._folder = folder
        self._noticed = noticed
        self.socket = folder / "sock"
        self._heirs = folder / "heirs"
        self._record = folder / "process.json"
        self._users: dict[str, Users] = {}
        self._child: Child | None = None
        self._former = children.running(self._record, MODULE)
        self._keeper: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._number = 0
        self._synced = -1
        self._is_more = False
        """The process knows users of the run before, too."""
        self._failure = ""
        self._changed = asyncio.Event()

    def apply(self, users: Mapping[str, Users]) -> None:
        """Know these from now on, by digest; returns before the process does (see `settled`)."""
        if dict(users) == self._users and not self._is_more:
            return
        self._is_more = False
        self._users = dict(users)
        self._number += 1
        if self._child is not None:
            self._child.writer.write(self._told())
        elif self._users and self._keeper is None:
            self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def settled(self) -> None:
        """Wait until the process knows what was applied.  Raises EngineError when it cannot serve."""
        while not self.is_settled:
            self._changed.clear()
            await self._changed.wait()
            if self._failure:
                raise EngineError(f"the server that checks passwords {self._failure}")

    @property
    def is_settled(self) -> bool:
        """Does the process know what was applied, or is none needed?"""
        return self._keeper is None or self._synced >= self._number

    @property
    def failure(self) -> str:
        """Why nobody is checked at the moment, after "the server that checks passwords"; "" when that is not so."""
        return self._failure if self._keeper is not None and self._synced < 0 else ""

    async def retire(self) -> None:
        """Without users there is no process, nor one of an earlier run."""
        if not self._users:
            await self.stop()

    @property
    def pid(self) -> int:
        """The process that answers; 0 when there is none."""
        return self._child.id.pid if self._child is not None else 0

    async def stop(self) -> None:
        """End the process, and that of an earlier run."""
        await self._cease()
        child, self._child = self._child, None
        ids = [*self._former, *([child.id] if child is not None else [])]
        await asyncio.gather(*(children.end(id, MODULE, 0.5) for id in ids))
        if child is not None:
            child.writer.close()
            await asyncio.to_thread(child.process.wait)
        self._former = ()
        for file in (self._record, self.socket, self._heirs):
            with contextlib.suppress(OSError):  # in a folder that could not be used, there are none
                file.unlink()

    async def detach(self) -> None:
        """Leave the process to answer on without us."""
        await self._cease()
        if self._child is not None:
            self._child.leave()
            self._child = None

    async def _cease(self) -> None:
        tasks = [*self._ending, *([self._keeper] if self._keeper is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._keeper, self._synced = None, -1

    # --- the process ----------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Start it, listen to it, and start it again whenever it ends, ever slower if it keeps ending."""
        failures = 0
        while True:
            since = time.monotonic()
            try:
                self._child = await self._start()
                await self._follow(self._child)
                status = await asyncio.to_thread(self._child.reap)
                log.error("the server that checks passwords ended (status %s): it is started again", status)
                self._failure = self._failure or f"ended (status {status})"
            except EngineError as error:
                self._fail(f"does not start: {error}")
            except OSError as error:
                self._fail(f"does not start: {error.strerror or error}: {error.filename or self._folder}")
            if self._child is not None:
                self._child.writer.close()
                self._child, self._synced = None, -1
                self._noticed()
            failures = 1 if time.monotonic() - since > STABLE_SECONDS else failures + 1
            await asyncio.sleep(min(BACKOFF_MOST, BACKOFF_FIRST * 2.0 ** min(failures - 1, 10)))

    async def _start(self) -> Child:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        child = await children.launch(MODULE, self._folder / "users.log", "the server that checks passwords")
        self._write((*self._former, child.id))
        # An Envoy that was taken over asks about the users of the run before until it has other routes.
        inherited = await self._inherited() if self._former else {}
        self._is_more = bool(inherited)
        known = {**inherited, **self._users}
        serve = encode(channel.Serve(str(self.socket), str(self._heirs)))
        child.writer.write(encode(channel.Know(known)) + serve + encode(channel.Sync(self._number)))
        return child

    async def _inherited(self) -> dict[str, Users]:
        try:
            async with asyncio.timeout(INHERIT_SECONDS):
                reader, writer = await asyncio.open_unix_connection(str(self._heirs))
                message = await Receiver(reader, channel.Know).next()
                writer.close()
        except (OSError, TimeoutError):
            return {}
        return message.users if message is not None else {}

    def _told(self) -> bytes:
        return encode(channel.Know(self._users)) + encode(channel.Sync(self._number))

    async def _follow(self, child: Child) -> None:
        receiver = Receiver(child.reader, channel.ToControl)
        while (message := await receiver.next()) is not None:
            match message:
                case channel.Synced():
                    self._synced, self._failure = message.number, ""
                    self._noticed()
                    if self._former:
                        self._spawn_end()
                case channel.Failed():
                    self._fail(message.reason)
            self._changed.set()

    def _fail(self, reason: str) -> None:
        self._failure = reason
        self._changed.set()
        self._noticed()

    def _spawn_end(self) -> None:
        """End the process of the run before, which nobody finds any more."""
        former, self._former = self._former, ()

        async def end() -> None:
            await asyncio.gather(*(children.end(id, MODULE, DRAIN_SECONDS + 1) for id in former))
            if self._child is not None:
                self._write((self._child.id,))

        task = asyncio.get_running_loop().create_task(end())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _write(self, ids: tuple[ProcessId, ...]) -> None:
        files.write(self._record, msgspec.json.encode(ids))
