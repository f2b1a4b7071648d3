"""HTTP/1.1 for the echo backend: requests in, answers out in the same order; upgrades to WebSocket and h2c."""

from __future__ import annotations

import asyncio
import base64
import binascii
import http
from collections import deque

import httptools
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection
from wsproto.events import Request as WebSocketRequest
from wsproto.extensions import PerMessageDeflate
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from gatewright.engines.echo.answer import Answer, Headers, Request, TlsFacts, answer
from gatewright.engines.echo.http2 import Http2
from gatewright.engines.echo.service import EchoService
from gatewright.engines.echo.wire import Speaker, WebSocketEcho, Wire

_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Http1:
    """One HTTP/1 connection.  The `on_*` methods are what httptools calls."""

    def __init__(self, wire: Wire, service: EchoService, tls: TlsFacts | None, peer: str = "") -> None:
        self._wire = wire
        self._service = service
        self._tls = tls
        self._peer = peer
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._host = ""
        self._headers: Headers = []
        self._answers: deque[tuple[bytes, float, bool]] = deque()
        self._waiting = False
        self._upgraded: Speaker | None = None

    def receive(self, data: bytes) -> None:
        if self._upgraded:
            self._upgraded.receive(data)
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._wire.write(_BAD_REQUEST)
            self._wire.close()

    # -- what httptools calls -------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._url = b""
        self._host = ""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"host":
            self._host = value.decode("latin-1")
        else:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._header(b"expect").lower() == b"100-continue":
            self._wire.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade() and self._header(b"upgrade").lower() in (b"websocket", b"h2c"):
            return  # httptools raises HttpParserUpgrade next
        said = answer(self._request(), self._service)
        # Behind an upgrade that we ignore httptools reads no further request, so the connection ends with it.
        stay = bool(self._parser.should_keep_alive()) and not self._parser.should_upgrade()
        self._answers.append((_encoded(said, self._parser.get_method(), stay), said.delay, stay))
        self._send_answers()

    # -- answers --------------------------------------------------------------------------------------------

    def _send_answers(self) -> None:
        """Send what is due; an answer that waits holds back those after it, as HTTP/1 demands."""
        while self._answers and not self._waiting:
            data, delay, stay = self._answers[0]
            if delay:
                self._waiting = True
                asyncio.get_running_loop().call_later(delay, self._waited)
                return
            self._answers.popleft()
            self._wire.write(data)
            if not stay:
                self._wire.close()

    def _waited(self) -> None:
        self._waiting = False
        data, _, stay = self._answers.popleft()
        self._answers.appendleft((data, 0.0, stay))
        self._send_answers()

    def _header(self, wanted: bytes) -> bytes:
        return next((value for name, value in self._headers if name.lower() == wanted), b"")

    def _request(self) -> Request:
        return Request(
            method=self._parser.get_method().decode("latin-1"),
            path=self._url.decode("latin-1"),
            host=self._host,
            proto=f"HTTP/{self._parser.get_http_version()}",
            headers=self._headers,
            tls=self._tls,
            peer=self._peer,
        )

    # -- upgrades -------------------------------------------------------------------------------------------

    def _upgrade(self, rest: bytes) -> None:
        kind = self._header(b"upgrade").lower()
        if kind == b"websocket":
            self._upgraded = self._websocket()
        elif kind == b"h2c":
            self._upgraded = self._h2c()
        else:
            return  # CONNECT, or a protocol that we do not speak: answered as any other request
        if self._upgraded is None:
            self._wire.write(_BAD_REQUEST)
            self._wire.close()
        elif rest:
            self._upgraded.receive(rest)

    def _websocket(self) -> Speaker | None:
        connection = WSConnection(ConnectionType.SERVER)
        try:
            connection.initiate_upgrade_connection([(b"host", self._host.encode("latin-1")), *self._headers], self._url)
            asked = next(iter(connection.events()), None)
            if not isinstance(asked, WebSocketRequest):
                return None
            accepted = AcceptConnection(
                subprotocol=asked.subprotocols[0] if asked.subprotocols else None, extensions=[PerMessageDeflate()]
            )
            self._wire.write(connection.send(accepted))
        except (RemoteProtocolError, LocalProtocolError):
            return None
        return WebSocketEcho(connection, self._wire.write, self._wire.close)

    def _h2c(self) -> Speaker | None:
        """RFC 7540, section 3.2: the request that asks for the upgrade becomes stream 1."""
        settings = self._header(b"http2-settings")
        try:
            base64.urlsafe_b64decode(settings + b"=" * (-len(settings) % 4))
        except binascii.Error:
            return None
        self._wire.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n")
        return Http2(self._wire, self._service, self._tls, self._peer, upgraded=(settings, self._request()))


def _encoded(said: Answer, method: bytes, stay: bool) -> bytes:
    try:
        phrase = http.HTTPStatus(said.status).phrase
    except ValueError:
        phrase = "Status"
    bodiless = said.status in (204, 304)
    lines = [b"HTTP/1.1 %d %s" % (said.status, phrase.encode())]
    lines += [b"%s: %s" % pair for pair in said.headers if not (bodiless and pair[0] == b"content-length")]
    if not stay:
        lines.append(b"connection: close")
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    return head if method == b"HEAD" or bodiless else head + said.body
