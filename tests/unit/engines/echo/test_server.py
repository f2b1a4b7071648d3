"""The echo backend as its clients see it: each protocol is spoken by a client library that knows nothing of it."""

import asyncio
import contextlib
import itertools
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import grpc
import h2.config
import h2.connection
import h2.events
import httpx
import pytest
import websockets
from google.protobuf.wrappers_pb2 import StringValue
from h2.settings import SettingCodes
from hypothesis import given
from hypothesis import strategies as st

from gatewright.base.errors import EngineError
from gatewright.base.sensitive import Sensitive
from gatewright.engines.echo.connection import Detector
from gatewright.engines.echo.server import EchoServer
from gatewright.engines.echo.service import Address, EchoService, Transport
from support import keys

WEB = EchoService("shop", "web", 8080)
API = EchoService("shop", "api", 9000)
DNS = EchoService("infra", "dns", 53, Transport.UDP)
DEADLINE = 60


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


pytestmark = pytest.mark.anyio


@pytest.fixture
async def server(anyio_backend: str) -> AsyncIterator[EchoServer]:
    server = EchoServer([WEB, API, DNS])
    await server.start()
    yield server
    await server.close()


def _url(server: EchoServer, service: EchoService = WEB, scheme: str = "http") -> str:
    address = server.addresses[service]
    return f"{scheme}://{address.host}:{address.port}"


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextlib.asynccontextmanager
async def _connected(
    address: Address, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A plain connection on which nothing may take longer than DEADLINE."""
    async with asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection(address.host, address.port, ssl=context)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _raw(address: Address, data: bytes, until: bytes) -> bytes:
    async with _connected(address) as (reader, writer):
        writer.write(data)
        return await reader.readuntil(until)


# -- HTTP -------------------------------------------------------------------------------------------------------


async def test_http1_describes_the_request_and_the_service(server: EchoServer) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.post(
            _url(server) + "/a%20b//c?x=1&y=%2F",
            headers=[("Host", "app.example.com"), ("x-multi", "1"), ("X-MULTI", "2"), ("etag", "e")],
            content=b"body",
        )
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    told = response.json()
    headers = told.pop("headers")
    assert told == {
        "path": "/a%20b//c?x=1&y=%2F",
        "host": "app.example.com",
        "method": "POST",
        "proto": "HTTP/1.1",
        "httpPort": "8080",
        "namespace": "shop",
        "ingress": "",
        "service": "web",
        "pod": "web-echo",
        "peer": "127.0.0.1",
        "sni": "",
    }
    assert headers["X-Multi"] == ["1", "2"]
    assert headers["Etag"] == ["e"]
    assert headers["Content-Length"] == ["4"]
    assert "Host" not in headers


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_http2_by_prior_knowledge_and_by_alpn(server: EchoServer, scheme: str) -> None:
    async with httpx.AsyncClient(http1=scheme == "https", http2=True, verify=_unverified()) as client:
        responses = await asyncio.gather(
            *[client.post(_url(server, API, scheme) + f"/{n}", content=b"x") for n in range(20)]
        )
        large = await client.post(_url(server, API, scheme) + "/large", content=b"x" * 1_000_000)
    assert large.json()["path"] == "/large"
    for number, response in enumerate(responses):
        assert response.http_version == "HTTP/2"
        told = response.json()
        assert (told["proto"], told["method"], told["path"]) == ("HTTP/2.0", "POST", f"/{number}")
        assert (told["service"], told["httpPort"]) == ("api", "9000")
        assert not [name for name in told["headers"] if name.startswith(":")]


async def test_tls_is_described(server: EchoServer) -> None:
    async with httpx.AsyncClient(http2=True, verify=_unverified()) as client:
        response = await client.get(_url(server, scheme="https"), extensions={"sni_hostname": "app.example.com"})
    told = response.json()
    assert told["sni"] == "app.example.com"
    assert told["tls"]["version"] == "TLSv1.3"
    assert told["tls"]["serverName"] == "app.example.com"
    assert told["tls"]["negotiatedProtocol"] == "h2"
    assert told["tls"]["cipherSuite"].startswith("TLS_")


async def test_a_given_certificate_is_presented(anyio_backend: str) -> None:
    pair = keys.pair("app.example.com", now=datetime.now(UTC))
    server = EchoServer([WEB], certificate=(pair.cert_pem, Sensitive(pair.key_pem)))
    await server.start()
    try:
        trusting = ssl.create_default_context(cadata=pair.cert_pem.decode())
        async with httpx.AsyncClient(verify=trusting) as client:
            response = await client.get(_url(server, scheme="https"), extensions={"sni_hostname": "app.example.com"})
        assert response.json()["tls"]["negotiatedProtocol"] == "http/1.1"
    finally:
        await server.close()


@pytest.mark.parametrize("http2", [False, True])
async def test_what_a_request_can_ask_for(server: EchoServer, http2: bool) -> None:
    async with httpx.AsyncClient(http1=not http2, http2=http2) as client:
        assert (await client.get(_url(server) + "/status/503")).status_code == 503
        assert (await client.get(_url(server) + "/status/204")).content == b""
        assert (await client.get(_url(server) + "/status/100")).status_code == 400
        head = await client.head(_url(server) + "/")
        assert head.content == b""
        assert int(head.headers["content-length"]) > 0
        asked = await client.get(_url(server), headers={"X-Echo-Set-Header": "X-One:1, x-two:2,bad name:3"})
        assert (asked.headers["x-one"], asked.headers["x-two"]) == ("1", "2")


@pytest.mark.parametrize("http2", [False, True])
async def test_a_delay_holds_back_only_its_own_answer(server: EchoServer, http2: bool) -> None:
    async with httpx.AsyncClient(http1=not http2, http2=http2) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get(_url(server) + "/?delay=5m", timeout=0.2)
        assert (await client.get(_url(server) + "/?delay=20ms", timeout=DEADLINE)).status_code == 200


async def test_pipelined_answers_keep_their_order(server: EchoServer) -> None:
    asked = b"".join(
        b"GET /%d%s HTTP/1.1\r\nhost: a\r\n\r\n" % (n, b"?delay=50ms" if n == 1 else b"") for n in range(3)
    )
    close = b"GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    address = server.addresses[WEB]
    async with _connected(address) as (reader, writer):
        writer.write(asked + close)
        said = await reader.read()
    at = [said.index(path) for path in (b'"/0"', b'"/1?delay=50ms"', b'"/2"', b'"/last"')]
    assert at == sorted(at)


async def test_http10_and_a_bad_request_end_the_connection(server: EchoServer) -> None:
    address = server.addresses[WEB]
    for request, status in ((b"GET / HTTP/1.0\r\n\r\n", b" 200 "), (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b" 400 ")):
        async with _connected(address) as (reader, writer):
            writer.write(request)
            assert status in await reader.read()


async def test_expect_continue_is_answered_before_the_body(server: EchoServer) -> None:
    head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n"
    assert await _raw(server.addresses[WEB], head, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"


async def test_an_unknown_upgrade_is_ignored_as_http_says(server: EchoServer) -> None:
    address = server.addresses[WEB]
    async with _connected(address) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: irc\r\n\r\n")
        said = await reader.read()
    assert said.startswith(b"HTTP/1.1 200 OK\r\n")
    assert said.count(b"HTTP/1.1 200") == 1
    assert b"connection: close\r\n" in said


async def test_h2c_upgrade_answers_on_stream_one(server: EchoServer) -> None:
    client = h2.connection.H2Connection()
    settings = client.initiate_upgrade_connection()
    assert settings is not None
    address = server.addresses[WEB]
    async with _connected(address) as (reader, writer):
        writer.write(
            b"GET /up HTTP/1.1\r\nhost: app\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n"
            b"http2-settings: " + settings + b"\r\n\r\n"
        )
        switched = await reader.readuntil(b"\r\n\r\n")
        assert switched.startswith(b"HTTP/1.1 101 ")
        writer.write(client.data_to_send())
        body = b""
        ended = False
        while not ended:
            for event in client.receive_data(await reader.read(65536)):
                if isinstance(event, h2.events.DataReceived):
                    body += event.data or b""
                ended = ended or isinstance(event, h2.events.StreamEnded)
    assert b'"path":"/up"' in body


# -- WebSocket, gRPC ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_websocket_messages_come_back(server: EchoServer, scheme: str) -> None:
    context = _unverified() if scheme == "wss" else None
    url = _url(server, scheme=scheme) + "/any/path?x"
    async with websockets.connect(url, ssl=context, subprotocols=[websockets.Subprotocol("chat")]) as client:
        assert client.subprotocol == "chat"
        for message in ("hello", b"\x00\xff", "long " * 50_000, ""):
            await client.send(message)
            assert await asyncio.wait_for(client.recv(), DEADLINE) == message
        await asyncio.wait_for(await client.ping(), DEADLINE)
    assert client.close_code == 1000


async def test_websocket_over_http2(server: EchoServer) -> None:
    """RFC 8441, as Envoy speaks it to an HTTP/2 upstream."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    client.initiate_connection()
    address = server.addresses[WEB]
    async with _connected(address) as (reader, writer):
        writer.write(client.data_to_send())
        while client.remote_settings.get(SettingCodes.ENABLE_CONNECT_PROTOCOL) != 1:
            client.receive_data(await reader.read(65536))
        asked = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "a"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "chat, other"),
        ]
        client.send_headers(1, asked)
        frame = b"\x81\x82\x00\x00\x00\x00hi"  # a masked text frame
        client.send_data(1, frame)
        writer.write(client.data_to_send())
        body, said = b"", {}
        while body != b"\x81\x02hi":
            for event in client.receive_data(await reader.read(65536)):
                if isinstance(event, h2.events.ResponseReceived):
                    said = dict(event.headers or [])
                if isinstance(event, h2.events.DataReceived):
                    body += event.data or b""
        # The key and what it gives are the example of RFC 6455, section 1.3.
    assert said == {
        ":status": "200",
        "sec-websocket-accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "sec-websocket-protocol": "chat",
    }


