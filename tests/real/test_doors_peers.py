"""Whom a door believes about the client, on a real Envoy: X-Forwarded-*, PROXY protocol, and what backends are told."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from msgspec import structs

from gatewright.base.hostnames import Depth
from gatewright.graph.nodes import Access, Gateway, RedirectTo
from gatewright.kinds.intents.doors import DoorSettings, EntrySettings
from gatewright.kinds.intents.filters import PathEdit, PathEditKind
from gatewright.kinds.intents.routing import Dialect
from support import compiled as c
from support import needs

pytestmark = pytest.mark.real

PROXY, STRANGER = "127.0.0.9", "127.0.0.5"
BELIEVED = (f"{PROXY}/32", "10.0.0.0/8")
SAID = {
    "X-Forwarded-For": "192.0.2.6, 10.1.1.1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "said.test",
    "X-Forwarded-Port": "8443",
    "X-Real-Ip": "192.0.2.66",
    "X-Scheme": "gopher",
    "X-Forwarded-Server": "liar",
    "x-envoy-upstream-rq-timeout-ms": "1",
}


@pytest.fixture(autouse=True)
def _envoy() -> None:
    needs.package("envoy")
    needs.package("grpc")


def door(implementation: str, *, own: EntrySettings | None = None, **settings: Any) -> Gateway:
    dialect = {"traefik": Dialect.TRAEFIK, "envoy": Dialect.GATEWAY_API}.get(implementation, Dialect.INGRESS)
    listener = c.Listener("listener", 80, c.Protocol.HTTP, "*", c.ORIGIN, own=own or EntrySettings())
    made = c.gateway(c.http_port(), listeners=[listener], dialect=dialect, depth=Depth.ONE)
    return structs.replace(made, implementation=implementation, settings=DoorSettings(**settings))


def served(gateway: Gateway, *more: Any) -> Any:
    return c.graph([gateway], [c.host("a.test", *more, c.entry(c.to("one")))], [c.backend("one")])


def sent(reply: c.Reply) -> dict[str, list[str]]:
    """The headers that the backend saw and that speak of the client, in lower case."""
    assert reply.status == 200, reply
    found = {name.lower(): values for name, values in reply.echo["headers"].items()}
    return {
        n: v
        for n, v in found.items()
        if n.startswith(("x-forwarded", "x-real", "x-scheme", "x-original", "x-envoy-up"))
    }


NGINX_OTHERS = {
    "x-forwarded-for": [STRANGER],
    "x-forwarded-proto": ["http"],
    "x-forwarded-host": ["a.test"],
    "x-forwarded-port": ["80"],
    "x-forwarded-scheme": ["http"],
    "x-scheme": ["http"],
    "x-real-ip": [STRANGER],
    "x-original-forwarded-for": ["192.0.2.6, 10.1.1.1"],
}
NGINX_BELIEVED = {
    "x-forwarded-for": ["192.0.2.6"],
    "x-forwarded-proto": ["https"],
    "x-forwarded-host": ["said.test"],
    "x-forwarded-port": ["8443"],
    "x-forwarded-scheme": ["https"],
    "x-scheme": ["https"],
    "x-real-ip": ["192.0.2.6"],
    "x-original-forwarded-for": ["192.0.2.6, 10.1.1.1"],
}
TRAEFIK_OTHERS = {
    "x-forwarded-for": [STRANGER],
    "x-forwarded-proto": ["http"],
    "x-forwarded-host": ["a.test"],
    "x-forwarded-port": ["80"],
    "x-forwarded-server": ["edge"],
    "x-real-ip": [STRANGER],
}
TRAEFIK_BELIEVED = {
    "x-forwarded-for": [f"192.0.2.6, 10.1.1.1,{PROXY}"],
    "x-forwarded-proto": ["https"],
    "x-forwarded-host": ["said.test"],
    "x-forwarded-port": ["8443"],
    "x-forwarded-server": ["edge"],
    "x-real-ip": ["192.0.2.66"],
}


@pytest.mark.parametrize(
    ("implementation", "others", "believed"),
    [("ingress-nginx", NGINX_OTHERS, NGINX_BELIEVED), ("traefik", TRAEFIK_OTHERS, TRAEFIK_BELIEVED)],
)
def test_headers_of_believed_peers_are_kept_and_those_of_others_are_not(
    implementation: str, others: dict[str, list[str]], believed: dict[str, list[str]]
) -> None:
    async def scenario(world: c.World) -> None:
        unheard_of = "X-Scheme" if implementation == "traefik" else "X-Forwarded-Server"
        lies = {name: value for name, value in SAID.items() if name != unheard_of}
        assert sent(await world.get("a.test", headers=lies, source=STRANGER)) == others
        assert sent(await world.get("A.test", headers=lies, source=STRANGER)) == others | {
            "x-forwarded-host": ["A.test"]
        }
        assert sent(await world.get("a.test", headers=lies, source=PROXY)) == believed

    c.serve(served(door(implementation, forwarded_from=BELIEVED)), scenario)


@pytest.mark.parametrize(
    ("implementation", "expected"),
    [
        ("ingress-nginx", NGINX_OTHERS),
        ("traefik", TRAEFIK_OTHERS),
        ("haproxy", {"x-forwarded-for": [f"192.0.2.6, 10.1.1.1,{STRANGER}"], "x-forwarded-proto": ["http"]}),
        (
            "alb",
            {
                "x-forwarded-for": [f"192.0.2.6, 10.1.1.1,{STRANGER}"],
                "x-forwarded-proto": ["http"],
                "x-forwarded-port": ["80"],
            },
        ),
    ],
)
def test_where_nobody_is_believed(implementation: str, expected: dict[str, list[str]]) -> None:
    async def scenario(world: c.World) -> None:
        reply = sent(await world.get("a.test", headers=SAID, source=STRANGER))
        assert {name: reply.get(name) for name in expected} == expected

    c.serve(served(door(implementation)), scenario)


def test_an_entry_point_believes_others_than_its_door() -> None:
    gateway = door("traefik", own=EntrySettings(forwarded_from=(f"{STRANGER}/32",)), forwarded_from=BELIEVED)

    async def scenario(world: c.World) -> None:
        assert sent(await world.get("a.test", headers=SAID, source=PROXY))["x-forwarded-host"] == ["a.test"]
        assert sent(await world.get("a.test", headers=SAID, source=STRANGER))["x-forwarded-host"] == ["said.test"]

    c.serve(served(gateway), scenario)


def test_everybody_is_believed() -> None:
    async def scenario(world: c.World) -> None:
        reply = sent(await world.get("a.test", headers=SAID, source=STRANGER))
        assert reply["x-real-ip"] == ["192.0.2.6"]
        assert sent(await world.get("a.test", source=STRANGER))["x-real-ip"] == [STRANGER]

    c.serve(served(door("ingress-nginx", forwarded_from=("0.0.0.0/0", "::/0"))), scenario)


def test_who_may_pass_is_decided_by_the_way_here_as_it_arrived() -> None:
    """Also of hosts that are found late: not by X-Forwarded-For as ingress-nginx tells it to backends."""
    only = Access((f"{PROXY}/32", "192.0.2.6/32"), c.ORIGIN, trusted=BELIEVED, nearest=True)
    entry = c.entry(c.to("one"), access=(only,))
    hosts = [c.host(name, entry) for name in ("a.test", "*.b.test")]
    gateway = door("ingress-nginx", forwarded_from=BELIEVED)
    expected = {"192.0.2.6, 10.1.1.1": 200, "192.0.2.7": 403, "junk": 403, "": 200}

    async def scenario(world: c.World) -> None:
        for name in ("a.test", "A.test", "x.b.test", "X.B.test"):
            for said, status in expected.items():
                headers = {"X-Forwarded-For": said} if said else {}
                assert (await world.get(name, headers=headers, source=PROXY)).status == status, (name, said)

    c.serve(c.graph([gateway], hosts, [c.backend("one")]), scenario)


def test_redirects_keep_the_scheme_that_the_client_sees() -> None:
    moved = RedirectTo(c.ORIGIN, 301, path=PathEdit(PathEditKind.REPLACE, "/new"), port=0)
    graph = served(door("ingress-nginx", forwarded_from=BELIEVED), c.entry(moved, c.path("/old")))

    async def scenario(world: c.World) -> None:
        for source, location in ((PROXY, "https://a.test/new"), (STRANGER, "http://a.test/new")):
            reply = await world.get("a.test", "/old", headers={"X-Forwarded-Proto": "https"}, source=source)
            assert reply.header("location") == location

    c.serve(graph, scenario)


def test_the_port_of_the_listener_is_not_told_to_clients_of_a_proxy_with_another_scheme() -> None:
    """The proxy has a port of its own; the test's listener has one that is no scheme's usual."""
    moved = RedirectTo(c.ORIGIN, 301, path=PathEdit(PathEditKind.REPLACE, "/new"), status_other=308)
    graph = served(door("ingress-nginx", forwarded_from=BELIEVED), c.entry(moved, c.path("/old")))

    async def scenario(world: c.World) -> None:
        own = f"http://a.test:{world.port()}/new"
        for method, status in (("GET", 301), ("POST", 308)):
            for source, location in ((PROXY, "https://a.test/new"), (STRANGER, own)):
                sent = {"X-Forwarded-Proto": "https", "Content-Length": "0"}
                reply = await world.get("a.test", "/old", method=method, headers=sent, source=source)
                assert (reply.status, reply.header("location")) == (status, location)
            reply = await world.get("a.test", "/old", method=method, headers={"Content-Length": "0"}, source=PROXY)
            assert (reply.status, reply.header("location")) == (status, own)

    c.serve(graph, scenario)


# --- PROXY protocol -----------------------------------------------------------------------------

HEADER = b"PROXY TCP4 192.0.2.7 192.0.2.8 1234 80\r\n"


async def connect(world: c.World, source: str, start: bytes = b"", target: str = "/") -> c.Reply | None:
    """One request behind `start`; None: the connection was closed without an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port(80), local_addr=(source, 0))
    try:
        writer.write(start + f"GET {target} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(c.hm.DEADLINE):
            return await c._read(reader, head_only=False)
    except (asyncio.IncompleteReadError, OSError):
        return None
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def test_proxy_protocol_of_traefik_is_believed_of_its_proxies_alone() -> None:
    only = Access(("192.0.2.7/32",), c.ORIGIN)
    graph = served(door("traefik", proxy_protocol_from=BELIEVED), c.entry(c.to("one"), c.path("/in"), access=(only,)))

    async def scenario(world: c.World) -> None:
        told = await connect(world, PROXY, HEADER)
        assert told is not None
        assert (sent(told)["x-forwarded-for"], sent(told)["x-real-ip"]) == (["192.0.2.7"], ["192.0.2.7"])
        for source in (PROXY, STRANGER):
            plain = await connect(world, source)
            assert plain is not None
            assert sent(plain)["x-real-ip"] == [source]
        assert await connect(world, STRANGER, HEADER) is None
        allowed, turned_away = await connect(world, PROXY, HEADER, "/in"), await connect(world, PROXY, b"", "/in")
        assert allowed is not None
        assert turned_away is not None
        assert (allowed.status, turned_away.status) == (200, 403)

    c.serve(graph, scenario)


def test_ingress_nginx_wants_proxy_protocol_of_every_connection() -> None:
    async def scenario(world: c.World) -> None:
        told = await connect(world, PROXY, HEADER)
        assert told is not None
        assert sent(told)["x-real-ip"] == ["192.0.2.7"]
        assert await connect(world, PROXY) is None
        assert await connect(world, STRANGER, HEADER) is None
        assert await connect(world, STRANGER) is None

    c.serve(served(door("ingress-nginx", proxy_protocol_from=BELIEVED)), scenario)


def test_proxy_protocol_first_then_whom_it_speaks_of() -> None:
    """Traefik asks whether the client that PROXY names is one to be believed; nginx, who connects."""
    settings: dict[str, Any] = {"proxy_protocol_from": (f"{PROXY}/32",), "forwarded_from": ("192.0.2.7/32",)}

    async def scenario(world: c.World) -> None:
        lie = b"X-Forwarded-Host: said.test\r\n"
        request = b"GET / HTTP/1.1\r\nHost: a.test\r\n" + lie + b"Connection: close\r\n\r\n"
        for start, expected in ((HEADER, "said.test"), (b"", "a.test")):
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port(80), local_addr=(PROXY, 0))
            writer.write(start + request)
            async with asyncio.timeout(c.hm.DEADLINE):
                reply = await c._read(reader, head_only=False)
            writer.close()
            assert sent(reply)["x-forwarded-host"] == [expected]

    c.serve(served(door("traefik", **settings)), scenario)


# --- times --------------------------------------------------------------------------------------


def test_times_of_a_door_and_of_its_entry_point() -> None:
    gateway = door("alb", own=EntrySettings(request_timeout=1.0), idle_timeout=1.0)

    async def scenario(world: c.World) -> None:
        assert (await world.get("a.test", "/?delay=60s")).status == 504
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port(80))
        writer.write(b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nabc")
        async with asyncio.timeout(c.hm.DEADLINE):
            reply = await c._read(reader, head_only=False)
        assert reply.status == 408
        writer.close()

    c.serve(served(gateway), scenario)
