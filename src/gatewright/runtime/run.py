"""The loop of `gatewright run`: read, go live, then follow every save until told to stop.

    files → Model → graph (→ stand-ins) → Envoy        and, when asked for, → names → DNS workers
              ↑  ↑                           │                               → certificates ─┐
          watch  └──────── what was issued ──┼──────────────────────────────────────────────┘
                                         Observed → journal

What was live stays live whatever a save contains; each pass costs what changed.  Nothing that fails here takes the
gateways with it: a control plane that ends otherwise than on request leaves Envoy as it is, to be taken over.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIServer

import msgspec
from msgspec import Struct, structs
from prometheus_client import CollectorRegistry

from gatewright.base import collector
from gatewright.base.errors import UsageError
from gatewright.base.problem import Problem, Severity
from gatewright.engines.echo.server import EchoServer
from gatewright.engines.envoy.bindings import Bindings
from gatewright.graph.builder import empty_graph
from gatewright.graph.nodes import Backend, BackendKey, Change, Gateway, Graph, merged
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.pipeline import Model, State, utc_now
from gatewright.runtime import addresses, folder, metrics, report
from gatewright.runtime.beside import Beside, dns_server
from gatewright.runtime.certificates import Tell
from gatewright.runtime.dataplane import DataPlane
from gatewright.runtime.folder import StateFolder
from gatewright.runtime.journal import Journal
from gatewright.runtime.options import RunOptions
from gatewright.runtime.questions import Questions
from gatewright.runtime.signals import Signals
from gatewright.runtime.standins import StandIns
from gatewright.sources.watch import watch
from gatewright.system import files
from gatewright.system.processes import start_time_of

if TYPE_CHECKING:
    from gatewright.engines.dns.server import DnsServer

GLANCE = 1.0
"""How often to look whether Envoy is still connected and what it has taken, in seconds."""

RENEW = 6 * 3600.0
"""How often to look whether certificates of the private CA are due, in seconds: they are, 30 days before they end."""

EXPIRY = 60.0
"""How often to look whether a certificate from the manifests has ended, in seconds."""


class Listener(Struct):
    """Who is told.

    `ready` once everything is live; `changed` when Envoy has taken a change, with the seconds since its save was
    noticed; `problem` for each new Problem; `progress` what long work is being done, "" when it is over.
    """

    ready: Callable[[report.Live], None]
    changed: Callable[[Change, float], None]
    problem: Callable[[report.Fault], None]
    progress: Callable[[str], None]


class Run:
    """One run, from reading the manifests to draining Envoy."""

    def __init__(self, options: RunOptions, listener: Listener) -> None:
        self._options = options
        self._listener = listener
        self._folder = StateFolder(options.state)
        self._registry = CollectorRegistry()
        self._metrics = metrics.RunMetrics(self._registry)
        self._model = Model()
        self._graph = empty_graph()
        self._bindings = Bindings()
        self._empty: dict[BackendKey, Problem] = {}
        self._unplaced: tuple[Problem, ...] = ()
        self._questions = Questions()
        self._stand_ins: StandIns | None = None
        self._exposed: WSGIServer | None = None
        self._beside: Beside | None = None
        self._dns: DnsServer | None = None
        self._reservations = addresses.Reservations()
        self._facts = report.Facts(started=utc_now(), pid=os.getpid(), pid_started=start_time_of(os.getpid()) or 0)
        self._journal = Journal(
            self._folder.status, options.ready_file, self._model.locator, self._look, listener.problem
        )
        self._is_ready = False
        self._is_replaced = False
        self._unanswered: list[tuple[Change, float]] = []
        self._turn = asyncio.Lock()

    async def __call__(self) -> None:
        """Run until SIGTERM or SIGINT.  UsageError or EngineError when it cannot start."""
        signals = Signals()
        self._folder.prepare()
        self._data_plane = DataPlane(self._folder, self._options.envoy, self._registry, self._noticed)
        self._data_plane.claim()
        self._journal.clear()
        try:
            self._take_addresses()
            taken_over = await self._data_plane.start()  # it starts while we read
        except BaseException:
            await self._let_go()
            await self._data_plane.unclaim()
            raise
        try:
            self._listener.progress(f"reading {' '.join(self._options.paths)} ...")
            state = self._model.read(self._options.paths)
            self._check_gateways(state.graph)
            self._check_views()
            await _until(signals, self._start(state, taken_over))
            if not signals.stop.is_set():
                clocks = (self._glance(), self._renew(), self._expire(), self._get_certificates())
                await _until(signals, self._follow(), self._obey(signals), *clocks)
        except BaseException:
            await self._close()
            stays = self._is_ready or (taken_over and not self._is_replaced)
            await (self._data_plane.detach() if stays else self._data_plane.stop(0))
            if self._beside is not None:
                await (self._beside.detach() if stays else self._beside.stop())
            raise
        await self._end(signals)

    # --- start ----------------------------------------------------------------------------------

    async def _start(self, state: State, taken_over: bool) -> None:
        self._placing = self._place_with(taken_over)
        self._stand_ins = await self._echo()
        self._listener.progress(f"compiling {len(state.graph.virtual_hosts):,} virtual hosts ...")
        await asyncio.sleep(0)  # a signal that came meanwhile
        self._beside = self._make_beside()
        state = self._with_issued(state, self._beside)
        self._place(state.graph)
        await self._replace()
        with collector.paused():
            await self._apply(state)
        await self._serve_names(self._beside)
        self._journal.tell()
        self._listener.progress("waiting for Envoy ...")
        if not await self._data_plane.wait_live():
            message = "Envoy has not taken everything yet"
            self._listener.problem(
                report.Fault("not-live", Severity.WARNING.value, message, "", 0, "see gatewright status")
            )
        live = await self._journal.now()
        # What lives now lives long: keep the collector from walking it again and again.
        gc.collect()
        gc.freeze()
        self._is_ready = True
        self._listener.progress("")
        self._listener.ready(live)

    async def _replace(self) -> None:
        self._is_replaced = await self._data_plane.replace()
        if self._is_replaced:
            message = "the Envoy that ran was started by another version of Gatewright: a new one takes its place"
            hint = "its connections were ended, since they would have gone on without the protections of these routes"
            self._listener.problem(report.Fault("envoy-replaced", Severity.WARNING.value, message, "", 0, hint))

    def _make_beside(self) -> Beside:
        tell = Tell(renewed=self._data_plane.renew_certificates, changed=self._journal.soon)
        return Beside(self._folder, self._options, self._model.analysis, self._provide, self._data_plane, tell)

    def _with_issued(self, state: State, beside: Beside) -> State:
        """What earlier runs have got of issuers is there from the first handshake."""
        self._data_plane.door_certificates = beside.certificates.issued
        issued = beside.certificates.start()
        after = self._model.provide(issued)
        return structs.replace(after, change=merged(state.change, after.change)) if issued else state

    async def _serve_names(self, beside: Beside) -> None:
        if self._dns is not None:
            self._listener.progress("starting to answer DNS ...")
            await beside.serve_names(self._dns, self._bindings.sockets)
        beside.expose(self._registry, lambda: self._facts)

    def _check_views(self) -> None:
        if self._options.names is not None:
            from gatewright.runtime.names import check_options

            check_options(self._options.names, self._model.analysis)

    def _check_gateways(self, graph: Graph) -> None:
        known = sorted(graph.gateways)
        if not known and self._options.names is None:
            raise UsageError("no gateways: the manifests hold neither a Gateway nor routes of a known controller")
        for name in self._options.gateways:
            if not any(_is_called(graph.gateways[gateway_id], name) for gateway_id in known):
                raise UsageError(f"there is no gateway {name} (known: {', '.join(known)})")

    def _take_addresses(self) -> None:
        """Those that must be free, before anything is started that would have to be ended again."""
        self._exposed = self._expose()
        self._dns = dns_server(self._folder, self._options)

    async def _echo(self) -> StandIns | None:
        if not self._options.echo:
            return None
        server = EchoServer()
        await server.start()
        return StandIns(server, everything=self._options.echo == "all")

    def _expose(self) -> WSGIServer | None:
        if not self._options.metrics:
            return None
        return metrics.serve(self._options.metrics, self._registry, self._data_plane.process.admin.prometheus)

    def _place_with(self, taken_over: bool) -> addresses.Placing:
        if self._options.bind == "site":
            return addresses.OnSite(taken_over=taken_over)
        assignment = folder.read(self._folder.addresses, addresses.Assignment) or addresses.Assignment()
        return addresses.Loopback(assignment, self._reservations.take, taken_over=taken_over)

    # --- one pass -------------------------------------------------------------------------------

    async def _follow(self) -> None:
        async for paths in watch(self._model):
            await self._pass(paths)

    async def _obey(self, signals: Signals) -> None:
        while await signals.again.wait():
            signals.again.clear()
            await self._pass(self._model.watched)
            if self._beside is not None:
                self._beside.certificates.retry()

    async def _pass(self, paths: Iterable[str]) -> None:
        """Apply what changed; and try again what had no port, for which there is no event."""
        async with self._turn:
            started = time.monotonic()
            state = self._model.refresh(paths)
            self._data_plane.retry_listeners()
            change = state.change if state is not None else Change()
            if change.gateways or self._unplaced:
                self._place(self._model.graph)
            await self._apply(state or State(self._model.graph, change))
            if change != Change():
                self._metrics.changes.inc()
                self._metrics.apply_seconds.observe(time.monotonic() - started)
                self._facts = structs.replace(self._facts, changed=utc_now(), changes=self._facts.changes + 1)
                self._unanswered.append((change, started))
                self._answered()
            self._journal.soon()

    async def _provide(self, intents: Mapping[Key, Intent | None]) -> Graph:
        """Take in what was made here, an issued certificate or the answer to a challenge, and apply what follows."""
        async with self._turn:
            state = self._model.provide(intents)
            await self._apply(state)
            self._journal.soon()
            return state.graph

    async def _apply(self, state: State) -> None:
        graph, change = state.graph, state.change
        asked = self._questions.apply(graph, change)
        change = structs.replace(change, backends=change.backends | asked)
        if self._stand_ins is not None:
            graph = await self._stand_ins.apply(graph, change, self._questions)
        self._graph = graph
        for key in change.backends:
            self._note_emptiness(key, graph.backends.get(key))
        if self._beside is not None:
            await self._beside.users.apply(graph, change)  # before Envoy asks about them
        self._data_plane.apply(graph, change, self._bindings)
        self._metrics.virtual_hosts.set(len(graph.virtual_hosts))
        if self._beside is not None:
            self._beside.apply(state, self._bindings.sockets)

    def _note_emptiness(self, key: BackendKey, backend: Backend | None) -> None:
        """Remember the backends that answer 503 because nobody stands behind them."""
        self._empty.pop(key, None)
        if backend is not None and backend.usable and not backend.endpoints and not backend.dns_name:
            message = f"Service {key.namespace}/{key.name} has no endpoints: requests to it get 503"
            hint = "add an EndpointSlice, or let --echo answer"
            if key in self._questions:
                message = f"Service {key.namespace}/{key.name} has no endpoints, and is asked who may pass: nobody may"
                hint = "add an EndpointSlice; --echo does not answer for it, since it would let everybody pass"
            self._empty[key] = Problem("no-endpoints", message, backend.origins[0], Severity.WARNING, hint)

    def _place(self, graph: Graph) -> None:
        wanted = {
            gateway.id: gateway
            for gateway in graph.gateways.values()
            if not self._options.gateways or any(_is_called(gateway, name) for name in self._options.gateways)
        }
        placed = self._placing.place(wanted)
        if placed.sockets != self._bindings.sockets and self._placing.assignment is not None:
            with suppress(OSError):  # a full disk costs the next run its old addresses, this one nothing
                files.write(self._folder.addresses, msgspec.json.encode(self._placing.assignment))
        self._unplaced = placed.problems
        log = str(self._folder.access_log)
        self._bindings = structs.replace(self._bindings, sockets=placed.sockets, access_log=log)

    # --- what Envoy says ------------------------------------------------------------------------

    def _noticed(self) -> None:
        """Envoy said something: whether that was the last of a change is known after its effects."""
        asyncio.get_running_loop().call_soon(self._answered)

    def _answered(self) -> None:
        if self._data_plane.refused != self._facts.refusals:
            self._journal.soon()
        if not self._unanswered or not self._data_plane.is_settled:
            return
        now = time.monotonic()
        unanswered, self._unanswered = self._unanswered, []
        for change, started in unanswered:
            self._metrics.live_seconds.observe(now - started)
            self._listener.changed(change, now - started)

    async def _glance(self) -> None:
        """Envoy comes and goes without a word; and what it has taken frees what it asked before."""
        while True:
            await asyncio.sleep(GLANCE)
            if self._envoy() != self._facts.envoy:
                self._journal.soon()
            async with self._turn:
                await self._forget_questions()

    async def _forget_questions(self) -> None:
        """While Envoy has routes of before, also because it refused those of now, it may still ask."""
        if self._data_plane.is_settled and not self._data_plane.refused:
            gone = self._questions.forget()
            if gone:
                await self._apply(State(self._model.graph, Change(backends=gone)))
                self._journal.soon()

    async def _renew(self) -> None:
        """Envoy asks for a certificate once; that a newer one is due it has to be told."""
        while True:
            await asyncio.sleep(RENEW)
            self._data_plane.renew_certificates()

    async def _get_certificates(self) -> None:
        assert self._beside is not None
        await self._beside.work()

    async def _expire(self) -> None:
        """Nobody saves a file when a certificate expires."""
        while True:
            await asyncio.sleep(EXPIRY)
            async with self._turn:
                state = self._model.recheck()
                if state.change != Change():
                    await self._apply(state)
                    self._journal.soon()

    # --- telling --------------------------------------------------------------------------------

    def _envoy(self) -> report.Envoy:
        process = self._data_plane.process.id
        return report.Envoy(process.pid if process else 0, self._data_plane.is_connected)

    def _look(self) -> report.Facts:
        empty = dict.fromkeys(self._empty[key] for key in sorted(self._empty))
        problems = (*self._model.problems(), *self._unplaced, *empty, *self._data_plane.problems)
        if self._beside is not None:
            problems += self._beside.problems
        self._metrics.count_problems(problems)
        self._facts = structs.replace(
            self._facts,
            graph=self._graph,
            bindings=self._bindings,
            ca_file=str(self._data_plane.authority.ca_file),
            problems=problems,
            refusals=self._data_plane.refused,
            stand_ins=len(self._stand_ins.served) if self._stand_ins else 0,
            envoy=self._envoy(),
            certificates=self._beside.statuses if self._beside is not None else (),
            dns=self._beside.views if self._beside is not None else (),
        )
        return self._facts

    # --- end ------------------------------------------------------------------------------------

    async def _end(self, signals: Signals) -> None:
        """Drain, unless told to hurry; then nothing of this run is left."""
        self._listener.progress(f"draining, for up to {self._options.drain_seconds:g} s ...")
        draining = asyncio.create_task(self._data_plane.stop(self._options.drain_seconds))
        hurrying = asyncio.create_task(signals.hurry.wait())
        await asyncio.wait({draining, hurrying}, return_when=asyncio.FIRST_COMPLETED)
        if not draining.done():
            draining.cancel()
            with suppress(asyncio.CancelledError):
                await draining
            await self._data_plane.stop(0)
        hurrying.cancel()
        if self._beside is not None:
            await self._beside.stop()
        await self._close()
        self._listener.progress("")

    async def _close(self) -> None:
        await self._let_go()
        self._reservations.close()
        await self._journal.close()

    async def _let_go(self) -> None:
        if self._exposed is not None:
            await asyncio.to_thread(self._exposed.shutdown)
            self._exposed.server_close()
        if self._dns is not None:
            self._dns.release()


async def _until(signals: Signals, *work: Coroutine[None, None, None]) -> None:
    """Work until all of a start is done, one of several never-ending works failed, or a signal says stop."""
    tasks = {asyncio.create_task(one) for one in (*work, _set(signals.stop))}
    done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for task in done:
        task.result()


async def _set(event: asyncio.Event) -> None:
    await event.wait()


def _is_called(gateway: Gateway, name: str) -> bool:
    """A gateway goes by its id or, for short, by its name alone."""
    return name in (gateway.id, gateway.key.name)
