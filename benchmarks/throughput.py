"""Requests per second through a compiled route, against a hand-written Envoy of the same backend, in pairs."""

from __future__ import annotations

import asyncio
import re
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import uvloop
from msgspec import Struct

from benchmarks import envoys, manifests, others, support
from benchmarks.inprocess import ADDRESS, gatewright
from benchmarks.support import Row
from gatewright.base.document import Document

BAR = "≥ 0.95"
SECONDS = 2
CONNECTIONS = 32
PLAIN, FILTERED, SECURE = 0, 1, 2
"""The hosts that are asked; all others are there to be many."""


class Target(Struct, frozen=True):
    """A route to load, and the process whose work that is.  `headers`: lines that are sent along by HTTP."""

    port: int
    host: int
    pid: int
    tls: bool = False
    headers: tuple[str, ...] = ()


class Load(Struct, frozen=True):
    """Requests per second, and what each cost the proxy in microseconds of processor time."""

    rate: float
    cost: float


def measure(sizes: list[int], times: int) -> Iterator[Row]:
    """Rows for each size; without wrk or h2load there is nothing to measure with."""
    missing = [name for name in ("wrk", "h2load") if not support.program(name)]
    if missing:
        print(f"throughput is left out: {', '.join(missing)} not installed")
        return
    for size in sizes:
        with support.folder() as folder, envoys.backends(folder) as backends:
            names = [manifests.hostname(number) for number in range(size)]
            with envoys.floor(folder, backends.a, names) as floor:
                yield from uvloop.run(_ours(size, times, folder, backends, floor))
                yield from _company(size, times, folder, backends, floor)


async def _ours(size: int, times: int, folder: Path, backends: envoys.Backends, floor: envoys.Floor) -> list[Row]:
    rows = []
    for access_log in (False, True):
        async with gatewright(folder / f"log-{access_log}", documents(size, backends), access_log=access_log) as made:
            http, https = made.port(manifests.HTTP), made.port(manifests.HTTPS)
            cases = [
                ("HTTP", Target(http, PLAIN, made.envoy), Target(floor.plain, PLAIN, floor.pid)),
                (
                    "HTTP with a header filter",
                    Target(http, FILTERED, made.envoy),
                    Target(floor.filtered, FILTERED, floor.pid),
                ),
                ("HTTPS", Target(https, SECURE, made.envoy, True), Target(floor.tls, SECURE, floor.pid, True)),
            ]
            # The log is what `gatewright run` writes; the hand-written configuration writes none.
            for name, ours, theirs in cases[:1] if access_log else cases:
                what = f"{name}, with the access log" if access_log else name
                # In a thread: Envoy asks this process for certificates meanwhile.
                rows.append(await asyncio.to_thread(_row, what, size, ours, theirs, times))
    return rows


def _company(size: int, times: int, folder: Path, backends: envoys.Backends, floor: envoys.Floor) -> Iterator[Row]:
    for name, other in others.available():
        if "stats socket" not in name:
            with other(folder, size, backends) as (server, _):
                what = f"{name.partition(' ')[0]}, HTTP"
                ours, theirs = Target(server.port, PLAIN, server.pid), Target(floor.plain, PLAIN, floor.pid)
                yield _row(what, size, ours, theirs, times, bar="")


def _row(what: str, size: int, ours: Target, theirs: Target, times: int, bar: str = BAR) -> Row:
    """Alternating pairs, so that whatever else this machine does meets both."""
    pairs = [(load(ours), load(theirs)) for _ in range(times)]
    ratios = [one.rate / other.rate for one, other in pairs]
    mine, floor = (statistics.median(load.rate for load in side) for side in zip(*pairs, strict=True))
    figure = f"{mine:,.0f}/s; hand-written {floor:,.0f}/s ({times} pairs, {min(ratios):.2f} to {max(ratios):.2f})"
    if bar:
        # Hardly depends on what else the machine does.
        cost, least = (statistics.median(load.cost for load in side) for side in zip(*pairs, strict=True))
        figure += f"; {cost:.0f} µs of processor time each, hand-written {least:.0f}: {least / cost:.2f}"
    return Row(what, size, figure, statistics.median(ratios), "hand-written Envoy", bar)


def load(target: Target) -> Load:
    """Load a route; every answer has to be a good one."""
    before = support.busy(target.pid)
    rate, requests = (_h2load if target.tls else _wrk)(target)
    return Load(rate, (support.busy(target.pid) - before) / requests * 1_000_000)


def _wrk(target: Target) -> tuple[float, int]:
    lines = (f"Host: {manifests.hostname(target.host)}", *target.headers)
    headers = [word for line in lines for word in ("-H", line)]
    url = f"http://{ADDRESS}:{target.port}/"
    output = _output(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", *headers, url])
    if "Non-2xx" in output or "Socket errors" in output:
        raise RuntimeError(output)
    return float(_number(r"Requests/sec:\s+([\d.]+)", output)), int(_number(r"(\d+) requests in", output))


def _h2load(target: Target) -> tuple[float, int]:
    """HTTPS: wrk cannot choose the SNI."""
    command = [
        *("h2load", "--h1", "-t1", f"-c{CONNECTIONS}", f"-D{SECONDS}", f"--connect-to={ADDRESS}:{target.port}"),
        f"https://{manifests.hostname(target.host)}/",
    ]
    output = _output(command)
    requests = int(_number(r"status codes: (\d+) 2xx", output))
    if not requests or " 0 3xx, 0 4xx, 0 5xx" not in output:
        raise RuntimeError(output)
    return float(_number(r"finished in [\d.]+\w+, ([\d.]+) req/s", output)), requests


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS + 30, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def _number(pattern: str, output: str) -> str:
    found = re.search(pattern, output)
    if found is None:
        raise RuntimeError(output)
    return found.group(1)


def documents(size: int, backends: envoys.Backends) -> Iterator[Document]:
    """The gateway, one Service, and the routes."""
    yield from manifests.documents(manifests.gateway())
    yield from manifests.documents(manifests.service("a", ADDRESS, backends.a))
    for number in range(size):
        section = "https" if number == SECURE else "http"
        yield from manifests.documents(manifests.http_route(number, "a", section=section, filtered=number == FILTERED))
