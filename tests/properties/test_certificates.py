"""Whatever happens in which order, what is in use is the newest valid certificate, and no key is lost or mixed up."""

from __future__ import annotations

import asyncio
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.base.keypair import Fault, covers, inspect
from gatewright.engines.certificates.obtaining import IssueError, Window
from support.issuing import DAY, HOUR, Shop, wanted

IDS = ("a", "b")
NAMES = st.sampled_from([("x.example.com",), ("y.example.com",), ("x.example.com", "y.example.com")])
EVENT = (
    st.tuples(st.just("want"), st.sampled_from(IDS), NAMES)
    | st.tuples(st.just("forget"), st.sampled_from(IDS), st.none())
    | st.tuples(st.just("pass"), st.sampled_from([60.0, HOUR, DAY, 20 * DAY, 70 * DAY]), st.none())
    | st.tuples(st.just("down"), st.sampled_from([None, 5.0, DAY]), st.booleans())
    | st.tuples(st.just("up"), st.none(), st.none())
    | st.tuples(st.just("retry"), st.none(), st.none())
    | st.tuples(st.just("window"), st.sampled_from([-DAY, DAY, 30 * DAY]), st.none())
    | st.tuples(st.just("restart"), st.none(), st.none())
)


@settings(max_examples=60)
@given(st.lists(EVENT, max_size=12))
def test_the_newest_valid_certificate_is_in_use(events: list[tuple[str, object, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_story(Shop(Path(folder)), events))


async def _story(shop: Shop, events: list[tuple[str, object, object]]) -> None:
    described: dict[str, tuple[str, ...]] = {}
    pending = list(events)
    while pending:
        async with shop.running():
            shop.want(*(wanted(name, *names) for name, names in described.items()))
            while pending:
                what, which, more = pending.pop(0)
                if what == "restart":
                    break
                _happen(shop, described, what, which, more)
                await shop.idle()
                _holds(shop, described)
        shop.restart()


def _happen(shop: Shop, described: dict[str, tuple[str, ...]], what: str, which: object, more: object) -> None:
    match what:
        case "want":
            assert isinstance(which, str)
            assert isinstance(more, tuple)
            described[which] = more
            shop.want(wanted(which, *more))
        case "forget":
            assert isinstance(which, str)
            described.pop(which, None)
            shop.delivered.pop(f"web/{which}", None)
            shop.manager.want({wanted(which).target: ()}, {})
        case "pass":
            assert isinstance(which, float)
            shop.now += which
            shop.manager.poke()
        case "down":
            shop.authority.failing = IssueError("down", which, permanent=bool(more))  # type: ignore[arg-type]
        case "up":
            shop.authority.failing = None
        case "retry":
            shop.manager.retry()
        case "window":
            assert isinstance(which, float)
            shop.authority.said = Window(shop.now + which, shop.now + which + DAY, HOUR)


def _holds(shop: Shop, described: dict[str, tuple[str, ...]]) -> None:
    """Each pair fits; it is the newest one; and while the authority works there is one for what is described."""
    now = datetime.fromtimestamp(shop.now, UTC)
    for status in shop.manager.statuses():
        issued = shop.delivered.get(status.id)
        if issued is None:
            assert status.not_after == 0
            continue
        facts = inspect(issued.chain, issued.key.reveal(), now)
        assert {*facts.faults} <= {Fault.EXPIRED}
        assert facts.not_after is not None
        assert facts.not_after.timestamp() == status.not_after
        assert issued.key in [key for item, key in shop.authority.orders if item.id == status.id]
        if shop.authority.failing is None and not status.failures:
            assert all(covers(facts, name) for name in described[status.id.removeprefix("web/")])
            assert Fault.EXPIRED not in facts.faults
