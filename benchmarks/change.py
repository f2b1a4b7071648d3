"""Object change → first correct answer: one of N HTTPRoutes moves to another Service, while a client asks its host.

The changed object enters as a watch would hand it on; the clock stops when the first answer of the other Service
is in.  Flat in N is the point.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

from benchmarks import envoys, manifests, support
from benchmarks.client import Client, Watch, client
from benchmarks.inprocess import ADDRESS, Gatewright, gatewright
from benchmarks.support import Figures, Row
from gatewright.base.document import Document

BAR = "mean ≤ 5 ms, max ≤ 50 ms, flat"
SERVICES = 100
"""Services of each answer, shared by the hosts: Envoy's memory for 50,000 clusters is not what is measured."""


def measure(sizes: list[int], times: int) -> Iterator[Row]:
    """A row for each size and kind of change."""
    first: dict[str, float] = {}
    for size in sizes:
        with support.folder() as folder, envoys.backends(folder) as backends:
            for what, found, wrong in uvloop.run(_at(size, times, folder, backends)):
                against = first.setdefault(what, found.mean)
                figure = f"{found}; {wrong} wrong answers"
                yield Row(what, size, figure, found.mean / against, f"mean at {sizes[0]:,}", BAR)


async def _at(size: int, times: int, folder: Path, backends: envoys.Backends) -> list[tuple[str, Figures, int]]:
    random.seed(size)
    async with gatewright(folder, documents(size, backends)) as made:
        with client(ADDRESS, made.port(manifests.HTTP)) as asking:
            used = await _moves(made, asking, size, times, fresh=None)
            fresh = await _moves(made, asking, size, times, fresh=backends)
    return [
        ("object change → first correct answer", *used),
        ("the same, to a Service that Envoy does not have yet", *fresh),
    ]


def documents(size: int, backends: envoys.Backends) -> Iterator[Document]:
    """The gateway, the Services, and a route for each host; all answer "a"."""
    yield from manifests.documents(manifests.gateway())
    for number in range(SERVICES):
        for name, port in (("a", backends.a), ("b", backends.b)):
            yield from manifests.documents(manifests.service(f"{name}-{number}", ADDRESS, port))
    # Every Service of the other answer is in use somewhere, or Envoy would not have it.
    for number in range(size):
        yield from manifests.documents(manifests.http_route(number, f"a-{number % SERVICES}"))
    for number in range(SERVICES):
        yield from manifests.documents(manifests.http_route(size + number, f"b-{number}"))


async def _moves(
    made: Gatewright, asking: Client, size: int, times: int, fresh: envoys.Backends | None
) -> tuple[Figures, int]:
    """Move random hosts to the other answer and back."""
    took, wrong = [], 0
    for turn in range(times):
        number, bystander = random.sample(range(size), 2)
        target = f"b-{number % SERVICES}"
        if fresh is not None:
            target = f"new-{turn}"
            made.put(manifests.documents(manifests.service(target, ADDRESS, fresh.b)))
        watch = Watch(manifests.hostname(number), "b", manifests.hostname(bystander), "a")
        moved = list(manifests.documents(manifests.http_route(number, target)))
        await asyncio.to_thread(asking.begin, watch)
        started = time.monotonic()
        made.put(moved)
        seen = await asyncio.to_thread(asking.end)
        took.append(seen.at - started)
        wrong += seen.wrong
        made.put(manifests.documents(manifests.http_route(number, f"a-{number % SERVICES}")))
    return support.figures(took), wrong
