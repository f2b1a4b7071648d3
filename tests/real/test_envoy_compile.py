"""Compiled graphs on a real Envoy: every technique of the compiler, shown by the answers of requests."""

from __future__ import annotations

import asyncio

import pytest

from support import compiled as c

pytestmark = pytest.mark.real


def test_a_scope_serves_its_host_and_nothing_else() -> None:
    async def scenario() -> None:
        graph = c.graph(
            [c.gateway(c.http_port())],
            [c.host("a.example.com", c.entry(c.to("one"), c.path("/one")), c.entry(c.to("two")))],
            [c.backend("one"), c.backend("two")],
        )
        async with c.running(graph) as world:
            assert (await world.get("a.example.com", "/one/x")).backend == "one"
            assert (await world.get("a.example.com", "/oneother")).backend == "two"
            assert (await world.get("b.example.com")).status == 404

    asyncio.run(scenario())
