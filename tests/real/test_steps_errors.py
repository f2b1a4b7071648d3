"""Error pages on a real Envoy: instead of what backends answer, of what Envoy answers itself, and of denials."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import structs

from gatewright.base.sensitive import Sensitive
from gatewright.graph.nodes import Access, BackendKey, BasicAuthUsers, ErrorPage, Respond, Step, WeightedBackend
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.filters import ErrorPages, InFlight, LimitBy, Variable
from gatewright.kinds.intents.routing import BackendRef, Dialect, Upstream
from support import compiled as c
from support import needs
from support.handmade import DEADLINE, eventually
from support.ports import free_port

pytestmark = pytest.mark.real

SPELLINGS = ("a.test", "A.test", "x.b.test")
REF = BackendRef(Key("Service", "apps", "pages"), c.ORIGIN, 80)


@pytest.fixture(autouse=True)
def _envoy() -> None:
    needs.package("envoy")
    needs.package("grpc")


def pages(*statuses: tuple[int, int], **more: Any) -> ErrorPage:
    return ErrorPage(ErrorPages(c.ORIGIN, statuses, REF, **more), BackendKey("apps", "pages", 80))


def everywhere(*entries: Any, **backends: Any) -> c.Graph:
    hosts = [c.host(name, *entries) for name in ("a.test", "*.b.test")]
    return c.graph([c.gateway(c.http_port())], hosts, [c.backend("one"), c.backend("pages"), *backends.values()])


GONE = c.backend("gone", reason="no endpoints")
TOLD = (
    ("X-Code", (Variable.STATUS,)),
    ("X-Original-URI", (Variable.URI,)),
    ("X-Was", ("100% ", Variable.METHOD, " ", Variable.URL)),
)


@pytest.mark.parametrize("passes_status", [False, True])
def test_pages_stand_in_for_errors(passes_status: bool) -> None:
    step = pages((500, 599), path=("/e/", Variable.STATUS, ".html?u=1"), passes_status=passes_status, tells=TOLD)
    broken = c.entry(Respond(502, "broken"), c.path("/broken"), steps=(step,))
    gone = c.entry(c.to("gone"), c.path("/gone"), steps=(step,))
    lacking = c.entry(Respond(404, "lacking"), c.path("/lacking"), steps=(step,))
    fine = c.entry(c.to("one"), steps=(step,))

    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:
            for path, status in (("/broken?q=1", 502), ("/gone?q=1", 503)):
                reply = await world.get(name, path, method="PUT", headers={"x-gatewright-scope": "errors|x"})
                assert (reply.status, reply.backend) == (200 if passes_status else status, "pages"), (name, path)
                sent = {k.lower(): v for k, v in reply.echo["headers"].items()}
                assert (reply.echo["method"], reply.echo["path"]) == ("GET", f"/e/{status}.html?u=1"), reply.echo
                assert sent["x-code"] == [str(status)]
                assert sent["x-original-uri"] == [path]
                assert sent["x-was"] == [f"100% PUT http://{name}{path}"]
                assert not [header for header in sent if header.startswith("x-gatewright")], sent
            assert (await world.get(name, "/lacking")).status == 404
            assert (await world.get(name, "/")).backend == "one"
        assert (await world.get("errors|x")).status in (400, 404)

    c.serve(everywhere(broken, gone, lacking, fine, gone=GONE), scenario)


def test_statuses_are_rewritten() -> None:
    step = pages((500, 503), path=("/", Variable.STATUS), rewrites=((418, 418, 502), (503, 503, 599)))
    entries = [c.entry(Respond(status, "x"), c.path(f"/{status}"), steps=(step,)) for status in (418, 500, 503)]

    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:
            replies = [await world.get(name, f"/{status}") for status in (418, 500, 503)]
            assert [(r.status, r.echo.get("path")) for r in replies] == [(418, None), (500, "/500"), (599, "/599")]

    c.serve(everywhere(*entries), scenario)


def test_denials_have_pages_and_a_page_that_is_gone_is_no_way_in() -> None:
    auth = BasicAuthUsers(Sensitive(b"ann:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M="), c.ORIGIN)
    step = pages((401, 401))
    lost = structs.replace(step, backend=BackendKey("apps", "lost", 80))
    entries = [
        c.entry(c.to("one"), c.path("/with"), steps=(auth, step)),
        c.entry(c.to("one"), c.path("/without"), steps=(auth, lost)),
    ]

    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:
            reply = await world.get(name, "/with")
            assert (reply.status, reply.backend) == (401, "pages"), name
            reply = await world.get(name, "/without")
            assert (reply.status >= 400, reply.backend) == (True, ""), name
            login = {"Authorization": "Basic YW5uOnRlc3Q="}
            assert (await world.get(name, "/with", headers=login)).backend == "one", name

    c.serve(everywhere(*entries), scenario)


@pytest.mark.parametrize("dialect", [Dialect.INGRESS, Dialect.TRAEFIK])
def test_whom_an_access_list_turns_away_gets_a_page_where_middlewares_have_no_order(dialect: Dialect) -> None:
    lists = (Access(("127.0.0.0/16",), c.ORIGIN, status=404), Access(("127.0.0.9/32",), c.ORIGIN))
    entry = c.entry(c.to("one"), access=lists, steps=(pages((403, 403), tells=TOLD),))
    hosts = [c.host(name, entry) for name in ("a.test", "*.b.test")]
    graph = c.graph([c.gateway(c.http_port(), dialect=dialect)], hosts, [c.backend("one"), c.backend("pages")])
    page = "pages" if dialect is Dialect.INGRESS else ""

    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:
            assert (await world.get(name, source="127.0.0.9")).backend == "one", name
            reply = await world.get(name, "/x?q=1", source="127.0.0.7")
            assert (reply.status, reply.backend) == (403, page), name
            if page:
                assert {k.lower(): v for k, v in reply.echo["headers"].items()}["x-original-uri"] == ["/x?q=1"]
            assert (await world.get(name, method="HEAD", source="127.0.0.7")).status == 403, name
            reply = await world.get(name, source="127.1.0.7")
            assert (reply.status, reply.backend) == (404, ""), name

    c.serve(graph, scenario)


def test_a_head_is_answered_without_a_body() -> None:
    """Or its client would take the page for the answer to what it asks next."""
    entry = c.entry(Respond(503, "down"), steps=(pages((500, 599)),))

    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port())
            writer.write(f"HEAD / HTTP/1.1\r\nHost: {name}\r\n\r\nGET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
            async with asyncio.timeout(DEADLINE):
                for _ in range(2):
                    head = await reader.readuntil(b"\r\n\r\n")
                    assert head.startswith(b"HTTP/1.1 503 "), (name, head)
            writer.close()

    c.serve(everywhere(entry), scenario)


def test_what_a_backend_answers_is_replaced_and_its_headers_gone() -> None:
    refused = c.backend("refused", endpoints=(c.Endpoint("127.0.0.1", free_port()),))
    entry = c.entry(c.to("refused"), steps=(pages((500, 599)),))

    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:
            reply = await world.get(name)
            assert (reply.status, reply.backend) == (503, "pages"), name

    c.serve(everywhere(entry, refused=refused), scenario)


class Hasty(asyncio.Protocol):
    """A backend that waits for no body, has none to send, and says of the request what is not for it to say."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(b"HTTP/1.1 507 Full\r\nContent-Length: 0\r\nProxy-Connection: 1\r\n\r\n")
        self.transport.close()


