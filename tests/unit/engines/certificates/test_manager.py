"""The manager: what is got when, what is in use, and what the disk knows, by a clock that only tests move."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from gatewright.engines.certificates.issued import State
from gatewright.engines.certificates.obtaining import IssueError, Window
from gatewright.engines.certificates.store import Store
from gatewright.graph.issuing import Wanted
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.issuance import PrivateKey
from support.issuing import DAY, EC, HOUR, START, Shop, issuer, wanted

Story = Callable[[Shop], Coroutine[Any, Any, None]]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "certificates")


def tell(shop: Shop, story: Story) -> None:
    """Run a story while the manager runs."""

    async def told() -> None:
        async with shop.running():
            await story(shop)

    asyncio.run(told())


def test_what_is_wanted_is_got_delivered_and_stored(shop: Shop) -> None:
    async def story(shop: Shop) -> None:
        shop.want(wanted())
        assert shop.status().state is State.WAITING
        await shop.idle()

    tell(shop, story)
    status = shop.status()
    assert (status.state, status.not_after, status.failures) == (State.READY, START + 90 * DAY, 0)
    # A third of its life before its end, and at most a day earlier.
    assert START + 59 * DAY <= status.renew_at <= START + 60 * DAY
    assert shop.delivered["web/a"].chain.startswith(b"-----BEGIN CERTIFICATE")
    assert shop.manager.counts.issued == 1
    files = sorted(shop.folder.iterdir())
    assert {file.suffix for file in files} == {".pem", ".json"}
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_restart_orders_nothing_and_delivers_at_once(shop: Shop) -> None:
    async def story(shop: Shop) -> None:
        shop.want(wanted())
        await shop.idle()

    tell(shop, story)
    before, moment = shop.delivered["web/a"], shop.status().renew_at
    shop.restart()
    shop.want(wanted())
    assert shop.delivered["web/a"] == before
    tell(shop, lambda shop: shop.idle())
    assert len(shop.authority.orders) == 1
    assert shop.status().renew_at == moment


def test_it_is_renewed_when_it_is_due_and_not_before(shop: Shop) -> None:
    async def story(shop: Shop) -> None:
        shop.want(wanted())
        await shop.idle()
        moment = shop.status().renew_at
        await shop.pass_time(moment - shop.now - 1)
        assert len(shop.authority.orders) == 1
        old = shop.delivered["web/a"]
        await shop.pass_time(1)
        assert len(shop.authority.orders) == 2
        assert shop.delivered["web/a"] != old

    tell(shop, story)


@pytest.mark.parametrize(
    ("more", "before"),
    [
        ({"renew_before": 10 * DAY}, 10 * DAY),
        ({"renew_percentage": 50}, 45 * DAY),
        ({"renew_before": 91 * DAY}, 30 * DAY),
    ],
)
def test_renewal_as_described(shop: Shop, more: dict[str, Any], before: float) -> None:
    async def story(shop: Shop) -> None:
        shop.want(wanted("a", **more))
        await shop.idle()

    tell(shop, story)
    latest = START + 90 * DAY - before
    assert latest - DAY <= shop.status().renew_at <= latest


def test_another_renewal_rule_moves_the_moment_and_orders_nothing(shop: Shop) -> None:
    async def story(shop: Shop) -> None:
        shop.want(wanted())
        await shop.idle()
        shop.want(wanted("a", renew_before=5 * DAY))
        await shop.idle()

    tell(shop, story)
    assert len(shop.authority.orders) == 1
    assert START + 84 * DAY <= shop.status().renew_at <= START + 85 * DAY


@pytest.mark.parametrize(
    "changed",
    [
        wanted("a", "a.example.com", "b.example.com"),
        wanted("a", private_key=PrivateKey("ECDSA", 384)),
        wanted("a", is_ca=True),
        wanted("a", duration=30 * DAY),
    ],
)
def test_another_description_is_ordered_at_once_and_the_old_one_stays_meanwhile(shop: Shop, changed: Wanted) -> None:
    async def story(shop: Shop) -> None:
        shop.want(wanted())
        await shop.idle()
        old = shop.delivered["web/a"]
        shop.authority.failing = IssueError("no")
        shop.want(changed)
        await shop.idle()
        assert shop.delivered["web/a"] == old
        assert (shop.status().state, shop.status().not_after) == (State.FAILED, START + 90 * DAY)
        shop.authority.failing = None
        await shop.pass_time(120)
        assert shop.delivered["web/a"] != old
        assert shop.status().state is State.READY

    tell(shop, story)


# --- the authority's word ------------------------------------------------------------------------------------


def test_the_window_of_the_authority_counts_and_is_drawn_from_once(shop: Shop) -> None:
    window = Window(START + 20 * DAY, START + 22 * DAY, 6 * HOUR)
    shop.authority.said = window

    async def story(shop: Shop) -> None:
        shop.want(wanted("a", renew_before=5 * DAY))
        await shop.idle()
        moment = shop.status().renew_at
        assert window.start <= moment <= window.end
        await shop.pass_time(6 * HOUR - 1)
        assert len(shop.authority.asked) == 1
        await shop.pass_time(1)
        assert len(shop.authority.asked) == 2
        assert shop.status().renew_at == moment
        # It changes its mind: certificates are revoked.
        shop.authority.said = Window(shop.now - DAY, shop.now, 6 * HOUR)
        await shop.pass_time(6 * HOUR)
        assert len(shop.authority.orders) == 2

    tell(shop, story)


def test_a_window_in_the_past_makes_no_loop(shop: Shop) -> None:
    shop.authority.said = Window(START - 2 * DAY, START - DAY, 60)

    async def story(shop: Shop) -> None:
        shop.want(wanted())
        await shop.idle()
        for _ in range(10):
            await shop.pass_time(60)
        assert len(shop.authority.orders) == 1
        await shop.pass_time(HOUR)
        assert len(shop.authority.orders) == 2

    tell(shop, story)


def test_what_was_drawn_survives_a_restart(shop: Shop) -> None:
    shop.authority.said = Window(START + 20 * DAY, START + 40 * DAY, 6 * HOUR)

    async def story(shop: Shop) -> None:
        shop.want(wanted())
        await shop.idle()

    tell(shop, story)
    moment = shop.status().renew_at
    shop.restart()
    shop.want(wanted())
    assert shop.status().renew_at == moment


# --- failures ------------------------------------------------------------------------------------------------


def test_failures_wait_longer_each_time_and_what_is_in_use_stays(shop: Shop) -> None:
    waits: list[float] = []

    async def story(shop: Shop) -> None:
        shop.authority.failing = IssueError("the authority is down")
        shop.want(wanted())
        await shop.idle()
        for failures in range(1, 8):
            status = shop.status()
            assert (status.state, status.failures) == (State.FAILED, failures)
            assert status.message == "the authority is down"
            waits.append(status.next_attempt - shop.now)
            await shop.pass_time(waits[-1] - 0.5)
            assert len(shop.authority.orders) == failures
            await shop.pass_time(0.5)

    tell(shop, story)
    for wait, least in zip(waits, (60, 300, 1800, 3600, 7200, 14400, 28800), strict=True):
        assert least <= wait <= least * 1.1
    assert shop.manager.counts.failed == 8


def test_the_authority_may_ask_for_more_patience(shop: Shop) -> None:
    async def story(shop: Shop) -> None:
        shop.authority.failing = IssueError("too many", retry_after=5 * HOUR)
        shop.want(wanted())
        await shop.idle()

    tell(shop, story)
    assert 5 * HOUR <= shop.status().next_attempt - START <= 5.5 * HOUR


@pytest.mark.parametrize("restart", [False, True])
def test_a_clock_that_was_a_year_ahead_costs_no_year(shop: Shop, restart: bool) -> None:
    shop.authority.failing = IssueError("down")

    async def ahead(shop: Shop) -> None:
        shop.want(wanted())
        await shop.pass_time(365 * DAY)
        await shop.idle()
        assert shop.status().next_attempt > START + 365 * DAY

    async def right(shop: Shop) -> None:
        shop.authority.failing = None
        shop.now = START + HOUR
        if restart:
            shop.want(wanted())
        shop.manager.poke()
        await shop.until(lambda: shop.status().state is State.READY)

    async def both(shop: Shop) -> None:
        await ahead(shop)
        await right(shop)

    if restart:
        tell(shop, ahead)
        shop.restart()
        tell(shop, right)
    else:
        tell(shop, both)
    assert shop.status().state is State.READY


def test_a_restart_does_not_forget_to_wait(shop: Shop) -> None:
    async def story(shop: Shop) -> None:
        shop.authority.failing = IssueError("too many", retry_after=5 * HOUR)
        shop.want(wanted())
        await shop.idle()

    tell(shop, story)
    shop.restart()
    shop.want(wanted())
    tell(shop, lambda shop: shop.idle())
    assert len(shop.authority.orders) == 1
    assert (shop.status().state, shop.status().message) == (State.FAILED, "too many")


def test_after_a_restart_its_issuer_may_be_gone(shop: Shop) -> None:
    async def failing(shop: Shop) -> None:
        shop.authority.failing = IssueError("down")
        shop.want(wanted())
        await shop.idle()

    async def gone(shop: Shop) -> None:
        shop.want(wanted(), issuer=None)
        await shop.pass_time(HOUR)

    tell(shop, failing)
    shop.restart()
    tell(shop, gone)
    assert (shop.status().state, shop.status().message) == (State.UNUSABLE, "ClusterIssuer le does not exist")
    assert len(shop.authority.orders) == 1


def test_what_cannot_be_waits_for_another_description(shop: Shop) -> None:
    async def story(shop: Shop) -> None:
        shop.authority.failing = IssueError("refused by policy", permanent=True)
        shop.want(wanted())
        await shop.idle()
        assert (shop.status().state, shop.status().next_attempt) == (State.UNUSABLE, 0)
        await shop.pass_time(30 * DAY)
        assert len(shop.authority.orders) == 1
        shop.authority.failing = None
        shop.want(wanted("a", "other.example.com"))
        await shop.idle()
        assert shop.status().state is State.READY

    tell(shop, story)


def test_retry_does_not_wait(shop: Shop) -> None:
    async def story(shop: Shop) -> None:
        shop.authority.failing = IssueError("refused", permanent=True)
        shop.want(wanted("a"), wanted("b"))
        await shop.idle()
        shop.authority.failing = None
        shop.manager.retry("web/a")
        await shop.idle()
        assert (shop.status("web/a").state, shop.status("web/b").state) == (State.READY, State.UNUSABLE)
        shop.manager.retry()
        await shop.idle()
        assert shop.status("web/b").state is State.READY

    tell(shop, story)


def test_an_issuer_that_is_not_there_yet(shop: Shop) -> None:
    async def story(shop: Shop) -> None:
        shop.want(wanted(), issuer=None)
        assert (shop.status().state, shop.status().message) == (State.UNUSABLE, "ClusterIssuer le does not exist")
        shop.want(issuer=issuer(fault="vault issuers are not supported"))
        assert shop.status().message == "vault issuers are not supported"
        await shop.idle()
        assert shop.authority.orders == []
        shop.want(issuer=issuer())
        await shop.idle()
        assert shop.status().state is State.READY

    tell(shop, story)


def test_a_day_without_the_authority_is_one_message(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def story(shop: Shop) -> None:
        shop.authority.failing = IssueError("https://ca.example does not answer")
        shop.want(*(wanted(f"n{number}") for number in range(20)))
        await shop.idle()
        for _ in range(24):
            await shop.pass_time(HOUR)
        assert len(caplog.records) == 1
        shop.authority.failing = None
        await shop.pass_time(DAY)

    tell(shop, story)
    assert {status.state for status in shop.manager.statuses()} == {State.READY}
    assert [record.message for record in caplog.records][1:] == ["ClusterIssuer le gives certificates again"]


def test_an_expired_certificate_is_still_told_of(shop: Shop) -> None:
    async def story(shop: Shop) -> None:
        shop.want(wanted())
        await shop.idle()
        shop.authority.failing = IssueError("down")
        await shop.pass_time(100 * DAY)

    tell(shop, story)
    status = shop.status()
    assert (status.state, status.not_after) == (State.FAILED, START + 90 * DAY)
    assert "web/a" in shop.delivered


def test_what_is_not_what_was_asked_for_is_not_used(shop: Shop) -> None:
    class Careless:
        def __call__(self, *_: object) -> Careless:
            return self

        def obtain(self, item: Wanted, key: Any) -> Any:
            return shop.authority.obtain(structs.replace(item, names=("other.example.com",)), key)

        def window(self, chain: bytes) -> None:
            return None

    shop.manager._obtainer_for = Careless()

    async def story(shop: Shop) -> None:
        shop.want(wanted())
        await shop.idle()

    tell(shop, story)
    assert shop.delivered == {}
    assert "a.example.com is not on it" in shop.status().message


# --- order, number, sharing ----------------------------------------------------------------------------------


def test_those_without_a_certificate_come_first_then_the_nearest_end(tmp_path: Path) -> None:
    shop = Shop(tmp_path, threads=1)

    async def story(shop: Shop) -> None:
        late, soon = wanted("late", present=START + 3 * DAY), wanted("soon", present=START + 2 * DAY)
        shop.want(late, soon, wanted("none"))
        await shop.idle()

    tell(shop, story)
    assert [item.id for item, _ in shop.authority.orders] == ["web/none", "web/soon", "web/late"]


def test_no_more_at_a_time_than_there_are_threads_and_one_of_an_id(shop: Shop) -> None:
    async def story(shop: Shop) -> None:
        shop.authority.gate.clear()
        shop.want(wanted("a"), wanted("b"), wanted("c"))
        await shop.until(lambda: len(shop.authority.orders) == 2)
        shop.want(wanted("a", "x.example.com"))
        shop.manager.want({Key("Secret", "web", "b"): ()}, {})
        shop.want(wanted("b"))
        assert shop.manager.running == 2
        shop.authority.gate.set()
        await shop.idle()

    tell(shop, story)
    assert [item.names for item, _ in shop.authority.orders if item.id == "web/a"] == [
        ("a.example.com",),
        ("x.example.com",),
    ]
    assert [item.id for item, _ in shop.authority.orders].count("web/b") == 1
    assert shop.status("web/a").names == ("x.example.com",)
    assert {status.state for status in shop.manager.statuses()} == {State.READY}


def test_many_of_one_turn_are_one_change(shop: Shop) -> None:
    async def story(shop: Shop) -> None:
        shop.want(*(wanted(f"n{number}") for number in range(30)))
        await shop.idle()

    tell(shop, story)
    shop.restart()
    shop.changes = 0
    shop.want(*(wanted(f"n{number}") for number in range(30)))
    assert (len(shop.deliveries), shop.changes) == (30, 1)


def test_a_wildcard_does_for_what_it_covers(shop: Shop) -> None:
    async def story(shop: Shop) -> None:
        wild = wanted("wild", "*.example.com")
        shop.want(wanted("a", reuse="web/wild"), wild)
        await shop.idle()
        assert [item.id for item, _ in shop.authority.orders] == ["web/wild"]
        assert shop.delivered["web/a"] == shop.delivered["web/wild"]
        assert (shop.status().state, shop.status().message) == (State.READY, "uses the certificate of web/wild")
        await shop.pass_time(61 * DAY)
        assert len(shop.authority.orders) == 2
        assert shop.delivered["web/a"] == shop.delivered["web/wild"]
        # Without it each needs its own.
        shop.manager.want({wild.target: ()}, {})
        await shop.idle()
        assert shop.authority.orders[-1][0].id == "web/a"

    tell(shop, story)


def test_a_certificate_of_the_manifests_is_only_renewed(shop: Shop) -> None:
    async def story(shop: Shop) -> None:
        shop.want(wanted("a", present=START + 80 * DAY))
        await shop.idle()
        assert (shop.authority.orders, shop.status().state) == ([], State.READY)
        assert shop.status().not_after == START + 80 * DAY
        assert START + 49 * DAY <= shop.status().renew_at <= START + 50 * DAY
        await shop.pass_time(51 * DAY)
        assert len(shop.authority.orders) == 1
        # It comes back as what the manifests have.
        shop.want(wanted("a", present=shop.status().not_after))
        await shop.idle()

    tell(shop, story)
    assert len(shop.authority.orders) == 1
    assert len(shop.deliveries) == 1


def test_what_nobody_wants_is_not_renewed_and_comes_back_from_the_disk(shop: Shop) -> None:
    async def story(shop: Shop) -> None:
        item = wanted()
        shop.want(item)
        await shop.idle()
        shop.manager.want({item.target: ()}, {})
        assert shop.manager.statuses() == ()
        await shop.pass_time(61 * DAY)
        shop.now = START
        shop.want(item)
        await shop.idle()

    tell(shop, story)
    assert len(shop.authority.orders) == 1
    assert len(shop.deliveries) == 2


# --- keys ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rotate", [True, False])
def test_rotation(shop: Shop, rotate: bool) -> None:
    async def story(shop: Shop) -> None:
        shop.want(wanted("a", private_key=structs.replace(EC, rotate=rotate)))
        await shop.idle()
        await shop.pass_time(61 * DAY)

    tell(shop, story)
    (_, first), (_, second) = shop.authority.orders
    assert (first == second) is not rotate


def test_the_key_of_an_order_is_on_disk_before_it_begins_and_is_taken_up_again(shop: Shop) -> None:
    item = wanted()

    async def story(shop: Shop) -> None:
        shop.authority.gate.clear()
        shop.want(item)
        await shop.until(lambda: shop.authority.orders)
        assert Store(shop.folder).pending(item.id) == shop.authority.orders[0][1]
        shop.authority.failing = IssueError("no")
        shop.authority.gate.set()
        await shop.idle()

    tell(shop, story)
    shop.restart()
    shop.authority.failing = None
    shop.now += HOUR
    shop.want(item)
    tell(shop, lambda shop: shop.idle())
    (_, first), (_, second) = shop.authority.orders
    assert first == second == shop.delivered[item.id].key
    assert Store(shop.folder).pending(item.id) is None


def test_a_key_is_delivered_as_it_is_described(shop: Shop) -> None:
    async def story(shop: Shop) -> None:
        shop.want(wanted("a"), wanted("b", private_key=PrivateKey("ECDSA", encoding="PKCS8")))
        await shop.idle()

    tell(shop, story)
    assert shop.delivered["web/a"].key.reveal().startswith(b"-----BEGIN EC PRIVATE KEY")
    assert shop.delivered["web/b"].key.reveal().startswith(b"-----BEGIN PRIVATE KEY")


def test_no_key_is_printed(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    class TalkativeError(RuntimeError):
        pass

    async def story(shop: Shop) -> None:
        shop.want(wanted("a"))
        await shop.idle()
        key = shop.delivered["web/a"].key.reveal().decode()
        shop.authority.failing = TalkativeError(key)
        shop.want(wanted("b"))
        await shop.idle()

    tell(shop, story)
    said = caplog.text + repr(shop.manager.statuses()) + repr(shop.delivered) + repr(vars(shop.manager))
    for line in shop.delivered["web/a"].key.reveal().decode().splitlines()[1:-1]:
        assert line not in said
    assert "TalkativeError" in shop.status("web/b").message


# --- the disk ------------------------------------------------------------------------------------------------


def test_a_damaged_file_is_put_aside_and_told_about(shop: Shop) -> None:
    async def story(shop: Shop) -> None:
        shop.want(wanted())
        await shop.idle()

    tell(shop, story)
    (file,) = shop.folder.glob("*.pem")
    damaged = file.read_bytes()[:-200]
    file.write_bytes(damaged)
    shop.restart()
    shop.want(wanted())
    assert "damaged" in shop.status().message
    tell(shop, lambda shop: shop.idle())
    assert shop.status().state is State.READY
    (aside,) = shop.folder.glob("*.damaged-1")
    assert aside.read_bytes() == damaged


def test_moments_that_are_damaged_cost_nothing(shop: Shop) -> None:
    async def story(shop: Shop) -> None:
        shop.want(wanted())
        await shop.idle()

    tell(shop, story)
    (file,) = shop.folder.glob("*.json")
    file.write_bytes(b"\xff{")
    shop.restart()
    shop.want(wanted())
    assert shop.status().state is State.READY
    assert shop.delivered


FULL_DISK = """
    import asyncio, resource, signal, sys
    from pathlib import Path
    from support.issuing import DAY, Shop, wanted

    async def story(shop):
        async with shop.running():
            shop.want(wanted())
            await shop.idle()
            old = shop.delivered["web/a"]
            # Keys and moments still fit, a chain with its key does not.
            resource.setrlimit(resource.RLIMIT_FSIZE, (1200, resource.RLIM_INFINITY))
            await shop.pass_time(61 * DAY)
            status = shop.status()
            assert (status.state.value, status.failures) == ("failed", 1), status
            assert "cannot write" in status.message and "File too large" in status.message, status.message
            assert shop.delivered["web/a"] == old
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            await shop.pass_time(120)
            assert shop.status().state.value == "ready", shop.status()
            assert shop.delivered["web/a"] != old
            assert len(shop.authority.orders) == 2, "what was issued was lost"
            assert shop.delivered["web/a"].key == shop.authority.orders[1][1]

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    asyncio.run(story(Shop(Path(sys.argv[1]))))
"""


def test_a_full_disk_keeps_the_old_one_and_loses_nothing(tmp_path: Path) -> None:
    """In a process of its own, which may not write large files: the kernel refuses, as for a full disk."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", textwrap.dedent(FULL_DISK), str(tmp_path / "state")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_without_a_place_for_the_key_nothing_is_ordered(shop: Shop) -> None:
    shop.folder.parent.mkdir(parents=True, exist_ok=True)
    shop.folder.write_text("in the way")

    async def story(shop: Shop) -> None:
        shop.want(wanted())
        await shop.idle()
        assert shop.authority.orders == []
        assert shop.status().state is State.FAILED
        shop.folder.unlink()
        await shop.pass_time(120)
        assert shop.status().state is State.READY

    tell(shop, story)
