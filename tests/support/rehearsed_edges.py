"""An edge, a connector and origins on the loopback device of a namespace of their own, and requests to them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

from gatewright.engines.certificates.authority import PrivateAuthority
from gatewright.rehearsal import isolation
from gatewright.rehearsal.edging.connector import Connector
from gatewright.rehearsal.edging.edge import Edge
from gatewright.rehearsal.edging.settings import ConnectorSettings, EdgeSettings, Name, Rule, Zone

FOLDER = Path("/run/edges")
EDGE, SOURCE = "104.16.0.1", "162.158.0.1"
GOOD, BAD, DOWN, LOST = "203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.200"
TUNNEL = "6ff42ae2-765d-4adf-8112-31c55c1551ef"
RULES = (
    Rule(f"https://{GOOD}:443", "tunnel.full.test", "^/api", server_name="app.strict.test", host_header="inner.test"),
    Rule(f"https://{BAD}:443", "tunnel.full.test", "^/verified", server_name="app.strict.test"),
    Rule(f"https://{BAD}:443", "*.full.test", "^/unverified", verify=False),
    Rule("http_status:404"),
)


def zones() -> tuple[Zone, ...]:
    def names(domain: str) -> tuple[Name, ...]:
        origins = {"app": GOOD, "bad": BAD, "down": DOWN, "lost": LOST, "deep.app": GOOD}
        return tuple(Name(f"{label}.{domain}", (address,)) for label, address in origins.items())

    def zone(mode: str, *more: Name, always: bool = False) -> Zone:
        domain = f"{mode}.test"
        return Zone(domain, mode, always, (domain, f"*.{domain}"), (*names(domain), *more))

    tunnels = Name("tunnel.full.test", tunnel=TUNNEL), Name("nobody.full.test", tunnel="none")
    return zone("strict", always=True), zone("full", *tunnels), zone("flexible"), zone("off")


def answers(asked: list[str]) -> dict[str, str]:
    """By URL, what came of it: "STATUS what the origin saw", or why there was none."""
    return asyncio.run(_answers(asked))


def websocket() -> str:
    """What comes back of a connection that has become another protocol, through edge and connector."""
    return asyncio.run(_websocket())


def _prepare() -> None:
    lines = ["link set lo up", *(f"addr add {one}/32 dev lo" for one in (EDGE, SOURCE, GOOD, BAD, DOWN))]
    subprocess.run([isolation.program("ip"), "-batch", "-"], input="\n".join(lines), text=True, check=True)
    FOLDER.mkdir()
    os.chdir(FOLDER)


async def _answers(asked: list[str]) -> dict[str, str]:
    async with _standing() as trust:
        return {url: await _ask(url, trust) for url in asked}


async def _websocket() -> str:
    async with _standing() as trust:
        reader, writer = await asyncio.open_connection(EDGE, 443, ssl=trust, server_hostname="tunnel.full.test")
        head = "GET /api HTTP/1.1\r\nHost: tunnel.full.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        writer.write(head.encode())
        first = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0].decode()
        writer.write(b"hello")
        got = await reader.readexactly(5)
        writer.close()
        return f"{first} {got.decode()}"


@contextlib.asynccontextmanager
async def _standing() -> AsyncIterator[ssl.SSLContext]:
    _prepare()
    public, unsaid = PrivateAuthority(Path("authorities/public")), PrivateAuthority(Path("authorities/unsaid"))
    strange = PrivateAuthority(Path("authorities/strange"))
    for address, authority in ((GOOD, public), (BAD, strange)):
        await asyncio.start_server(_origin, address, 443, ssl=_shown(authority))
        await asyncio.start_server(_origin, address, 80)
    settings = EdgeSettings((EDGE,), (SOURCE,), (80,), (443,), zones(), "", 1000)
    told = ConnectorSettings(TUNNEL, (EDGE,), RULES, "")
    tasks = [asyncio.create_task(one.run()) for one in (Edge(settings), Connector(told))]
    deadline = asyncio.get_running_loop().time() + 10
    while not await _is_up():
        assert asyncio.get_running_loop().time() < deadline, "the edge does not listen"
        await asyncio.sleep(0.01)
    trust = ssl.create_default_context(cafile=str(public.ca_file))
    assert unsaid.ca_file.exists()
    yield trust
    for task in tasks:
        task.cancel()


async def _is_up() -> bool:
    try:
        _, writer = await asyncio.open_connection(EDGE, 80)
    except OSError:
        return False
    writer.close()
    return True


def _shown(authority: PrivateAuthority) -> ssl.SSLContext:
    issued = authority.issue(("app.strict.test", "bad.strict.test"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    file = Path("origin.pem")
    file.write_bytes(issued.chain + issued.key.reveal())
    context.load_cert_chain(file)
    return context


async def _origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Tells what it sees; goes on as an echo where that is asked for."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    fields = dict(line.split(": ", 1) for line in head[1:] if line)
    if "upgrade" in fields:
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        writer.write(await reader.read(100))
        await writer.drain()
        writer.close()
        return
    body = await reader.readexactly(int(fields.get("content-length", "0")))
    peer, port = writer.get_extra_info("peername")[0], writer.get_extra_info("sockname")[1]
    seen = (
        f"{fields['host']} {port} {peer} {fields.get('x-forwarded-for')} {fields.get('x-forwarded-proto')} {len(body)}"
    )
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(seen)}\r\n\r\n{seen}".encode())
    await writer.drain()
    writer.close()


async def _ask(url: str, trust: ssl.SSLContext) -> str:
    scheme, _, rest = url.partition("://")
    host, _, target = rest.partition("/")
    size = int(target.removeprefix("upload")) if target.startswith("upload") else 0
    context = trust if scheme == "https" else None
    try:
        reader, writer = await asyncio.open_connection(
            EDGE, 443 if context else 80, ssl=context, server_hostname=host if context else None
        )
    except (ssl.SSLError, ConnectionResetError):
        return "no handshake"
    method = f"POST /{target}" if size else f"GET /{target}"
    head = f"{method} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + b"x" * size)
    answer = (await reader.read()).decode()
    writer.close()
    first, _, body = answer.partition("\r\n\r\n")
    location = next((line.split(": ", 1)[1] for line in first.split("\r\n") if line.lower().startswith("location")), "")
    return f"{first.split(' ')[1]} {location or body.strip()}"
