"""`gatewright run` through deaths and edits: whatever happens to the control plane, requests are answered."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from support import session as s
from support.session import GATEWAY, Load, Session

pytestmark = pytest.mark.real


@pytest.fixture
def run() -> Iterator[Session]:
    with s.session() as made:
        yield made


def test_killed_under_load_it_takes_the_same_envoy_over(run: Session) -> None:
    async def scenario() -> None:
        async with s.backends("web", "other") as at:
            run.write("gateway.yaml", s.gateway(s.listener("http", 80)))
            run.write("services.yaml", *(s.service(name, address) for name, address in at.items()))
            run.write("a.yaml", s.route("a"))
            run.write("b.yaml", s.route("b"))
            live = await s.beside(run.start)
            where = live.socket_of(GATEWAY, 80)
            assert where is not None
            envoy = run.envoy()
            async with (
                Load(where, ("a.example.com", "b.example.com")) as load,
                s.websocket(where, "a.example.com") as chat,
            ):
                await s.beside(run.kill)
                await load.more(100)
                run.write("b.yaml", s.route("b", "other"))
                run.write("c.yaml", s.route("c"))
                again = await s.beside(run.start)
                assert run.envoy() == envoy
                assert again.socket_of(GATEWAY, 80) == where
                assert await s.ask(where, "b.example.com") == (200, "other")
                assert await s.ask(where, "c.example.com") == (200, "web")
                run.write("d.yaml", s.route("d"))
                await s.until(lambda: is_answered(where, "d.example.com"))
                await load.more(100)
                await s.echoes(chat)
            assert load.failures == []
            assert await s.beside(run.stop) == 0

    asyncio.run(scenario())


def test_a_killed_envoy_is_started_again(run: Session) -> None:
    async def scenario() -> None:
        async with s.backends("web") as at:
            run.write("all.yaml", s.gateway(s.listener("http", 80)), s.service("web", at["web"]), s.route("a"))
            live = await s.beside(run.start)
            where = live.socket_of(GATEWAY, 80)
            assert where is not None
            first = run.envoy()
            assert first is not None
            os.kill(first, signal.SIGKILL)
            await s.until(lambda: is_answered(where, "a.example.com"))
            assert run.envoy() not in (None, first)
            run.write("b.yaml", s.route("b"))
            await s.until(lambda: is_answered(where, "b.example.com"))

            async def known() -> bool:
                _, found = await s.beside(run.status)
                return bool(found) and found["envoy"] == {"pid": run.envoy(), "connected": True}

            await s.until(known)

    asyncio.run(scenario())


EDITS = 1_000
CHATS = 20


def test_a_thousand_edits_fail_no_request_and_drop_no_websocket(run: Session) -> None:
    """Routes of other hosts change all the time; every edit is waited for, so that each of them really happens."""

    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            at = await stack.enter_async_context(s.backends("web", "other"))
            run.write("gateway.yaml", s.gateway(s.listener("http", 80)))
            run.write("services.yaml", *(s.service(name, address) for name, address in at.items()))
            run.write("still.yaml", s.route("still"))
            run.write("edited.yaml", s.route("edited"))
            live = await s.beside(run.start)
            where = live.socket_of(GATEWAY, 80)
            assert where is not None
            chats = [
                await stack.enter_async_context(s.websocket(where, host))
                for host in ("still.example.com", "edited.example.com")
                for _ in range(CHATS // 2)
            ]
            load = await stack.enter_async_context(Load(where, ("still.example.com", "edited.example.com")))
            for number in range(EDITS):
                wanted = ("web", "other")[number % 2]
                run.write("edited.yaml", s.route("edited", wanted), s.route("new", host=f"n{number}.example.com"))
                await s.until(lambda number=number: is_answered(where, f"n{number}.example.com"))
            for chat in chats:
                await s.echoes(chat)
            await load.more(100)
            assert load.failures == []
            _, found = await s.beside(run.status)
            assert found["changes"] >= EDITS * 0.9  # two saves at once may be one change

    asyncio.run(scenario())


def test_a_listener_that_comes_or_goes_leaves_the_connections_of_others_alone(run: Session) -> None:
    async def scenario() -> None:
        async with s.backends("web") as at:
            run.write("gateway.yaml", s.gateway(s.listener("http", 80)))
            run.write("web.yaml", s.service("web", at["web"]), s.route("a"))
            live = await s.beside(run.start)
            where = live.socket_of(GATEWAY, 80)
            assert where is not None
            async with Load(where, ("a.example.com",)) as load, s.websocket(where, "a.example.com") as chat:
                for _ in range(3):
                    run.write("gateway.yaml", s.gateway(s.listener("http", 80), s.listener("more", 81)))
                    await s.until(lambda: has_port(run, 81))
                    more = run.live().socket_of(GATEWAY, 81)
                    assert more is not None
                    await s.until(lambda more=more: is_answered(more, "a.example.com"))
                    run.write("gateway.yaml", s.gateway(s.listener("http", 80)))
                    await s.until(lambda more=more: is_closed(more))
                assert run.live().socket_of(GATEWAY, 80) == where
                await load.more(50)
                await s.echoes(chat)
            assert load.failures == []

    asyncio.run(scenario())


def test_an_open_websocket_outlives_the_route_that_let_it_in(run: Session) -> None:
    """Routes decide about new requests.  What they once let in ends when its client or its backend ends it."""

    async def scenario() -> None:
        async with s.backends("web") as at:
            run.write("gateway.yaml", s.gateway(s.listener("http", 80)), s.service("web", at["web"]))
            run.write("a.yaml", s.route("a"))
            run.write("b.yaml", s.route("b"))
            live = await s.beside(run.start)
            where = live.socket_of(GATEWAY, 80)
            assert where is not None
            async with s.websocket(where, "a.example.com") as gone, s.websocket(where, "b.example.com") as other:
                (run.manifests / "a.yaml").unlink()
                await s.until(lambda: is_refused(where, "a.example.com"))
                await s.echoes(other)
                await s.echoes(gone)

    asyncio.run(scenario())


async def is_answered(where: tuple[str, int], host: str) -> bool:
    try:
        return (await s.ask(where, host))[0] == 200
    except (OSError, EOFError):
        return False


async def is_refused(where: tuple[str, int], host: str) -> bool:
    return (await s.ask(where, host))[0] == 404


async def is_closed(where: tuple[str, int]) -> bool:
    try:
        _, writer = await asyncio.open_connection(*where)
    except OSError:
        return True
    writer.close()
    return False


async def has_port(run: Session, port: int) -> bool:
    return run.live().socket_of(GATEWAY, port) is not None


def test_an_envoy_of_another_version_is_replaced_when_everything_is_there_to_be_served(run: Session) -> None:
    """Its listeners' filters would not know what today's routes ask of them."""

    async def scenario() -> None:
        async with s.backends("web") as at:
            run.write("all.yaml", s.gateway(s.listener("http", 80)), s.service("web", at["web"]), s.route("a"))
            live = await s.beside(run.start)
            where = live.socket_of(GATEWAY, 80)
            assert where is not None
            former = run.envoy()
            await s.beside(run.kill)
            (run.state / "envoy" / "generation").write_text("another")
            # A run that does not come that far leaves it alone.
            done = await s.beside(run.command, "run", str(run.manifests), "--state", str(run.state), "--gateway", "no")
            assert done.returncode == 2
            assert run.envoy() == former
            reader, writer = await asyncio.open_connection(*where)
            assert await s.exchange(reader, writer, "a.example.com") == (200, "web")
            again = await s.beside(run.start)
            assert run.envoy() not in (None, former)
            assert run.lines("warning", "was started by another version")
            assert again.socket_of(GATEWAY, 80) == where
            assert await s.ask(where, "a.example.com") == (200, "web")
            assert await reader.read() == b""
            writer.close()
            # The next one is of the same version.
            envoy = run.envoy()
            await s.beside(run.kill)
            await s.beside(run.start)
            assert run.envoy() == envoy

    asyncio.run(scenario())
