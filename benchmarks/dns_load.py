"""Loading many names: from files on disk, or from a plan in memory, until a client has the right answer for the last.

And one edit of such a file.  Each description is measured in a process of its own, so that memory is what it alone
needs; starting that process is not in the figures, starting the workers is.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import itertools
import multiprocessing
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

import dns.message
from msgspec import Struct

from benchmarks.support import Row, folder, proportional
from gatewright.base import collector
from gatewright.engines.dns.content import Listen, Plan
from gatewright.engines.dns.plan import Planner
from gatewright.engines.dns.server import DnsServer
from gatewright.pipeline import Model

P = ParamSpec("P")
T = TypeVar("T")

DOMAIN = "example.com"
STATIC = 100_000
ROUTES = 10_000
ROUTES_IN_A_FILE = 100
WORKERS = 2
BAR_SECONDS = 5.0
BAR = "≤ 5 s"

_ZONE = """apiVersion: gatewright.dev/v1alpha1
kind: Zone
metadata: {{name: {view}}}
spec:
  domain: example.com
  provider: Gatewright
  view: {view}
"""
_GATEWAY = """apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: infra}
spec:
  gatewayClassName: x
  addresses: [{value: 192.0.2.11}, {value: "2001:db8::11"}]
  listeners:
  - {name: http, port: 80, protocol: HTTP}
"""
_ROUTE = """apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: r{number}, namespace: infra}}
spec:
  parentRefs: [{{name: edge}}]
  hostnames: [host{number}.example.com]
  rules: [{{backendRefs: [{{name: s, port: 80}}]}}]
