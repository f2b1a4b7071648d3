"""Forward authentication by hand: an Envoy with the filter that asks, and a server whose answers the test decides."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from google.protobuf import json_format
from msgspec import Struct, field

from gatewright.base.origin import Origin
from gatewright.engines.envoy.steps import forward_auth
from gatewright.graph.nodes import AskAuth, BackendKey
from gatewright.kinds.intents.filters import ForwardAuth
from support import handmade as hm
from support.ports import free_ports

ORIGIN = Origin("test.yaml")
KEY = BackendKey("test", "auth", 80)


class Seen(Struct):
    """A request as a server saw it; header names in lower case, values in their order."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def one(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


class Said(Struct):
    """An answer.  `raw`: these octets and the end of the connection instead; `hangs`: nothing at all."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    raw: bytes | None = None
    hangs: bool = False


class Server:
    """An HTTP/1 server on loopback that remembers what it was asked."""

    def __init__(self, answer: Callable[[Seen], Said]) -> None:
        self.answer = answer
        self.seen: list[Seen] = []
        self.port = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Server]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        seen = await read_request(reader)
        self.seen.append(seen)
        said = self.answer(seen)
        if said.hangs:
            await reader.read()
            return False
        if said.raw is not None:
            writer.write(said.raw)
            await writer.drain()
            return False
        names = {name.lower() for name, _ in said.headers}
        lines = [f"HTTP/1.1 {said.status} Said", *(f"{name}: {value}" for name, value in said.headers)]
        if "upgrade" not in names and said.status not in (204, 304):
            lines.append(f"content-length: {len(said.body)}")
        writer.write("\r\n".join([*lines, "", ""]).encode())
        if seen.method != "HEAD":
            writer.write(said.body)
        await writer.drain()
        if "upgrade" in names:
            writer.write(await reader.readexactly(4))
            return False
        return True


async def read_request(reader: asyncio.StreamReader) -> Seen:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    seen = Seen(method, path, headers)
    if size := int(seen.one("content-length") or 0):
        seen.body = await reader.readexactly(size)
    elif seen.one("transfer-encoding"):
        while length := int(await reader.readuntil(b"\r\n"), 16):
            seen.body += (await reader.readexactly(length + 2))[:-2]
        await reader.readexactly(2)
    return seen


class Reply(Struct):
    """What the client got."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def one(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


class World:
    """Envoy with one host for each set of questions; behind all of them the backend `app`, and the server `auth`."""

    def __init__(self, transport: hm.Transport, port: int, auth: Server, app: Server) -> None:
        self.transport, self.port, self.auth, self.app = transport, port, auth, app

    def host(self, name: str, *questions: forward_auth.Question) -> None:
        """What is asked about requests for a host."""
        config = json_format.MessageToDict(forward_auth.per_route(questions), preserving_proto_field_name=True)
        route = {**hm.to("app"), "typed_per_filter_config": {forward_auth.FILTER: config}}
        route["route"] = {"cluster": "app", "timeout": "30s"}
        self.transport.xds.apply([hm.scope("l", name, route)])

    async def asks(self, host: str, question: ForwardAuth, **changes: Any) -> None:
        """One question in the usual form, about requests for a host, once Envoy has it."""
        step = AskAuth(question, changes.pop("backend", KEY), changes.pop("host", ()), question.url, **changes)
        made = forward_auth.question(step)
        assert made is not None
        self.host(host, made)
        await hm.eventually(lambda: self.is_there(host))

    async def is_there(self, host: str) -> bool:
        return self.transport.xds.is_settled

    async def request(
        self,
        host: str,
        path: str = "/",
        method: str = "GET",
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Reply:
        """A request on a connection of its own; after a 101 four octets are sent, and what comes back is the body."""
        self.auth.seen.clear()
        self.app.seen.clear()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 24)
        pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        if body and "transfer-encoding" not in dict(pairs):
            pairs.append(("content-length", str(len(body))))
        lines = [f"{method} {path} HTTP/1.1", f"host: {host}", *(f"{name}: {value}" for name, value in pairs)]
        try:
            async with asyncio.timeout(hm.DEADLINE):
                writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
                return await _reply(reader, writer, method)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str) -> Reply:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    reply = Reply(int(first.split()[1]), headers, b"")
    if reply.status == 101:
        writer.write(b"ping")
        reply.body = await reader.readexactly(4)
    elif method != "HEAD" and reply.status not in (204, 304):
        if reply.one("transfer-encoding"):
            while length := int(await reader.readuntil(b"\r\n"), 16):
                reply.body += (await reader.readexactly(length + 2))[:-2]
            await reader.readexactly(2)
        else:
            reply.body = await reader.readexactly(int(reply.one("content-length") or 0))
    return reply


def json_of(seen: Seen) -> Said:
    """What a backend says that tells what it saw."""
    return Said(body=json.dumps([seen.method, seen.path, seen.headers, len(seen.body)]).encode())


@contextlib.asynccontextmanager
async def world(answer: Callable[[Seen], Said], app: Callable[[Seen], Said] = json_of) -> AsyncIterator[World]:
    """Clusters: `auth`'s (KEY), `app`, `nobody` (refuses connections), `empty` (no endpoints)."""
    async with Server(answer).running() as auth, Server(app).running() as behind:
        with hm.state_folder() as folder:
            transport = hm.Transport(folder / "state")
            async with transport.running():
                port, closed = free_ports(2)
                manager = hm.http_manager("l")
                ask = json_format.MessageToDict(forward_auth.http_filter(), preserving_proto_field_name=True)
                manager["typed_config"]["http_filters"].insert(0, ask)
                manager["typed_config"].update(use_remote_address=True, upgrade_configs=[{"upgrade_type": "websocket"}])
                listener = {
                    "name": "l",
                    "address": hm.address(port),
                    "filter_chains": [{"filters": [manager]}],
                    "per_connection_buffer_limit_bytes": 32768,
                }
                backends = [(str(KEY), auth.port), ("app", behind.port), ("nobody", closed)]
                transport.xds.apply(
                    [
                        *(hm.cluster(name) for name, _ in backends),
                        *(hm.endpoints(name, port) for name, port in backends),
                        hm.cluster("empty"),
                        hm.endpoints("empty"),
                        hm.resource(hm.LISTENER, "l", listener),
                        hm.scope("l", "plain.test", hm.to("app")),
                    ]
                )
                made = World(transport, port, auth, behind)

                async def answers() -> bool:
                    return (await made.request("plain.test")).status == 200

                await hm.eventually(answers)
                yield made
