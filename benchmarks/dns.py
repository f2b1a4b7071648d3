"""The DNS server beside BIND: change → answer, queries per second, memory, and loading.

N names with A and AAAA in two views.  BIND serves the same zones from files, in views by client network, with as many
threads as we have workers, and takes its changes as signed-off updates (RFC 2136) from the loopback.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import dns.message
import dns.name
import dns.query
import dns.update

from benchmarks import dns_load
from benchmarks.support import (
    Row,
    busy,
    figures,
    folder,
    free_port,
    memory,
    program,
    proportional,
    running,
    wait_for,
)
from gatewright.engines.dns.content import Listen, Names, Plan, RRset, RRsets, SoaConfig, ViewConfig, ZoneConfig
from gatewright.engines.dns.server import DnsServer

DOMAIN = "example.com"
VIEWS = (ViewConfig("lan", ("127.0.0.0/8", "10.0.0.0/8")), ViewConfig("public", ("0.0.0.0/0", "::/0")))
WORKERS = 2
SECONDS = 4
BAR = "p50 ≤ 2, p99 ≤ 5 ms"


def measure(sizes: Sequence[int], times: int) -> Iterator[Row]:
    """Rows for each number of names."""
    for size in sizes:
        with folder() as path:
            yield from asyncio.run(_ours(path, size, times))
        with folder() as path:
            yield from _updates_of_bind(path, size, times)
    yield from dns_load.measure(_plan)


# --- content --------------------------------------------------------------------------------------


def _wire(name: str) -> bytes:
    return dns.name.from_text(name).to_wire()


def _sets(number: int) -> RRsets:
    address = number.to_bytes(3)
    return (
        RRset(1, 300, (b"\x0a" + address,)),
        RRset(28, 300, (bytes.fromhex("20010db8") + bytes(9) + address,)),
    )


def _plan(size: int) -> Plan:
    soa = SoaConfig(_wire(f"ns1.{DOMAIN}"), _wire(f"hostmaster.{DOMAIN}"), 3600, 600, 86400, 60)
    zones = tuple(ZoneConfig(f"{DOMAIN}/{view.name}", _wire(DOMAIN), view.name, soa, 300) for view in VIEWS)
    changes: dict[str, Names] = {}
    for index, zone in enumerate(zones):
        names = {_wire(f"host{i}.{DOMAIN}"): _sets(i + index * 1_000_000) for i in range(size)}
        changes[zone.id] = {zone.domain: (RRset(2, 300, (_wire(f"ns1.{DOMAIN}"),)),), **names}
    return Plan(VIEWS, zones, changes, whole=True)


def _bind_config(path: Path, size: int, port: int) -> Path:
    views = []
    for index, view in enumerate(VIEWS):
        lines = ["$TTL 300\n@ SOA ns1 hostmaster 1 3600 600 86400 60\n@ NS ns1\nns1 A 127.0.0.1\n"]
        for i in range(size):
            bits = (i + index * 1_000_000).to_bytes(3)
            address = f"10.{bits[0]}.{bits[1]}.{bits[2]}"
            lines.append(f"host{i} A {address}\nhost{i} AAAA 2001:db8::{bits[0]:x}:{bits[1] * 256 + bits[2]:x}\n")
        zone = path / f"{view.name}.zone"
        zone.write_text("".join(lines))
        clients = " ".join(f"{cidr};" for cidr in view.clients)
        views.append(
            f'view "{view.name}" {{ match-clients {{ {clients} }}; zone "{DOMAIN}" {{ type primary; file "{zone}"; '
            "allow-update { 127.0.0.1; }; }; };"
        )
    config = path / "named.conf"
    config.write_text(
        f'options {{ directory "{path}"; pid-file none; session-keyfile none; listen-on port {port} {{ 127.0.0.1; }};\n'
        "listen-on-v6 { none; }; recursion no; minimal-responses yes; dnssec-validation no; notify no;\n"
        "empty-zones-enable no; };\ncontrols { };\n" + "\n".join(views)
    )
    return config


def _queries(path: Path, size: int) -> Path:
    chance = random.Random(1)
    file = path / "queries"
    lines = (f"host{chance.randrange(size)}.{DOMAIN} {chance.choice(('A', 'AAAA'))}\n" for _ in range(100_000))
    file.write_text("".join(lines))
    return file


# --- change → answer -------------------------------------------------------------------------------


async def _until_answered(probe: socket.socket, query: bytes, wanted: bytes) -> None:
    """Ask again and again until the answer has this data."""
    loop = asyncio.get_running_loop()
    while True:
        await loop.sock_sendall(probe, query)
        if wanted in await loop.sock_recv(probe, 4096):
            return


def _probe(port: int) -> socket.socket:
    probe = socket.socket(type=socket.SOCK_DGRAM)
    probe.connect(("127.0.0.1", port))
    probe.setblocking(False)
    return probe


async def _ours(path: Path, size: int, times: int) -> list[Row]:
    server = DnsServer(path / "state", (Listen("127.0.0.1", 0),), WORKERS)
    await server.start()
    plan = _plan(size)
    try:
        server.apply(plan)
        await server.settled()
        port = server.bound[0].port
        found: list[float] = []
        with _probe(port) as probe:
            for number in range(times):
                name = f"host{random.randrange(size)}.{DOMAIN}"
                query = dns.message.make_query(name, "A").to_wire()
                sets = _sets(2_000_000 + number)
                started = time.perf_counter()
                changes: dict[str, Names] = {f"{DOMAIN}/lan": {_wire(name): sets}}
                server.apply(Plan(plan.views, plan.zones, changes))
                await _until_answered(probe, query, sets[0].rdata[0])
                found.append(time.perf_counter() - started)
                await asyncio.sleep(0.005)
        sample = figures(found)
        rows = [
            Row(
                "change → first correct answer", size, str(sample), sample.p50 / 2, "2 ms at p50", "p50 ≤ 2, p99 ≤ 5 ms"
            )
        ]
        rows += await asyncio.to_thread(_throughput, path, size, port, server.pids())
        return rows
    finally:
        await server.stop()


def _updates_of_bind(path: Path, size: int, times: int) -> Iterator[Row]:
    named = program("named")
    if named is None:
        return
    port = free_port()
    config = _bind_config(path, size, port)
    with running((named, "-g", "-c", str(config), "-n", str(WORKERS)), path / "log") as process:
        wait_for(lambda: b"all zones loaded" in (path / "log").read_bytes(), "BIND", process)
        found = []
        for number in range(times):
            name = f"host{random.randrange(size)}"
            address = _sets(2_000_000 + number)[0].rdata[0]
            update = dns.update.UpdateMessage(DOMAIN)
            update.replace(name, 300, "A", socket.inet_ntoa(address))
            query = dns.message.make_query(f"{name}.{DOMAIN}", "A").to_wire()
            started = time.perf_counter()
            dns.query.udp(update, "127.0.0.1", port=port, timeout=10)
            with _probe(port) as probe:
                asyncio.run(_until_answered(probe, query, address))
            found.append(time.perf_counter() - started)
        yield Row("BIND (RFC 2136 update): the same", size, str(figures(found)))


# --- queries per second -----------------------------------------------------------------------------


def _dnsperf(queries: Path, port: int) -> float:
    dnsperf = program("dnsperf")
    if dnsperf is None:
        raise RuntimeError("dnsperf is not installed: make bench-tools")
    command = (
        dnsperf,
        "-s",
        "127.0.0.1",
        "-p",
        str(port),
        "-d",
        str(queries),
        "-l",
        str(SECONDS),
        "-c",
        "8",
        "-q",
        "200",
    )
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Queries per second:\s+([\d.]+)", text)
    lost = re.search(r"Queries lost:\s+(\d+)", text)
    if rate is None or lost is None or int(lost[1]) > 200:
        raise RuntimeError(f"dnsperf says:\n{text}")
    return float(rate[1])


def _throughput(path: Path, size: int, port: int, pids: tuple[int, ...]) -> list[Row]:
    named = program("named")
    queries = _queries(path, size)
    if named is None:
        return []
    theirs = free_port()
    config = _bind_config(path, size, theirs)
    ours, binds, ours_busy, binds_busy = [], [], 0.0, 0.0
    with running((named, "-g", "-c", str(config), "-n", str(WORKERS)), path / "log") as process:
        wait_for(lambda: b"all zones loaded" in (path / "log").read_bytes(), "BIND", process)
        for _ in range(5):
            before = sum(map(busy, pids))
            ours.append(_dnsperf(queries, port))
            ours_busy += sum(map(busy, pids)) - before
            before = busy(process.pid)
            binds.append(_dnsperf(queries, theirs))
            binds_busy += busy(process.pid) - before
        bind_memory = memory(process.pid)
    ratio = statistics.median(mine / other for mine, other in zip(ours, binds, strict=True))
    each = ours_busy / sum(ours) / SECONDS * 1e6, binds_busy / sum(binds) / SECONDS * 1e6
    said = (
        f"{statistics.median(ours):,.0f}/s; BIND {statistics.median(binds):,.0f}/s (5 pairs); "
        f"{each[0]:.1f} µs of processor time each, BIND {each[1]:.1f}"
    )
    resident, shared = sum(memory(pid) for pid in pids), sum(map(proportional, pids))
    held = f"{resident} MB resident, {shared} MB proportional in {len(pids)} workers; BIND {bind_memory} MB"
    return [
        Row("queries per second, A and AAAA over UDP", size, said, ratio, "BIND", "≥ 0.9"),
        Row("memory after it", size, held, resident / 100, "100 MB", "≤ 100 MB"),
    ]
