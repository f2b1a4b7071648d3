"""What a route asks for holds, too, when the route is found late: by another spelling of the host, or by a wildcard."""

from __future__ import annotations

import asyncio
import base64
import hashlib

import pytest

from gatewright.base.sensitive import Sensitive
from gatewright.graph.nodes import AskAuth, BasicAuthUsers, RedirectTo
from gatewright.kinds.intents.filters import Cors, ForwardAuth, Variable
from support import compiled as c
from support import handmade as hm
from support import needs

pytestmark = pytest.mark.real

SHA = base64.b64encode(hashlib.sha1(b"pw", usedforsecurity=False).digest()).decode()
AUTH = BasicAuthUsers(Sensitive(f"ann:{{SHA}}{SHA}".encode()), c.ORIGIN)
LOGIN = {"Authorization": "Basic " + base64.b64encode(b"ann:pw").decode()}
SPELLINGS = ("a.test", "A.test", "a.test.", "x.b.test", "X.b.test")


@pytest.fixture(autouse=True)
def _envoy() -> None:
    needs.package("envoy")
    needs.package("grpc")


def test_a_user_is_asked_for_however_the_host_is_written() -> None:
    protected = [c.host(name, c.entry(c.to("one"), steps=(AUTH,))) for name in ("a.test", "*.b.test")]
    hosts = [*protected, c.host("*", c.entry(c.to("one")))]
    graph = c.graph([c.gateway(c.http_port())], hosts, [c.backend("one")])

    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:
            assert (await world.get(name)).status == 401, name
            assert (await world.get(name, headers={"x-gatewright-auth": ""})).status == 401, name
            assert (await world.get(name, headers=LOGIN)).backend == "one", name
        for name in ("c.test", "C.test"):
            assert (await world.get(name)).backend == "one", name

    c.serve(graph, scenario)


def test_upgrades_are_refused_however_the_host_is_written() -> None:
    closed = c.entry(c.to("one"), c.path("/closed"), websocket=False)
    away = c.entry(RedirectTo(c.ORIGIN, 302, path=None, host="c.test"), c.path("/away"), websocket=False)
    hosts = [c.host(name, closed, away, c.entry(c.to("one"))) for name in ("a.test", "*.b.test")]
    graph = c.graph([c.gateway(c.http_port())], hosts, [c.backend("one")])
    key = base64.b64encode(b"0123456789abcdef").decode()

    def upgrade(to: str) -> dict[str, str]:
        return {"Connection": "Upgrade", "Upgrade": to, "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}

    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:
            assert (await world.get(name, headers=upgrade("websocket"))).status == 101, name
            assert (await world.get(name, headers=upgrade("WebSocket"))).status == 101, name
            assert (await world.get(name, headers=upgrade("foo"))).status == 403, name
            assert (await world.get(name, "/closed")).backend == "one", name
            for path in ("/closed", "/away"):
                for to in ("websocket", "WebSocket", "foo", "foo, websocket"):
                    assert (await world.get(name, path, headers=upgrade(to))).status == 403, (name, path, to)

    c.serve(graph, scenario)


def test_permission_for_another_origin_is_given_however_the_host_is_written() -> None:
    cors = Cors(c.ORIGIN, ("https://app.test",), ("PUT",))
    hosts = [c.host(name, c.entry(c.to("one"), cors=cors)) for name in ("a.test", "*.b.test")]
    graph = c.graph([c.gateway(c.http_port())], hosts, [c.backend("one")])
    asking = {"Origin": "https://app.test", "Access-Control-Request-Method": "PUT"}

    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:
            reply = await world.get(name, method="OPTIONS", headers=asking)
            assert (reply.status, reply.header("access-control-allow-origin")) == (200, "https://app.test"), name
            assert reply.backend == "", name

    c.serve(graph, scenario)


def test_a_server_is_asked_however_the_host_is_written() -> None:
    """The server that is asked is an echo backend: it answers with the status that the client wishes, by the path."""
    auth = c.backend("auth")
    question = ForwardAuth(c.ORIGIN, (Variable.URI,), copies=("X-User",))
    asked = AskAuth(question, auth.key, (), question.url)
    hosts = [c.host(name, c.entry(c.to("one"), steps=(asked,))) for name in ("a.test", "*.b.test")]
    graph = c.graph([c.gateway(c.http_port())], [*hosts, c.host("*", c.entry(c.to("one")))], [c.backend("one"), auth])

    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:
            reply = await world.get(name, headers={"X-User": "root"})
            assert reply.backend == "one", name
            assert b"root" not in reply.body, name
            assert (await world.get(name, "/status/403")).status == 403, name
            assert (await world.get(name, "/status/204")).status == 204, name
        assert (await world.get("c.test", headers={"X-User": "root"})).backend == "one"
        await world.apply(c.graph([c.gateway(c.http_port())], hosts, [c.backend("one")]))
        await hm.eventually(lambda: is_refused(world))  # a cluster goes last
        for name in SPELLINGS:
            assert (await world.get(name)).status == 500, name

    async def is_refused(world: c.World) -> bool:
        return (await world.get("a.test")).status == 500

    c.serve(graph, scenario)


def test_a_body_that_goes_along_may_be_larger_than_what_envoy_usually_holds() -> None:
    auth = c.backend("auth")
    question = ForwardAuth(c.ORIGIN, ("/",), sends_body=100_000, method="")
    entry = c.entry(c.to("one"), steps=(AskAuth(question, auth.key, (), ("/",)),))
    hosts = [c.host(name, entry) for name in ("a.test", "*.b.test")]
    graph = c.graph([c.gateway(c.http_port())], hosts, [c.backend("one"), auth])

    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:
            for size, status in ((100_000, 200), (100_001, 413)):
                address = ("127.0.0.1", world.port(80))
                reader, writer = await asyncio.open_connection(*address)
                head = f"POST / HTTP/1.1\r\nHost: {name}\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n"
                writer.write(head.encode() + b"x" * size + b"\r\n0\r\n\r\n")
                async with asyncio.timeout(60):
                    first = await reader.readuntil(b"\r\n")
                assert int(first.split()[1]) == status, (name, size)
                writer.close()

    c.serve(graph, scenario)
