"""DNS-01 challenges in zones of ours: which names are ours to prove, who sees them, and what a killed run leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gatewright.engines.certificates.challenge import DNS, Challenge, SolverError
from gatewright.engines.dns.content import Listen, Plan, ViewConfig
from gatewright.engines.dns.server import DnsServer
from gatewright.runtime.dns_challenges import DnsChallenges
from support.dnsserver import ask, serving, values
from support.dnszones import EVERYBODY, plan, wire

pytestmark = pytest.mark.real

RECORD = "_acme-challenge.www.example.com"
PUBLIC, HOME = ViewConfig("public", EVERYBODY), ViewConfig("home", ("127.0.0.2/32",))
EMPTY = ""


def play(folder: Path, wanted: Plan, scenario: Callable[[DnsServer], Awaitable[None]], *listen: Listen) -> None:
    async def run() -> None:
        async with serving(folder / "dns", wanted, listen or (Listen("127.0.0.1", 0),)) as server:
            await scenario(server)

    asyncio.run(run())


def challenges(server: DnsServer, folder: Path, *theirs: str) -> DnsChallenges:
    domains = [wire(domain) for domain in theirs]
    return DnsChallenges(asyncio.get_running_loop(), server, folder / "up.json", lambda: domains)


def challenge(value: str = "value") -> Challenge:
    return Challenge(DNS, "www.example.com", RECORD, "token", value)


def test_names_are_ours_unless_the_world_asks_somebody_else(tmp_path: Path) -> None:
    async def scenario(server: DnsServer) -> None:
        def is_ours(record: str, *theirs: str) -> bool:
            return challenges(server, tmp_path, *theirs).solver(record) is not None

        assert is_ours(RECORD)
        assert not is_ours("_acme-challenge.example.org")
        # Inside we answer for the domain; the world asks another.
        assert not is_ours("_acme-challenge.inside.example.net", "example.net")
        assert not is_ours("_acme-challenge.inside.example.net", "net")
        assert is_ours("_acme-challenge.inside.example.net", "example.org")
        # Of two public zones the longer one is asked.
        assert is_ours(RECORD, "com")
        assert not is_ours(RECORD, "example.com")
        assert not is_ours(RECORD, "www.example.com")
        assert is_ours(RECORD, "other.example.com")

    zones = {"example.com/public": EMPTY, "example.com/home": EMPTY, "example.net/home": EMPTY}
    play(tmp_path, plan(zones, (PUBLIC, HOME)), scenario)


def test_every_view_shows_it_until_it_is_removed(tmp_path: Path) -> None:
    async def scenario(server: DnsServer) -> None:
        solver = challenges(server, tmp_path).solver(RECORD)
        assert solver is not None
        (at,) = server.bound
        where = Listen("127.0.0.1", at.port)
        await asyncio.to_thread(solver.present, [challenge("one"), challenge("two")])
        for source in ("127.0.0.1", "127.0.0.2"):
            assert sorted(values(await ask(where, RECORD, "TXT", source=source))) == ['"one"', '"two"']
        await asyncio.to_thread(solver.remove, [challenge("one"), challenge("two")])
        assert values(await ask(where, RECORD, "TXT", source="127.0.0.2")) == []
        assert json.loads((tmp_path / "up.json").read_bytes()) == []

    zones = {"example.com/public": EMPTY, "example.com/home": EMPTY}
    play(tmp_path, plan(zones, (PUBLIC, HOME)), scenario, Listen("0.0.0.0", 0))


def test_who_is_no_client_of_the_view_has_to_believe_the_workers(tmp_path: Path) -> None:
    async def scenario(server: DnsServer) -> None:
        solver = challenges(server, tmp_path).solver(RECORD)
        assert solver is not None
        await asyncio.to_thread(solver.present, [challenge()])
        where = Listen("127.0.0.1", server.bound[0].port)
        assert values(await ask(where, RECORD, "TXT", source="127.0.0.2")) == ['"value"']

    play(tmp_path, plan({"example.com/home": EMPTY}, (HOME,)), scenario, Listen("0.0.0.0", 0))


def test_what_a_killed_run_has_left_is_taken_away_but_not_what_is_up(tmp_path: Path) -> None:
    async def killed(server: DnsServer) -> None:
        solver = challenges(server, tmp_path).solver(RECORD)
        assert solver is not None
        await asyncio.to_thread(solver.present, [challenge("left"), challenge("again")])

    async def after(server: DnsServer) -> None:
        ours = challenges(server, tmp_path)
        solver = ours.solver(RECORD)
        assert solver is not None
        (at,) = server.bound
        assert len(values(await ask(at, RECORD, "TXT"))) == 2
        await asyncio.to_thread(solver.present, [challenge("again"), challenge("new")])
        await ours.tidy()
        assert sorted(values(await ask(at, RECORD, "TXT"))) == ['"again"', '"new"']
        await asyncio.to_thread(solver.remove, [challenge("again"), challenge("new")])
        assert values(await ask(at, RECORD, "TXT")) == []

    wanted = plan({"example.com/public": EMPTY}, (PUBLIC,))
    play(tmp_path, wanted, killed)
    assert (tmp_path / "up.json").stat().st_mode & 0o777 == 0o600
    play(tmp_path, wanted, after)


@pytest.mark.parametrize("content", [b"", b"{", b'[["a"]]', b'[["' + b"x" * 300 + b'.example.com", "v"]]'])
def test_a_file_that_is_damaged_hinders_nobody(tmp_path: Path, content: bytes) -> None:
    async def scenario(server: DnsServer) -> None:
        (tmp_path / "up.json").write_bytes(content)
        ours = challenges(server, tmp_path)
        await ours.tidy()
        solver = ours.solver(RECORD)
        assert solver is not None
        await asyncio.to_thread(solver.present, [challenge()])

    play(tmp_path, plan({"example.com/public": EMPTY}, (PUBLIC,)), scenario)


def test_a_name_that_dns_cannot_have_is_refused(tmp_path: Path) -> None:
    async def scenario(server: DnsServer) -> None:
        with pytest.raises(SolverError, match="not a name that DNS can have"):
            challenges(server, tmp_path).solver("x" * 64 + ".example.com")

    play(tmp_path, plan({"example.com/public": EMPTY}, (PUBLIC,)), scenario)