async def test_any_unary_grpc_method_is_answered(server: EchoServer) -> None:
    address = server.addresses[API]
    async with grpc.aio.insecure_channel(f"{address.host}:{address.port}") as channel:
        call: Any = channel.unary_unary("/some.Service/Method", lambda m: m, StringValue.FromString)
        reply = await call(b"\x0a\x01x", timeout=DEADLINE, metadata=[("x-id", "7")])
    assert '"path":"/some.Service/Method"' in reply.value
    assert '"service":"api"' in reply.value
    assert '"X-Id":["7"]' in reply.value


# -- TCP, UDP -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [b"PING\n", b"hello", b"\x00\x01\x02", b"GET out\n", b"PRI * nothing\n", b"\x16\x02x"])
async def test_other_protocols_come_back_as_they_are(server: EchoServer, text: bytes) -> None:
    assert await _raw(server.addresses[WEB], text, text) == text


async def test_raw_bytes_inside_tls_come_back(server: EchoServer) -> None:
    address = server.addresses[WEB]
    async with _connected(address, _unverified()) as (reader, writer):
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"


async def test_a_slow_reader_gets_everything(server: EchoServer) -> None:
    """More than any socket buffer holds, written before the first read."""
    sent = b"\x00" * 20_000_000
    address = server.addresses[WEB]
    async with _connected(address) as (reader, writer):
        writer.write(sent)
        received = await reader.readexactly(len(sent))
    assert received == sent


