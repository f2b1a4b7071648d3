"""A client with keep-alive connections, for very many requests: what goes over the wire, and what comes back.

Counterpart: `differential`, which compares what it saw with what the model says.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import ssl
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from support import compiled
from support.handmade import DEADLINE
from support.random_routes import Asked

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Seen:
    """What a client got.  `status` 0: no answer.  `echo`: the headers that the backend saw, by lower-case name."""

    status: int
    location: str | None = None
    backend: str = ""
    host: str = ""
    path: str = ""
    headers: Headers = ()
    certificate: str = ""
    """Its fingerprint; "" without TLS, and when the handshake fails."""
    echo: Headers = ()
    octets: int = 0
    """Of the body, decoded."""


@dataclass
class Connections:
    """Keep-alive connections by what tells them apart: socket, SNI, client address."""

    world: compiled.World
    idle: dict[tuple[str, int, str, str], list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = field(
        default_factory=dict
    )
    opened: list[asyncio.StreamWriter] = field(default_factory=list)

    async def ask(self, one: Asked) -> Seen:
        """Send one request; a handshake that fails or a connection that is closed is an answer, too."""
        key = (one.gateway, one.port, one.sni if one.secure else "-", one.client)
        certificate = ""
        if not self.world.listens(one.port, one.gateway):
            return Seen(0)
        try:
            async with asyncio.timeout(DEADLINE):
                reader, writer = await self._connection(one, key)
                certificate = _fingerprint(writer)
                writer.write(_wire(one))
                seen, keep = await _answer(reader, one.method)
        except (OSError, asyncio.IncompleteReadError):
            return Seen(0, certificate=certificate)
        if keep:
            self.idle.setdefault(key, []).append((reader, writer))
        return replace(seen, certificate=certificate)

    async def _connection(
        self, one: Asked, key: tuple[str, int, str, str]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while idle := self.idle.get(key):
            reader, writer = idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
        tls: dict[str, Any] = {"ssl": _careless(), "server_hostname": one.sni} if one.secure else {}
        port = self.world.port(one.port, one.gateway)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(one.client, 0), **tls)
        self.opened.append(writer)
        return reader, writer

    async def close(self) -> None:
        for writer in self.opened:
            writer.transport.abort()
        await asyncio.sleep(0)


def _fingerprint(writer: asyncio.StreamWriter) -> str:
    tls = writer.get_extra_info("ssl_object")
    return sha256(tls.getpeercert(binary_form=True)).hexdigest() if tls else ""


def _careless() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _wire(one: Asked) -> bytes:
    lines = [f"{one.method} {one.target} HTTP/1.1", f"Host: {one.host}"]
    lines += [f"{name}: {value}" for name, value in one.headers]
    if one.body or one.method in ("POST", "PUT"):
        lines.append(f"Content-Length: {one.body}")
    return "\r\n".join([*lines, "", ""]).encode() + b"x" * one.body


async def _answer(reader: asyncio.StreamReader, method: str) -> tuple[Seen, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    pairs = tuple((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
    headers = dict(pairs)
    status = int(first.split()[1])
    body = b"" if method == "HEAD" or status in (204, 304) else await _body(reader, headers)
    if body and headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    keep = headers.get("connection", "").lower() != "close"
    echo: dict[str, Any] = {}
    if body.startswith(b"{"):
        with contextlib.suppress(ValueError):
            echo = json.loads(body)
    backend = f"{echo['namespace']}/{echo['service']}:{echo['httpPort']}" if "service" in echo else ""
    told = tuple((name.lower(), value) for name, values in echo.get("headers", {}).items() for value in values)
    seen = Seen(
        status,
        headers.get("location"),
        backend,
        echo.get("host", ""),
        echo.get("path", ""),
        pairs,
        echo=told,
        octets=len(body),
    )
    return seen, keep


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        body += await reader.readexactly(size)
        await reader.readline()
        if not size:
            return body
