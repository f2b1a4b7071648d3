"""Backends that misbehave in chosen ways, on loopback: what tests of timeouts, retries and health checks ask."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from msgspec import Struct

from gatewright.graph.nodes import Endpoint

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Seen(Struct, frozen=True):
    """One request as a backend saw it, without its body."""

    method: str
    target: str
    headers: dict[str, str]
    sni: str | None = None


Play = Callable[["Backend", Seen, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Backend:
    """A server whose answers are played by a function; `seen` are the requests so far."""

    def __init__(self, port: int) -> None:
        self.endpoint = Endpoint("127.0.0.1", port)
        self.seen: list[Seen] = []


@contextlib.asynccontextmanager
async def playing(play: Play, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Backend]:
    """A backend that reads a request and lets `play` answer it, until the connection ends."""
    names: list[str | None] = []
    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: names.append(name)
    backend = Backend(0)

    at_work: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        at_work.add(asyncio.get_running_loop().create_task(serve(reader, writer)))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while not writer.is_closing():
                first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
                method, target, _ = first.split(" ")
                headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
                seen = Seen(method, target, headers, names[-1] if names else None)
                backend.seen.append(seen)
                await play(backend, seen, reader, writer)

    server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=tls)
    backend.endpoint = Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        yield backend
    finally:
        server.close()
        for task in at_work:
            task.cancel()
        await asyncio.gather(*at_work, return_exceptions=True)


async def answers(_: Backend, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """200, after the whole body."""
    await reader.readexactly(int(seen.headers.get("content-length", 0)))
    writer.write(ANSWER)


async def hangs_up(_: Backend, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes without an answer, after the whole body."""
    await reader.readexactly(int(seen.headers.get("content-length", 0)))
    writer.close()


async def says_nothing(_: Backend, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes requests, and is silent until the other side goes."""
    await reader.read()
    writer.close()


@contextlib.contextmanager
def refusing() -> Iterator[Endpoint]:
    """An address where connections are refused."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield Endpoint("127.0.0.1", held.getsockname()[1])


@contextlib.contextmanager
def unreachable() -> Iterator[Endpoint]:
    """An address where nobody answers a SYN: a listener whose queue is full."""
    with socket.socket() as full, contextlib.ExitStack() as queue:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(full.getsockname())
        yield Endpoint("127.0.0.1", full.getsockname()[1])
