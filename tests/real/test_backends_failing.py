"""Backends that fail, behind a real Envoy: what clients get, how long it takes, and how often it is tried."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec import structs

from gatewright.graph.nodes import Backend, Endpoint, Forward, Graph
from gatewright.kinds.intents.routing import Retry, Upstream
from support import backends as b
from support import compiled as c
from support.handmade import DEADLINE, eventually

pytestmark = pytest.mark.real

HOST = "a.example.com"


def at(name: str, *endpoints: Endpoint, **more: Any) -> Backend:
    """A backend with these endpoints; without any, one that has none."""
    return c.backend(name, endpoints=endpoints, **({} if endpoints else {"reason": "none"}), **more)


def one_rule(action: Forward, *backends: Backend, **rule: Any) -> Graph:
    return c.graph([c.gateway(c.http_port())], [c.host(HOST, c.entry(action, **rule))], backends)


# --- what clients are told ----------------------------------------------------------------------

TOLD = {
    # refused, not connected in time, hung up, no endpoints
    "ingress-nginx": [502, 504, 502, 503],
    "traefik": [502, 504, 502, 503],
    "alb": [502, 504, 502, 503],
    "haproxy": [503, 503, 502, 503],
    "gateway-api": [503, 503, 503, 503],
}


def test_clients_are_told_what_the_original_tells_them() -> None:
    names = ("refuses", "unreachable", "hangs-up", "nobody")

    async def scenario() -> None:
        with b.refusing() as refusing, b.unreachable() as unreachable:
            async with b.playing(b.hangs_up) as hanging_up:
                backends = [
                    at("refuses", refusing),
                    at("unreachable", unreachable, connect_timeout=0.3),
                    at("hangs-up", hanging_up.endpoint),
                    at("nobody"),
                ]
                doors = [
                    structs.replace(c.gateway(c.http_port(), identity=f"infra/{name}"), implementation=name)
                    for name in TOLD
                ]
                hosts = [
                    c.host(f"{name}.test", c.entry(c.to(name)), gateway=door.id) for door in doors for name in names
                ]
                async with c.running(c.graph(doors, hosts, backends)) as world:
                    for door in doors:
                        await eventually(lambda at=door.id: _answers(world, at))
                        got = [await _at(world, door.id, f"{name}.test") for name in names]
                        assert got == TOLD[door.implementation], door.implementation

    asyncio.run(scenario())


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _status(reader: asyncio.StreamReader) -> int:
    async with asyncio.timeout(DEADLINE):
        return int((await reader.readline()).split()[1])


async def _answers(world: c.World, identity: str) -> bool:
    """A listener opens a little after Envoy has said that it takes it."""
    return await _at(world, identity, "nowhere.test") == 404


async def _at(world: c.World, identity: str, host: str) -> int:
    async with connected(world.port(80, identity)) as (reader, writer):
        writer.write(f"GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
        return await _status(reader)


# --- time between reads -------------------------------------------------------------------------

PAUSE = 3.0
"""Longer than `READ`, which is longer than `GAP` by enough for a busy machine."""
READ, GAP = 2.0, 0.2


async def _paced(backend: b.Backend, seen: b.Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers in six pieces with a pause between them; the path says how long."""
    if seen.target == "/silent":
        await reader.read()
        writer.close()
        return
    if seen.headers.get("upgrade", "").lower() == "websocket":
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        while data := await reader.read(100):
            writer.write(data)
        writer.close()
        return
    await reader.readexactly(int(seen.headers.get("content-length", 0)))
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n")
    for _ in range(6):
        writer.write(b"x")
        await asyncio.sleep({"/slow": GAP, "/stops": PAUSE * 10}.get(seen.target, 0))


def test_a_quiet_backend_is_given_up_and_a_slow_one_is_not() -> None:
    async def scenario() -> None:
        async with b.playing(_paced) as backend:
            graph = one_rule(c.to("one", read_timeout=READ), at("one", backend.endpoint))
            async with c.running(graph) as world:
                assert (await world.get(HOST, "/silent")).status == 504
                assert (await world.get(HOST, "/slow")).body == b"xxxxxx"
                with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                    await world.get(HOST, "/stops")
                assert (await _upload_with_a_pause(world)) == 200

    asyncio.run(scenario())


async def _upload_with_a_pause(world: c.World) -> int:
    """The client may take its time: only the backend's answer is waited for so impatiently."""
    async with connected(world.port()) as (reader, writer):
        writer.write(f"POST / HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 2\r\n\r\na".encode())
        await asyncio.sleep(PAUSE)
        writer.write(b"b")
        return await _status(reader)


@contextlib.asynccontextmanager
async def _websocket(world: c.World) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    upgrade = "connection: Upgrade\r\nupgrade: WebSocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: x\r\n"
    async with connected(world.port()) as (reader, writer):
        writer.write(f"GET /ws HTTP/1.1\r\nhost: {HOST}\r\n{upgrade}\r\n".encode())
        async with asyncio.timeout(DEADLINE):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        yield reader, writer


