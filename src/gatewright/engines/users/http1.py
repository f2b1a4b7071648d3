"""Questions over HTTP/1.1: what Envoy's filter sends, and nothing else.

Counterpart: `engines/envoy/steps/users.py`, which says what is asked.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

import httptools

from gatewright.engines.users.checker import Checker
from gatewright.engines.users.content import Users

MOST_OCTETS: Final = 128 * 1024
"""Of a question; Envoy takes requests with headers of 60 KiB at most."""
_PHRASES: Final = {200: b"OK", 400: b"Bad Request", 401: b"Unauthorized", 503: b"Service Unavailable"}


class Service:
    """What all connections share."""

    def __init__(self, checker: Checker) -> None:
        self.checker = checker
        self.users: dict[str, Users] = {}
        self.connections: set[Connection] = set()
        self.empty = asyncio.Event()

    def know(self, users: dict[str, Users]) -> None:
        """These are all users from now on."""
        self.users = users
        self.checker.know(users)

    async def answer(self, headers: dict[bytes, bytes]) -> bytes:
        """The answer to a question with these headers."""
        name = headers.get(b"x-gatewright-users", b"").decode("latin-1")
        client = headers.get(b"x-gatewright-client", b"").decode("latin-1")
        verdict = await self.checker.ask(name, client, headers.get(b"authorization", b""))
        said = []
        users = self.users.get(name)
        if users is not None and verdict.status == 200 and users.user_header:
            said.append(users.user_header.encode() + b": " + verdict.user)
        elif users is not None and verdict.status == 401:
            said.append(b'www-authenticate: Basic realm="' + _quoted(users.realm) + b'"')
        return _encoded(verdict.status, said)


class Connection(asyncio.Protocol):
    """One of Envoy's connections, for one question.  The `on_*` methods are what httptools calls."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._parser = httptools.HttpRequestParser(self)
        self._headers: dict[bytes, bytes] = {}
        self._size = 0
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._service.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._service.connections.discard(self)
        if self._task is not None:
            self._task.cancel()
        if not self._service.connections:
            self._service.empty.set()

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        try:
            if self._size > MOST_OCTETS:
                raise httptools.HttpParserError("too long")
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.write(_encoded(400, []))
            self._transport.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_message_complete(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        self._transport.write(await self._service.answer(self._headers))
        self._transport.close()


def _encoded(status: int, headers: list[bytes]) -> bytes:
    lines = [b"HTTP/1.1 %d %b" % (status, _PHRASES[status]), *headers, b"content-length: 0", b"connection: close"]
    return b"\r\n".join([*lines, b"", b""])


def _quoted(realm: str) -> bytes:
    """The inside of a quoted string (RFC 9110, 5.6.4)."""
    text = "".join(c for c in realm if c.isprintable())
    return text.replace("\\", "\\\\").replace('"', '\\"').encode()
