"""Passes HTTP/1.1 requests on, one after the other, and WebSockets with them.

Knows neither zones nor rules: a `Decide` says of each request where it goes or what is answered.  Bodies stream; heads
are limited.  Counterparts: `edge` and `connector`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import h11
from msgspec import Struct

CHUNK: Final = 65536
MOST_HEAD: Final = 65536
CONNECT_SECONDS: Final = 1.5
"""Less than the patience of clients, who are to see the answer that tells of it."""

OF_A_HOP: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade", b"expect")
)
"""Fields that are for the next hop only (RFC 9110, 7.6.1)."""

Fields = list[tuple[bytes, bytes]]


class Reply(Struct, frozen=True):
    """An answer of our own."""

    status: int
    reason: str
    location: str = ""


class Onward(Struct, frozen=True):
    """A connection to whom a request is passed on, and the fields it is passed on with."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    fields: Fields


Decide = Callable[[h11.Request], Awaitable[Onward | Reply]]


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, decide: Decide, first: bytes = b"") -> None:
    """The requests of one connection until it ends; `first`: what has been read of it."""
    front = _Side(h11.Connection(h11.SERVER, MOST_HEAD), reader, writer)
    if first:
        front.state.receive_data(first)
    try:
        while True:
            request = await front.event()
            if not isinstance(request, h11.Request):
                return
            decided = await decide(request)
            if isinstance(decided, Reply):
                await _answer(front, decided)
            elif await _exchange(front, request, decided):
                return
            if front.state.our_state is not h11.DONE or front.state.their_state is not h11.DONE:
                return
            front.state.start_next_cycle()
    except (h11.ProtocolError, OSError, asyncio.IncompleteReadError):
        return  # whoever is still there sees the connection end
    finally:
        writer.close()


async def dial(
    addresses: Sequence[str], port: int, context: ssl.SSLContext | None, name: str, sources: Sequence[str] = ()
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first address that takes it; TLS with `context`, `name` the one asked for ("" none).

    Raises OSError (ssl.SSLError among them) for the last that did not.
    """
    failed: OSError = OSError("there is no address")
    for address in addresses:
        source = next((one for one in sources if (":" in one) == (":" in address)), None)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.open_connection(
                    address,
                    port,
                    ssl=context,
                    server_hostname=name if context is not None else None,
                    local_addr=(source, 0) if source else None,
                )
        except TimeoutError:
            failed = TimeoutError(f"{address} does not answer")
        except OSError as error:
            failed = error
    raise failed


def passed_on(request: h11.Request, host: str = "", more: Fields | None = None) -> Fields:
    """The fields of a request for the next hop: with this Host, and those `more` instead of any of their names."""
    replaced = {name for name, _ in more or ()} | ({b"host"} if host else set())
    kept = [(n, v) for n, v in request.headers if n not in OF_A_HOP and n not in replaced]
    if host:
        kept.insert(0, (b"host", host.encode()))
    if is_upgrade(request):
        kept += [(b"connection", b"Upgrade"), (b"upgrade", field(request, b"upgrade"))]
    return [*kept, *(more or ())]


def field(request: h11.Request, name: bytes) -> bytes:
    """The first field of a name, b"" without any."""
    return next((value for known, value in request.headers if known == name), b"")


def is_upgrade(request: h11.Request) -> bool:
    """Does it want to go on with another protocol, such as WebSocket?"""
    return b"upgrade" in field(request, b"connection").lower() and bool(field(request, b"upgrade"))


class _Side(Struct):
    """One connection, as h11 sees it."""

    state: h11.Connection
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def event(self) -> h11.Event | type[h11.PAUSED]:
        while True:
            event = self.state.next_event()
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]
            if self.state.they_are_waiting_for_100_continue:
                await self.send(h11.InformationalResponse(status_code=100, headers=[]))
            self.state.receive_data(await self.reader.read(CHUNK))

    async def send(self, event: h11.Event) -> None:
        data = self.state.send(event)
        if data:
            self.writer.write(data)
            await self.writer.drain()


async def _answer(front: _Side, reply: Reply) -> None:
    body = f"{reply.reason}\n".encode()
    fields: Fields = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    if reply.location:
        fields.append((b"location", reply.location.encode()))
    if front.state.their_state is h11.SEND_BODY:
        fields.append((b"connection", b"close"))  # its body is not read
    await front.send(h11.Response(status_code=reply.status, headers=fields))
    await front.send(h11.Data(data=body))
    await front.send(h11.EndOfMessage())
    while front.state.our_state is h11.DONE and front.state.their_state is not h11.DONE:
        if isinstance(await front.event(), h11.EndOfMessage | h11.ConnectionClosed):
            return


async def _exchange(front: _Side, request: h11.Request, onward: Onward) -> bool:
    """One request and its response; True when both went on with another protocol, until its end."""
    back = _Side(h11.Connection(h11.CLIENT), onward.reader, onward.writer)
    upload: asyncio.Task[None] | None = None
    try:
        await back.send(h11.Request(method=request.method, target=request.target, headers=onward.fields))
        upload = asyncio.create_task(_upload(front, back))
        if not await _download(front, back):
            return False
        await _tunnel(front, back)
        return True
    finally:
        if upload is not None:
            upload.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError, h11.ProtocolError):
                await upload
        onward.writer.close()


async def _upload(front: _Side, back: _Side) -> None:
    while True:
        event = await front.event()
        if not isinstance(event, h11.Data | h11.EndOfMessage):
            return
        await back.send(h11.Data(data=event.data) if isinstance(event, h11.Data) else h11.EndOfMessage())
        if isinstance(event, h11.EndOfMessage):
            return


async def _download(front: _Side, back: _Side) -> bool:
    """The response; True when it is that the protocol changes."""
    while True:
        event = await back.event()
        if isinstance(event, h11.InformationalResponse):
            if event.status_code == 101:
                await front.send(h11.InformationalResponse(status_code=101, headers=event.headers))
                return True
        elif isinstance(event, h11.Response):
            fields = [(n, v) for n, v in event.headers if n not in OF_A_HOP and n != b"transfer-encoding"]
            await front.send(h11.Response(status_code=event.status_code, headers=fields, reason=event.reason))
        elif isinstance(event, h11.Data):
            await front.send(h11.Data(data=event.data))
        elif isinstance(event, h11.EndOfMessage):
            await front.send(h11.EndOfMessage())
            return False
        else:
            raise h11.RemoteProtocolError("the origin ends the connection in between")


async def _tunnel(front: _Side, back: _Side) -> None:
    """Octets in both directions, until one side ends."""
    back.writer.write(front.state.trailing_data[0])
    front.writer.write(back.state.trailing_data[0])
    ways = [
        asyncio.create_task(_copy(front.reader, back.writer)),
        asyncio.create_task(_copy(back.reader, front.writer)),
    ]
    _, others = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    for way in others:
        way.cancel()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
