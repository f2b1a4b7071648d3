"""What a route asks for holds, too, when the route is found late: by another spelling of the host, or by a wildcard."""

from __future__ import annotations

import base64
import hashlib

import pytest

from gatewright.base.sensitive import Sensitive
from gatewright.graph.nodes import BasicAuthUsers, RedirectTo
from gatewright.kinds.intents.filters import Cors
from support import compiled as c
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
    protected = [c.host(name, c.entry(c.to("one"), auth=AUTH)) for name in ("a.test", "*.b.test")]
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
