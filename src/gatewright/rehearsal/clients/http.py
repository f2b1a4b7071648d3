"""One HTTP request on a `Line`: HTTP/1.1 or HTTP/2, with a body of zeros, and its whole answer within limits.

Only the headers that the question has are sent, beside Host and the length of the body: what the model was asked.
"""

from __future__ import annotations

import asyncio
from typing import Final

import h2.events as events
import h11
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import H2Error
from msgspec import Struct

from gatewright.rehearsal.asking import Ended
from gatewright.rehearsal.clients.connect import Failure, Line, said
from gatewright.trace.request import DEFAULT_PORTS, Request

LARGEST_ANSWER: Final = 1 << 20
LARGEST_BODY: Final = 1 << 20
"""Octets of the largest body that is really sent.  Of a larger one the length is announced, in a request of which only
the beginning is sent, so that who refuses by length does; then this much of it is sent as a whole body."""

BEGINNING: Final = 1024
PAUSE: Final = 0.1
"""Seconds between the beginning of a body and the rest: who refuses it and hangs up is heard before that."""

OBJECTION: Final = 0.7
"""Seconds for somebody to object to a body that is declared, and never comes whole."""

_CHUNK: Final = 16_384


class Answer(Struct):
    """What came back."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    trailers: tuple[tuple[str, str], ...] = ()

    def header(self, name: str) -> str:
        """The first value of a header, "" without it."""
        return next((value for key, value in self.headers if key == name), "")

    def last(self, name: str) -> str:
        """The same of a trailer, which may come with the headers when there is nothing else (gRPC)."""
        return next((value for key, value in (*self.trailers, *self.headers) if key == name), "")


class Sending(Struct, frozen=True):
    """A request and its body: `length` octets are declared, `octets` of them sent.  The body of a gRPC call is
    `message`."""

    request: Request
    length: int = 0
    octets: int = 0
    message: bytes = b""
    extra: tuple[tuple[str, str], ...] = ()

    @property
    def authority(self) -> str:
        """The Host header as clients send it: with a port that is not the scheme's own."""
        usual = self.request.port == DEFAULT_PORTS.get(self.request.scheme, 0)
        return self.request.host if usual else f"{self.request.host}:{self.request.port}"

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Without Host."""
        own = [pair for pair in (*self.request.headers, *self.extra) if pair[0] != "content-length"]
        return [*own, ("content-length", str(self.length))] if self.length else own

    @property
    def body(self) -> bytes:
        return self.message or bytes(self.octets)


async def exchange(line: Line, sending: Sending, http2: bool, wait: float) -> Answer | Failure:
    """Send a request, receive its answer.  `wait`: seconds for it to come."""
    speaker = _Http2(line, sending) if http2 else _Http1(line, sending)
    try:
        async with asyncio.timeout(wait):
            return await speaker.run()
    except TimeoutError:
        return Failure(Ended.SILENT, f"no answer in {wait:g} s")
    except OSError as error:
        return Failure(Ended.CLOSED, f"the connection ends without an answer: {said(error)}")
    except (h11.ProtocolError, H2Error, ValueError) as error:
        return Failure(Ended.CLOSED, f"what answers speaks no HTTP: {error}")


class _Http1:
    """HTTP/1.1 (RFC 9112), one request."""

    def __init__(self, line: Line, sending: Sending) -> None:
        self._line = line
        self._sending = sending
        self._connection = h11.Connection(h11.CLIENT)
        self._answer = Answer()

    async def run(self) -> Answer | Failure:
        sending = self._sending
        head = h11.Request(
            method=sending.request.method,
            target=sending.request.target.encode("latin-1", "backslashreplace"),
            headers=[("host", sending.authority), *sending.headers],
        )
        self._line.send(self._connection.send(head) or b"")
        writing = asyncio.ensure_future(self._send_body())
        try:
            return await self._read()
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _send_body(self) -> None:
        """While the answer may be on its way already."""
        body = self._sending.body
        for start in range(0, len(body), _CHUNK):
            self._line.send(self._connection.send(h11.Data(data=body[start : start + _CHUNK])) or b"")
            await self._line.drained()
            if not start and len(body) > _CHUNK:
                await asyncio.sleep(PAUSE)
        if len(body) == self._sending.length:
            self._line.send(self._connection.send(h11.EndOfMessage()) or b"")

    async def _read(self) -> Answer | Failure:
        body = bytearray()
        while True:
            event = self._connection.next_event()
            match event:
                case h11.NEED_DATA:
                    data = await self._line.receive()
                    if not data and not self._answer.status:
                        return Failure(Ended.CLOSED, "the connection is closed without an answer")
                    self._connection.receive_data(data)
                case h11.Response():
                    self._answer.status = event.status_code
                    self._answer.headers = _texts(list(event.headers))
                case h11.Data():
                    body += event.data
                case h11.EndOfMessage() | h11.PAUSED | h11.ConnectionClosed():
                    break
            if len(body) > LARGEST_ANSWER:
                break
        self._answer.body = bytes(body)
        return self._answer


class _Http2:
    """HTTP/2 (RFC 9113), one stream."""

    def __init__(self, line: Line, sending: Sending) -> None:
        self._line = line
        self._sending = sending
        self._connection = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._answer = Answer()
        self._body = bytearray()
        body = sending.body
        self._unsent = memoryview(body)
        self._is_whole = len(body) >= sending.length
        self._done: Answer | Failure | None = None

    async def run(self) -> Answer | Failure:
        sending = self._sending
        self._connection.initiate_connection()
        pseudo = {
            ":method": sending.request.method,
            ":scheme": "https" if sending.request.encrypted else "http",
            ":authority": sending.authority,
            ":path": sending.request.target,
        }
        own = [(name, value) for name, value in sending.headers if name not in ("connection", "host")]
        self._connection.send_headers(1, [*pseudo.items(), *own], end_stream=not self._expects_body)
        self._pump()
        while self._done is None:
            self._line.send(self._connection.data_to_send())
            data = await self._line.receive()
            if not data:
                return self._closed("the connection is closed without an answer")
            for event in self._connection.receive_data(data):
                self._on(event)
            self._pump()
        self._answer.body = bytes(self._body)
        return self._done

    @property
    def _expects_body(self) -> bool:
        return bool(self._sending.length or self._sending.message)

    def _pump(self) -> None:
        """Send of the body what the windows let through."""
        if self._done is not None or not self._expects_body:
            return
        while self._unsent:
            room = min(self._connection.local_flow_control_window(1), self._connection.max_outbound_frame_size)
            if room <= 0:
                return
            piece, self._unsent = self._unsent[:room], self._unsent[room:]
            self._connection.send_data(1, bytes(piece), end_stream=self._is_whole and not self._unsent)

    def _on(self, event: events.Event) -> None:
        match event:
            case events.ResponseReceived(headers=headers):
                found = _texts(headers or [])
                self._answer.status = int(dict(found).get(":status", "0"))
                self._answer.headers = tuple(pair for pair in found if not pair[0].startswith(":"))
            case events.DataReceived(data=data, flow_controlled_length=int(length)):
                self._body += data or b""
                self._connection.acknowledge_received_data(length, 1)
                if len(self._body) > LARGEST_ANSWER:
                    self._done = self._answer
            case events.TrailersReceived(headers=headers):
                self._answer.trailers = _texts(headers or [])
            case events.StreamEnded():
                self._done = self._answer
            case events.StreamReset(error_code=code):
                self._done = self._closed(f"the stream is reset ({code!s})")
            case events.ConnectionTerminated(error_code=code):
                self._done = self._closed(f"the connection is ended ({code!s})")

    def _closed(self, why: str) -> Answer | Failure:
        """An answer that is not followed by its end is one all the same, as to a body that nobody wants."""
        return self._answer if self._answer.status else Failure(Ended.CLOSED, why)


def _texts(headers: list[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers)
