"""The loop of `gatewright run`: read, go live, then follow every save until told to stop.

    files → Model → graph (→ stand-ins) → Envoy
              ↑                              │
            watch                        Observed → status

What was live stays live whatever a save contains; each pass costs what changed.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from wsgiref.simple_server import WSGIServer

import msgspec
from msgspec import Struct, structs
from prometheus_client import CollectorRegistry

from gatewright.base.errors import UsageError
from gatewright.base.problem import Problem
from gatewright.engines.echo.server import EchoServer
from gatewright.engines.envoy.bindings import Bindings
from gatewright.engines.envoy.process import EnvoyOptions
from gatewright.graph.nodes import Change, Gateway, Graph
from gatewright.pipeline import Model, State
from gatewright.runtime import addresses, folder, metrics, report
from gatewright.runtime.dataplane import DataPlane
from gatewright.runtime.folder import StateFolder
from gatewright.runtime.standins import StandIns
from gatewright.sources.watch import watch

REPORT_DELAY = 0.25
"""Seconds after a change until files that only tell about it are written: saves come in bursts."""


class RunOptions(Struct, frozen=True):
    """What the user asked for.  `echo`: "", "missing" or "all"; `bind`: "loopback" or "site"."""

    paths: tuple[str, ...]
    state: Path
    gateways: tuple[str, ...] = ()
    bind: str = "loopback"
    echo: str = ""
    ready_file: Path | None = None
    metrics: str = ""
    drain_seconds: float = 10.0
    envoy: EnvoyOptions = EnvoyOptions()


class Listener(Struct):
    """Who is told: `ready` once everything is live, `changed` after each pass, `problem` for each new Problem."""

    ready: Callable[[report.Live], None]
    changed: Callable[[Change, float], None]
    problem: Callable[[report.Fault], None]


class Run:
    """One run, from reading the manifests to draining Envoy."""

    def __init__(self, options: RunOptions, listener: Listener) -> None:
        self._options = options
        self._listener = listener
        self._folder = StateFolder(options.state)
        self._registry = CollectorRegistry()
        self._metrics = metrics.RunMetrics(self._registry)
        self._model = Model()
        self._graph: Graph | None = None
        self._bindings = Bindings()
        self._placing: tuple[Problem, ...] = ()
        self._told: set[Problem] = set()
        self._report_timer: asyncio.TimerHandle | None = None
        self._reporting: asyncio.Task[None] | None = None

    async def __call__(self) -> None:
        """Run until SIGTERM or SIGINT.  UsageError or EngineError when it cannot start."""
        stop = _stop_signals()
        self._folder.prepare()
        state = self._model.read(self._options.paths)
        self._check_gateways(state.graph)
        self._data_plane = DataPlane(self._folder, self._options.envoy, self._registry)
        self._stand_ins = await self._echo()
        self._loopback = addresses.Loopback(self._assignment())
        taken_over = await self._data_plane.start()
        if taken_over:
            self._loopback.take_over()
        exposed = self._expose()
        try:
            await self._apply(state)
            await self._go_live()
            # What lives now lives long: keep the collector from walking it again and again.
            gc.collect()
            gc.freeze()
            following = asyncio.create_task(self._follow())
            stopping = asyncio.create_task(stop.wait())
            done, _ = await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
            following.cancel()
            stopping.cancel()
            for task in done:
                task.result()
        finally:
            if exposed is not None:
                exposed.shutdown()
            await self._end()

    # --- start ----------------------------------------------------------------------------------

    def _check_gateways(self, graph: Graph) -> None:
        known = sorted(graph.gateways)
        if not known:
            raise UsageError("no gateways: the manifests hold neither a Gateway nor routes of a known controller")
        for name in self._options.gateways:
            if not any(_is_called(graph.gateways[gateway_id], name) for gateway_id in known):
                raise UsageError(f"there is no gateway {name} (known: {', '.join(known)})")

    async def _echo(self) -> StandIns | None:
        if not self._options.echo:
            return None
        server = EchoServer()
        await server.start()
        return StandIns(server, everything=self._options.echo == "all")

    def _assignment(self) -> addresses.Assignment:
        return folder.read(self._folder.addresses, addresses.Assignment) or addresses.Assignment()

    def _expose(self) -> WSGIServer | None:
        if not self._options.metrics:
            return None
        return metrics.serve(self._options.metrics, self._registry, self._data_plane.process.admin.prometheus)

    async def _go_live(self) -> None:
        self._tell()
        complete = await self._data_plane.wait_live()
        if not complete:
            self._listener.problem(
                report.Fault(
                    "not-live", "warning", "Envoy has not taken everything yet", "", 0, "see gatewright status"
                )
            )
        live = self._live()
        self._write(live)
        self._listener.ready(live)

    # --- one pass -------------------------------------------------------------------------------

    async def _follow(self) -> None:
        async for paths in watch(self._model):
            started = time.monotonic()
            state = self._model.refresh(paths)
            if state is None:
                continue
            await self._apply(state)
            took = time.monotonic() - started
            self._metrics.changes.inc()
            self._metrics.apply_seconds.observe(took)
            self._listener.changed(state.change, took)
            self._report_soon()

    async def _apply(self, state: State) -> None:
        graph, change = state.graph, state.change
        if change.gateways:
            self._place(graph)
        if self._stand_ins is not None:
            graph = await self._stand_ins.apply(graph, change)
        self._graph = graph
        self._data_plane.apply(graph, change, self._bindings)
        self._metrics.virtual_hosts.set(len(graph.virtual_hosts))

    def _place(self, graph: Graph) -> None:
        wanted = {
            gateway.id: gateway
            for gateway in graph.gateways.values()
            if not self._options.gateways or any(_is_called(gateway, name) for name in self._options.gateways)
        }
        if self._options.bind == "site":
            placed = addresses.on_site(wanted)
        else:
            placed = self._loopback.place(wanted)
            folder.write(self._folder.addresses, msgspec.json.encode(self._loopback.assignment))
        self._placing = placed.problems
        log = str(self._folder.access_log)
        self._bindings = structs.replace(self._bindings, sockets=placed.sockets, access_log=log)

    # --- telling --------------------------------------------------------------------------------

    def _problems(self) -> tuple[Problem, ...]:
        return (*self._model.problems(), *self._placing, *self._data_plane.problems)

    def _tell(self) -> None:
        """Each Problem once, for as long as it lasts."""
        now = dict.fromkeys(self._problems())
        for problem in now:
            if problem not in self._told:
                self._listener.problem(report.fault(problem, self._model.locator))
        self._told = set(now)
        self._metrics.count_problems(now)

    def _live(self) -> report.Live:
        assert self._graph is not None
        graph, ca_file = self._graph, str(self._data_plane.authority.ca_file)
        return report.Live(
            version=report.VERSION,
            pid=os.getpid(),
            ca_file=ca_file,
            listeners=report.listening(graph, self._bindings, ca_file),
            virtual_hosts=len(graph.virtual_hosts),
            backends=len(graph.backends),
            stand_ins=len(self._stand_ins.served) if self._stand_ins else 0,
            problems=report.faults(self._problems(), self._model.locator),
            held_back=report.refusals(self._data_plane.refused),
        )

    def _write(self, live: report.Live) -> None:
        folder.write(self._folder.status, msgspec.json.encode(live))
        if self._options.ready_file is not None:
            ready = structs.replace(live, problems=(), held_back=())
            folder.write(self._options.ready_file, msgspec.json.format(msgspec.json.encode(ready)), 0o644)

    def _report_soon(self) -> None:
        if self._report_timer is None:
            self._report_timer = asyncio.get_running_loop().call_later(REPORT_DELAY, self._report)

    def _report(self) -> None:
        self._report_timer = None
        self._tell()
        live = self._live()
        self._reporting = asyncio.create_task(asyncio.to_thread(self._write, live))

    # --- end ------------------------------------------------------------------------------------

    async def _end(self) -> None:
        if self._report_timer is not None:
            self._report_timer.cancel()
        if self._reporting is not None:
            await self._reporting
        await self._data_plane.stop(self._options.drain_seconds)
        self._folder.status.unlink(missing_ok=True)
        if self._options.ready_file is not None:
            self._options.ready_file.unlink(missing_ok=True)


def _is_called(gateway: Gateway, name: str) -> bool:
    """A gateway goes by its id or, for short, by its name alone."""
    return name in (gateway.id, gateway.key.name)


def _stop_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
