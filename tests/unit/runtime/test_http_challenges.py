"""Challenges from worker threads: what they are refused for, and that nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from gatewright.engines.certificates.challenge import HTTP, Challenge, SolverError
from gatewright.graph.nodes import Graph
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from gatewright.kinds.intents.issuance import Solver
from gatewright.pipeline import Model
from gatewright.runtime import http_challenges
from gatewright.runtime.http_challenges import HttpChallenges
from gatewright.trace.hops import OutcomeKind
from gatewright.trace.request import request
from gatewright.trace.walk import walk
from support import session as s
from support.keys import NOW
from support.lowering import document

ORIGIN = document({"apiVersion": "v1", "kind": "x"}).origin
ANYWHERE = Solver("http01", ORIGIN)


def challenge(name: str = "a.example.com", token: str = "abc_-1", value: str = "abc_-1.thumb") -> Challenge:
    return Challenge(HTTP, name, f"_acme-challenge.{name}", token, value)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    (tmp_path / "all.yaml").write_text(s.gateway(s.listener("http", 80)) + s.service("web") + s.route("a"))
    made = Model(lambda: NOW)
    made.read([str(tmp_path)])
    return made


def play(model: Model, scenario: Callable[[HttpChallenges], Awaitable[None]], *, settled: bool = True) -> None:
    async def run() -> None:
        async def provide(changes: Mapping[Key, Intent | None]) -> Graph:
            return model.provide(changes).graph

        async def is_settled() -> bool:
            return settled

        await scenario(HttpChallenges(asyncio.get_running_loop(), provide, is_settled))

    asyncio.run(run())


def test_many_at_once_from_many_threads(model: Model) -> None:
    before = model.graph

    async def scenario(challenges: HttpChallenges) -> None:
        solver = challenges.solver(ANYWHERE)
        each = [[challenge(f"{n}.example.com", f"t{n}", f"t{n}.x")] for n in range(20)]
        await asyncio.gather(*(asyncio.to_thread(solver.present, one) for one in each))
        for n in range(20):
            asked = request(f"http://{n}.example.com/.well-known/acme-challenge/t{n}")
            trace = walk(model.graph, model.graph.gateways["infra/edge"], asked)
            assert (trace.outcome.kind, trace.outcome.status) == (OutcomeKind.RESPONSE, 200)
            assert any("a fixed answer of" in hop.summary for hop in trace.hops)
        await asyncio.gather(*(asyncio.to_thread(solver.remove, one) for one in each))
        assert model.graph == before

    play(model, scenario)


@pytest.mark.parametrize(
    "bad",
    [
        challenge(token="../../etc"),
        challenge(token=""),
        challenge(token="a" * 257),
        challenge(value="two\r\nlines"),
        challenge(name="*.example.com"),
        challenge(name=""),
    ],
)
def test_what_is_no_challenge_is_not_put_up(model: Model, bad: Challenge) -> None:
    before = model.graph

    async def scenario(challenges: HttpChallenges) -> None:
        with pytest.raises(SolverError, match="not one of HTTP-01"):
            await asyncio.to_thread(challenges.solver(ANYWHERE).present, [challenge(), bad])

    play(model, scenario)
    assert model.graph == before


def test_what_nobody_answers_is_taken_back(model: Model) -> None:
    before = model.graph
    gone = Solver("http01", ORIGIN, class_name="nginx", gateways=(Key("Gateway", "infra", "gone"),))

    async def scenario(challenges: HttpChallenges) -> None:
        with pytest.raises(SolverError, match=r"no gateway infra/gone or of class nginx answers plain HTTP for a\."):
            await asyncio.to_thread(challenges.solver(gone).present, [challenge()])

    play(model, scenario)
    assert model.graph == before


def test_an_envoy_that_does_not_take_it_is_told(model: Model) -> None:
    async def scenario(challenges: HttpChallenges) -> None:
        with pytest.raises(SolverError, match="Envoy has not taken"):
            await asyncio.to_thread(challenges.solver(ANYWHERE).present, [challenge()])

    play(model, scenario, settled=False)


def test_nobody_waits_for_a_loop_that_has_ended(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[HttpChallenges] = []

    async def scenario(challenges: HttpChallenges) -> None:
        kept.append(challenges)

    play(model, scenario)
    with pytest.raises(SolverError, match="ending"):
        kept[0].solver(ANYWHERE).present([challenge()])

    async def hang(_: Mapping[Key, Intent | None]) -> Graph:
        await asyncio.Event().wait()
        return model.graph

    async def unanswered() -> None:
        stuck = HttpChallenges(asyncio.get_running_loop(), hang, lambda: asyncio.sleep(0, True))
        with pytest.raises(SolverError, match="within 0"):
            await asyncio.to_thread(stuck.solver(ANYWHERE).present, [challenge()])

    monkeypatch.setattr(http_challenges, "SECONDS", 0.05)
    asyncio.run(unanswered())
