"""The two interfaces that the protocols of the echo backend are stacked with, and the two simplest protocols."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import wsproto.events as ws
from wsproto import WSConnection
from wsproto.connection import Connection as FrameConnection
from wsproto.utilities import LocalProtocolError, RemoteProtocolError


class Wire(Protocol):
    """Where bytes go: an asyncio transport, or TLS above one."""

    def write(self, data: bytes) -> None:
        """Send, never blocking."""

    def close(self) -> None:
        """Close after what was written has been sent."""


class Speaker(Protocol):
    """A protocol that is fed what arrives."""

    def receive(self, data: bytes) -> None:
        """Take the next bytes; never raises for what a peer may send."""


class RawEcho:
    """Sends back what it is sent."""

    def __init__(self, wire: Wire) -> None:
        self.receive = wire.write


class WebSocketEcho:
    """Sends back every message of an open WebSocket, whatever carries it."""

    def __init__(
        self, connection: WSConnection | FrameConnection, write: Callable[[bytes], None], close: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._write = write
        self._close = close

    def receive(self, data: bytes) -> None:
        try:
            self._connection.receive_data(data)
            for event in self._connection.events():
                self._on(event)
        except (RemoteProtocolError, LocalProtocolError):
            self._close()

    def _on(self, event: ws.Event) -> None:
        match event:
            case ws.TextMessage() | ws.BytesMessage():
                self._write(self._connection.send(event))
            case ws.Ping():
                self._write(self._connection.send(event.response()))
            case ws.CloseConnection():
                self._write(self._connection.send(event.response()))
                self._close()