@pytest.mark.parametrize("framing", ["Content-Length: 9", "Transfer-Encoding: chunked"])
def test_a_request_that_is_still_arriving_is_answered_without_a_page(framing: str) -> None:
    """Envoy cannot start such a request anew, and its filter for pages would forget an answer that has no body."""
    refused = c.backend("refused", endpoints=(c.Endpoint("127.0.0.1", free_port()),))
    auth = BasicAuthUsers(Sensitive(b"ann:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M="), c.ORIGIN)
    step = pages((400, 599), tells=TOLD)
    statuses = {"/words": 502, "/empty": 502, "/gone": 503, "/refused": 503, "/hasty": 507, "/login": 401, "/in": 403}
    entries = [
        c.entry(Respond(502, "broken"), c.path("/words"), steps=(step,)),
        c.entry(Respond(502, "broken", body=b""), c.path("/empty"), steps=(step,)),
        *(c.entry(c.to(name), c.path(f"/{name}"), steps=(step,)) for name in ("gone", "refused", "hasty")),
        c.entry(c.to("one"), c.path("/login"), steps=(auth, step)),
        c.entry(c.to("one"), c.path("/in"), access=(Access(("127.9.0.0/16",), c.ORIGIN),), steps=(step,)),
    ]

    async def scenario() -> None:
        server = await asyncio.get_running_loop().create_server(Hasty, "127.0.0.1", 0)
        hasty = c.backend("hasty", endpoints=(c.Endpoint("127.0.0.1", server.sockets[0].getsockname()[1]),))
        async with server, c.running(everywhere(*entries, gone=GONE, refused=refused, hasty=hasty)) as world:
            for name in SPELLINGS:
                for path, status in statuses.items():
                    assert (await world.get(name, path, method="PUT")).backend == "pages", (name, path)
                    head = await _head(world.port(), f"PUT {path} HTTP/1.1\r\nHost: {name}\r\n{framing}\r\n\r\n")
                    assert head.startswith(f"HTTP/1.1 {status} "), (name, path, head)
                    assert "proxy-connection" not in head.lower(), head

    asyncio.run(scenario())


