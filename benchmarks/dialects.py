"""What dialects cost beside Gateway API routes: Ingresses of ingress-nginx, Traefik's middlewares, and steps of a rule.

The model's part is processor time in this process, each description in the same run as N HTTPRoutes.  Counterparts:
`model`, `start` and `throughput`, which measure HTTPRoutes alone.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import uvloop
from msgspec import Struct

from benchmarks import envoys, manifests, start, support, throughput
from benchmarks.dialect_manifests import (
    ANNOTATED,
    NGINX,
    STEPS,
    TRAEFIK,
    config_map,
    ingress,
    ingress_route,
    middlewares,
)
from benchmarks.inprocess import ADDRESS, gatewright
from benchmarks.model import bindings
from benchmarks.support import Row
from gatewright import kinds
from gatewright.engines.envoy import plan as planning
from gatewright.engines.envoy.resources import Resources
from gatewright.graph.builder import Builder
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.pipeline import utc_now

BAR = "≤ 50 ms"
USERS = 1_000
"""Routes that the middleware which changes is used by."""

Route = Callable[[int], str]


class Description(Struct, frozen=True):
    """A door and the route of each host; `edits`: what is changed, as (what, the text of turn N)."""

    what: str
    door: str
    route: Route
    edits: Mapping[str, Callable[[int], str]]


def measure(sizes: list[int], times: int) -> Iterator[Row]:
    """Rows for each size: the model, the running whole, and what a request costs."""
    for size in sizes:
        yield from _models(size, times)
        yield from _whole(size)
    yield from _steps(times)


# --- the model ----------------------------------------------------------------------------------


def _descriptions() -> list[Description]:
    plain, noted = ingress, lambda number, service="": ingress(number, service, ANNOTATED)
    return [
        Description(
            "HTTPRoutes",
            manifests.gateway(),
            lambda number: manifests.http_route(number, f"service-{number}"),
            {"one HTTPRoute changed": lambda turn: manifests.http_route(turn, f"service-{turn + 1}")},
        ),
        Description(
            "Ingresses of ingress-nginx",
            NGINX + manifests.DIVIDER + config_map(60),
            plain,
            {
                "one Ingress changed": lambda turn: plain(turn, f"service-{turn + 1}"),
                "the controller's ConfigMap changed, a timeout of all": lambda turn: config_map(61 + turn),
            },
        ),
        Description(
            "Ingresses with four annotations",
            NGINX + manifests.DIVIDER + config_map(60),
            noted,
            {"one Ingress with four annotations changed": lambda turn: noted(turn, f"service-{turn + 1}")},
        ),
        Description(
            f"IngressRoutes of Traefik, {USERS:,} with two middlewares",
            TRAEFIK + manifests.DIVIDER + middlewares("0"),
            lambda number: ingress_route(number, used=number < USERS),
            {f"a middleware changed that {USERS:,} IngressRoutes use": lambda turn: middlewares(str(turn + 1))},
        ),
    ]


def _models(size: int, times: int) -> Iterator[Row]:
    load: float | None = None
    edit: float | None = None
    for one in _descriptions():
        model = _Model()
        texts = [one.door, *(one.route(n) + manifests.DIVIDER + _service(n) for n in range(size))]
        parts = model.load(texts)
        whole = sum(parts.values())
        load = load or whole
        words = ", ".join(f"{name} {seconds:.2f}" for name, seconds in parts.items())
        yield Row(f"{one.what}: documents → bytes", size, f"{words} s of processor time", whole / load, "HTTPRoutes")
        for what, text in one.edits.items():
            found = support.figures([model.edit(text(turn)) for turn in range(min(times, 10))])
            edit = edit or found.p50
            alone = what.startswith("one ")
            yield Row(
                f"{what}: document → bytes",
                size,
                str(found),
                found.p50 / edit,
                "p50 of an HTTPRoute",
                BAR if alone else "",
            )


def _service(number: int) -> str:
    return manifests.service(f"service-{number}", ADDRESS, 8080)


class _Model:
    """Documents to Envoy's resources as bytes."""

    def __init__(self) -> None:
        self._builder = Builder(utc_now)
        self._state = planning.State()
        self._resources = Resources()

    def load(self, texts: list[str]) -> dict[str, float]:
        """Seconds of processor time of each stage; the collector is off, as it is when a Model reads."""
        documents = [document for text in texts for document in manifests.documents(text)]
        gc.collect()
        gc.freeze()
        gc.disable()
        started = time.process_time()
        intents: dict[Key, Intent | None] = {
            one.intent.key: one.intent for document in documents if (one := kinds.lower(document)) and one.intent
        }
        lowered = time.process_time()
        graph, change = self._builder.apply(intents)
        built = time.process_time()
        plan = planning.plan(graph, change, bindings(graph), self._state)
        self._resources.apply(plan.changes)
        done = time.process_time()
        self._state = plan.state
        gc.enable()
        return {"lower": lowered - started, "graph": built - lowered, "compile": done - built}

    def edit(self, text: str) -> float:
        """Seconds of processor time until a changed text is bytes."""
        started = time.process_time()
        intents: dict[Key, Intent | None] = {
            one.intent.key: one.intent
            for document in manifests.documents(text)
            if (one := kinds.lower(document)) and one.intent
        }
        graph, change = self._builder.apply(intents)
        plan = planning.plan(graph, change, bindings(graph), self._state)
        self._resources.apply(plan.changes)
        self._state = plan.state
        return time.process_time() - started


