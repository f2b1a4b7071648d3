"""Which endpoint gets a request, behind a real Envoy: by hash, by health, by errors, within limits, and over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from gatewright.base.sensitive import Sensitive
from gatewright.graph.nodes import Backend, BackendKey, BackendTls, Endpoint, Forward, Graph, UpstreamProtocol
from gatewright.kinds.intents.filters import PathEdit, PathEditKind
from gatewright.kinds.intents.routing import HashKey, HealthCheck, SessionPersistence, Upstream
from support import backends as b
from support import compiled as c
from support import keys
from support.handmade import eventually

pytestmark = pytest.mark.real

HOST = "a.example.com"


def at(name: str, *endpoints: Endpoint, **more: Any) -> Backend:
    return c.backend(name, endpoints=endpoints, **more)


def one_rule(action: Forward, *backends: Backend, **rule: Any) -> Graph:
    return c.graph([c.gateway(c.http_port())], [c.host(HOST, c.entry(action, **rule))], backends)


@contextlib.asynccontextmanager
async def several(count: int, play: b.Play = b.answers) -> AsyncIterator[list[b.Backend]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(b.playing(play)) for _ in range(count)]


async def _asked(
    world: c.World, backends: Sequence[b.Backend], times: int = 12, host: str = HOST, **request: Any
) -> set[int]:
    """Which of the backends saw one of so many equal requests."""
    before = [len(one.seen) for one in backends]
    for _ in range(times):
        await world.get(host, **{"target": "/", **request})
    return {n for n, one in enumerate(backends) if len(one.seen) > before[n]}


# --- by hash ------------------------------------------------------------------------------------

KEYS: list[tuple[HashKey, Callable[[int], dict[str, Any]]]] = [
    (HashKey("client"), lambda n: {"source": f"127.0.0.{n + 2}"}),
    (HashKey("header", "x-user"), lambda n: {"headers": {"x-user": f"u{n}"}}),
    (HashKey("cookie", "user"), lambda n: {"headers": {"cookie": f"user=u{n}"}}),
    (HashKey("query", "user"), lambda n: {"target": f"/?user=u{n}"}),
    (HashKey("uri"), lambda n: {"target": f"/same?{n}"}),
    (HashKey("path"), lambda n: {"target": f"/p{n}"}),
]


@pytest.mark.parametrize("balance", ["maglev", "ring-hash"])
@pytest.mark.parametrize(("key", "request_"), KEYS, ids=[key.kind for key, _ in KEYS])
def test_equal_requests_go_to_one_endpoint_and_others_elsewhere(
    key: HashKey, request_: Callable[[int], dict[str, Any]], balance: str
) -> None:
    async def scenario() -> None:
        async with several(4) as backends:
            upstream = Upstream(balance=balance)
            one = at("one", *(backend.endpoint for backend in backends), upstream=upstream)
            async with c.running(one_rule(c.to("one", hash=(key,)), one)) as world:
                met = [await _asked(world, backends, times=4, **request_(n)) for n in range(16)]
        assert all(len(one) == 1 for one in met)
        assert len(set.union(*met)) > 1

    asyncio.run(scenario())


def test_the_path_counts_without_its_query_and_several_keys_count_together() -> None:
    async def scenario() -> None:
        async with several(4) as backends:
            one = at("one", *(backend.endpoint for backend in backends), upstream=Upstream(balance="maglev"))
            both = (HashKey("path"), HashKey("header", "x-user"))
            hosts = [
                c.host(HOST, c.entry(c.to("one", hash=(HashKey("path"),)))),
                c.host("both.test", c.entry(c.to("one", hash=both))),
            ]
            async with c.running(c.graph([c.gateway(c.http_port())], hosts, [one])) as world:
                assert len({*[tuple(await _asked(world, backends, 1, target=f"/p?{n}")) for n in range(16)]}) == 1
                users = [{"x-user": f"u{n}"} for n in range(16)]
                met = [await _asked(world, backends, 2, host="both.test", headers=user) for user in users]
                assert all(len(one) == 1 for one in met)
                assert len(set.union(*met)) > 1

    asyncio.run(scenario())


def test_a_cookie_is_given_where_asked() -> None:
    async def scenario() -> None:
        async with several(3) as backends:
            one = at("one", *(backend.endpoint for backend in backends), upstream=Upstream(balance="maglev"))
            graph = one_rule(c.to("one", hash=(HashKey("cookie", "stay", 60),)), one)
            async with c.running(graph) as world:
                given = (await world.get(HOST)).header("set-cookie") or ""
                assert given.startswith("stay=")
                assert "Max-Age=60" in given
                cookie = given.partition(";")[0]
                assert len(await _asked(world, backends, headers={"cookie": cookie})) == 1

    asyncio.run(scenario())


def test_a_session_stays_and_its_cookie_is_as_described() -> None:
    async def scenario() -> None:
        async with several(3) as backends:
            one = at("one", *(backend.endpoint for backend in backends), upstream=Upstream(balance="round-robin"))
            asked = SessionPersistence(
                "cookie", "stay", "/", 60, secure=True, http_only=True, same_site="lax", domain="example.com"
            )
            async with c.running(one_rule(c.to("one", persistence=asked), one)) as world:
                given = (await world.get(HOST)).header("set-cookie") or ""
                value, *attributes = given.split("; ")
                assert value.startswith("stay=")
                expected = ["Domain=example.com", "HttpOnly", "Max-Age=60", "Path=/", "SameSite=Lax", "Secure"]
                assert sorted(attributes) == expected
                assert len(await _asked(world, backends, headers={"cookie": value})) == 1
                assert len(await _asked(world, backends)) == 3

    asyncio.run(scenario())


def test_what_decides_a_little_differently_is_told() -> None:
    async def scenario() -> None:
        edit = (PathEdit(PathEditKind.REPLACE, "/always"),)
        hosts = [
            c.host("path.test", c.entry(c.to("one", hash=(HashKey("path"),), paths=edit))),
            c.host("host.test", c.entry(c.to("one", hash=(HashKey("host"),), host="other.test"))),
            c.host("both.test", c.entry(c.to("one", "two", persistence=SessionPersistence()))),
            c.host("fine.test", c.entry(c.to("one", hash=(HashKey("uri"),), persistence=SessionPersistence()))),
        ]
        graph = c.graph([c.gateway(c.http_port())], hosts, [c.backend("one"), c.backend("two")])
        async with c.running(graph) as world:
            assert world.plan is not None
            told = {name.split(":")[0]: [p.id for p in found] for name, found in world.plan.problems.items() if found}
        assert told == {
            "http path.test": ["hash-after-rewrite"],
            "http host.test": ["hash-after-rewrite"],
            "http both.test": ["sticky-within-shares"],
        }

    asyncio.run(scenario())


# --- by health ----------------------------------------------------------------------------------

CHECK = HealthCheck("/healthz?deep=1", interval=0.1, timeout=1.0, healthy=1, unhealthy=2, host="health.test")


@contextlib.asynccontextmanager
async def ailing(unwell: set[int], status: int = 500) -> AsyncIterator[list[b.Backend]]:
    """Three backends; those in `unwell` answer health checks with `status`."""
    async with contextlib.AsyncExitStack() as stack:
        made: list[b.Backend] = []

        async def play(backend: b.Backend, seen: b.Seen, *streams: Any) -> None:
            if seen.target.startswith("/healthz") and made.index(backend) in unwell:
                streams[1].write(f"HTTP/1.1 {status} Status\r\ncontent-length: 0\r\n\r\n".encode())
            else:
                await b.answers(backend, seen, *streams)

        for _ in range(3):
            made.append(await stack.enter_async_context(b.playing(play)))
        yield made


def _asking(backends: Sequence[b.Backend]) -> Callable[[c.World], Awaitable[set[int]]]:
    async def asked(world: c.World) -> set[int]:
        def count() -> list[int]:
            return [sum(one.target == "/" for one in backend.seen) for backend in backends]

        before = count()
        for _ in range(12):
            await world.get(HOST)
        return {n for n, now in enumerate(count()) if now > before[n]}

    return asked


def test_unwell_endpoints_get_no_requests_until_they_are_well_again() -> None:
    async def scenario() -> None:
        unwell = {1}
        async with ailing(unwell) as backends:
            asked = _asking(backends)
            upstream = Upstream(balance="round-robin", health=CHECK)
            one = at("one", *(backend.endpoint for backend in backends), upstream=upstream)
            async with c.running(one_rule(c.to("one"), one)) as world:
                await eventually(lambda: _equals(asked(world), {0, 2}))
                checks = [one for one in backends[0].seen if one.target == "/healthz?deep=1"]
                assert checks[0].headers["host"] == "health.test"
                unwell.clear()
                await eventually(lambda: _equals(asked(world), {0, 1, 2}))
                unwell.update({0, 1, 2})
                await eventually(lambda: _equals(_statuses(world), {503}))

    asyncio.run(scenario())


async def _equals(got: Awaitable[Any], wanted: Any) -> bool:
    return bool(await got == wanted)


async def _statuses(world: c.World, times: int = 6, host: str = HOST) -> set[int]:
    return {(await world.get(host)).status for _ in range(times)}


def test_where_none_is_well_all_are_asked_if_the_check_says_so() -> None:
    async def scenario() -> None:
        unwell = {1}
        async with ailing(unwell) as backends:
            asked = _asking(backends)
            upstream = Upstream(balance="round-robin", health=structs.replace(CHECK, panic=1))
            one = at("one", *(backend.endpoint for backend in backends), upstream=upstream)
            async with c.running(one_rule(c.to("one"), one)) as world:
                await eventually(lambda: _equals(asked(world), {0, 2}))
                unwell.update({0, 1, 2})
                await eventually(lambda: _equals(asked(world), {0, 1, 2}))

    asyncio.run(scenario())


def test_which_statuses_are_well_and_which_port_is_asked() -> None:
    async def scenario() -> None:
        async with ailing({0}, status=404) as backends, b.playing(b.answers) as other:
            asked = _asking(backends)
            ends = [backend.endpoint for backend in backends]
            health = structs.replace(CHECK, statuses=((200, 200), (404, 404)))
            one = at("one", *ends, upstream=Upstream(balance="round-robin", health=health))
            async with c.running(one_rule(c.to("one"), one)) as world:
                await eventually(lambda: _equals(asked(world), {0, 1, 2}))
                elsewhere = structs.replace(CHECK, port=other.endpoint.port)
                there = structs.replace(one, upstream=Upstream(balance="round-robin", health=elsewhere))
                await world.apply(one_rule(c.to("one"), there))
                await eventually(lambda: _equals(_truth(bool(other.seen)), True))
                await eventually(lambda: _equals(asked(world), {0, 1, 2}))

    asyncio.run(scenario())


async def _truth(value: bool) -> bool:
    return value


def test_a_connection_is_check_enough_where_no_path_is_given() -> None:
    async def scenario() -> None:
        with b.refusing() as refusing:
            async with b.playing(b.answers) as works:
                health = structs.replace(CHECK, path="")
                upstream = Upstream(balance="round-robin", health=health)
                one = at("one", refusing, works.endpoint, upstream=upstream)
                async with c.running(one_rule(c.to("one"), one)) as world:
                    await eventually(lambda: _equals(_statuses(world), {200}))

    asyncio.run(scenario())


def test_an_endpoint_with_errors_in_a_row_is_left_out() -> None:
    async def fails(_: b.Backend, __: b.Seen, ___: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n")

    async def scenario() -> None:
        async with b.playing(fails) as failing, b.playing(b.answers) as works:
            upstream = Upstream(balance="round-robin", outlier_errors=3, outlier_seconds=60)
            one = at("one", failing.endpoint, works.endpoint, upstream=upstream)
            alone = at("alone", failing.endpoint, upstream=upstream)
            hosts = [c.host(HOST, c.entry(c.to("one"))), c.host("alone.test", c.entry(c.to("alone")))]
            async with c.running(c.graph([c.gateway(c.http_port())], hosts, [one, alone])) as world:
                await eventually(lambda: _equals(_statuses(world), {200}))
                assert len(failing.seen) == 3
                assert await _statuses(world, 20) == {200}
                # One that is left out is asked all the same where there is nobody else.
                assert await _statuses(world, 20, host="alone.test") == {500}

    asyncio.run(scenario())


# --- within limits ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "waiting"),
    [(Upstream(max_requests=2), 0), (Upstream(max_connections=2, max_pending=2), 2), (Upstream(max_pending=0), None)],
    ids=["requests", "connections", "nobody-waits"],
)
def test_more_than_the_backend_is_to_bear_is_refused(limits: Upstream, waiting: int | None) -> None:
    async def scenario() -> None:
        release = asyncio.Event()

        async def waits(backend: b.Backend, seen: b.Seen, *streams: Any) -> None:
            await release.wait()
            await b.answers(backend, seen, *streams)

        async with b.playing(waits) as backend:
            one = at("one", backend.endpoint, upstream=limits)
            async with c.running(one_rule(c.to("one"), one)) as world:
                if waiting is None:
                    release.set()
                    assert await _statuses(world) == {200}
                    return
                begun = [asyncio.create_task(world.get(HOST)) for _ in range(2)]
                await eventually(lambda: _equals(_truth(len(backend.seen) == 2), True))
                more = [asyncio.create_task(world.get(HOST)) for _ in range(waiting + 3)]
                refused = []
                for reply in asyncio.as_completed(more):
                    refused.append((await reply).status)
                    if len(refused) == 3:
                        break
                assert refused == [503] * 3
                release.set()
                done = await asyncio.gather(*begun, *more)
                assert sorted(one.status for one in done) == [200] * (2 + waiting) + [503] * 3

    asyncio.run(scenario())


def test_connections_end_after_so_many_requests() -> None:
    async def scenario() -> None:
        connections = set()

        async def play(backend: b.Backend, seen: b.Seen, reader: Any, writer: asyncio.StreamWriter) -> None:
            connections.add(writer)
            await b.answers(backend, seen, reader, writer)

        async with b.playing(play) as backend:
            upstream = Upstream(max_requests_per_connection=2)
            async with c.running(one_rule(c.to("one"), at("one", backend.endpoint, upstream=upstream))) as world:
                await _statuses(world, 6)
        assert len(connections) == 3

    asyncio.run(scenario())


# --- over TLS -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ca() -> keys.Pair:
    return keys.pair(now=datetime.now(UTC), ca=True, subject="backends")


def _context(folder: Path, ca: keys.Pair, *names: str, client_ca: bool = False) -> ssl.SSLContext:
    pair = keys.pair(*names, now=datetime.now(UTC), issuer=ca)
    path = folder / f"{names[0]}.pem"
    path.touch(mode=0o600)
    path.write_bytes(pair.cert_pem + pair.key_pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=ca.cert_pem.decode())
    return context


def test_the_name_of_the_backend_is_verified_as_asked(tmp_path: Path, ca: keys.Pair) -> None:
    trusted = BackendTls(ca=ca.cert_pem)
    cases = {
        "unverified": (BackendTls("", verify=False), 200, None),
        "named": (structs.replace(trusted, server_name=HOST), 200, HOST),
        "misnamed": (structs.replace(trusted, server_name="b.example.com"), 503, "b.example.com"),
        "otherwise": (BackendTls("sni.test", ca=ca.cert_pem, verify_names=(("Hostname", HOST),)), 200, "sni.test"),
        "host": (structs.replace(trusted, follows_host=True), 200, HOST),
        "host-unverified": (BackendTls("", verify=False, follows_host=True), 200, HOST),
        "host-otherwise": (
            BackendTls("", ca=ca.cert_pem, follows_host=True, verify_names=(("Hostname", "x"),)),
            503,
            HOST,
        ),
        "address": (structs.replace(trusted, verify_names=(("IP", "127.0.0.1"),)), 200, None),
        "other-address": (structs.replace(trusted, verify_names=(("IP", "127.0.0.2"),)), 503, None),
        "system": (BackendTls(HOST, system_ca=True, verify_names=(("Hostname", HOST),)), 503, HOST),
    }

    async def scenario() -> None:
        context = _context(tmp_path, ca, HOST, "127.0.0.1")
        async with b.playing(b.answers, tls=context) as backend:
            backends = [at(name, backend.endpoint, tls=tls) for name, (tls, _, _) in cases.items()]
            entries = [c.entry(c.to(name), c.path(f"/{name}"), id=name) for name in cases]
            host, other = c.host(HOST, *entries), c.host("other.example.com", *entries)
            async with c.running(c.graph([c.gateway(c.http_port())], [host, other], backends)) as world:
                for name, (_, status, sni) in cases.items():
                    assert (await world.get(HOST, f"/{name}")).status == status, name
                    if status == 200:
                        assert backend.seen[-1].sni == sni, name
                # The certificate is for another name than this Host: each connection is verified for its own.
                assert (await world.get("other.example.com", "/host")).status == 503
                assert (await world.get(HOST, "/host")).status == 200
                assert (await world.get("other.example.com", "/host")).status == 503

    asyncio.run(scenario())


def test_a_client_certificate_is_shown(tmp_path: Path, ca: keys.Pair) -> None:
    client = keys.pair("gateway", now=datetime.now(UTC), issuer=ca)
    shown = BackendTls(HOST, ca=ca.cert_pem, client_certificate=client.cert_pem, client_key=Sensitive(client.key_pem))

    async def scenario() -> None:
        context = _context(tmp_path, ca, HOST, client_ca=True)
        async with b.playing(b.answers, tls=context) as backend:
            one = at("one", backend.endpoint, tls=shown)
            async with c.running(one_rule(c.to("one"), one)) as world:
                assert (await world.get(HOST)).status == 200
                await world.apply(one_rule(c.to("one"), structs.replace(one, tls=BackendTls(HOST, ca=ca.cert_pem))))
                await eventually(lambda: _equals(_statuses(world), {503}))

    asyncio.run(scenario())


def test_a_host_outside_is_reached_by_its_address() -> None:
    async def scenario() -> None:
        async with b.playing(b.answers) as backend:
            key = BackendKey("", "127.0.0.1", backend.endpoint.port, "http+external")
            one = Backend(key, UpstreamProtocol.HTTP1, (), endpoints=(backend.endpoint,))
            action = Forward((structs.replace(c.share("x"), backend=key),))
            async with c.running(one_rule(action, one)) as world:
                assert (await world.get(HOST)).status == 200

    asyncio.run(scenario())
