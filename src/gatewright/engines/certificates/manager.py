"""The manager of wanted certificates: what is due when, what is in use, and how each stands.

It neither speaks to authorities (its obtainers do) nor decides what is wanted (`graph.issuing` does).  Everything here
happens in the event loop's thread, attempts run in threads of their own (`attempt`).  What is in use stays in use until
something newer is on disk; every moment that was drawn is kept there, too, so that a restart changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct

from gatewright.base.errors import EngineError
from gatewright.engines.certificates import attempt as attempts
from gatewright.engines.certificates.attempt import Asked, ObtainerFor, Result, Task
from gatewright.engines.certificates.entry import Entry
from gatewright.engines.certificates.issued import CertificateStatus, Issued
from gatewright.engines.certificates.schedule import Schedule
from gatewright.engines.certificates.store import DamagedError, Moments, Store, description, same_issue
from gatewright.graph.issuing import Issuer, Wanted
from gatewright.kinds.identity import Key

_log = logging.getLogger(__name__)

_LONGEST_SLEEP = 60.0
"""Clocks are set and machines sleep: it is looked at so often whatever comes next, in seconds."""


class Counts(Struct):
    """What happened since the start: certificates that were issued, attempts that failed."""

    issued: int = 0
    failed: int = 0


class Manager:
    """Keeps what is in `folder`.

    `deliver` is called for every certificate that comes into use, and `changed` once after all of one turn, also when
    only statuses changed; both in the thread of `want` and `run`, and neither may call back.  `clock`: POSIX seconds;
    `chance` draws the moments; `threads`: attempts at a time.
    """

    def __init__(  # noqa: PLR0913  (its neighbours, each a function)
        self,
        folder: Path,
        obtainer_for: ObtainerFor,
        deliver: Callable[[Wanted, Issued], None],
        changed: Callable[[], None],
        clock: Callable[[], float],
        chance: random.Random,
        threads: int = 8,
    ) -> None:
        self._store = Store(folder)
        self._obtainer_for = obtainer_for
        self._deliver, self._changed = deliver, changed
        self._clock, self._chance = clock, chance.random
        self._threads = threads
        self._entries: dict[str, Entry] = {}
        self._targets: dict[Key, tuple[str, ...]] = {}
        self._issuers: dict[Key, Issuer | None] = {}
        self._users: dict[Key, set[str]] = defaultdict(set)
        self._borrowers: dict[str, set[str]] = defaultdict(set)
        self._running: set[str] = set()
        self._failing: set[Key] = set()
        """Issuers that failed last, so that a day without one is told of once."""
        self._schedule = Schedule()
        self._done: list[Result | Asked] = []
        self._outbox: dict[str, Issued] = {}
        self._unwritten: dict[str, Moments] = {}
        self._told = False
        self._latest = -math.inf
        self._wake = asyncio.Event()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="certificates")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="certificate-moments")
        self.counts = Counts()

    # --- what is wanted ---

    def want(self, changes: Mapping[Key, tuple[Wanted, ...]], issuers: Mapping[Key, Issuer | None]) -> None:
        """Take what is wanted for these targets now, () for nothing, and the issuers that differ, None for one that
        does not exist.  What the disk has is delivered at once.  O(changes)."""
        concerned: dict[str, None] = {}
        for key, issuer in issuers.items():
            if key not in self._issuers or self._issuers[key] != issuer:
                self._issuers[key] = issuer
                concerned |= dict.fromkeys(self._reconsidered(key))
        for target, wanted in changes.items():
            concerned |= dict.fromkeys(self._of_target(target, wanted))
        for wanted_id in concerned:
            self._plan(wanted_id)
        self._flush()

    def retry(self, wanted_id: str | None = None) -> None:
        """Try again now what failed last: this one, or all."""
        for name in [wanted_id] if wanted_id is not None else list(self._entries):
            entry = self._entries.get(name)
            if entry is not None and entry.moments.failures:
                entry.forgive()
                self._plan(name)
        self._flush()

    def poke(self) -> None:
        """Look at the clock again: it was set, or the machine was asleep."""
        self._wake.set()

    def statuses(self) -> tuple[CertificateStatus, ...]:
        """How each stands, sorted by id."""
        return tuple(
            entry.status(self._lender(entry)) for _, entry in sorted(self._entries.items(), key=lambda item: item[0])
        )

    @property
    def running(self) -> int:
        """How many attempts are under way."""
        return len(self._running)

    def next_moment(self) -> float:
        """When something is due next, POSIX seconds; infinite for never, 0 for what waits for a thread."""
        return self._schedule.next()

    def _of_target(self, target: Key, wanted: tuple[Wanted, ...]) -> Iterator[str]:
        after = {item.id: item for item in wanted}
        for name in self._targets.get(target, ()):
            if name not in after:
                yield from self._drop(name)
        self._targets[target] = tuple(after)
        if not after:
            del self._targets[target]
        for name, item in after.items():
            entry = self._entries.get(name)
            if entry is None:
                self._entries[name] = self._load(item)
            elif entry.wanted == item:
                continue
            else:
                self._unlink(entry.wanted)
                entry.replace(item)
            self._users[item.issuer].add(name)
            if item.reuse:
                self._borrowers[item.reuse].add(name)
            yield name
            yield from self._borrowers.get(name, ())

    def _load(self, wanted: Wanted) -> Entry:
        entry = Entry(wanted)
        try:
            entry.stored = self._store.load(wanted.id)
        except (DamagedError, EngineError) as error:
            entry.note = str(error)
            _log.error("%s: %s", wanted.id, error)
        entry.moments = same_issue(self._store.moments(wanted.id), entry.stored)
        if entry.moments.description != description(wanted):
            entry.forgive()
        return entry

    def _drop(self, name: str) -> Iterator[str]:
        """Nobody wants it any more; its files stay, since somebody may want it again."""
        self._unlink(self._entries.pop(name).wanted)
        self._schedule.discard(name)
        self._outbox.pop(name, None)
        self._told = True
        yield from self._borrowers.get(name, ())

    def _unlink(self, wanted: Wanted) -> None:
        self._users[wanted.issuer].discard(wanted.id)
        if not self._users[wanted.issuer]:
            del self._users[wanted.issuer]
        if wanted.reuse:
            self._borrowers[wanted.reuse].discard(wanted.id)
            if not self._borrowers[wanted.reuse]:
                del self._borrowers[wanted.reuse]

    def _reconsidered(self, issuer: Key) -> Iterator[str]:
        """Whoever could not be served by an issuer may be, now that it is another."""
        self._failing.discard(issuer)
        for name in self._users.get(issuer, ()):
            self._entries[name].forgive()
            yield name

    # --- what comes next ---

    def _plan(self, name: str) -> None:
        """Decide what comes next for an entry, after anything about it has changed."""
        entry = self._entries.get(name)
        if entry is None:
            return
        self._told = True
        lender = self._lender(entry)
        stored = (lender or entry).in_use
        if stored is not None and entry.delivered != stored.issued:
            self._outbox[name] = entry.delivered = stored.issued
        if name in self._running:
            return  # it is planned for when that is done
        obstacle = self._obstacle(entry.wanted.issuer)
        if obstacle or not entry.moments.failures:
            entry.unusable = obstacle
        entry.doubt(self._clock())
        if entry.draw(self._clock(), self._chance):
            self._keep(entry)
        if lender is not None or entry.unusable:
            self._schedule.discard(name)
            return
        self._schedule.put(name, entry.next(), entry.rank(self._clock()))
        self._wake.set()

    def _lender(self, entry: Entry) -> Entry | None:
        """Whose certificate does for this one, too: of one that itself is made."""
        lender = self._entries.get(entry.wanted.reuse)
        return lender if lender is not None and not lender.wanted.reuse else None

    def _obstacle(self, key: Key) -> str:
        """Why no attempt makes sense with this issuer, "" when one does."""
        issuer = self._issuers.get(key)
        return f"{key} does not exist" if issuer is None else issuer.fault

    def _keep(self, entry: Entry) -> None:
        """Put the moments on disk, in a thread, since that waits for the disk; only the latest of each."""
        self._unwritten[entry.wanted.id] = entry.moments
        self._writer.submit(self._write, entry.wanted.id)

    def _write(self, name: str) -> None:
        moments = self._unwritten.pop(name, None)
        if moments is not None:
            with contextlib.suppress(EngineError):  # a restart then draws again; what matters is saved elsewhere
                self._store.save_moments(name, moments)

    def _flush(self) -> None:
        """Hand out what came into use, all of one turn together."""
        outbox, self._outbox = self._outbox, {}
        for name, issued in outbox.items():
            self._deliver(self._entries[name].wanted, issued)
        if self._told or outbox:
            self._told = False
            self._changed()

    # --- running ---

    async def run(self) -> None:
        """Get what is due, until cancelled: attempts that run then go on to their end in their threads, and what they
        got is found on disk by the next run.  To be run once."""
        try:
            while True:
                self._wake.clear()
                self._look_at_clock()
                self._settle()
                self._start()
                self._flush()
                # `asyncio.wait_for` may swallow a cancellation that comes as it is woken.
                timer = asyncio.get_running_loop().call_later(self._pause(), self._wake.set)
                await self._wake.wait()
                timer.cancel()
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._writer.shutdown(wait=True)

    def _look_at_clock(self) -> None:
        """When it was set back, what was planned by it may be years away."""
        now = self._clock()
        if now < self._latest - _LONGEST_SLEEP:
            for name in list(self._entries):
                self._plan(name)
        self._latest = now

    def _pause(self) -> float:
        """Seconds until there may be something to do."""
        following = self._schedule.next() - self._clock() if len(self._running) < self._threads else math.inf
        return min(max(following, 0.0), _LONGEST_SLEEP)

    def _start(self) -> None:
        """Hand out what is due, to as many as there are threads."""
        now = self._clock()
        while len(self._running) < self._threads and (name := self._schedule.take(now)) is not None:
            entry = self._entries[name]
            issuer = self._issuers[entry.wanted.issuer]
            assert issuer is not None, "an obstacle"
            task = self._task(entry, issuer, now)
            entry.attempting = entry.due() <= now
            self._told = True
            self._running.add(name)
            self._submit(attempts.attempt if entry.attempting else attempts.ask_again, task)

    def _task(self, entry: Entry, issuer: Issuer, now: float) -> Task:
        wanted = entry.wanted
        asked = description(wanted)

        def superseded() -> bool:
            current = self._entries.get(wanted.id)
            return current is not None and description(current.wanted) != asked

        return Task(wanted, issuer, now, superseded, entry.stored, entry.unsaved)

    def _submit(self, work: Callable[[Task, Store, ObtainerFor], Result | Asked], task: Task) -> None:
        loop = asyncio.get_running_loop()

        def done(result: Result | Asked) -> None:
            self._done.append(result)
            self._wake.set()

        def run() -> None:
            result = work(task, self._store, self._obtainer_for)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is interested any more
                loop.call_soon_threadsafe(done, result)

        self._pool.submit(run)

    def _settle(self) -> None:
        """Take in what the threads came back with."""
        done, self._done = self._done, []
        for result in done:
            wanted = result.wanted
            self._running.discard(wanted.id)
            entry = self._entries.get(wanted.id)
            if entry is not None:
                entry.attempting = False
                # What was asked for under another description says nothing of this one.
                if description(entry.wanted) == description(wanted):
                    self._take(entry, result)
            for name in (wanted.id, *self._borrowers.get(wanted.id, ())):
                self._plan(name)

    def _take(self, entry: Entry, result: Result | Asked) -> None:
        now = self._clock()
        if isinstance(result, Asked):
            entry.told(result.window, now, self._chance)
        elif result.stored is not None:
            entry.succeed(result.stored, result.window, now, self._chance)
            self._succeeded(entry)
        elif result.message:
            entry.fail(result, now, self._chance)
            self._failed(entry)
        self._keep(entry)

    def _succeeded(self, entry: Entry) -> None:
        self.counts.issued += 1
        issuer = entry.wanted.issuer
        if issuer in self._failing:
            self._failing.discard(issuer)
            _log.info("%s gives certificates again", issuer)

    def _failed(self, entry: Entry) -> None:
        self.counts.failed += 1
        issuer = entry.wanted.issuer
        if issuer not in self._failing:
            self._failing.add(issuer)
            # Its status says it to users; here it is for whoever keeps a log of issuers.
            _log.info(
                "%s: no certificate from %s: %s; what is in use stays",
                entry.wanted.id, issuer, entry.moments.message,
            )  # fmt: skip