# --- the running whole --------------------------------------------------------------------------


def _whole(size: int) -> Iterator[Row]:
    """`gatewright run` on as many HTTPRoutes, and on Ingresses with and without annotations."""
    first: start.Started | None = None
    for one in _descriptions()[:3]:
        with support.folder() as folder, envoys.backends(folder) as backends:
            where = folder / "files"
            where.mkdir()
            (where / "door.yaml").write_text(one.door)
            for number in range(size):
                service = manifests.service(f"service-{number}", ADDRESS, backends.a)
                (where / f"host-{number}.yaml").write_text(one.route(number) + manifests.DIVIDER + service)
            found = start.once(folder, where, size, 0)
        first = first or found
        figure = f"{found.seconds:.2f} s; {found.busy:.2f} s of processor time"
        yield Row(f"{one.what}: exec → full service", size, figure, found.busy / first.busy, "HTTPRoutes")
        figure = f"{found.peak} MB control plane at most; Envoy {found.envoy} MB"
        yield Row(f"{one.what}: memory after it", size, figure, found.envoy / first.envoy, "HTTPRoutes in Envoy")


# --- requests -----------------------------------------------------------------------------------


def _steps(times: int) -> Iterator[Row]:
    """Processor time of Envoy for a request, in alternating pairs with a route of the Gateway API."""
    if not support.program("wrk"):
        print("requests through steps are left out: wrk not installed")
        return
    with support.folder() as folder, envoys.backends(folder) as backends:
        yield from uvloop.run(_requests(folder, backends, times))


async def _requests(folder: Path, backends: envoys.Backends, times: int) -> list[Row]:
    texts = [manifests.gateway(), manifests.http_route(0, "a"), NGINX, manifests.service("a", ADDRESS, backends.a)]
    texts += [ingress(number, "a", notes) for number, (_, notes) in enumerate(STEPS, 1)]
    documents = [document for text in texts for document in manifests.documents(text)]
    rows = []
    async with gatewright(folder / "steps", documents) as made:
        ports = {key.gateway: s[0].port for key, s in made.bindings.sockets.items() if key.port == manifests.HTTP}
        plain = throughput.Target(ports[manifests.GATEWAY], 0, made.envoy)
        door = next(port for gateway, port in ports.items() if gateway != manifests.GATEWAY)
        for number, (what, _) in enumerate(STEPS, 1):
            target = throughput.Target(door, number, made.envoy, headers=("Authorization: Basic dTpw",))
            pairs = [
                (await asyncio.to_thread(throughput.load, target), await asyncio.to_thread(throughput.load, plain))
                for _ in range(min(times, 5))
            ]
            cost, least = (statistics.median(load.cost for load in side) for side in zip(*pairs, strict=True))
            ratio = statistics.median(one.cost / other.cost for one, other in pairs)
            figure = f"{cost:.0f} µs of Envoy's processor time each; an HTTPRoute {least:.0f} ({len(pairs)} pairs)"
            rows.append(Row(f"requests: {what}", len(STEPS), figure, ratio, "HTTPRoute"))
    return rows
