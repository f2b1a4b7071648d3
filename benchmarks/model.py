"""The model alone, by stage: reading N hosts, and one change.  Watches the cost of the graph."""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import manifests, support
from benchmarks.support import Row
from gatewright import kinds
from gatewright.engines.envoy import plan as planning
from gatewright.engines.envoy.bindings import Bindings, PortKey, Socket
from gatewright.engines.envoy.resources import Resources
from gatewright.graph.builder import Builder
from gatewright.graph.nodes import Graph
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.pipeline import Model, utc_now
from gatewright.sources.files import FileSource

BAR = "flat"


def write(folder: Path, size: int, port: int, *, one_file: bool = False) -> None:
    """The manifests of N hosts, each with a Service of its own: a file for each host, or one for all."""
    folder.mkdir()
    (folder / "gateway.yaml").write_text(manifests.gateway())
    texts = (host(number, port) for number in range(size))
    if one_file:
        (folder / "hosts.yaml").write_text(manifests.DIVIDER.join(texts))
    else:
        for number, text in enumerate(texts):
            file(folder, number).write_text(text)


def file(folder: Path, number: int) -> Path:
    return folder / f"host-{number}.yaml"


def host(number: int, port: int, backend: str = "") -> str:
    """The manifests of one host; `backend`: another Service than its own."""
    own = f"service-{number}"
    return manifests.DIVIDER.join(
        (manifests.http_route(number, backend or own), manifests.service(own, "127.0.0.1", port))
    )


def measure(sizes: list[int], times: int) -> Iterator[Row]:
    """Rows for each size."""
    first = 0.0
    for size in sizes:
        with support.folder() as folder:
            write(folder / "m", size, 8080)
            yield from _stages(folder / "m", size)
            model, read = Model(), time.perf_counter()
            model.read([str(folder / "m")])
            yield Row("cold read: files → graph", size, f"{time.perf_counter() - read:.2f} s")
            gc.collect()
            gc.freeze()
            found = _edits(model, folder / "m", size, times)
            first = first or found.mean
            yield Row(
                "one file changed: file → graph", size, str(found), found.mean / first, f"mean at {sizes[0]:,}", BAR
            )
            del model
            gc.unfreeze()
            gc.collect()


def _edits(model: Model, folder: Path, size: int, times: int) -> support.Figures:
    took = []
    for turn in range(times):
        number = turn * 7919 % size
        file(folder, number).write_text(host(number, 8080, f"service-{(number + 1 + turn % 2) % size}"))
        started = time.perf_counter()
        state = model.refresh([str(file(folder, number))])
        took.append(time.perf_counter() - started)
        assert state is not None
        assert len(state.change.virtual_hosts) == 1, state.change
    return support.figures(took)


def _stages(folder: Path, size: int) -> Iterator[Row]:
    """Where the time of a cold start goes; the collector is off, as it is when a Model reads."""
    gc.disable()
    parts: list[tuple[str, float]] = []
    started = time.perf_counter()

    def stage(name: str) -> None:
        nonlocal started
        parts.append((name, time.perf_counter() - started))
        started = time.perf_counter()

    documents = FileSource().read([str(folder)]).documents
    stage("read")
    lowered = [kinds.lower(document) for document in documents.values()]
    intents: dict[Key, Intent | None] = {one.intent.key: one.intent for one in lowered if one and one.intent}
    stage("lower")
    graph, change = Builder(utc_now).apply(intents)
    stage("graph")
    plan = planning.plan(graph, change, bindings(graph), planning.State())
    stage("compile")
    Resources().apply(plan.changes)
    stage("serialise")
    gc.enable()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    words = ", ".join(f"{name} {seconds:.2f}" for name, seconds in parts)
    yield Row("stages of a cold start", size, f"{words} s; {peak} MB at most", sum(s for _, s in parts), "1 s")


def bindings(graph: Graph) -> Bindings:
    """Sockets for all that a graph describes, which nobody binds."""
    sockets = {
        PortKey(gateway.id, port.number, port.udp): (Socket("127.0.0.1", 10_000 + port.number),)
        for gateway in graph.gateways.values()
        for port in gateway.ports
    }
    return Bindings(sockets)
