"""One connection to the echo backend: the first bytes tell which protocol the peer speaks.

TLS, HTTP/2 with prior knowledge and HTTP/1 are recognised, in clear and inside TLS; anything else is sent back as it
came.  So a Service needs no word about its protocol, and a mistaken route shows what it really sent.
"""

from __future__ import annotations

import asyncio
import http
import re
import ssl
from collections.abc import Callable
from typing import cast

from gatewright.engines.echo.answer import TlsFacts
from gatewright.engines.echo.http1 import Http1
from gatewright.engines.echo.http2 import Http2
from gatewright.engines.echo.service import EchoService
from gatewright.engines.echo.tls import Tls
from gatewright.engines.echo.wire import RawEcho, Speaker, Wire

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HANDSHAKE = b"\x16\x03"
_HTTP1 = re.compile(rb"[A-Z-]+ \S+ HTTP/1\.[01]\r?\n")
# A request line that is still on its way.  Its method is one of the known, or texts such as "PING" would wait.
_METHODS = tuple(method.encode() + b" " for method in http.HTTPMethod)
_LONGEST_LINE = 65_536


class Detector:
    """Takes bytes until they tell the protocol, then hands over to it for good."""

    def __init__(
        self,
        wire: Wire,
        service: EchoService,
        context: ssl.SSLContext | None,
        tls: TlsFacts | None = None,
        peer: str = "",
    ) -> None:
        self._wire = wire
        self._service = service
        self._context = context
        self._tls = tls
        self._peer = peer
        self._seen = b""
        self._speaker: Speaker | None = None

    def receive(self, data: bytes) -> None:
        if self._speaker is None:
            data = self._seen + data
            self._speaker = self._recognise(data)
            if self._speaker is None:
                self._seen = data
                return
            self._seen = b""
        self._speaker.receive(data)

    def _recognise(self, seen: bytes) -> Speaker | None:
        """The protocol of what was seen so far; None while it could be several."""
        if self._context and seen.startswith(_HANDSHAKE):
            return Tls(self._wire, self._context, self._inside_tls)
        if seen.startswith(_PREFACE):
            return Http2(self._wire, self._service, self._tls, self._peer)
        if _HTTP1.match(seen):
            return Http1(self._wire, self._service, self._tls, self._peer)
        if _PREFACE.startswith(seen) or (self._context and _HANDSHAKE.startswith(seen)):
            return None
        begun = any(method.startswith(seen) or seen.startswith(method) for method in _METHODS)
        if begun and b"\n" not in seen and len(seen) < _LONGEST_LINE:
            return None
        return RawEcho(self._wire)

    def _inside_tls(self, wire: Wire, tls: TlsFacts) -> Speaker:
        return Detector(wire, self._service, None, tls, self._peer)


class Connection(asyncio.Protocol):
    """The asyncio side: finds out which service was called, and lets a slow reader slow down the writer."""

    def __init__(
        self,
        called: Callable[[tuple[str, int]], EchoService | None],
        context: ssl.SSLContext,
        open_connections: set[asyncio.Transport],
    ) -> None:
        self._called = called
        self._context = context
        self._open = open_connections
        self._transport: asyncio.Transport | None = None
        self._detector: Detector | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's, though they do the same.
        self._transport = cast("asyncio.Transport", transport)
        self._open.add(self._transport)
        service = self._called(transport.get_extra_info("sockname"))
        if service is None:
            self._transport.abort()
        else:
            peer = transport.get_extra_info("peername")
            self._detector = Detector(self._transport, service, self._context, peer=peer[0] if peer else "")

    def data_received(self, data: bytes) -> None:
        if self._detector and self._transport and not self._transport.is_closing():
            self._detector.receive(data)

    def pause_writing(self) -> None:
        if self._transport:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport:
            self._open.discard(self._transport)
