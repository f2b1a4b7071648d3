"""Limits of request bodies on a real Envoy, alone and behind a question, however a body comes."""

from __future__ import annotations

import asyncio

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, ResponseReceived, StreamEnded, StreamReset

from gatewright.base.sensitive import Sensitive
from gatewright.graph.nodes import AskAuth, BasicAuthUsers, Step
from gatewright.kinds.intents.filters import BodyLimit, ForwardAuth, Variable
from gatewright.kinds.intents.routing import Dialect
from support import compiled as c
from support import needs
from support.handmade import DEADLINE

pytestmark = pytest.mark.real

SPELLINGS = ("a.test", "A.test", "x.b.test")
WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}
FRAME = 16_384
QUESTION = ForwardAuth(c.ORIGIN, (Variable.URI,), copies=("X-User",))
ASK = AskAuth(QUESTION, c.backend("auth").key, (), QUESTION.url)


@pytest.fixture(autouse=True)
def _envoy() -> None:
    needs.package("envoy")
    needs.package("grpc")


def limited(*steps: Step) -> c.Graph:
    hosts = [c.host(name, c.entry(c.to("one"), steps=steps)) for name in ("a.test", "*.b.test")]
    return c.graph([c.gateway(c.http_port())], hosts, [c.backend("one"), c.backend("auth")])


async def post(world: c.World, name: str, size: int, *, http2: bool, known: bool) -> int:
    """The status for a body whose length the request says (`known`) or does not, all of it sent at once."""
    if http2:
        return await over_http2(world, name, size, known=known)
    if known:
        return (await world.get(name, method="POST", headers={"Content-Length": f"{size}"}, body=b"x" * size)).status
    chunk = f"{size:x}\r\n".encode() + b"x" * size + b"\r\n" if size else b""
    sent = {"Transfer-Encoding": "chunked"}
    return (await world.get(name, method="POST", headers=sent, body=chunk + b"0\r\n\r\n")).status


async def over_http2(world: c.World, name: str, size: int, *, known: bool) -> int:
    """The same, with prior knowledge; the last frame of a body is its end."""
    client = H2Connection(H2Configuration(client_side=True))
    client.initiate_connection()
    length = [("content-length", f"{size}")] if known else []
    client.send_headers(
        1,
        [(":method", "POST"), (":scheme", "http"), (":authority", name), (":path", "/"), *length],
        end_stream=not size,
    )
    for start in range(0, size, FRAME):
        client.send_data(1, b"x" * min(FRAME, size - start), end_stream=start + FRAME >= size)
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port())
    try:
        writer.write(client.data_to_send())
        async with asyncio.timeout(DEADLINE):
            while data := await reader.read(65536):
                for event in client.receive_data(data):
                    if isinstance(event, ResponseReceived):
                        return next(int(value) for key, value in event.headers if key == b":status")
        return 0
    finally:
        writer.close()


@pytest.mark.parametrize("buffered", [False, True], ids=["counted", "held"])
@pytest.mark.parametrize("before", [(), (ASK,)], ids=["alone", "asked"])
def test_no_body_is_longer_than_its_limit(before: tuple[Step, ...], buffered: bool) -> None:
    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:
            for http2 in (False, True):
                for known in (True, False):
                    replies = [await post(world, name, n, http2=http2, known=known) for n in (0, 1000, 1001, 60_000)]
                    assert replies == [200, 200, 413, 413], (name, http2, known)
            assert (await world.get(name, headers=WEBSOCKET)).status == 101, name

    c.serve(limited(*before, BodyLimit(c.ORIGIN, 1000, buffered=buffered)), scenario)


@pytest.mark.parametrize("dialect", [Dialect.GATEWAY_API, Dialect.TRAEFIK])
def test_what_stands_behind_a_limit_is_asked_all_the_same(dialect: Dialect) -> None:
    """Envoy runs nothing more of a carried chain behind a filter that waited."""
    users = BasicAuthUsers(Sensitive(b"ann:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M="), c.ORIGIN)
    wide, narrow = (BodyLimit(c.ORIGIN, octets, buffered=True) for octets in (2000, 1000))
    hosts = [c.host(name, c.entry(c.to("one"), steps=(wide, narrow, users))) for name in ("a.test", "*.b.test")]
    graph = c.graph([c.gateway(c.http_port(), dialect=dialect)], hosts, [c.backend("one")])

    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:
            for http2 in (False, True):
                replies = [await post(world, name, n, http2=http2, known=True) for n in (0, 1000, 1500, 2500)]
                assert replies == [401, 401, 413, 413], (name, http2)
                chunked = [await post(world, name, n, http2=http2, known=False) for n in (0, 1000, 1500, 2500)]
                assert set(chunked) <= {401, 413}, (name, http2)

    c.serve(graph, scenario)


async def refused_over_http2(world: c.World, name: str, size: int, *, known: bool) -> list[object]:
    """What comes back to a client that sends as fast as its window lets it, to the end of the connection's use."""
    client = H2Connection(H2Configuration(client_side=True))
    client.initiate_connection()
    length = [("content-length", f"{size}")] if known else []
    client.send_headers(1, [(":method", "POST"), (":scheme", "http"), (":authority", name), (":path", "/"), *length])
    left, came = size, list[object]()
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port())
    try:
        async with asyncio.timeout(DEADLINE):
            while not came or not isinstance(came[-1], ErrorCodes):
                while octets := min(client.local_flow_control_window(1), FRAME, left):
                    left -= octets
                    client.send_data(1, b"x" * octets, end_stream=not left)
                writer.write(client.data_to_send())
                data = await reader.read(65536)
                assert data, came
                for event in client.receive_data(data):
                    if isinstance(event, ResponseReceived):
                        came.append(next(int(value) for key, value in event.headers if key == b":status"))
                    elif isinstance(event, DataReceived):
                        came.append(len(event.data) > 0)
                    elif isinstance(event, StreamEnded):
                        came.append("end")
                    elif isinstance(event, StreamReset):
                        came.append(ErrorCodes(event.error_code))
        assert left > 0
        return came
    finally:
        writer.close()


@pytest.mark.parametrize("buffered", [False, True], ids=["counted", "held"])
def test_a_client_that_is_still_sending_is_answered_in_full_and_told_to_stop(buffered: bool) -> None:
    """RFC 9113 8.1: a whole answer, then RST_STREAM with NO_ERROR.  nginx sends the same; curl 7 shows neither 413."""

    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:
            for known in (True, False):
                came = await refused_over_http2(world, name, 9_000_000, known=known)
                assert came == [413, True, "end", ErrorCodes.NO_ERROR], (name, known)

    c.serve(limited(BodyLimit(c.ORIGIN, 1000, buffered=buffered)), scenario)
