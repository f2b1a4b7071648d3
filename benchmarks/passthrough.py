"""A passthrough name added among N: until the first TLS connection through it has its answer; and Envoy's memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

from benchmarks import envoys, manifests, support
from benchmarks.client import Watch, client
from benchmarks.inprocess import ADDRESS, gatewright
from benchmarks.support import Row
from gatewright.base.document import Document

BAR = "≤ 5 ms, Envoy ≤ 80 MB"


def measure(sizes: list[int], times: int) -> Iterator[Row]:
    """Two rows for each size."""
    first: dict[str, float] = {}
    for size in sizes:
        with support.folder() as folder, envoys.backends(folder) as backends:
            for what, took, rest in uvloop.run(_at(size, times, folder, backends)):
                found = support.figures(took)
                against = first.setdefault(what, found.p50)
                yield Row(what, size, f"{found}; {rest}", found.p50 / against, f"p50 at {sizes[0]:,}", BAR)


async def _at(size: int, times: int, folder: Path, backends: envoys.Backends) -> list[tuple[str, list[float], str]]:
    asked: list[float] = []
    unasked: list[float] = []
    wrong = 0
    async with gatewright(folder, documents(size, backends)) as made:
        before = support.memory(made.envoy)
        with client(ADDRESS, made.port(manifests.TLS)) as asking:
            for turn in range(2 * times):
                number = size + turn
                host = manifests.hostname(number)
                added = [
                    *manifests.documents(manifests.service(f"tenant-{number}", ADDRESS, backends.tls)),
                    *manifests.documents(manifests.tls_route(number, f"tenant-{number}")),
                ]
                eager = turn % 2 == 0
                watch = Watch(host, "tls", manifests.hostname(turn % size), "tls", tls=True, eager=eager)
                await asyncio.to_thread(asking.begin, watch)
                started = time.monotonic()
                made.put(added)
                if not eager:
                    asking.go()
                seen = await asyncio.to_thread(asking.end)
                (asked if eager else unasked).append(seen.at - started)
                wrong += seen.wrong
        memory = f"{wrong} wrong answers; Envoy {before} MB, {support.memory(made.envoy)} MB afterwards"
    return [
        ("passthrough name added → first TLS answer", unasked, memory),
        ("the same, while clients already ask for it", asked, memory),
    ]


def documents(size: int, backends: envoys.Backends) -> Iterator[Document]:
    """The gateway, and N tenants with a Service and a TLSRoute each."""
    yield from manifests.documents(manifests.gateway())
    for number in range(size):
        yield from manifests.documents(manifests.service(f"tenant-{number}", ADDRESS, backends.tls))
        yield from manifests.documents(manifests.tls_route(number, f"tenant-{number}"))