async def _head(port: int, sent: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent.encode())
    async with asyncio.timeout(DEADLINE):
        head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return head.decode()


def test_scopes_of_pages_come_and_go_with_their_rules() -> None:
    with_page = everywhere(c.entry(Respond(500, "x"), steps=(pages((500, 500)),)))
    without = everywhere(c.entry(Respond(500, "x")))

    async def scenario(world: c.World) -> None:
        assert (await world.get("a.test")).backend == "pages"
        made = await world.apply(without)
        assert sum(change.value is None for change in made.changes) >= 2
        assert not made.state.others

        async def backend_is(name: str) -> bool:
            return (await world.get("a.test")).backend == name

        await eventually(lambda: backend_is(""))
        await world.apply(with_page)
        await eventually(lambda: backend_is("pages"))

    c.serve(with_page, scenario)


@pytest.mark.parametrize(
    "step",
    [
        pages((500, 500), path=("/", Variable.ESCAPED_URL)),
        pages((500, 500), path=("/a\r\nb",)),
        pages((500, 500), tells=(("X-Query", (Variable.QUERY,)),)),
        pages((500, 500), tells=(("X Query", ("1",)),)),
        InFlight(c.ORIGIN, 1, LimitBy.CLIENT),
        InFlight(c.ORIGIN, 1),
    ],
    ids=lambda step: type(step).__name__,
)
def test_what_protects_nothing_is_left_out_and_told(step: Step) -> None:
    entries = [c.entry(Respond(500, "x"), c.path("/500"), steps=(step,)), c.entry(c.to("one"), steps=(step,))]

    async def scenario(world: c.World) -> None:
        for name in SPELLINGS:
            assert (await world.get(name)).backend == "one", name
            reply = await world.get(name, "/500")
            assert (reply.status, reply.backend) == (500, ""), name
        assert world.plan is not None
        told = [p.id for problems in world.plan.problems.values() for p in problems]
        assert set(told) == {"step-differs"}

    c.serve(everywhere(*entries), scenario)


def test_requests_at_the_same_time_are_limited_by_the_cluster() -> None:
    limited = BackendKey("apps", "one", 80, "requests=2")
    entry = c.entry(c.to(WeightedBackend(1, limited, c.ORIGIN)), steps=(InFlight(c.ORIGIN, 2),))
    backend = structs.replace(c.backend("one"), key=limited, upstream=Upstream(max_requests=2))
    hosts = [c.host("a.test", entry)]
    graph = c.graph([c.gateway(c.http_port())], hosts, [backend])

    async def scenario(world: c.World) -> None:
        replies = await asyncio.gather(*(world.get("a.test", "/?delay=2s") for _ in range(4)))
        assert sorted(reply.status for reply in replies) == [200, 200, 503, 503]
        assert world.plan is not None
        assert not [p for problems in world.plan.problems.values() for p in problems]

    c.serve(graph, scenario)
