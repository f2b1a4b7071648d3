"""Forward authentication on a real Envoy: what is asked, what is passed on, and that nothing passes unasked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from msgspec import structs

from gatewright.engines.envoy.steps import forward_auth
from gatewright.graph.nodes import AskAuth, BackendKey
from gatewright.kinds.intents.filters import ForwardAuth, Variable
from support import asking
from support.asking import ORIGIN, Said, Seen, World

pytestmark = pytest.mark.real

TRAEFIK = ForwardAuth(
    ORIGIN,
    ("/verify",),
    tells=(
        ("X-Forwarded-Method", (Variable.METHOD,)),
        ("X-Forwarded-Proto", (Variable.SCHEME,)),
        ("X-Forwarded-Host", (Variable.HOST,)),
        ("X-Forwarded-Uri", (Variable.URI,)),
        ("X-Forwarded-For", (Variable.CLIENT,)),
    ),
    copies=("X-User", "X-Groups"),
    copies_matching="^X-Auth-(Name|Mail-[a-z]+)$",
    cookies=("session",),
)
NGINX = ForwardAuth(
    ORIGIN,
    ("/auth?u=", Variable.ESCAPED_URI),
    tells=(("X-Original-Url", (Variable.URL,)), ("X-Original-Method", (Variable.METHOD,)), ("X-Empty", ())),
    copies=("X-User", "Authorization"),
    denials=(401, 403),
    signin=("https://login.test/start?rd=", Variable.ESCAPED_URL),
)


def run(answer: Callable[[Seen], Said], scenario: Callable[[World], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        async with asking.world(answer) as world:
            await scenario(world)

    asyncio.run(all_of_it())


def says(seen: Seen) -> Said:
    """The answer that the client's header X-Want asks for, as JSON of status, headers, body."""
    wanted = json.loads(seen.one("x-want") or "{}")
    return Said(wanted.get("status", 200), wanted.get("headers", []), wanted.get("body", "").encode())


def want(status: int, *headers: tuple[str, str], body: str = "") -> dict[str, str]:
    return {"x-want": json.dumps({"status": status, "headers": headers, "body": body})}


def test_what_traefik_asks() -> None:
    async def scenario(world: World) -> None:
        await world.asks("a.test", TRAEFIK)
        client = {
            "x-forwarded-uri": "/forged",
            "x-gatewright-scope": "forged",
            "x-envoy-upstream-rq-timeout-ms": "1",
            "x-two": "1",
            "cookie": "c=1",
        }
        reply = await world.request("A.test", "/path?q=1&r=2", "PUT", [*client.items(), ("x-two", "2")], b"x" * 600_000)
        assert reply.status == 404  # the host as it was written has no scope here

        reply = await world.request("a.test", "/path?q=1&r=2", "PUT", [*client.items(), ("x-two", "2")], b"x" * 600_000)
        assert reply.status == 200
        assert json.loads(reply.body)[3] == 600_000
        (seen,) = world.auth.seen
        assert (seen.method, seen.path, seen.body) == ("GET", "/verify", b"")
        assert seen.all("x-forwarded-uri") == ["/path?q=1&r=2"]
        assert seen.all("x-forwarded-method") == ["PUT"]
        assert seen.all("x-forwarded-host") == ["a.test"]
        assert seen.all("x-forwarded-proto") == ["http"]
        assert seen.all("x-forwarded-for") == ["127.0.0.1"]
        assert seen.all("x-two") == ["1", "2"]
        assert seen.all("cookie") == ["c=1"]
        assert not [name for name, _ in seen.headers if name.startswith("x-gatewright-")]
        assert "x-envoy-upstream-rq-timeout-ms" not in dict(seen.headers)
        assert dict(seen.headers).keys().isdisjoint({"content-length", "transfer-encoding", "connection"})

    run(lambda seen: Said(), scenario)


def test_the_answers_headers_replace_the_clients() -> None:
    async def scenario(world: World) -> None:
        await world.asks("a.test", TRAEFIK)
        forged = [("x-user", "root"), ("x-groups", "wheel"), ("x-auth-name", "root"), ("x-auth-mail-home", "r@root")]
        reply = await world.request("a.test", headers=[*want(202).items(), *forged])
        assert reply.status == 200
        (seen,) = world.app.seen
        assert not [name for name, _ in seen.headers if name in dict(forged)]

        given = [
            ("X-User", "ada"),
            ("X-Groups", "a"),
            ("X-Groups", "b"),
            ("X-Auth-Mail-Work", "a@b"),
            ("X-Auth-N", "1"),
        ]
        reply = await world.request("a.test", headers=[*want(299, *given).items(), *forged])
        (seen,) = world.app.seen
        assert seen.all("x-user") == ["ada"]
        assert [part.strip() for value in seen.all("x-groups") for part in value.split(",")] == ["a", "b"]
        assert seen.all("x-auth-mail-work") == ["a@b"]
        assert not seen.all("x-auth-name") + seen.all("x-auth-mail-home") + seen.all("x-auth-n")

    run(says, scenario)


