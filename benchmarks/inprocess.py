"""Gatewright without its files: objects go in, as from a watch of an API server, and a real Envoy is kept in step."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry

from benchmarks import support
from gatewright import kinds
from gatewright.base.document import Document
from gatewright.engines.envoy.bindings import Bindings, PortKey, Socket
from gatewright.engines.envoy.process import EnvoyOptions
from gatewright.graph.builder import Builder
from gatewright.graph.nodes import Change, Graph
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.pipeline import utc_now
from gatewright.runtime.dataplane import DataPlane
from gatewright.runtime.folder import StateFolder

ADDRESS = "127.0.0.1"


class Gatewright:
    """kinds → graph → Envoy, as `gatewright run` composes them."""

    def __init__(self, folder: Path, *, access_log: bool = False) -> None:
        folder.mkdir(exist_ok=True)
        state = StateFolder(folder / "s")
        state.prepare()
        self.plane = DataPlane(state, EnvoyOptions(concurrency=1), CollectorRegistry())
        self.bindings = Bindings(access_log=str(state.access_log) if access_log else "")
        self._builder = Builder(utc_now)

    def resolve(self, documents: Iterable[Document]) -> tuple[Graph, Change]:
        """Take objects in: the graph now, and what changed."""
        changes: dict[Key, Intent | None] = {}
        for document in documents:
            lowered = kinds.lower(document)
            assert lowered is not None, document
            assert lowered.intent is not None, lowered.problems
            changes[lowered.intent.key] = lowered.intent
        return self._builder.apply(changes)

    def put(self, documents: Iterable[Document]) -> None:
        """Take objects in and make them real."""
        graph, change = self.resolve(documents)
        self.plane.apply(graph, change, self.bindings)

    def port(self, number: int) -> int:
        """Where a described port is bound."""
        return next(s[0].port for key, s in self.bindings.sockets.items() if key.port == number)

    async def start(self, documents: Iterable[Document]) -> None:
        """Everything at once, on an Envoy of its own, until all of it is live."""
        graph, change = self.resolve(documents)
        sockets = {
            PortKey(gateway.id, port.number, port.udp): (Socket(ADDRESS, support.free_port(ADDRESS)),)
            for gateway in graph.gateways.values()
            for port in gateway.ports
        }
        self.bindings = Bindings(sockets, access_log=self.bindings.access_log)
        await self.plane.start()
        self.plane.apply(graph, change, self.bindings)
        if not await self.plane.wait_live():
            raise RuntimeError("Envoy did not take everything in time")
        gc.collect()
        gc.freeze()

    @property
    def envoy(self) -> int:
        """Envoy's process id."""
        assert self.plane.process.id is not None
        return self.plane.process.id.pid


@contextlib.asynccontextmanager
async def gatewright(
    folder: Path, documents: Iterable[Document], *, access_log: bool = False
) -> AsyncIterator[Gatewright]:
    """A Gatewright that serves these objects until the block is left."""
    made = Gatewright(folder, access_log=access_log)
    try:
        await made.start(documents)
        yield made
    finally:
        await made.plane.stop(0)
        gc.unfreeze()
