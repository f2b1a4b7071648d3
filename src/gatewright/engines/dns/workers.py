"""The worker processes as the control plane sees them: started, told everything, kept running, or left to themselves.

A worker outlives us, so `workers.json` in the state folder names those that run; the next control plane starts its own
on the same ports, tells them everything, and only then ends the old ones.  Counterparts: `worker`, the process;
`channel`, what is said; `server`, which decides what.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Final

from gatewright.base.errors import EngineError
from gatewright.engines.dns import channel, state
from gatewright.engines.dns.content import Listen
from gatewright.engines.dns.responder import ViewStats
from gatewright.engines.dns.update import UpdateRequest
from gatewright.engines.dns.wire import SERVFAIL
from gatewright.system import children
from gatewright.system.channel import Receiver, encode
from gatewright.system.children import Child
from gatewright.system.processes import ProcessId

BACKOFF_FIRST: Final = 0.1
BACKOFF_MOST: Final = 10.0
STABLE_SECONDS: Final = 30.0
MODULE: Final = "gatewright.engines.dns.worker"
CHUNK_NAMES: Final = 5_000

log = logging.getLogger(__name__)


class Worker:
    """One place among the workers, and the process that fills it at the moment."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.receiver = Receiver(child.reader, channel.ToControl)
        self.writer = child.writer
        self.id = child.id
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
        told = b"".join(encode(message) for message in (*messages, channel.Sync(self._number)))
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
                worker.child.leave()

    async def stop(self) -> None:
        """End the workers, and those of an earlier run."""
        await self._cease()
        ids = [*self._former, *(worker.id for worker in self._places if worker is not None)]
        await asyncio.gather(*(children.end(id, MODULE) for id in ids))
        for worker in self._places:
            if worker is not None:
                worker.writer.close()
                await asyncio.to_thread(worker.child.process.wait)
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
        return Worker(await children.launch(MODULE, self._folder / "workers.log", "a DNS worker"))

    async def _keep(self, place: int, worker: Worker) -> None:
        """Listen to a worker, and start it again whenever it ends, ever slower if it keeps ending."""
        failures = 0
        while True:
            since = time.monotonic()
            await self._follow(worker)
            worker.writer.close()
            self._places[place] = None
            _add(self._past, worker.stats)
            status = await asyncio.to_thread(worker.child.reap)
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
        return b"".join(encode(message) for message in messages)

    async def _apply(self, worker: Worker, message: channel.Update) -> None:
        """An update is answered when every worker has it, so that who asks next finds it."""
        rcode = self._update(message.request)
        try:
            await self.settled()
        except EngineError:
            rcode = SERVFAIL  # whoever asks again finds it done
        worker.writer.write(encode(channel.Updated(message.id, rcode)))

    async def _end_former(self) -> None:
        """End the workers of the run before: all of ours answer."""
        former, self._former = self._former, ()
        await asyncio.gather(*(children.end(id, MODULE) for id in former))
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
    return children.running(folder / "workers.json", MODULE)


def _add(to: dict[str, ViewStats], stats: dict[str, ViewStats]) -> None:
    for view, counts in stats.items():
        sum_ = to.setdefault(view, ViewStats())
        sum_.queries += counts.queries
        sum_.limited += counts.limited
        sum_.truncated += counts.truncated
        sum_.transfers += counts.transfers
        for rcode, count in counts.rcodes.items():
            sum_.rcodes[rcode] = sum_.rcodes.get(rcode, 0) + count