def test_cookies_of_the_answer_are_set_at_the_client() -> None:
    async def scenario(world: World) -> None:
        await world.asks("a.test", TRAEFIK)
        cookies = [("Set-Cookie", "session=1; Path=/"), ("Set-Cookie", "other=2"), ("Set-Cookie", "session=3")]
        reply = await world.request("a.test", headers=want(200, *cookies))
        assert reply.all("set-cookie") == ["session=1; Path=/", "session=3"]
        assert not world.app.seen[0].all("set-cookie")

    run(says, scenario)


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 500, 503])
def test_denials_are_passed_on_whole(status: int) -> None:
    async def scenario(world: World) -> None:
        await world.asks("a.test", TRAEFIK)
        headers = [
            ("Location", "/login"),
            ("Set-Cookie", "a=1; Path=/"),
            ("Set-Cookie", "b=2"),
            ("WWW-Authenticate", 'Basic realm="x"'),
            ("Content-Type", "text/html"),
        ]
        reply = await world.request("a.test", method="POST", headers=want(status, *headers, body="No."), body=b"12345")
        assert (reply.status, reply.body, reply.all("location")) == (status, b"No.", ["/login"])
        assert reply.all("set-cookie") == ["a=1; Path=/", "b=2"]
        assert reply.all("www-authenticate") == ['Basic realm="x"']
        assert reply.all("content-type") == ["text/html"]
        assert not [name for name, _ in reply.headers if name.startswith("x-envoy-")]
        reply = await world.request("a.test", method="HEAD", headers=want(status, *headers, body="No."))
        assert (reply.status, reply.all("location")) == (status, ["/login"])
        assert not world.app.seen

    run(says, scenario)


def test_what_nginx_asks_and_where_it_sends_who_is_unknown() -> None:
    async def scenario(world: World) -> None:
        await world.asks("a.test", NGINX)
        reply = await world.request("a.test", "/p/%C3%A4?x=1&y=a+b", headers={**want(401), "x-empty": "forged"})
        assert reply.status == 302
        url = f"http%3A%2F%2Fa.test%3A{world.port}%2Fp%2F%25C3%25A4%3Fx%3D1%26y%3Da%2Bb"
        assert reply.all("location") == [f"https://login.test/start?rd={url}"]
        (seen,) = world.auth.seen
        assert seen.path == "/auth?u=%2Fp%2F%25C3%25A4%3Fx%3D1%26y%3Da%2Bb"
        assert seen.all("x-original-url") == [f"http://a.test:{world.port}/p/%C3%A4?x=1&y=a+b"]
        assert not seen.all("x-empty")
        assert (await world.request("a.test", headers=want(403, body="No."))).body == b"No."
        for status in (302, 404, 500, 599):
            assert (await world.request("a.test", headers=want(status, body="No."))).status == 500
            assert not world.app.seen

    run(says, scenario)


def test_the_header_that_is_asked_about_is_told_and_then_gone() -> None:
    async def scenario(world: World) -> None:
        await world.asks("a.test", NGINX)
        await world.request("a.test", headers={"authorization": "Basic eA=="})
        assert world.auth.seen[0].all("authorization") == ["Basic eA=="]
        assert not world.app.seen[0].all("authorization")

    run(says, scenario)


def test_only_what_may_go_along_does() -> None:
    async def scenario(world: World) -> None:
        await world.asks("a.test", structs.replace(TRAEFIK, sends=("Cookie",), method=""))
        await world.request("a.test", method="DELETE", headers={"cookie": "a=1", "authorization": "secret"})
        (seen,) = world.auth.seen
        assert seen.method == "DELETE"
        assert (seen.all("cookie"), seen.all("authorization")) == (["a=1"], [])
        assert seen.all("x-forwarded-host") == ["a.test"]

    run(lambda seen: Said(), scenario)


def test_a_websocket_is_asked_about() -> None:
    async def scenario(world: World) -> None:
        await world.asks("a.test", structs.replace(TRAEFIK, sends_body=1000))
        upgrade = {"connection": "upgrade", "upgrade": "websocket"}
        reply = await world.request("a.test", headers={**upgrade, "x-want": "{}"})
        assert (reply.status, reply.body) == (101, b"ping")
        assert not world.auth.seen[0].all("upgrade") + world.auth.seen[0].all("connection")
        reply = await world.request("a.test", headers={**upgrade, **want(401)})
        assert reply.status == 401

    async def all_of_it() -> None:
        def app(seen: Seen) -> Said:
            if not seen.one("upgrade"):
                return Said()
            return Said(101, [("upgrade", "websocket"), ("connection", "upgrade")])

        async with asking.world(says, app) as world:
            await scenario(world)

    asyncio.run(all_of_it())


