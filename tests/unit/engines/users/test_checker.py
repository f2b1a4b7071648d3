"""What is remembered, and what a flood cannot do."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Awaitable, Callable

from gatewright.base.sensitive import Sensitive
from gatewright.engines.users import checker
from gatewright.engines.users.checker import Checker, Verdict
from gatewright.engines.users.content import Users

HASH = b"$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/"
USERS = {"d": Users(Sensitive(b"ada:" + HASH + b"\nbob:" + HASH + b"\n"))}


class Check:
    """Stands for a slow hash: counts, and may be held up."""

    def __init__(self) -> None:
        self.count = 0
        self.go = threading.Event()
        self.go.set()

    def __call__(self, hashed: bytes, password: bytes) -> bool:
        self.count += 1
        assert self.go.wait(60)
        return hashed == HASH and password == b"right"


def basic(name: str, password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{name}:{password}".encode())


def run(scenario: Callable[[Checker, Check, list[float]], Awaitable[None]]) -> None:
    check, clock = Check(), [0.0]

    async def all_of_it() -> None:
        made = Checker(check, lambda: clock[0])
        made.know(USERS)
        await scenario(made, check, clock)

    asyncio.run(all_of_it())


def test_who_is_who() -> None:
    async def scenario(made: Checker, check: Check, clock: list[float]) -> None:
        assert await made.ask("d", "c", basic("ada", "right")) == Verdict(200, b"ada")
        assert await made.ask("d", "c", basic("ada", "wrong")) == Verdict(401)
        assert await made.ask("d", "c", basic("eve", "right")) == Verdict(401)
        assert await made.ask("other", "c", basic("ada", "right")) == Verdict(503)
        for none in (b"", b"Bearer x", b"Basic", b"Basic ?", b"Basic " + base64.b64encode(b"ada")):
            assert await made.ask("d", "c", none) == Verdict(401)
        made.know({})
        assert await made.ask("d", "c", basic("ada", "right")) == Verdict(503)

    run(scenario)


def test_each_is_checked_once_for_a_while() -> None:
    async def scenario(made: Checker, check: Check, clock: list[float]) -> None:
        for password, seconds in (("right", checker.RIGHT_SECONDS), ("wrong", checker.WRONG_SECONDS)):
            check.count = 0
            for _ in range(3):
                await made.ask("d", "c", basic("ada", password))
            assert check.count == 1
            clock[0] += seconds + 1
            await made.ask("d", "c", basic("ada", password))
            assert check.count == 2

    run(scenario)


def test_the_same_question_at_the_same_time_is_checked_once() -> None:
    async def scenario(made: Checker, check: Check, clock: list[float]) -> None:
        asked = [made.ask("d", str(client), basic("ada", "right")) for client in range(100)]
        assert set(await asyncio.gather(*asked)) == {Verdict(200, b"ada")}
        assert check.count == 1

    run(scenario)


def test_one_who_is_known_gets_in_during_a_flood() -> None:
    async def scenario(made: Checker, check: Check, clock: list[float]) -> None:
        await made.ask("d", "c", basic("ada", "right"))
        check.go.clear()
        flood = [
            asyncio.ensure_future(made.ask("d", str(n % 200), basic("ada", str(n))))
            for n in range(2 * checker.MOST_KEPT)
        ]
        await asyncio.sleep(0)
        assert await made.ask("d", "c", basic("ada", "right")) == Verdict(200, b"ada")
        check.go.set()
        verdicts = await asyncio.gather(*flood)
        assert verdicts.count(Verdict(401)) == checker.MOST_WAITING
        assert verdicts.count(Verdict(503)) == len(flood) - checker.MOST_WAITING
        assert await made.ask("d", "c", basic("ada", "right")) == Verdict(200, b"ada")

    run(scenario)


def test_one_client_cannot_take_all_places() -> None:
    async def scenario(made: Checker, check: Check, clock: list[float]) -> None:
        check.go.clear()
        flood = [asyncio.ensure_future(made.ask("d", "evil", basic("ada", str(n)))) for n in range(1000)]
        await asyncio.sleep(0)
        honest = asyncio.ensure_future(made.ask("d", "other", basic("bob", "right")))
        await asyncio.sleep(0)
        check.go.set()
        assert await honest == Verdict(200, b"bob")
        assert (await asyncio.gather(*flood)).count(Verdict(401)) == checker.MOST_OF_CLIENT

    run(scenario)


def test_what_is_kept_is_bounded() -> None:
    async def scenario(made: Checker, check: Check, clock: list[float]) -> None:
        await made.ask("d", "c", basic("ada", "first"))
        for n in range(checker.MOST_KEPT):
            await made.ask("d", "c", basic("ada", str(n)))
        check.count = 0
        await made.ask("d", "c", basic("ada", str(checker.MOST_KEPT - 1)))
        assert check.count == 0
        await made.ask("d", "c", basic("ada", "first"))
        assert check.count == 1

    run(scenario)


def test_nothing_that_is_kept_is_a_password() -> None:
    async def scenario(made: Checker, check: Check, clock: list[float]) -> None:
        await made.ask("d", "c", basic("ada", "right"))
        await made.ask("d", "c", basic("ada", "wrong"))
        kept = {**made._right._until, **made._wrong._until}
        assert len(kept) == 2
        assert all(len(digest) == 32 for digest in kept)

    run(scenario)
