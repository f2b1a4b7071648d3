"""Everything that is no single HTTP request: WebSockets, streams of octets, datagrams.

The far end is an echo: octets, messages and datagrams have to come back as they were sent.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import WebSocketURI

from gatewright.engines.echo.placed import WHO
from gatewright.rehearsal import spaces
from gatewright.rehearsal.asking import Ended
from gatewright.rehearsal.clients.connect import Failure, Line, family, said, unreached
from gatewright.rehearsal.clients.http import Answer, Sending

PROBE: Final = b"\x00rehearsal\n"
"""No protocol begins so: an echo sends it back, whatever else it may be, too."""

TRIES: Final = 3
"""How often a datagram is sent, since any may be lost."""


# --- octets -------------------------------------------------------------------------------------


async def echoed(line: Line, seconds: float) -> Failure | None:
    """Does what is sent come back within so many seconds?  None when it does."""
    line.send(PROBE)
    came = b""
    try:
        async with asyncio.timeout(seconds):
            while len(came) < len(PROBE):
                data = await line.receive()
                if not data:
                    return Failure(Ended.CLOSED, "the connection is closed without an answer")
                came += data
    except TimeoutError:
        return Failure(Ended.SILENT, f"nothing comes back in {seconds:g} s")
    except OSError as error:
        return Failure(Ended.CLOSED, f"the connection ends without an answer: {said(error)}")
    return None if came == PROBE else Failure(Ended.CLOSED, "what comes back is no echo")


# --- datagrams ----------------------------------------------------------------------------------


async def datagram(space: str, address: str, port: int, seconds: float) -> bytes | Failure:
    """Ask whoever gets datagrams who it is; its answer."""
    made = spaces.make_socket(space, family(address), socket.SOCK_DGRAM)
    with made:
        return await asked(made, address, port, WHO, seconds)


async def asked(made: socket.socket, address: str, port: int, sent: bytes, seconds: float) -> bytes | Failure:
    """Send a datagram until something comes back, from there and nowhere else."""
    loop = asyncio.get_running_loop()
    try:
        made.connect((address, port))
        for _ in range(TRIES):
            await loop.sock_sendall(made, sent)
            try:
                async with asyncio.timeout(seconds / TRIES):
                    return await loop.sock_recv(made, 65_535)
            except TimeoutError:
                continue
    except OSError as error:
        return unreached(error, address, port, seconds)
    return Failure(Ended.SILENT, f"no answer from {address} port {port} in {seconds:g} s")


# --- WebSocket ----------------------------------------------------------------------------------


async def websocket(line: Line, sending: Sending, silence: float, seconds: float) -> Answer | Failure:
    """Open a WebSocket, leave it alone for `silence` seconds, and have a message echoed (RFC 6455).

    The answer is that to the handshake; 101 only when the message came back.  `seconds` for each of the two.
    """
    try:
        return await _WebSocket(line, sending).run(silence, seconds)
    except TimeoutError:
        return Failure(Ended.SILENT, f"no answer in {seconds:g} s")
    except OSError as error:
        return Failure(Ended.CLOSED, f"the connection ends without an answer: {said(error)}")


class _WebSocket:
    def __init__(self, line: Line, sending: Sending) -> None:
        self._line = line
        asked = sending.request
        path, _, query = asked.target.partition("?")
        uri = WebSocketURI(asked.encrypted, asked.host, asked.port, path, query, None, None)
        self._protocol = ClientProtocol(uri)
        self._request = self._protocol.connect()
        headers = self._request.headers
        del headers["Host"]
        headers["Host"] = sending.authority
        for name, value in sending.headers:
            headers[name] = value

    async def run(self, silence: float, seconds: float) -> Answer | Failure:
        self._protocol.send_request(self._request)
        async with asyncio.timeout(seconds):
            response = await self._event()
        if not isinstance(response, Response):
            return response if isinstance(response, Failure) else Failure(Ended.CLOSED, "no answer to the handshake")
        answer = Answer(response.status_code, _pairs(response.headers), bytes(response.body or b""))
        if response.status_code != 101:
            return answer
        if silence:
            gone = await self._left_alone(silence)
            if gone is not None:
                return gone
        self._protocol.send_text(PROBE)
        async with asyncio.timeout(seconds):
            frame = await self._event()
        if isinstance(frame, Failure):
            return frame
        if not isinstance(frame, Frame) or frame.opcode is not Opcode.TEXT or frame.data != PROBE:
            return Failure(Ended.CLOSED, "what comes back is not the message that was sent")
        return answer

    async def _left_alone(self, silence: float) -> Failure | None:
        """Say nothing for a while; how it ended meanwhile, None when it did not.  Pings are answered."""
        try:
            async with asyncio.timeout(silence):
                frame = await self._event()
        except TimeoutError:
            return None
        return frame if isinstance(frame, Failure) else Failure(Ended.CLOSED, "the WebSocket is closed while silent")

    async def _event(self) -> Response | Frame | Failure:
        """The answer to the handshake, or the next frame with data."""
        while True:
            for octets in self._protocol.data_to_send():
                self._line.send(octets)
            for event in self._protocol.events_received():
                if isinstance(event, Response):
                    return event
                if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CLOSE):
                    return event if event.opcode is not Opcode.CLOSE else Failure(Ended.CLOSED, "it is closed")
            failed = self._protocol.handshake_exc
            if isinstance(failed, InvalidStatus):
                return failed.response
            if failed is not None:
                return Failure(Ended.CLOSED, f"the handshake fails: {failed}")
            await self._more()

    async def _more(self) -> None:
        data = await self._line.receive()
        if not data:
            raise ConnectionResetError("the connection is closed")
        self._protocol.receive_data(data)


def _pairs(headers: Headers) -> tuple[tuple[str, str], ...]:
    return tuple((name.lower(), value) for name, value in headers.raw_items())
