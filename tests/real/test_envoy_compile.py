"""Compiled graphs on a real Envoy: every technique of the compiler, shown by the answers of requests.

Each test has one small graph and a table of requests.  The backends are echo backends: what they saw is
part of the answer.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gatewright.base.hostnames import Depth
from gatewright.base.sensitive import Sensitive
from gatewright.graph.nodes import Access, BasicAuthUsers, Entry, Graph, MirrorTo, RedirectTo, Respond
from gatewright.kinds.intents.filters import (
    Cors,
    HeaderEdit,
    PathEdit,
    PathEditKind,
)
from gatewright.kinds.intents.routing import (
    Dialect,
    HostKind,
    HostMatch,
    Match,
    MethodMatch,
    PathKind,
    PathMatch,
    Retry,
    SessionPersistence,
    SourceMatch,
    ValueKind,
    ValueMatch,
)
from support import compiled as c
from support.compiled import serve

pytestmark = pytest.mark.real

PATHS = PathEditKind


def plain(*hosts: Any, backends: tuple[str, ...] = ("one", "two"), **gateway: Any) -> Graph:
    return c.graph([c.gateway(c.http_port(), **gateway)], hosts, [c.backend(b) for b in backends])


async def outcomes(world: c.World, *requests: Any) -> list[Any]:
    """The backend that answered each request, or the status where none did."""
    found = []
    for one in requests:
        host, target, more = (*one, {})[:3] if isinstance(one, tuple) else (one, "/", {})
        reply = await world.get(host, target, **more)
        found.append(reply.backend or reply.status)
    return found


# --- names --------------------------------------------------------------------------------------


def test_a_host_is_found_however_it_is_written() -> None:
    graph = plain(c.host("a.example.com", c.entry(c.to("one"))))

    async def scenario(world: c.World) -> None:
        written = ["a.example.com", "A.Example.COM", "a.example.com:8080", "a.example.com.", "A.example.com.:80"]
        assert await outcomes(world, *written) == ["one"] * 5
        others = ["b.example.com", "x.a.example.com", "example.com", "[::1]:80", "a.example.com:x"]
        assert await outcomes(world, *others) == [404, 404, 404, 404, "one"]
        assert (await world.get("", version="1.0")).status == 404
        assert (await world.get("a.example.com", version="1.0")).backend == "one"

    serve(graph, scenario)


@pytest.mark.parametrize(("depth", "deep"), [(Depth.ONE, "any"), (Depth.MANY, "wild")])
def test_wildcards_take_what_no_more_specific_host_takes(depth: Depth, deep: str) -> None:
    graph = plain(
        c.host("*", c.entry(c.to("any"))),
        c.host("*.example.com", c.entry(c.to("wild"))),
        c.host("a.example.com", c.entry(c.to("exact"), c.path("/a"))),
        backends=("any", "wild", "exact"),
        depth=depth,
    )

    async def scenario(world: c.World) -> None:
        hosts = ["b.example.com", "B.EXAMPLE.com:1", "x.y.example.com", "example.com", "other.test", "[::1]"]
        assert await outcomes(world, *hosts) == ["wild", "wild", deep, "any", "any", "any"]
        # An exact host keeps its requests, also those that none of its rules takes.
        exact = [("a.example.com", "/a"), ("A.example.com", "/a"), ("a.example.com", "/b"), ("A.example.com", "/b")]
        assert await outcomes(world, *exact) == ["exact", "exact", 404, 404]
        assert (await world.get("", version="1.0")).backend == "any"

    serve(graph, scenario)


def test_a_client_cannot_choose_its_scope() -> None:
    graph = plain(
        c.host("a.example.com", c.entry(c.to("one"))),
        c.host("secret.example.com", c.entry(c.to("two"))),
        c.host("*.example.org", c.entry(c.to("two"), Match(hosts=(HostMatch(HostKind.EXACT, "x.example.org"),)))),
        dialect=Dialect.TRAEFIK,
    )

    async def scenario(world: c.World) -> None:
        forged = {
            "x-gatewright-scope": "infra/edge|80|http|secret.example.com",
            "x-gatewright-host": "x.example.org",
            "x-gatewright-path": "/secret",
        }
        reply = await world.get("a.example.com", headers=forged)
        assert reply.backend == "one"
        assert not [name for name in reply.echo["headers"] if name.lower().startswith("x-gatewright")]
        assert await outcomes(world, ("y.example.org", "/", {"headers": forged})) == [404]
        assert await outcomes(world, "x.example.org") == ["two"]

    serve(graph, scenario)


def test_adding_a_wildcard_leaves_open_connections_alone() -> None:
    before = plain(c.host("a.example.com", c.entry(c.to("one"))))
    after = plain(c.host("a.example.com", c.entry(c.to("one"))), c.host("*.example.com", c.entry(c.to("two"))))

    async def scenario(world: c.World) -> None:
        async with c.hm.Client.connected(world.port()) as client:
            assert (await client.get("a.example.com"))[0] == 200
            await world.apply(after)

            async def served() -> bool:
                return (await world.get("b.example.com")).backend == "two"

            await c.hm.eventually(served)
            assert (await client.get("a.example.com"))[0] == 200
            assert (await client.get("b.example.com"))[0] == 200
        stats = await asyncio.to_thread(world.transport.envoy.admin.stats, "^listener_manager")
        assert stats["listener_manager.listener_modified"] == 0

    serve(before, scenario)


# --- matches ------------------------------------------------------------------------------------


def rules(*matches: Match) -> Graph:
    """One host; the rule at place n, for matches[n], answers 200 + n.  Traefik knows all kinds of matches."""
    entries = [c.entry(Respond(200 + n, "test"), m) for n, m in enumerate(matches, start=1)]
    return plain(c.host("a.test", *entries), dialect=Dialect.TRAEFIK)


async def statuses(world: c.World, *requests: Any) -> list[int]:
    found = []
    for one in requests:
        target, more = one if isinstance(one, tuple) else (one, {})
        found.append((await world.get("a.test", target, **more)).status)
    return found


def test_paths() -> None:
    graph = rules(
        c.path("/exact", PathKind.EXACT),
        c.path("/seg"),
        c.path("/slash/"),
        c.path("/raw", PathKind.RAW_PREFIX),
        c.path("/re/[0-9]+", PathKind.REGEX),
        c.path("/Case", PathKind.EXACT, ignore_case=True),
        c.path("/CaseSeg", PathKind.PREFIX, ignore_case=True),
        c.path("/cr/[a-z]+", PathKind.REGEX, ignore_case=True),
        c.path("/never?x", PathKind.EXACT),
    )

    async def scenario(world: c.World) -> None:
        assert await statuses(world, "/exact", "/exact?q", "/exact/", "/Exact") == [201, 201, 404, 404]
        assert await statuses(world, "/seg", "/seg/", "/seg/x?y", "/segment") == [202, 202, 202, 404]
        assert await statuses(world, "/slash", "/slash/", "/slash/x") == [203, 203, 203]
        assert await statuses(world, "/rawest", "/raw/x", "/ra") == [204, 204, 404]
        assert await statuses(world, "/re/12", "/re/12?x=y", "/re/12/3", "/re/a") == [205, 205, 404, 404]
        assert await statuses(world, "/cAsE", "/CASESEG/x", "/cr/ABC", "/never?x") == [206, 207, 208, 404]
        # Normalised before it is matched.
        assert await statuses(world, "/x/../seg/./y", "//seg//z", "/se%67") == [202, 202, 202]
        assert (await world.get("a.test", "/seg%2Fx")).status == 307

    serve(graph, scenario)


def test_several_paths_in_one_conjunction() -> None:
    def paths(*parts: PathMatch) -> Match:
        return Match(paths=parts)

    graph = rules(
        paths(PathMatch(PathKind.PREFIX, "/a"), PathMatch(PathKind.EXACT, "/a/no", negate=True)),
        paths(PathMatch(PathKind.REGEX, "/b.*z"), PathMatch(PathKind.REGEX, ".*yz")),
        paths(PathMatch(PathKind.PREFIX, "/c"), PathMatch(PathKind.PREFIX, "/c/x", negate=True)),
        paths(PathMatch(PathKind.REGEX, "/[a-e].*", negate=True), PathMatch(PathKind.RAW_PREFIX, "/f", negate=True)),
    )

    async def scenario(world: c.World) -> None:
        assert await statuses(world, "/a", "/a/no?x", "/a/no/x", "/a/nope") == [201, 404, 201, 201]
        assert await statuses(world, "/byz", "/bz", "/b?yz", "/b/yz?q=1") == [202, 404, 404, 202]
        assert await statuses(world, "/c", "/c/x", "/c/xx", "/c/x/y?z") == [203, 404, 203, 404]
        assert await statuses(world, "/g", "/f", "/dd", "/g?/a") == [204, 404, 404, 204]

    serve(graph, scenario)


def test_methods_headers_and_query() -> None:
    def header(kind: ValueKind, value: str = "", *, negate: bool = False) -> tuple[ValueMatch, ...]:
        return (ValueMatch("x-v", kind, value, negate),)

    def at(path: str, **parts: Any) -> Match:
        return Match(paths=(PathMatch(PathKind.PREFIX, path),), **parts)

    exact, regex, present = ValueKind.EXACT, ValueKind.REGEX, ValueKind.PRESENT
    graph = rules(
        at("/post", methods=(MethodMatch("POST"),)),
        at("/notget", methods=(MethodMatch("GET", negate=True),)),
        at("/exact", headers=header(exact, "a")),
        at("/regex", headers=header(regex, "a+")),
        at("/present", headers=header(present)),
        at("/not-exact", headers=header(exact, "a", negate=True)),
        at("/not-regex", headers=header(regex, "a*", negate=True)),
        at("/not-present", headers=header(present, negate=True)),
        at("/q-exact", query=(ValueMatch("q", exact, "1"),)),
        at("/q-regex", query=(ValueMatch("q", regex, "[0-9]+"),)),
        at("/q-present", query=(ValueMatch("q", present),)),
        at("/q-not-exact", query=(ValueMatch("q", exact, "1", negate=True),)),
        at("/q-not-present", query=(ValueMatch("q", present, negate=True),)),
        at("/host", headers=(ValueMatch("host", exact, "a.test"),)),
    )

    def with_value(value: str) -> dict[str, Any]:
        return {"headers": {"X-V": value}}

    async def scenario(world: c.World) -> None:
        post = {"method": "POST"}
        assert await statuses(world, ("/post", post), "/post", ("/notget", post), "/notget") == [201, 404, 202, 404]
        for path, with_a, with_b, without in (
            ("/exact", 203, 404, 404),
            ("/regex", 204, 404, 404),
            ("/present", 205, 205, 404),
            ("/not-exact", 404, 206, 206),
            ("/not-regex", 404, 207, 207),
            ("/not-present", 404, 404, 208),
        ):
            tried = await statuses(world, (path, with_value("a")), (path, with_value("b")), path)
            assert tried == [with_a, with_b, without], path
        assert await statuses(world, "/q-exact?q=1", "/q-exact?q=12", "/q-exact") == [209, 404, 404]
        assert await statuses(world, "/q-regex?x&q=12", "/q-regex?q=1a") == [210, 404]
        assert await statuses(world, "/q-present?q", "/q-present?qq=1", "/q-present?x=q") == [211, 404, 404]
        assert await statuses(world, "/q-not-exact?q=1", "/q-not-exact?q=2", "/q-not-exact") == [404, 212, 212]
        assert await statuses(world, "/q-not-exact?a=b&q=1&c", "/q-not-exact?aq=1") == [404, 212]
        assert await statuses(world, "/q-not-present?q=1", "/q-not-present?x", "/q-not-present?a&q") == [404, 213, 404]
        assert await statuses(world, "/host") == [214]

    serve(graph, scenario)


def test_the_peer_decides_and_no_header_does() -> None:
    graph = rules(
        Match(paths=(PathMatch(PathKind.PREFIX, "/in"),), sources=(SourceMatch(("127.0.0.8/29", "::1/128")),)),
        Match(paths=(PathMatch(PathKind.PREFIX, "/out"),), sources=(SourceMatch(("127.0.0.8/29",), negate=True),)),
    )

    async def scenario(world: c.World) -> None:
        near: dict[str, Any] = {"source": "127.0.0.9"}
        forged: dict[str, Any] = {"headers": {"X-Forwarded-For": "127.0.0.9"}}
        assert await statuses(world, ("/in", near), "/in", ("/in", forged)) == [201, 404, 404]
        assert await statuses(world, ("/out", near), "/out", ("/out", forged)) == [404, 202, 202]

    serve(graph, scenario)


def test_hosts_left_open_on_a_catch_all() -> None:
    def at(status: int, *hosts: HostMatch) -> Any:
        return c.entry(Respond(status, "test"), Match(hosts=hosts))

    graph = plain(
        c.host(
            "*",
            at(201, HostMatch(HostKind.EXACT, "a.test")),
            at(202, HostMatch(HostKind.EXACT, "*.wild.test")),
            at(203, HostMatch(HostKind.REGEX, "[0-9]+\\.re\\.test")),
            at(204, HostMatch(HostKind.EXACT, "b.test", negate=True)),
        ),
        depth=Depth.ONE,
        dialect=Dialect.INGRESS,
    )

    async def scenario(world: c.World) -> None:
        asked = ["a.test", "A.Test:80", "x.wild.test", "x.y.wild.test", "12.re.test", "x.re.test", "b.test", "B.test."]
        found = [(await world.get(host)).status for host in asked]
        assert found == [201, 201, 202, 204, 203, 204, 404, 404]

    serve(graph, scenario)


def test_the_first_entry_that_matches_wins() -> None:
    graph = rules(c.path("/a", PathKind.RAW_PREFIX), c.path("/a/b"), Match())

    async def scenario(world: c.World) -> None:
        assert await statuses(world, "/a/b", "/b") == [201, 203]

    serve(graph, scenario)


# --- actions ------------------------------------------------------------------------------------


def test_shares_get_what_their_weights_say() -> None:
    graph = plain(
        c.host("a.test", c.entry(c.to(c.share("one", 3), c.share("two", 1)))),
        c.host("b.test", c.entry(c.to(c.share("one", 1), c.share(None, 1, status=500)))),
        c.host("zero.test", c.entry(c.to(c.share("one", 0), status=500))),
        c.host("none.test", c.entry(c.to(c.share(None, 1, status=500)))),
        c.host("some-zero.test", c.entry(c.to(c.share("one", 1), c.share("two", 0)))),
    )

    async def scenario(world: c.World) -> None:
        counted = Counter(await outcomes(world, *(["a.test"] * 200)))
        assert 120 < counted["one"] < 180
        assert counted["one"] + counted["two"] == 200
        counted = Counter(await outcomes(world, *(["b.test"] * 200)))
        assert 70 < counted[500] < 130
        assert counted["one"] + counted[500] == 200
        assert await outcomes(world, "zero.test", "none.test") == [500, 500]
        assert set(await outcomes(world, *(["some-zero.test"] * 10))) == {"one"}

    serve(graph, scenario)


def test_paths_are_rewritten_and_queries_kept() -> None:
    def edit(kind: PathEditKind, value: str = "", **more: Any) -> PathEdit:
        return PathEdit(kind, value, **more)

    strip = edit(PATHS.STRIP_PREFIX, prefixes=("/api/v1", "/api"))
    cases = {
        "replace.test": ((edit(PATHS.REPLACE, "/new"),), {"/p": "/new", "/p/x?q=1": "/new?q=1"}),
        "prefix.test": (
            (edit(PATHS.REPLACE_PREFIX, "/new"),),
            {"/p": "/new", "/p/": "/new/", "/p/x?q=1": "/new/x?q=1"},
        ),
        "prefix-slash.test": ((edit(PATHS.REPLACE_PREFIX, "/"),), {"/p": "/", "/p/": "/", "/p/x?q": "/x?q"}),
        "prefix-end.test": ((edit(PATHS.REPLACE_PREFIX, "/new/"),), {"/p": "/new", "/p/x": "/new/x"}),
        "strip.test": ((strip,), {"/api/v1/x?q": "/x?q", "/api/x": "/x", "/api": "/", "/apix": "/x", "/z": "/z"}),
        "add.test": ((edit(PATHS.ADD_PREFIX, "/pre"),), {"/": "/pre/", "/x?y": "/pre/x?y"}),
        "strip-add.test": (
            (strip, edit(PATHS.ADD_PREFIX, "/pre")),
            {"/api/v1/x": "/pre/x", "/api": "/pre/", "/z?q": "/pre/z?q"},
        ),
        "add-strip.test": (
            (edit(PATHS.ADD_PREFIX, "/api"), edit(PATHS.STRIP_PREFIX, prefixes=("/api",))),
            {"/x": "/x", "/": "/"},
        ),
        "regex.test": ((edit(PATHS.REGEX, r"/<\1>", pattern="/([0-9]+)"),), {"/1/a/22?3": "/<1>/a/<22>?3"}),
        "replace-strip.test": ((edit(PATHS.REPLACE, "/api/x"), strip), {"/anything": "/x"}),
    }
    prefixed = {"prefix.test", "prefix-slash.test", "prefix-end.test"}
    graph = plain(
        *(
            c.host(name, c.entry(c.to("one", paths=edits), c.path("/p") if name in prefixed else Match()))
            for name, (edits, _) in cases.items()
        ),
        c.host("no.test", c.entry(c.to("one", paths=(edit(PATHS.REGEX, "x", pattern="y"), strip)))),
    )

    async def scenario(world: c.World) -> None:
        for name, (_, wanted) in cases.items():
            found = {target: (await world.get(name, target)).echo.get("path") for target in wanted}
            assert found == wanted, name
        assert await outcomes(world, "no.test") == [500]
        assert world.plan is not None
        problems = [p.id for found in world.plan.problems.values() for p in found]
        assert problems == ["path-edits-not-composable"]

    serve(graph, scenario)


def test_headers_are_removed_then_set_then_added() -> None:
    edits = (
        HeaderEdit(set=(("X-Set", "new"), ("X-Percent", "100%")), add=(("X-Add", "more"),), remove=("X-Gone",)),
        HeaderEdit(add=(("X-Set", "again"),), remove=("X-Later",)),
    )
    answer = (HeaderEdit(set=(("X-Answer", "yes"),), remove=("Content-Type",)),)
    per_share = (HeaderEdit(set=(("X-Share", "s"),)),)
    graph = plain(
        c.host("a.test", c.entry(c.to("one"), request_headers=edits, response_headers=answer)),
        c.host(
            "b.test",
            c.entry(
                c.to(c.share("one", request_headers=per_share, response_headers=per_share), c.share("two")),
                request_headers=edits,
            ),
        ),
        c.host("c.test", c.entry(c.to(c.share("one", request_headers=per_share)), request_headers=edits)),
        c.host("d.test", c.entry(c.to("one"), request_headers=(HeaderEdit(set=(("Host", "other.test"),)),))),
    )

    async def scenario(world: c.World) -> None:
        sent = [("X-Set", "old"), ("X-Add", "first"), ("X-Gone", "x"), ("X-Later", "x")]
        reply = await world.get("a.test", headers=sent)
        seen = {name.lower(): values for name, values in reply.echo["headers"].items()}
        assert seen["x-set"] == ["new", "again"]
        assert seen["x-percent"] == ["100%"]
        assert seen["x-add"] == ["first", "more"]
        assert not {"x-gone", "x-later", "x-envoy-expected-rq-timeout-ms"} & seen.keys()
        assert reply.header("x-answer") == "yes"
        assert reply.header("content-type") is None
        assert not [name for name, _ in reply.headers if name.startswith("x-envoy")]
        shared = set()
        for _ in range(40):
            reply = await world.get("b.test", headers=sent)
            seen = {name.lower(): values for name, values in reply.echo["headers"].items()}
            assert seen["x-set"] == ["new", "again"]
            shared.add((reply.backend, seen.get("x-share", [""])[0], reply.header("x-share")))
        assert shared == {("one", "s", "s"), ("two", "", None)}
        seen = (await world.get("c.test", headers=sent)).echo["headers"]
        assert {name.lower() for name in seen} >= {"x-share", "x-set"}
        assert (await world.get("d.test")).echo["host"] == "other.test"

    serve(graph, scenario)


def test_the_host_that_a_backend_sees() -> None:
    graph = plain(
        c.host("keep.test", c.entry(c.to("one"))),
        c.host("literal.test", c.entry(c.to("one", host="other.example"))),
        c.host("own.test", c.entry(c.to(c.share("one", pass_host=False)))),
    )

    async def scenario(world: c.World) -> None:
        assert (await world.get("keep.test")).echo["host"] == "keep.test"
        assert (await world.get("literal.test")).echo["host"] == "other.example"
        address = next(iter(world.echo.addresses.values()))
        assert (await world.get("own.test")).echo["host"].startswith("127.")
        assert str(address.port) in (await world.get("own.test")).echo["host"]

    serve(graph, scenario)


def test_redirects() -> None:
    def to(**parts: Any) -> RedirectTo:
        return RedirectTo(c.ORIGIN, parts.pop("status", 302), **parts)

    prefix = PathEdit(PATHS.REPLACE_PREFIX, "/new")
    cases: dict[str, tuple[RedirectTo, str, int, str]] = {
        "scheme.test": (to(scheme="https", status=301), "/p/x?q=1", 301, "https://scheme.test/p/x?q=1"),
        "host.test": (to(host="else.test", port=0), "/p?q=1", 302, "http://else.test/p?q=1"),
        "port.test": (to(port=8443, scheme="https", status=308), "/p", 308, "https://port.test:8443/p"),
        "known.test": (to(port=443, scheme="https", status=307), "/p", 307, "https://known.test/p"),
        "path.test": (
            to(path=PathEdit(PATHS.REPLACE, "/n"), port=0, status=303),
            "/p/x?q",
            303,
            "http://path.test/n?q",
        ),
        "prefix.test": (to(path=prefix, port=0), "/p/x?q", 302, "http://prefix.test/new/x?q"),
        "prefix2.test": (to(path=prefix, port=0), "/p", 302, "http://prefix2.test/new"),
        "root.test": (to(path=PathEdit(PATHS.REPLACE_PREFIX, "/"), port=0), "/p/x", 302, "http://root.test/x"),
        "keep.test": (to(host="k.test"), "/p", 302, "http://k.test:{port}/p"),
    }
    other = to(scheme="https", status=301, status_other=308)
    graph = plain(
        *(c.host(name, c.entry(case[0], c.path("/p"))) for name, case in cases.items()),
        c.host("other.test", c.entry(other)),
    )

    async def scenario(world: c.World) -> None:
        for name, (_, target, status, location) in cases.items():
            reply = await world.get(name, target)
            wanted = location.replace("{port}", str(world.port()))
            assert (reply.status, reply.header("location")) == (status, wanted), name
        assert (await world.get("other.test")).status == 301
        posted = await world.get("other.test", method="POST")
        assert (posted.status, posted.header("location")) == (308, "https://other.test/")

    serve(graph, scenario)


def test_fixed_answers_say_no_more_than_the_status() -> None:
    graph = plain(
        c.host("a.test", c.entry(Respond(503, "Service apps/secret is missing", c.ORIGIN))),
        c.host("b.test", c.entry(Respond(204, "nothing", c.ORIGIN))),
    )

    async def scenario(world: c.World) -> None:
        reply = await world.get("a.test")
        assert (reply.status, reply.body) == (503, b"503 Service Unavailable\n")
        assert (await world.get("b.test")).status == 204

    serve(graph, scenario)


def test_fixed_answers_with_a_body_of_their_own() -> None:
    def answers(body: bytes, status: int = 200, typed: str = "application/jose") -> Entry:
        return c.entry(Respond(status, "fixed", c.ORIGIN, refused=False, body=body, content_type=typed))

    long = bytes(range(256)) * 64
    graph = plain(
        c.host("a.test", answers(b"token.thumbprint")),
        c.host("b.test", answers(long), c.entry(c.to("one"))),
        c.host("c.test", answers(b"")),
        c.host("d.test", answers(b"no longer here", 410, "text/plain")),
    )

    async def scenario(world: c.World) -> None:
        reply = await world.get("a.test")
        assert (reply.status, reply.body, reply.header("content-type")) == (
            200,
            b"token.thumbprint",
            "application/jose",
        )
        assert (await world.get("b.test")).body == long, "longer than what Envoy takes by default"
        reply = await world.get("c.test")
        assert (reply.status, reply.body) == (200, b"")
        reply = await world.get("d.test")
        assert (reply.status, reply.body, reply.header("content-type")) == (410, b"no longer here", "text/plain")

    serve(graph, scenario)


def test_timeouts_and_retries() -> None:
    retry = Retry(2, (503,))
    graph = plain(
        c.host("request.test", c.entry(c.to("one", timeout=0.2))),
        c.host("try.test", c.entry(c.to("one", backend_timeout=0.2))),
        c.host("none.test", c.entry(c.to("one", timeout=0.0))),
        c.host("retry.test", c.entry(c.to("one", retry=retry, mirrors=()))),
    )

    async def scenario(world: c.World) -> None:
        assert [(await world.get(h, "/?delay=3s")).status for h in ("request.test", "try.test")] == [504, 504]
        assert (await world.get("none.test", "/?delay=400ms")).status == 200
        assert (await world.get("retry.test", "/status/503")).status == 503

    serve(graph, scenario)


def test_mirrors_get_a_copy_and_no_say() -> None:
    mirror = MirrorTo(c.backend("two").key, 100, 100, c.ORIGIN)
    never = MirrorTo(c.backend("two").key, 0, 100, c.ORIGIN)
    graph = plain(
        c.host("a.test", c.entry(c.to("one", mirrors=(mirror,)))),
        c.host("b.test", c.entry(c.to("one", mirrors=(never,)))),
    )

    async def scenario(world: c.World) -> None:
        assert (await world.get("a.test")).backend == "one"
        assert (await world.get("b.test")).backend == "one"

    serve(graph, scenario)


def test_sessions_stick_to_an_endpoint() -> None:
    cookie = SessionPersistence(name="stick", http_only=True, path="/")
    header = SessionPersistence(kind="header", name="x-session")
    graph = plain(
        c.host("cookie.test", c.entry(c.to("one", persistence=cookie))),
        c.host("header.test", c.entry(c.to("one", persistence=header))),
    )

    async def scenario(world: c.World) -> None:
        given = (await world.get("cookie.test")).header("set-cookie")
        assert given is not None
        assert given.startswith("stick=")
        assert "HttpOnly" in given
        again = await world.get("cookie.test", headers={"Cookie": given.partition(";")[0]})
        assert (again.status, again.header("set-cookie")) == (200, None)
        assert (await world.get("header.test")).header("x-session")

    serve(graph, scenario)


def test_no_endpoints_is_503() -> None:
    graph = c.graph(
        [c.gateway(c.http_port())],
        [c.host("a.test", c.entry(c.to("gone")))],
        [c.backend("gone", reason="no endpoints")],
    )

    async def scenario(world: c.World) -> None:
        assert (await world.get("a.test")).status == 503

    serve(graph, scenario)


# --- protections --------------------------------------------------------------------------------


def test_access_lists() -> None:
    near = Access(("127.0.0.8/29", "::1/128"), c.ORIGIN)
    teapot = Access(("127.0.0.8/30",), c.ORIGIN, status=418)
    near_by = ("127.0.0.0/29",)
    proxied = Access(("10.0.0.0/9", "2001:db8::1/128"), c.ORIGIN, depth=2, trusted=near_by)
    banned = Access(("10.0.0.0/9",), c.ORIGIN, depth=2, trusted=near_by, deny=True)
    banned6 = Access(("2001:db8::/32",), c.ORIGIN, depth=2, trusted=near_by, deny=True, status=418)
    gone = Access(("127.0.0.8/30",), c.ORIGIN, deny=True, status=410)
    graph = plain(
        c.host("near.test", c.entry(c.to("one"), access=(near,))),
        c.host("both.test", c.entry(c.to("one"), access=(near, teapot))),
        c.host("proxied.test", c.entry(c.to("one"), access=(proxied,))),
        c.host("banned.test", c.entry(c.to("one"), access=(banned,))),
        c.host("banned6.test", c.entry(c.to("one"), access=(banned6,))),
        c.host("gone.test", c.entry(c.to("one"), access=(gone,))),
    )

    async def scenario(world: c.World) -> None:
        sources: list[dict[str, Any]] = [{"source": s} for s in ("127.0.0.9", "127.0.0.12", "127.0.0.2")]
        assert await outcomes(world, *(("near.test", "/", s) for s in sources)) == ["one", "one", 403]
        assert await outcomes(world, *(("both.test", "/", s) for s in sources)) == ["one", 418, 403]
        forged: dict[str, Any] = {"headers": {"X-Forwarded-For": "127.0.0.9"}}
        assert await outcomes(world, ("near.test", "/", forged)) == [403]
        for chain, wanted in {
            "10.1.2.3, 192.0.2.1": "one",
            "10.128.2.3, 192.0.2.1": 403,
            "10.1.2.3": 403,
            "192.0.2.1, 10.1.2.3": 403,
            "8.8.8.8, 10.1.2.3,192.0.2.1": "one",
            "10.1.2.3, 8.8.8.8, 192.0.2.1": 403,
            "2001:db8::1, 192.0.2.1": "one",
        }.items():
            forwarded: dict[str, Any] = {"headers": {"X-Forwarded-For": chain}}
            assert await outcomes(world, ("proxied.test", "/", forwarded)) == [wanted], chain
            forwarded["source"] = "127.0.0.8"  # who is not believed
            assert await outcomes(world, ("proxied.test", "/", forwarded)) == [403], chain
        assert await outcomes(world, "proxied.test", "banned.test") == [403, 403]
        assert await outcomes(world, *(("gone.test", "/", s) for s in sources)) == [410, "one", "one"]
        for chain, wanted, wanted6 in (
            ("10.1.2.3, 192.0.2.1", 403, "one"),
            ("10.128.2.3, 192.0.2.1", "one", "one"),
            ("10.1.2.3, 10.128.2.3, 192.0.2.1", "one", "one"),
            ("10.128.2.3, 10.1.2.3, 192.0.2.1", 403, "one"),
            ("10.01.2.3, 192.0.2.1", 403, 418),
            ("10.128.2.3", 403, 418),
            ("unknown, 192.0.2.1", 403, 418),
            ("2001:db8::1, 192.0.2.1", "one", 418),
            ("::ffff:10.1.2.3, 192.0.2.1", 403, 418),
            ("0:0:0:0:0:FFFF:a01:203, 192.0.2.1", 403, 418),
        ):
            forwarded = {"headers": {"X-Forwarded-For": chain}}
            asked = [(name, "/", forwarded) for name in ("banned.test", "banned6.test")]
            assert await outcomes(world, *asked) == [wanted, wanted6], chain
            forwarded["source"] = "127.0.0.8"
            assert await outcomes(world, *asked) == [403, 418], chain

    serve(graph, scenario)


def test_basic_authentication() -> None:
    users = Sensitive(b"ann:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\nbob:$apr1$x$y\n")  # ann's password is "test"
    auth = BasicAuthUsers(users, c.ORIGIN, remove_header=True)
    broken = BasicAuthUsers(Sensitive(b"bob:$apr1$x$y"), c.ORIGIN)
    graph = plain(
        c.host("a.test", c.entry(c.to("one"), steps=(auth,))),
        c.host("b.test", c.entry(c.to("one"))),
        c.host("c.test", c.entry(c.to("one"), steps=(broken,))),
        c.host("d.test", c.entry(RedirectTo(c.ORIGIN, 302, scheme="https"), steps=(auth,))),
    )

    async def scenario(world: c.World) -> None:
        good = {"headers": {"Authorization": "Basic YW5uOnRlc3Q="}}
        bad = {"headers": {"Authorization": "Basic YW5uOndyb25n"}}
        asked = ["a.test", ("a.test", "/", good), ("a.test", "/", bad), "b.test", "c.test", ("c.test", "/", good)]
        assert await outcomes(world, *asked) == [401, "one", 401, "one", 503, 503]
        reply = await world.get("a.test", **good)
        assert "Authorization" not in {name.title() for name in reply.echo["headers"]}
        assert await outcomes(world, "d.test", ("d.test", "/", good)) == [401, 302]

    serve(graph, scenario)


def test_cors() -> None:
    cors = Cors(
        c.ORIGIN,
        allow_origins=("https://a.example", "https://*.b.example"),
        allow_methods=("GET", "PUT"),
        allow_headers=("x-one",),
        expose_headers=("x-two",),
        allow_credentials=True,
        max_age=60,
    )
    auth = BasicAuthUsers(Sensitive(b"ann:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M="), c.ORIGIN)
    graph = plain(
        c.host("a.test", c.entry(c.to("one"), cors=cors)),
        c.host("b.test", c.entry(c.to("one"), cors=cors, steps=(auth,))),
    )

    async def scenario(world: c.World) -> None:
        def ask(origin: str) -> dict[str, str]:
            return {"Origin": origin, "Access-Control-Request-Method": "PUT"}

        for host in ("a.test", "b.test"):
            for origin in ("https://a.example", "https://x.b.example"):
                preflight = await world.get(host, method="OPTIONS", headers=ask(origin))
                assert preflight.status == 200
                assert preflight.header("access-control-allow-origin") == origin
                assert preflight.header("access-control-allow-methods") == "GET,PUT"
                assert preflight.header("access-control-allow-headers") == "x-one"
                assert preflight.header("access-control-max-age") == "60"
                assert preflight.header("access-control-allow-credentials") == "true"
            refused = await world.get(host, method="OPTIONS", headers=ask("https://evil.example"))
            assert refused.header("access-control-allow-origin") is None
        reply = await world.get("a.test", headers={"Origin": "https://a.example"})
        assert reply.backend == "one"
        assert reply.header("access-control-expose-headers") == "x-two"

    serve(graph, scenario)


# --- the access log -----------------------------------------------------------------------------


def test_the_access_log_tells_the_path_and_keeps_the_query_to_itself(tmp_path: Path) -> None:
    graph = plain(c.host("a.test", c.entry(c.to("one"), id="HTTPRoute apps/r rule 0")))
    log = tmp_path / "access.log"

    async def scenario(world: c.World) -> None:
        await world.get("a.test", "/x?token=secret", headers={"User-Agent": "tests"})

        async def written() -> bool:
            return log.exists() and log.read_bytes().endswith(b"\n")

        await c.hm.eventually(written)
        line = log.read_text()
        assert "secret" not in line
        told = msgspec.json.decode(line)
        wanted = {
            "gateway": "infra/edge",
            "port": "80",
            "host": "a.test",
            "method": "GET",
            "path": "/x",
            "protocol": "HTTP/1.1",
            "status": 200,
            "rule": "HTTPRoute apps/r rule 0",
            "backend": "apps/one:80",
            "user_agent": "tests",
        }
        assert {name: told.get(name) for name in wanted} == wanted
        assert {"time", "duration_ms", "bytes_sent", "client", "endpoint", "request_id"} <= told.keys()

    serve(graph, scenario, access_log=str(log))
