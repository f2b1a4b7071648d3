"""Which backends the echo server stands in for, and what is left of them."""

from __future__ import annotations

import asyncio

import immutables
from msgspec import structs

from gatewright.engines.echo.server import EchoServer
from gatewright.graph.builder import empty_graph
from gatewright.graph.nodes import Backend, BackendKey, BackendTls, Change, Endpoint, UpstreamProtocol
from gatewright.graph.resolve.upstreams.backends import external
from gatewright.kinds.intents.routing import HealthCheck, Upstream
from gatewright.runtime.standins import StandIns


def test_nobody_stands_in_for_what_must_stay_closed_or_is_outside() -> None:
    empty = Backend(
        BackendKey("apps", "empty", 80),
        UpstreamProtocol.HTTP1,
        (),
        tls=BackendTls("a.test"),
        upstream=Upstream(max_requests=5, health=HealthCheck("/healthz", port=9)),
    )
    closed = structs.replace(empty, key=BackendKey("apps", "closed", 80), usable=False)
    outside = structs.replace(empty, key=external("auth.test", 443, tls=True), dns_name="auth.test")
    served = structs.replace(empty, key=BackendKey("apps", "full", 80), endpoints=(Endpoint("192.0.2.1", 80),))
    asked = structs.replace(empty, key=BackendKey("apps", "who", 80))
    answers = structs.replace(served, key=BackendKey("apps", "guard", 80))
    backends = {one.key: one for one in (empty, closed, outside, served, asked, answers)}
    graph = structs.replace(empty_graph(), backends=immutables.Map(backends))

    async def served_by(everything: bool) -> tuple[StandIns, dict[BackendKey, Backend]]:
        server = EchoServer([])
        await server.start()
        try:
            standins = StandIns(server, everything=everything)
            made = await standins.apply(graph, Change(backends=frozenset(backends)), {asked.key, answers.key})
            return standins, dict(made.backends)
        finally:
            await server.close()

    standins, made = asyncio.run(served_by(everything=False))
    assert standins.served == {empty.key}
    assert {key for key, one in made.items() if one != backends[key]} == {empty.key}
    assert (made[empty.key].tls, made[empty.key].upstream) == (None, Upstream(max_requests=5))
    standins, _ = asyncio.run(served_by(everything=True))
    assert standins.served == {empty.key, served.key}
