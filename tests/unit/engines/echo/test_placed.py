"""Echo backends at sockets that others have made."""

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates.authority import PrivateAuthority
from gatewright.engines.echo.placed import WHO, PlacedEcho
from gatewright.engines.echo.service import EchoService, Transport

WEB = EchoService("shop", "web", 8080, pod_name="web-7")
DNS = EchoService("infra", "dns", 53, Transport.UDP)

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def authority(tmp_path: Path) -> PrivateAuthority:
    return PrivateAuthority(tmp_path / "ca")


@pytest.fixture
async def echo(anyio_backend: str, authority: PrivateAuthority) -> AsyncIterator[PlacedEcho]:
    def issue(name: str) -> tuple[bytes, Sensitive]:
        issued = authority.issue((name or "gatewright.invalid",))
        return issued.chain, issued.key

    echo = PlacedEcho(issue)
    yield echo
    await echo.close()


def _socket(kind: socket.SocketKind, address: str = "127.0.0.1") -> tuple[socket.socket, int]:
    made = socket.socket(socket.AF_INET, kind)
    made.setblocking(False)
    made.bind((address, 0))
    if kind == socket.SOCK_STREAM:
        made.listen()
    return made, made.getsockname()[1]


async def test_each_socket_answers_as_its_service_and_tells_the_peer(echo: PlacedEcho) -> None:
    listening, port = _socket(socket.SOCK_STREAM)
    other, other_port = _socket(socket.SOCK_STREAM, "127.0.0.2")
    await echo.answer(listening, WEB)
    await echo.answer(other, EchoService("shop", "api", 9000))
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(local_address="127.0.0.9")) as client:
        told = (await client.get(f"http://127.0.0.1:{port}/")).json()
        also = (await client.get(f"http://127.0.0.2:{other_port}/")).json()
    assert (told["service"], told["pod"], told["peer"]) == ("web", "web-7", "127.0.0.9")
    assert also["service"] == "api"


async def test_certificates_are_for_the_name_that_is_asked_for(echo: PlacedEcho, authority: PrivateAuthority) -> None:
    listening, port = _socket(socket.SOCK_STREAM)
    await echo.answer(listening, WEB)
    trusting = ssl.create_default_context(cafile=str(authority.ca_file))
    for name in ("a.example.com", "b.example.com"):
        async with asyncio.timeout(60):
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname=name)
            writer.close()
            await writer.wait_closed()


async def test_datagrams_come_back_and_one_tells_who_received_it(echo: PlacedEcho) -> None:
    bound, port = _socket(socket.SOCK_DGRAM)
    await echo.answer(bound, DNS)
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect(("127.0.0.1", port))
        async with asyncio.timeout(60):
            await loop.sock_sendall(client, b"hello")
            assert await loop.sock_recv(client, 100) == b"hello"
            await loop.sock_sendall(client, WHO)
            told = json.loads(await loop.sock_recv(client, 2000))
    assert (told["namespace"], told["service"], told["peer"], told["proto"]) == ("infra", "dns", "127.0.0.1", "UDP")


async def test_nobody_is_left_behind(echo: PlacedEcho) -> None:
    listening, port = _socket(socket.SOCK_STREAM)
    await echo.answer(listening, WEB)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hello")
    assert await reader.read(5) == b"hello"
    await echo.close()
    async with asyncio.timeout(60):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read(1) == b""
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    writer.close()