"""


class Described(Struct, frozen=True):
    """Files with many names, the name to ask for, its address, and an edit: of which file, the address after it."""

    asked: str
    address: str
    edited: Path
    before: str
    after: str
    address_after: str


class Loaded(Struct, frozen=True):
    """Seconds of each step, and megabytes (proportional) of the control plane and of the workers in sum."""

    read: float
    planned: float
    served: float
    reread: float
    changed: float
    pushed: float
    control: int
    workers: int


def measure(plan: Callable[[int], Plan]) -> Iterator[Row]:
    """Rows; `plan` makes a plan of so many names in two views."""
    for what, size, write in (
        ("names of a zone file, one view", STATIC, _zone_file),
        ("names of a Zone's own records, one view", STATIC, _inline),
        ("names of HTTPRoutes, two views", ROUTES, _routes),
    ):
        with folder() as path:
            loaded = _apart(_from_files, path, write)
        yield from _rows(what, size, loaded)
    with folder() as path:
        seconds, held = _apart(_from_plan, path, plan)
    said = f"{seconds:.2f} s; {held} MB in {WORKERS} workers"
    yield Row("names of a plan, two views: start → first answer", STATIC, said, seconds / BAR_SECONDS, "5 s")


def _rows(what: str, size: int, loaded: Loaded) -> Iterator[Row]:
    total = loaded.read + loaded.planned + loaded.served
    steps = f"read {loaded.read:.2f}, planned {loaded.planned:.2f}, served {loaded.served:.2f}"
    held = f"{loaded.control} MB in the control plane, {loaded.workers} in {WORKERS} workers"
    said = f"{total:.2f} s ({steps}); {held}"
    yield Row(f"{what}: files on disk → first answer", size, said, total / BAR_SECONDS, "5 s", BAR)
    steps = (
        f"read again {loaded.reread * 1e3:.1f}, planned {loaded.changed * 1e3:.1f}, answered {loaded.pushed * 1e3:.1f}"
    )
    total = loaded.reread + loaded.changed + loaded.pushed
    yield Row(f"{what}: one edit → its answer", size, f"{total * 1e3:.1f} ms ({steps})")


def _apart(function: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """What a function returns in a new process."""
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(function, *given, **named).result()


# --- what is described ------------------------------------------------------------------------------


def _address(number: int) -> str:
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def _six(number: int) -> str:
    return f"2001:db8::{number >> 16:x}:{number & 0xFFFF:x}"


def _static(edited: Path, before: str, after: str) -> Described:
    last = STATIC - 1
    return Described(f"host{last}.{DOMAIN}", _address(last), edited, before, after, "10.200.0.1")


def _zone_file(path: Path) -> Described:
    """A zone file; an edit adds a line in its middle, and the last name has another address."""
    file = path / f"{DOMAIN}.zone"
    (path / "zone.yaml").write_text(_ZONE.format(view="public") + f"  file: {file.name}\n")
    records = (f"host{i} IN A {_address(i)}\nhost{i} IN AAAA {_six(i)}\n" for i in range(STATIC))
    file.write_text("$TTL 300\n@ IN SOA ns1 hostmaster 1 3600 600 86400 60\n@ IN NS ns1\n" + "".join(records))
    last = f"host{STATIC - 1} IN A "
    return _static(file, last + _address(STATIC - 1), last + "10.200.0.1")


def _inline(path: Path) -> Described:
    file = path / "zone.yaml"
    records = (f'  - name: host{i}\n    values: [{_address(i)}, "{_six(i)}"]\n' for i in range(STATIC))
    file.write_text(_ZONE.format(view="public") + "  records:\n" + "".join(records))
    return _static(file, f"[{_address(STATIC - 1)},", "[10.200.0.1,")


def _routes(path: Path) -> Described:
    zones = (_ZONE.format(view=view) + "  gateways: true\n" for view in ("public", "house"))
    (path / "map.yaml").write_text("---\n".join((_GATEWAY, *zones)))
    for first in range(0, ROUTES, ROUTES_IN_A_FILE):
        routes = (_ROUTE.format(number=number) for number in range(first, first + ROUTES_IN_A_FILE))
        (path / f"routes{first}.yaml").write_text("---\n".join(routes))
    edited = path / f"routes{ROUTES - ROUTES_IN_A_FILE}.yaml"
    before, after = f"host{ROUTES - 1}.example.com", "another.example.com"
    return Described(before, "192.0.2.11", edited, before, after, "192.0.2.11")


# --- measured -----------------------------------------------------------------------------------------


def _ask(server: DnsServer, name: str, address: str) -> None:
    """Ask until the answer has this address."""
    query, wanted = dns.message.make_query(name, "A").to_wire(), socket.inet_aton(address)
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.05)
        probe.connect(("127.0.0.1", server.bound[0].port))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                probe.send(query)
                if wanted in probe.recv(4096):
                    return
            except OSError:  # nobody listens yet
                time.sleep(0.001)
    raise RuntimeError(f"{name} is not answered with {address}")


def _from_files(path: Path, write: Callable[[Path], Described]) -> Loaded:
    files = path / "files"
    files.mkdir()
    return asyncio.run(_load(path, files, write(files)))


async def _load(path: Path, files: Path, described: Described) -> Loaded:
    times = [time.perf_counter()]
    with collector.paused():  # as in a run
        model = Model()
        model.read([str(files)])
        times.append(time.perf_counter())
        planner = Planner(model.analysis, every_zone=False, local={})
        plan = planner.whole()
    times.append(time.perf_counter())
    server = DnsServer(path / "state", (Listen("127.0.0.1", 0),), WORKERS)
    await server.start()
    try:
        server.apply(plan)
        await server.settled()
        await asyncio.to_thread(_ask, server, described.asked, described.address)
        times.append(time.perf_counter())
        del plan
        gc.collect()
        gc.freeze()
        control, workers = proportional(0), sum(map(proportional, server.pids()))
        described.edited.write_text(described.edited.read_text().replace(described.before, described.after))
        edits = [time.perf_counter()]
        state = model.refresh([str(described.edited)])
        edits.append(time.perf_counter())
        change = planner.changed(state) if state is not None else None
        edits.append(time.perf_counter())
        if change is None:
            raise RuntimeError("the edit changed nothing")
        server.apply(change)
        name = described.asked.replace(described.before, described.after)
        await asyncio.to_thread(_ask, server, name, described.address_after)
        edits.append(time.perf_counter())
    finally:
        await server.stop()
    steps = (after - before for series in (times, edits) for before, after in itertools.pairwise(series))
    return Loaded(*steps, control, workers)


def _from_plan(path: Path, plan: Callable[[int], Plan]) -> tuple[float, int]:
    return asyncio.run(_serve(path, plan(STATIC)))


async def _serve(path: Path, plan: Plan) -> tuple[float, int]:
    started = time.perf_counter()
    server = DnsServer(path / "state", (Listen("127.0.0.1", 0),), WORKERS)
    await server.start()
    try:
        server.apply(plan)
        await server.settled()
        await asyncio.to_thread(_ask, server, f"host{STATIC - 1}.{DOMAIN}", _address(STATIC - 1))
        return time.perf_counter() - started, sum(map(proportional, server.pids()))
    finally:
        await server.stop()