async def test_datagrams_come_back_from_where_they_were_sent_to(server: EchoServer) -> None:
    address = server.addresses[DNS]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect((address.host, address.port))
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, b"question")
        assert await asyncio.wait_for(loop.sock_recv(client, 100), DEADLINE) == b"question"


@given(data=st.binary(min_size=1, max_size=200), cuts=st.lists(st.integers(0, 200), max_size=5))
def test_no_first_bytes_are_fatal_however_they_are_cut(data: bytes, cuts: list[int]) -> None:
    class Sink:
        def write(self, data: bytes) -> None: ...

        def close(self) -> None: ...

    detector = Detector(Sink(), WEB, None)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(edges):
        detector.receive(data[start:end])


# -- many services ------------------------------------------------------------------------------------------------


async def test_ten_thousand_services_share_one_listener(anyio_backend: str) -> None:
    services = [EchoService(f"ns{n % 7}", f"app{n}", 80) for n in range(10_000)]
    server = EchoServer(services)
    await server.start()
    try:
        assert len({address.host for address in server.addresses.values()}) == 10_000
        assert {address.port for address in server.addresses.values()} == {server.addresses[services[0]].port}
        async with httpx.AsyncClient() as client:
            for service in services[::500]:
                told = (await client.get(_url(server, service))).json()
                assert (told["namespace"], told["service"]) == (service.namespace, service.name)
    finally:
        await server.close()


@pytest.mark.parametrize("device", [True, False], ids=["shared", "own sockets"])
async def test_services_come_and_go(monkeypatch: pytest.MonkeyPatch, device: bool, anyio_backend: str) -> None:
    if not device:  # a kernel that lets nobody bind to a device
        monkeypatch.setattr(socket, "SO_BINDTODEVICE", 0x7FFF)
    server = EchoServer([WEB])
    await server.start()
    try:
        async with httpx.AsyncClient() as client:
            before = server.addresses[WEB]
            await server.update([WEB, API, DNS])
            assert server.addresses[WEB] == before
            assert (await client.get(_url(server, API))).json()["service"] == "api"
            gone = _url(server, API)
            await server.update([WEB])
            assert API not in server.addresses
            assert (await client.get(gone)).json()["service"] == "api", "an open connection lives on"
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.TransportError):
                await client.get(gone)
            assert (await client.get(_url(server))).json()["service"] == "web"
    finally:
        await server.close()


async def test_addresses_stay_across_restarts(server: EchoServer) -> None:
    again = EchoServer([API, WEB])
    await again.start()
    assert again.addresses[WEB].host == server.addresses[WEB].host
    assert again.addresses[WEB].port != server.addresses[WEB].port
    await again.close()


async def test_a_taken_port_is_one_clear_error(server: EchoServer) -> None:
    port = server.addresses[WEB].port
    with pytest.raises(EngineError, match=f"port {port}"):
        await EchoServer([WEB], port=port).start()