def test_a_quiet_websocket_ends_and_a_busy_one_outlives_the_time_and_changes() -> None:
    async def scenario() -> None:
        async with b.playing(_paced) as backend:
            graph = one_rule(c.to("one", read_timeout=READ), at("one", backend.endpoint))
            async with c.running(graph) as world, _websocket(world) as (reader, writer):
                for number in range(6):
                    writer.write(b"ping")
                    async with asyncio.timeout(DEADLINE):
                        assert await reader.readexactly(4) == b"ping"
                    if number == 3:  # another rule beside it, and another time for the next ones
                        more = c.host(HOST, c.entry(c.to("one", read_timeout=READ * 2), c.path("/x"), id="x"))
                        more = structs.replace(more, entries=(*more.entries, *graph.virtual_hosts[more.key].entries))
                        await world.apply(c.graph([*graph.gateways.values()], [more], [*graph.backends.values()]))
                    await asyncio.sleep(GAP)
                async with asyncio.timeout(DEADLINE):
                    assert await reader.read() == b""  # quiet now: it ends

    asyncio.run(scenario())


# --- retries ------------------------------------------------------------------------------------


def _tries(retry: Retry, *requests: tuple[str, dict[str, str]], **more: Any) -> list[tuple[int, int]]:
    """The status of each request to a backend that hangs up, and how often the backend saw it."""

    async def scenario() -> list[tuple[int, int]]:
        found = []
        async with b.playing(b.hangs_up) as backend:
            graph = one_rule(c.to("one", retry=retry, **more), at("one", backend.endpoint))
            async with c.running(graph) as world:
                for method, headers in requests:
                    before = len(backend.seen)
                    reply = await world.get(HOST, method=method, headers=headers)
                    found.append((reply.status, len(backend.seen) - before))
        return found

    return asyncio.run(scenario())


@pytest.mark.parametrize("read_timeout", [None, 5.0, 60.0])
def test_what_the_backend_has_seen_is_sent_again_by_method(read_timeout: float | None) -> None:
    requests = [("GET", {}), ("POST", {}), ("PUT", {}), ("PATCH", {})]
    retry = Retry(2, resets=True, methods=("GET", "PUT"), backoff=0.01)
    tried = _tries(retry, *requests, read_timeout=read_timeout)
    assert [count for _, count in tried] == [3, 1, 3, 1]
    tried = _tries(structs.replace(retry, connects_always=False), *requests, read_timeout=read_timeout)
    assert [count for _, count in tried] == [3, 1, 3, 1]
    tried = _tries(Retry(2, resets=True, backoff=0.01), *requests, read_timeout=read_timeout)
    assert [count for _, count in tried] == [3, 3, 3, 3]
    tried = _tries(Retry(2, methods=("GET",), backoff=0.01), *requests, read_timeout=read_timeout)
    assert [count for _, count in tried] == [1, 1, 1, 1]


@pytest.mark.parametrize(("always", "post"), [(True, 200), (False, 503)])
def test_a_failure_to_connect_is_tried_again_for_all_methods_where_asked(always: bool, post: int) -> None:
    async def scenario() -> None:
        retry = Retry(8, resets=True, methods=("GET",), connects_always=always, backoff=0.01)
        with b.refusing() as refusing:
            async with b.playing(b.answers) as works:
                # By hash a request without the header goes anywhere, so both are met in time.
                only = at("one", refusing, works.endpoint, upstream=Upstream(balance="round-robin"))
                async with c.running(one_rule(c.to("one", retry=retry), only)) as world:
                    got = {(await world.get(HOST, method="GET")).status for _ in range(10)}
                    posted = {(await world.get(HOST, method="POST")).status for _ in range(10)}
        assert got == {200}
        assert posted == {200, post}

    asyncio.run(scenario())


def test_a_body_up_to_a_mebibyte_is_sent_again() -> None:
    async def scenario() -> None:
        async with b.playing(b.hangs_up) as backend:
            graph = one_rule(c.to("one", retry=Retry(1, resets=True, backoff=0.01)), at("one", backend.endpoint))
            async with c.running(graph) as world:
                for octets, tries in ((500_000, 2), (3_000_000, 1)):
                    before = len(backend.seen)
                    async with connected(world.port()) as (reader, writer):
                        head = f"POST / HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: {octets}\r\n\r\n"
                        writer.write(head.encode() + bytes(octets))
                        assert await _status(reader) == 503
                    assert len(backend.seen) - before == tries

    asyncio.run(scenario())


def test_each_try_has_a_time_of_its_own() -> None:
    async def scenario() -> None:
        async with b.playing(b.says_nothing) as backend:
            retry = Retry(2, resets=True, timeout=0.3, backoff=0.01)
            async with c.running(one_rule(c.to("one", retry=retry), at("one", backend.endpoint))) as world:
                assert (await world.get(HOST)).status == 504
                assert len(backend.seen) == 3

    asyncio.run(scenario())