def test_the_body_goes_along_up_to_a_size() -> None:
    async def scenario(world: World) -> None:
        await world.asks("a.test", structs.replace(TRAEFIK, sends_body=1000, method=""))
        reply = await world.request("a.test", method="POST", body=b"x" * 1000)
        assert world.auth.seen[0].body == b"x" * 1000
        assert json.loads(reply.body)[3] == 1000
        assert (await world.request("a.test", method="POST", body=b"x" * 1001)).status == 413
        assert not world.auth.seen
        chunked = {"transfer-encoding": "chunked"}
        reply = await world.request(
            "a.test", method="POST", headers=chunked, body=b"3e8\r\n%b\r\n0\r\n\r\n" % (b"x" * 1000)
        )
        assert world.auth.seen[0].body == b"x" * 1000
        assert json.loads(reply.body)[3] == 1000
        reply = await world.request(
            "a.test", method="POST", headers=chunked, body=b"3e9\r\n%b\r\n0\r\n\r\n" % (b"x" * 1001)
        )
        assert reply.status == 413
        assert not world.auth.seen + world.app.seen

    run(lambda seen: Said(), scenario)


async def nobody_passes(world: World, question: ForwardAuth, status: int, backend: BackendKey = asking.KEY) -> None:
    await world.asks("f.test", question, backend=backend)
    for method in ("GET", "HEAD"):
        reply = await world.request("f.test", method=method)
        assert (reply.status, reply.body) == (status, b"")
        assert not world.app.seen


def test_without_an_answer_nobody_passes() -> None:
    async def scenario(world: World) -> None:
        quick = structs.replace(TRAEFIK, timeout=0.3, status_on_error=501)
        for raw in (
            b"",
            b"garbage\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
            b"HTTP/1.1 101 X\r\n\r\n",
        ):
            world.auth.answer = lambda _, raw=raw: Said(raw=raw)
            await nobody_passes(world, quick, 501)
        world.auth.answer = lambda seen: Said(hangs=True)
        await nobody_passes(world, quick, 501)
        world.auth.answer = lambda seen: Said(401, body=b"x" * (1 << 20) + b"y")
        await nobody_passes(world, quick, 501)
        world.auth.answer = lambda seen: Said(401, raw=b"HTTP/1.1 401 No\r\n\r\n" + b"x" * 40_000_000)
        await nobody_passes(world, structs.replace(quick, timeout=20), 501)

    run(lambda seen: Said(), scenario)


@pytest.mark.parametrize("name", ["nobody", "empty", "missing"])
def test_without_a_server_nobody_passes(name: str) -> None:
    async def scenario(world: World) -> None:
        key = BackendKey("test", name, 80)
        question = structs.replace(TRAEFIK, status_on_error=502, denials=None)
        await nobody_passes(world, question, 502, key)

    run(lambda seen: Said(), scenario)


def test_clients_that_are_excepted_are_not_asked_about() -> None:
    async def scenario(world: World) -> None:
        for cidrs, passes in (
            (("127.0.0.0/8",), True),
            (("10.0.0.0/8", "127.0.0.1/32"), True),
            (("0.0.0.0/0",), True),
            (("127.0.0.2/31", "::/0", "128.0.0.0/1"), False),
        ):
            await world.asks("a.test", structs.replace(TRAEFIK, excepts=cidrs))
            reply = await world.request("a.test", headers={"x-user": "root"})
            assert reply.status == (200 if passes else 401), cidrs
            assert [seen.all("x-user") for seen in world.app.seen] == ([[]] if passes else [])

    run(lambda seen: Said(401), scenario)


def test_several_questions_are_asked_in_their_order() -> None:
    async def scenario(world: World) -> None:
        both = []
        for path, header in (("/one", "X-One"), ("/two", "X-Two")):
            intent = structs.replace(TRAEFIK, url=(path,), copies=(header,))
            made = forward_auth.question(AskAuth(intent, asking.KEY, (), (path,)))
            assert made is not None
            both.append(made)
        world.host("a.test", *both)
        await asking.hm.eventually(lambda: world.is_there("a.test"))
        assert (await world.request("a.test")).status == 200
        assert [seen.path for seen in world.auth.seen] == ["/one", "/two"]
        assert (world.app.seen[0].one("x-one"), world.app.seen[0].one("x-two")) == ("/one", "/two")
        world.auth.answer = lambda seen: Said(403 if seen.path == "/one" else 200)
        assert (await world.request("a.test")).status == 403
        assert [seen.path for seen in world.auth.seen] == ["/one"]

    run(lambda seen: Said(headers=[("X-" + seen.path[1:], seen.path)]), scenario)
