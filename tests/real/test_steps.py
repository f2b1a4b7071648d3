"""Steps of rules on a real Envoy: on a route found on arrival (a.test) and on those found late (A.test, x.b.test)."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import hmac
import json
from typing import Any

import pytest

from gatewright.base.sensitive import Sensitive
from gatewright.graph.nodes import AskAuth, BackendKey, BasicAuthUsers, Step, TokenCheck
from gatewright.kinds.intents.doors import DoorSettings
from gatewright.kinds.intents.filters import (
    Authorize,
    AuthorizeRule,
    BodyLimit,
    ClientCertificateHeaders,
    Compress,
    ForwardAuth,
    Jwt,
    JwtProvider,
    LimitBy,
    RateLimit,
)
from support import compiled as c
from support import needs

pytestmark = pytest.mark.real

USUAL = DoorSettings()
SPELLINGS = ("a.test", "A.test", "x.b.test")


def sha(password: bytes) -> str:
    return "{SHA}" + base64.b64encode(hashlib.sha1(password, usedforsecurity=False).digest()).decode()


def login(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture(autouse=True)
def _envoy() -> None:
    needs.package("envoy")
    needs.package("grpc")


def everywhere(*steps: Step, settings: DoorSettings = USUAL, **rule: Any) -> c.Graph:
    """The same rule at a name and under a wildcard."""
    hosts = [c.host(name, c.entry(c.to("one"), steps=steps, **rule)) for name in ("a.test", "*.b.test")]
    return c.graph([c.gateway(c.http_port(), settings=settings)], hosts, [c.backend("one")])


def test_users_are_asked_for_and_told_and_their_passwords_kept() -> None:
    users = Sensitive(f"# staff\nann:{sha(b'pw')}\nann:{sha(b'other')}\nbob:plain\n".encode())
    auth = BasicAuthUsers(
        users, c.ORIGIN, realm="Staff", remove_header=True, user_header="X-User", excepts=("127.0.0.7/32", "::1/128")
    )

    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:
            refused = await world.get(name, headers={"X-User": "root"})
            assert (refused.status, refused.header("www-authenticate")) == (401, 'Basic realm="Staff"'), name
            assert (await world.get(name, headers=login("ann", "other"))).status == 401
            reply = await world.get(name, headers={**login("ann", "pw"), "X-User": "root"})
            sent = {k.lower(): v for k, v in reply.echo["headers"].items()}
            assert (reply.backend, sent["x-user"], sent.get("authorization")) == ("one", ["ann"], None), name
            assert (await world.get(name, source="127.0.0.7")).backend == "one", name
            assert (await world.get(name, source="127.0.0.8")).status == 401, name

    c.serve(everywhere(auth), scenario)


def test_rates_are_limited_for_each_client() -> None:
    limit = RateLimit(c.ORIGIN, requests=1, period=3600, burst=2, status=503, excepts=("127.0.0.7/32",))

    async def scenario(world: c.World) -> None:
        for number, name in enumerate(("a.test", "x.b.test")):
            for client in (f"127.0.0.{20 + number}", f"127.0.0.{30 + number}"):
                replies = [(await world.get(name, source=client)).status for _ in range(4)]
                assert replies == [200, 200, 503, 503], (name, client)
                # Another spelling leads to the same bucket.
                assert (await world.get(name.upper(), source=client)).status == 503
            assert [(await world.get(name, source="127.0.0.7")).status for _ in range(4)] == [200] * 4

    c.serve(everywhere(limit), scenario)


def test_rates_are_limited_by_header_with_one_bucket_for_those_without() -> None:
    limit = RateLimit(c.ORIGIN, requests=1, period=3600, burst=2, by=LimitBy.HEADER, header="X-Key")

    async def scenario(world: c.World) -> None:
        for name in ("a.test", "x.b.test"):
            for headers in ({"X-Key": "k"}, {"X-Key": "l"}, {}):
                replies = [await world.get(name, headers=headers) for _ in range(3)]
                assert [reply.status for reply in replies] == [200, 200, 429], (name, headers)
            # An empty one is none.
            assert (await world.get(name, headers={"X-Key": ""})).status == 429

    c.serve(everywhere(limit), scenario)


def test_rates_are_limited_by_host_however_it_is_written() -> None:
    limit = RateLimit(c.ORIGIN, requests=1, period=3600, burst=2, by=LimitBy.HOST)

    async def scenario(world: c.World) -> None:
        for spellings in (("a.test", "A.test", "a.test."), ("x.b.test", "X.b.test", "x.B.test"), ("y.b.test",) * 3):
            assert [(await world.get(name)).status for name in spellings] == [200, 200, 429], spellings

    c.serve(everywhere(limit), scenario)


def test_rates_are_limited_for_the_client_that_a_believed_proxy_names() -> None:
    limit = RateLimit(c.ORIGIN, requests=1, period=3600, burst=1, depth=2)
    believed = DoorSettings(forwarded_from=("127.0.0.9/32",))

    async def scenario(world: c.World) -> None:
        for name in ("a.test", "x.b.test"):

            async def statuses(*forwarded: str, source: str = "127.0.0.9", name: str = name) -> list[int]:
                sent = [{"X-Forwarded-For": one, "X-Gatewright-Client": one} for one in forwarded]
                return [(await world.get(name, headers=one, source=source)).status for one in sent]

            assert await statuses("192.0.2.1, 10.0.0.1", "192.0.2.1,10.0.0.2", "192.0.2.2, 10.0.0.1") == [200, 429, 200]
            assert await statuses("6.6.6.6, 192.0.2.3, 10.0.0.1", "7.7.7.7, 192.0.2.3, 10.0.0.1") == [200, 429]
            # Too few entries: nobody in particular.
            assert await statuses("192.0.2.8", "192.0.2.9") == [200, 429]
            # Who is not believed is one client, whatever he says.
            assert await statuses("192.0.2.4, 10.0.0.1", "192.0.2.5, 10.0.0.1", source="127.0.0.8") == [200, 429]

    c.serve(everywhere(limit, settings=believed), scenario)


KEY = base64.b64encode(b"0123456789abcdef").decode()
WEBSOCKET = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": KEY}


@pytest.mark.parametrize("buffered", [False, True])
def test_bodies_are_limited_and_websockets_are_not(buffered: bool) -> None:
    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:

            async def post(size: int, name: str = name, **headers: str) -> int:
                sent = {"Content-Length": str(size), **headers}
                return (await world.get(name, method="POST", headers=sent, body=b"x" * size)).status

            assert [await post(1000), await post(1001)] == [200, 413], name
            chunked = f"{2000:x}\r\n".encode() + b"x" * 2000 + b"\r\n0\r\n\r\n"
            sent = {"Transfer-Encoding": "chunked"}
            assert (await world.get(name, method="POST", headers=sent, body=chunked)).status == 413, name
            assert (await world.get(name, headers=WEBSOCKET)).status == 101, name
            # Nobody calls his body a WebSocket.
            assert await post(1001, **WEBSOCKET) == 413, name

    c.serve(everywhere(BodyLimit(c.ORIGIN, 1000, buffered=buffered)), scenario)


def test_answers_are_compressed_as_clients_accept() -> None:
    step = Compress(c.ORIGIN, ("br", "gzip"), min_length=100, excluded=("text/html",))

    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:
            reply = await world.get(name, headers={"Accept-Encoding": "gzip"})
            assert reply.header("content-encoding") == "gzip", name
            assert json.loads(gzip.decompress(reply.body))["service"] == "one"
            assert (await world.get(name, headers={"Accept-Encoding": "gzip, br"})).header("content-encoding") == "br"
            html = {"Accept-Encoding": "gzip", "X-Echo-Set-Header": "content-type:text/html"}
            assert (await world.get(name, headers=html)).header("content-encoding") is None
            assert (await world.get(name)).header("content-encoding") is None

    c.serve(everywhere(step), scenario)


def coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def token(secret: bytes = b"secret", **claims: Any) -> dict[str, str]:
    head = coded(json.dumps({"alg": "HS256", "kid": "k"}).encode()) + "." + coded(json.dumps(claims).encode())
    return {"Authorization": f"Bearer {head}.{coded(hmac.digest(secret, head.encode(), 'sha256'))}"}


JWKS = json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "kid": "k", "k": coded(b"secret")}]})
PROVIDER = JwtProvider("main", issuer="i", audiences=("a",), claims_to_headers=(("sub", "x-user"),))


def test_tokens_are_checked_and_their_claims_decide() -> None:
    check = TokenCheck(Jwt(c.ORIGIN, (PROVIDER,)), (("main", JWKS),))
    rules = (
        AuthorizeRule(False, claims=(("main", "sub", ("mallory",)),)),
        AuthorizeRule(True, methods=("GET",), claims=(("main", "groups", ("staff", "admin")),)),
        AuthorizeRule(True, scopes=(("main", "read"),), headers=(("x-app", ("1",)),)),
        AuthorizeRule(True, cidrs=("127.0.0.7/32",)),
    )

    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:

            async def status(headers: dict[str, str], name: str = name, **more: Any) -> int:
                return (await world.get(name, headers=headers, **more)).status

            def of(**claims: Any) -> dict[str, str]:
                return token(**{"iss": "i", "aud": "a", "sub": "ann", **claims})

            assert await status({}) == 401, name
            assert await status(of(aud="b", groups=["staff"])) == 403, name
            assert await status(token(b"other", iss="i", aud="a", groups=["staff"])) == 401, name
            assert await status(of(exp=1, groups=["staff"])) == 401, name
            assert await status(of()) == 403, name
            assert await status(of(groups=["guest", "staff"])) == 200, name
            assert await status(of(groups="admin")) == 200, name
            assert await status(of(groups=["staff"], sub="mallory")) == 403, name
            assert await status(of(groups=["staff"]), method="PUT") == 403, name
            assert await status({**of(scope="write read"), "X-App": "1"}) == 200, name
            assert await status({**of(scope="write reads"), "X-App": "1"}) == 403, name
            assert await status(of(), source="127.0.0.7") == 200, name
            reply = await world.get(name, headers={**of(groups=["staff"]), "X-User": "root"})
            assert {k.lower(): v for k, v in reply.echo["headers"].items()}["x-user"] == ["ann"], name

    c.serve(everywhere(check, Authorize(c.ORIGIN, rules)), scenario)


def test_who_waits_for_keys_meets_what_stands_behind_them_all_the_same() -> None:
    """Envoy runs nothing more of a carried chain behind a filter that waited: the keys are not at hand at first."""

    async def keys(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(JWKS)}\r\nConnection: close\r\n\r\n"
        writer.write((head + JWKS).encode())
        await writer.drain()
        writer.close()

    async def run(*steps: Step) -> None:
        server = await asyncio.start_server(keys, "127.0.0.1")
        endpoint = c.Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
        hosts = [c.host(name, c.entry(c.to("one"), steps=steps)) for name in ("a.test", "*.b.test")]
        there = [c.backend("one"), c.backend("keys", endpoints=(endpoint,)), c.backend("auth")]
        graph = c.graph([c.gateway(c.http_port())], hosts, there)
        async with server, c.running(graph) as world:
            for name in SPELLINGS:
                assert (await world.get(name, headers=token(iss="i", aud="a", sub="ann"))).status == 403, name
                assert (await world.get(name)).status == 401, name

    check = TokenCheck(Jwt(c.ORIGIN, (PROVIDER,)), (("main", (BackendKey("apps", "keys", 80), "", "/jwks")),))
    question = ForwardAuth(c.ORIGIN, ("/",))
    asked = AskAuth(question, BackendKey("apps", "auth", 80), (), ("/",))
    for before in ((), (asked,)):
        asyncio.run(run(*before, BodyLimit(c.ORIGIN, 9, buffered=True), check, Authorize(c.ORIGIN, ())))


def test_what_nobody_denies_may_pass_where_that_is_said() -> None:
    rules = (AuthorizeRule(True, methods=("PUT",)), AuthorizeRule(False, cidrs=("127.0.0.7/32",)))

    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:
            assert (await world.get(name)).status == 200, name
            assert (await world.get(name, source="127.0.0.7")).status == 403, name
            assert (await world.get(name, source="127.0.0.7", method="PUT")).status == 200, name

    c.serve(everywhere(Authorize(c.ORIGIN, rules, allow=True)), scenario)


def test_nobody_passes_where_nobody_is_allowed() -> None:
    async def scenario(world: c.World) -> None:
        assert [(await world.get(name)).status for name in SPELLINGS] == [403] * 3

    c.serve(everywhere(Authorize(c.ORIGIN, ())), scenario)


def test_what_clients_say_of_certificates_is_not_believed() -> None:
    step = ClientCertificateHeaders(c.ORIGIN, (("X-Subject", "subject"), ("X-Verify", "verify"), ("X-Pem", "pem")))

    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:
            reply = await world.get(name, headers={"X-Subject": "CN=root", "X-Verify": "SUCCESS", "X-Pem": "x"})
            sent = {k.lower(): v for k, v in reply.echo["headers"].items()}
            assert (sent.get("x-subject"), sent["x-verify"], sent.get("x-pem")) == (None, ["NONE"], None), name

    c.serve(everywhere(step), scenario)
