"""The worker processes as the control plane sees them: started, told everything, kept running, or left to themselves.

A worker outlives us, so `workers.json` in the state folder names those that run; the next control plane starts its own
on the same ports, tells them everything, and only then ends the old ones.  Counterparts: `worker`, the process;
`channel`, what is said; `server`, which decides what.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Final

import msgspec

from gatewright.base.errors import EngineError
from gatewright.engines.dns import channel, state
from gatewright.engines.dns.content import Listen
from gatewright.engines.dns.responder import ViewStats
from gatewright.engines.dns.update import UpdateRequest
from gatewright.engines.dns.wire import SERVFAIL
from gatewright.system.processes import ProcessId, start_time_of, wait_end

BACKOFF_FIRST: Final = 0.1
BACKOFF_MOST: Final = 10.0
STABLE_SECONDS: Final = 30.0
END_SECONDS: Final = 5.0
CHUNK_NAMES: Final = 5_000

log = logging.getLogger(__name__)


class Worker:
    """One place among the workers, and the process that fills it at the moment."""

    def __init__(
        self, child: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.child = child
        self.receiver = channel.Receiver(reader, channel.ToControl)
        self.writer = writer
        self.id = ProcessId(child.pid, start_time_of(child.pid) or 0)
        self.synced = -1
        self.stats: dict[str, ViewStats] = {}
        self.failure = ""


Snapshot = Callable[[], list[channel.Configure | channel.Content]]
Updater = Callable[[UpdateRequest], int]


class Workers:
    """`count` processes that all answer alike.

    `snapshot` gives everything that a new worker has to be told, `update` applies a verified update (RFC 2136) and
    gives the response code.
    """

    def __init__(self, folder: Path, count: int, snapshot: Snapshot, update: Updater) -> None:
        self._folder = folder
        self._count = count
        self._snapshot = snapshot
        self._update = update
        self._listen: tuple[Listen, ...] = ()
        self._places: list[Worker | None] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0
        self._changed = asyncio.Event()
        self._failure = ""
        self._former: tuple[ProcessId, ...] = ()
        self._past: dict[str, ViewStats] = {}

    # --- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the processes, which serve nothing yet.  Raises EngineError."""
        self._former = running(self._folder)
        self._places = [None] * self._count
        for place in range(self._count):
            self._places[place] = await self._launch()
        self._record()

    def serve(self, listen: Sequence[Listen]) -> None:
        """Tell everything and begin to answer; when all do, the workers of an earlier run are ended."""
        self._listen = tuple(listen)
        told = self._everything()
        for place, worker in enumerate(self._places):
            assert worker is not None, "started"
            worker.writer.write(told)
            self._keepers.append(asyncio.create_task(self._keep(place, worker)))

    @property
    def is_serving(self) -> bool:
        return bool(self._keepers)

    def tell(self, *messages: channel.ToWorker) -> None:
        """Tell every worker; one that is just being started is told everything anyway."""
        self._number += 1
        told = b"".join(channel.encode(message) for message in (*messages, channel.Sync(self._number)))
        for worker in self._places:
            if worker is not None:
                worker.writer.write(told)

    async def settled(self) -> None:
        """Wait until every worker does as it was told until now.  Raises EngineError when one cannot serve."""
        number = self._number
        while any(worker is None or worker.synced < number for worker in self._places):
            self._changed.clear()
            await self._changed.wait()
            if self._failure:
                raise EngineError(f"the DNS server {self._failure}")

    def stats(self) -> dict[str, ViewStats]:
        """The counts of all workers of this run by view; a second old at most."""
        found: dict[str, ViewStats] = {}
        for stats in (self._past, *(worker.stats for worker in self._places if worker is not None)):
            _add(found, stats)
        return found

    def pids(self) -> tuple[int, ...]:
        """The processes that answer."""
        return tuple(worker.id.pid for worker in self._places if worker is not None)

    async def detach(self) -> None:
        """Leave the workers to answer on without us."""
        await self._cease()
        for worker in self._places:
            if worker is not None:
                worker.writer.close()
                worker.child.returncode = 0  # it is nobody's child from now on, which Popen would warn of

    async def stop(self) -> None:
        """End the workers, and those of an earlier run."""
        await self._cease()
        ids = [*self._former, *(worker.id for worker in self._places if worker is not None)]
        await asyncio.gather(*(end(id) for id in ids))
        for worker in self._places:
            if worker is not None:
                worker.writer.close()
                await asyncio.to_thread(worker.child.wait)
        self._places, self._former = [], ()
        (self._folder / "workers.json").unlink(missing_ok=True)

    async def _cease(self) -> None:
        tasks = [*self._keepers, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._keepers = []

    # --- one worker -----------------------------------------------------------------------------

    async def _launch(self) -> Worker:
        ours, theirs = socket.socketpair()
        descriptor = os.open(self._folder / "workers.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            child = subprocess.Popen(  # noqa: ASYNC220  (a millisecond)
                # -P: nothing is imported from the folder that we happen to be started in.
                [sys.executable, "-P", "-m", "gatewright.engines.dns.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                umask=0o077,
            )
        except OSError as error:
            ours.close()
            raise EngineError(f"cannot start a DNS worker: {error.strerror}") from error
        finally:
            theirs.close()
            os.close(descriptor)
        ours.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=ours)
        return Worker(child, reader, writer)

    async def _keep(self, place: int, worker: Worker) -> None:
        """Listen to a worker, and start it again whenever it ends, ever slower if it keeps ending."""
        failures = 0
        while True:
            since = time.monotonic()
            await self._follow(worker)
            worker.writer.close()
            self._places[place] = None
            _add(self._past, worker.stats)
            status = await asyncio.to_thread(_reap, worker.child)
            failures = 1 if time.monotonic() - since > STABLE_SECONDS else failures + 1
            log.error("a DNS worker ended (%s): it is started again", worker.failure or f"status {status}")
            while True:
                await asyncio.sleep(min(BACKOFF_MOST, BACKOFF_FIRST * 2.0 ** min(failures - 1, 10)))
                try:
                    worker = await self._launch()
                    break
                except (EngineError, OSError):
                    failures += 1
            self._places[place] = worker
            worker.writer.write(self._everything())
            self._record()

    async def _follow(self, worker: Worker) -> None:
        while (message := await worker.receiver.next()) is not None:
            match message:
                case channel.Synced():
                    worker.synced, self._failure = message.number, ""
                    if self._former and all(each is not None and each.synced >= 0 for each in self._places):
                        self._spawn(self._end_former())
                case channel.Stats():
                    worker.stats = message.views
                case channel.Failed():
                    worker.failure = self._failure = message.reason
                case channel.Update():
                    self._spawn(self._apply(worker, message))
            self._changed.set()

    def _everything(self) -> bytes:
        messages: list[channel.ToWorker] = [*self._snapshot(), channel.Serve(self._listen), channel.Sync(self._number)]
        return b"".join(channel.encode(message) for message in messages)

    async def _apply(self, worker: Worker, message: channel.Update) -> None:
        """An update is answered when every worker has it, so that who asks next finds it."""
        rcode = self._update(message.request)
        try:
            await self.settled()
        except EngineError:
            rcode = SERVFAIL  # whoever asks again finds it done
        worker.writer.write(channel.encode(channel.Updated(message.id, rcode)))

    async def _end_former(self) -> None:
        """End the workers of the run before: all of ours answer."""
        former, self._former = self._former, ()
        await asyncio.gather(*(end(id) for id in former))
        self._record()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _record(self) -> None:
        ids = [*self._former, *(worker.id for worker in self._places if worker is not None)]
        with contextlib.suppress(OSError):  # a full disk: what is on it still names those before
            state.save(self._folder / "workers.json", ids)


def running(folder: Path) -> tuple[ProcessId, ...]:
    """The workers of a state folder that are alive, whoever started them."""
    try:
        recorded = msgspec.json.decode((folder / "workers.json").read_bytes(), type=tuple[ProcessId, ...])
    except (OSError, msgspec.MsgspecError):
        return ()
    return tuple(id for id in recorded if is_ours(id))


def _reap(child: subprocess.Popen[bytes]) -> int:
    """The end of a worker that has closed its channel, and so is to end."""
    try:
        return child.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _add(to: dict[str, ViewStats], stats: dict[str, ViewStats]) -> None:
    for view, counts in stats.items():
        sum_ = to.setdefault(view, ViewStats())
        sum_.queries += counts.queries
        sum_.limited += counts.limited
        sum_.truncated += counts.truncated
        sum_.transfers += counts.transfers
        for rcode, count in counts.rcodes.items():
            sum_.rcodes[rcode] = sum_.rcodes.get(rcode, 0) + count


# --- processes ------------------------------------------------------------------------------------


def is_ours(id: ProcessId) -> bool:
    """Is this very process alive, and a DNS worker?"""
    if start_time_of(id.pid) != id.start_time:
        return False
    try:
        return b"gatewright.engines.dns.worker" in Path(f"/proc/{id.pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


async def end(id: ProcessId) -> None:
    """SIGTERM, and SIGKILL when that is not enough."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if not is_ours(id):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(id.pid, sign)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(wait_end(id), END_SECONDS)
