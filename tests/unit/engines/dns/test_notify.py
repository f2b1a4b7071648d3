"""NOTIFY (RFC 1996) to secondaries that answer, refuse, lie or are silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest

from gatewright.engines.dns import notify
from gatewright.engines.dns.content import KeyConfig, Listen, SecondaryConfig, ViewConfig
from gatewright.engines.dns.notify import Notifier
from gatewright.engines.dns.primary import Primary
from support.zonal import client_key, key, plan, rrset, view

KEY = key("secondary", secret=b"s" * 32)
ZONE = "example.com/public"
DEADLINE = 60.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(notify, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(notify, "MOST_SECONDS", 0.02)


class Secondary(asyncio.DatagramProtocol):
    """Answers as it is told: a response code, or None for silence."""

    def __init__(self, signer: KeyConfig | None = None) -> None:
        self.signer = signer
        self.code: int | None = 0
        self.signs = signer is not None
        self.heard: list[dns.message.Message] = []
        self.sources: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    @property
    def port(self) -> int:
        return int(self.transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        keyring = {client_key(self.signer).name: client_key(self.signer)} if self.signer else None
        message = dns.message.from_wire(data, keyring=keyring)
        self.heard.append(message)
        self.sources.append(address[0])
        if self.code is None:
            return
        reply = dns.message.make_response(message)
        reply.set_rcode(self.code)
        if not self.signs:
            reply.keyring, reply.tsig = None, None
        self.transport.sendto(reply.to_wire(), address)

    def serials(self) -> list[int]:
        return [message.answer[0][0].serial for message in self.heard]


@asynccontextmanager
async def secondary(signer: KeyConfig | None = None) -> AsyncIterator[Secondary]:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Secondary(signer), local_addr=("127.0.0.1", 0)
    )
    try:
        yield protocol
    finally:
        transport.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110  (of what others do, nobody tells)
            await asyncio.sleep(0.005)


def change(primary: Primary, number: int) -> None:
    primary.take(plan({"n": (rrset("A", f"192.0.2.{number}"),)}))


def described(other: Secondary, signer: KeyConfig | None = None) -> ViewConfig:
    at = SecondaryConfig("127.0.0.1", other.port, signer.name if signer is not None else b"")
    return view(keys=(KEY,), secondaries=(at,))


def run(
    tmp_path: Path, story: Callable[[Primary, Secondary, Notifier], Awaitable[None]], signer: KeyConfig | None = None
) -> None:
    """The story with a secondary that was told of once, at the start."""

    async def told() -> None:
        primary = Primary(tmp_path)
        primary.take(plan())
        async with secondary(signer) as other:
            notifier = Notifier(primary.zones, (Listen("127.0.0.1", 53),))
            notifier.configure([described(other, signer)])
            await until(lambda: notifier.statuses[0].acknowledged is not None)
            assert other.serials() == [primary.zones[ZONE].serial]
            await story(primary, other, notifier)
            await notifier.close()

    asyncio.run(told())


@pytest.mark.parametrize("signer", [None, KEY])
def test_each_change_is_told_once(tmp_path: Path, signer: KeyConfig | None) -> None:
    async def story(primary: Primary, other: Secondary, notifier: Notifier) -> None:
        change(primary, 1)
        notifier.changed(ZONE)
        serial = primary.zones[ZONE].serial
        await until(lambda: notifier.statuses[0].acknowledged == serial)
        message = other.heard[-1]
        assert message.opcode() == dns.opcode.NOTIFY
        assert message.question[0].rdtype == dns.rdatatype.SOA
        assert message.had_tsig == (signer is not None)
        assert other.serials()[1:] == [serial]
        assert set(other.sources) == {"127.0.0.1"}

    run(tmp_path, story, signer)


def test_a_burst_is_one_message(tmp_path: Path) -> None:
    async def story(primary: Primary, other: Secondary, notifier: Notifier) -> None:
        for number in range(1, 50):
            change(primary, number)
            notifier.changed(ZONE)
        serial = primary.zones[ZONE].serial
        await until(lambda: notifier.statuses[0].acknowledged == serial)
        assert other.serials()[1:] == [serial]

    run(tmp_path, story)


def test_silence_is_repeated_until_it_is_acknowledged(tmp_path: Path) -> None:
    async def story(primary: Primary, other: Secondary, notifier: Notifier) -> None:
        other.code = None
        change(primary, 1)
        notifier.changed(ZONE)
        await until(lambda: len(other.heard) == 3)
        other.code = 0
        await until(lambda: notifier.statuses[0].acknowledged == primary.zones[ZONE].serial)

    run(tmp_path, story)


def test_it_is_given_up_until_the_next_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "ATTEMPTS", 3)
    monkeypatch.setattr(notify, "ANSWER_SECONDS", 0.02)

    async def story(primary: Primary, other: Secondary, notifier: Notifier) -> None:
        other.code = None
        known = notifier.statuses[0].acknowledged
        change(primary, 1)
        notifier.changed(ZONE)
        await until(lambda: notifier.statuses[0].given_up)
        assert notifier.statuses[0].acknowledged == known
        assert len(other.heard) == 1 + 3
        other.code = 0
        change(primary, 2)
        notifier.changed(ZONE)
        assert not notifier.statuses[0].given_up
        await until(lambda: notifier.statuses[0].acknowledged == primary.zones[ZONE].serial)

    run(tmp_path, story)


def test_news_wakes_who_waits_to_repeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(primary: Primary, other: Secondary, notifier: Notifier) -> None:
        monkeypatch.setattr(notify, "FIRST_SECONDS", 3600.0)
        monkeypatch.setattr(notify, "MOST_SECONDS", 3600.0)
        other.code = dns.rcode.SERVFAIL
        change(primary, 1)
        notifier.changed(ZONE)
        await until(lambda: notifier.statuses[0].rcode == dns.rcode.SERVFAIL)
        other.code = 0
        change(primary, 2)
        notifier.changed(ZONE)
        await until(lambda: notifier.statuses[0].acknowledged == primary.zones[ZONE].serial)

    run(tmp_path, story)


def test_an_unsigned_acknowledgement_is_none(tmp_path: Path) -> None:
    async def story(primary: Primary, other: Secondary, notifier: Notifier) -> None:
        other.signs = False
        known = notifier.statuses[0].acknowledged
        change(primary, 1)
        notifier.changed(ZONE)
        await until(lambda: len(other.heard) >= 3)
        assert notifier.statuses[0].acknowledged == known

    run(tmp_path, story, KEY)


def test_who_is_no_secondary_any_more_is_forgotten(tmp_path: Path) -> None:
    async def story(primary: Primary, other: Secondary, notifier: Notifier) -> None:
        notifier.configure([view()])
        assert notifier.statuses == ()
        notifier.changed(ZONE)
        notifier.configure([described(other)])
        await until(lambda: notifier.statuses[0].acknowledged is not None)
        assert len(other.heard) == 2

    run(tmp_path, story)


def test_a_zone_that_goes_while_its_secondary_is_silent(tmp_path: Path) -> None:
    async def story(primary: Primary, other: Secondary, notifier: Notifier) -> None:
        other.code = None
        change(primary, 1)
        notifier.changed(ZONE)
        await until(lambda: len(other.heard) == 2)
        primary.take(plan(zones=[]))
        notifier.configure([described(other)])
        assert notifier.statuses == ()

    run(tmp_path, story)
