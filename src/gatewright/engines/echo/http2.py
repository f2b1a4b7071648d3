"""HTTP/2 for the echo backend: prior knowledge, by ALPN or upgraded; gRPC, and WebSocket over it (RFC 8441)."""

from __future__ import annotations

import asyncio

import h2.events as events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from msgspec import Struct, field
from wsproto import ConnectionType
from wsproto.connection import Connection as FrameConnection
from wsproto.utilities import generate_accept_token

from gatewright.engines.echo.answer import Headers, Request, TlsFacts, answer, grpc_message
from gatewright.engines.echo.service import EchoService
from gatewright.engines.echo.wire import WebSocketEcho, Wire

_CHUNK = 16_384
_SETTINGS = {
    SettingCodes.ENABLE_CONNECT_PROTOCOL: 1,
    SettingCodes.MAX_CONCURRENT_STREAMS: 1000,
    SettingCodes.MAX_HEADER_LIST_SIZE: 65_536,
}


class _Stream(Struct):
    """One stream: its request, and what of the answer waits for the peer's window."""

    request: Request
    socket: WebSocketEcho | None = None
    unsent: bytearray = field(default_factory=bytearray)
    ends: bool = False
    trailers: Headers = field(default_factory=list)


class Http2:
    """One HTTP/2 connection; `upgraded` is the request of an HTTP/1 connection that became this one."""

    def __init__(
        self,
        wire: Wire,
        service: EchoService,
        tls: TlsFacts | None,
        peer: str = "",
        upgraded: tuple[bytes, Request] | None = None,
    ) -> None:
        self._wire = wire
        self._service = service
        self._tls = tls
        self._peer = peer
        self._streams: dict[int, _Stream] = {}
        # Inbound validation stays on; what we send is ours, and checking it costs a third of the time.
        self._connection = H2Connection(
            H2Configuration(
                client_side=False,
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self._connection.local_settings = Settings(client=False, initial_values=_SETTINGS)
        if upgraded:
            self._connection.initiate_upgrade_connection(upgraded[0])
            self._streams[1] = _Stream(upgraded[1])
            self._answer(1)
        else:
            self._connection.initiate_connection()
        self._flush()

    def receive(self, data: bytes) -> None:
        try:
            for event in self._connection.receive_data(data):
                self._on(event)
        except ProtocolError:  # h2 has written the GOAWAY that says why
            self._flush()
            self._wire.close()
            return
        self._flush()

    def _flush(self) -> None:
        if data := self._connection.data_to_send():
            self._wire.write(data)

    def _on(self, event: events.Event) -> None:
        match event:
            case events.RequestReceived(stream_id=int(stream), headers=headers):
                self._streams[stream] = _Stream(self._request(headers or []))
                if _value(headers or [], b":protocol") == b"websocket":
                    self._open_websocket(stream)
            case events.DataReceived(stream_id=int(stream), data=data, flow_controlled_length=int(length)):
                if length:
                    self._connection.acknowledge_received_data(length, stream)
                if (known := self._streams.get(stream)) and known.socket:
                    known.socket.receive(data or b"")
            case events.StreamEnded(stream_id=int(stream)):
                self._ended(stream)
            case events.StreamReset(stream_id=int(stream)):
                self._streams.pop(stream, None)
            case events.WindowUpdated() | events.RemoteSettingsChanged():
                for stream in [*self._streams]:
                    self._pump(stream)
            case events.ConnectionTerminated():
                self._wire.close()

    def _request(self, headers: Headers) -> Request:
        path = _value(headers, b":path")
        host = _value(headers, b":authority") or next((v for n, v in headers if n == b"host"), b"")
        return Request(
            method=_value(headers, b":method").decode("latin-1"),
            path=path.decode("latin-1"),
            host=host.decode("latin-1"),
            proto="HTTP/2.0",
            headers=[(n, v) for n, v in headers if not n.startswith(b":") and n != b"host"],
            tls=self._tls,
            peer=self._peer,
        )

    # -- answers --------------------------------------------------------------------------------------------

    def _ended(self, stream: int) -> None:
        known = self._streams.get(stream)
        if known is None:
            return
        if known.socket:
            self._finish(stream)
        else:
            self._answer(stream)

    def _answer(self, stream: int) -> None:
        request = self._streams[stream].request
        if any(n == b"content-type" and v.startswith(b"application/grpc") for n, v in request.headers):
            head = [(b":status", b"200"), (b"content-type", b"application/grpc")]
            self._send(stream, head, grpc_message(request, self._service), [(b"grpc-status", b"0")])
            return
        said = answer(request, self._service)
        head = [(b":status", b"%d" % said.status), *said.headers]
        body = b"" if request.method == "HEAD" else said.body
        if said.delay:
            asyncio.get_running_loop().call_later(said.delay, self._send_later, stream, head, body)
        else:
            self._send(stream, head, body, [])

    def _send_later(self, stream: int, head: Headers, body: bytes) -> None:
        if stream in self._streams:
            try:
                self._send(stream, head, body, [])
            except ProtocolError:  # the connection ended while we waited
                self._streams.pop(stream, None)
            self._flush()

    def _send(self, stream: int, head: Headers, body: bytes, trailers: Headers) -> None:
        known = self._streams[stream]
        if not body and not trailers:
            self._connection.send_headers(stream, head, end_stream=True)
            del self._streams[stream]
            return
        self._connection.send_headers(stream, head)
        known.unsent += body
        known.ends, known.trailers = True, trailers
        self._pump(stream)

    def _pump(self, stream: int) -> None:
        """Send as much as the peer's windows let through."""
        known = self._streams.get(stream)
        if known is None:
            return
        while known.unsent:
            room = min(
                self._connection.local_flow_control_window(stream), self._connection.max_outbound_frame_size, _CHUNK
            )
            if room <= 0:
                return
            chunk = bytes(known.unsent[:room])
            del known.unsent[:room]
            last = known.ends and not known.unsent and not known.trailers
            self._connection.send_data(stream, chunk, end_stream=last)
            if last:
                del self._streams[stream]
                return
        if known.ends:
            if known.trailers:
                self._connection.send_headers(stream, known.trailers, end_stream=True)
            else:
                self._connection.end_stream(stream)
            del self._streams[stream]

    # -- WebSocket ------------------------------------------------------------------------------------------

    def _open_websocket(self, stream: int) -> None:
        known = self._streams[stream]
        self._connection.send_headers(stream, [(b":status", b"200"), *_handshake(known.request.headers)])

        def write(data: bytes) -> None:
            known.unsent += data
            self._pump(stream)

        known.socket = WebSocketEcho(FrameConnection(ConnectionType.SERVER), write, lambda: self._finish(stream))

    def _finish(self, stream: int) -> None:
        if known := self._streams.get(stream):
            known.ends = True
            self._pump(stream)


def _handshake(headers: Headers) -> Headers:
    """The rest of an HTTP/1 handshake, when a proxy turned one into HTTP/2 and needs to turn the answer back."""
    said = []
    if key := _value(headers, b"sec-websocket-key"):
        said.append((b"sec-websocket-accept", generate_accept_token(key)))
    if offered := _value(headers, b"sec-websocket-protocol"):
        said.append((b"sec-websocket-protocol", offered.partition(b",")[0].strip()))
    return said


def _value(headers: Headers, wanted: bytes) -> bytes:
    return next((value for name, value in headers if name == wanted), b"")
