"""The DNS server as its clients meet it: dnspython and dig over UDP and TCP, both families, views, changes, crashes."""

import asyncio
import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import msgspec
import pytest

from gatewright.base.errors import EngineError
from gatewright.engines.dns.content import Listen, Plan, ViewConfig
from gatewright.engines.dns.server import DnsServer
from gatewright.system.processes import start_time_of
from support.dnsserver import SECONDS, ask, has_ipv6, serving, values
from support.dnszones import EVERYBODY, names_of, plan, wire
from support.needs import REPOSITORY, binary

pytestmark = pytest.mark.real

ZONE = (
    """
@ A 192.0.2.1
www A 192.0.2.2
www AAAA 2001:db8::2
*.wild A 192.0.2.3
deep.ent A 192.0.2.4
alias CNAME www
sub NS ns.sub
ns.sub A 192.0.2.5
big TXT """
    + " ".join('"' + "x" * 250 + '"' for _ in range(8))
    + "\n"
)


def changed(server_plan: Plan, text: str, domain: str = "example.com") -> Plan:
    names = names_of(text, domain)
    return Plan(server_plan.views, server_plan.zones, {zone.id: names for zone in server_plan.zones})


def test_semantics_over_udp_and_tcp(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path, plan({"example.com": ZONE}), workers=2) as server:
            at = server.bound[0]
            for tcp in (False, True):
                www = await ask(at, "wWw.eXample.com", tcp=tcp)
                assert values(www) == ["192.0.2.2"]
                assert www.flags & dns.flags.AA
                assert not www.flags & dns.flags.RA
                assert str(www.question[0].name) == "wWw.eXample.com."
                assert values(await ask(at, "any.thing.wild.example.com", tcp=tcp)) == ["192.0.2.3"]
                assert values(await ask(at, "alias.example.com", tcp=tcp)) == ["www.example.com.", "192.0.2.2"]
                empty = await ask(at, "ent.example.com", tcp=tcp)
                assert (empty.rcode(), values(empty)) == (dns.rcode.NOERROR, [])
                assert empty.authority[0].ttl == 60
                absent = await ask(at, "absent.example.com", tcp=tcp)
                assert absent.rcode() == dns.rcode.NXDOMAIN
                referral = await ask(at, "x.sub.example.com", tcp=tcp)
                assert not referral.flags & dns.flags.AA
                assert referral.authority[0].rdtype == dns.rdatatype.NS
                assert [str(rdata) for rdata in referral.additional[0]] == ["192.0.2.5"]
                foreign = await ask(at, "example.org", tcp=tcp)
                assert foreign.rcode() == dns.rcode.REFUSED
            assert (await ask(at, "big.example.com", "TXT")).flags & dns.flags.TC
            assert len(values(await ask(at, "big.example.com", "TXT", tcp=True))[0]) > 2000
            chaos = await ask(at, "version.bind", "TXT", rdclass="CH")
            assert chaos.rcode() == dns.rcode.REFUSED

    asyncio.run(scenario())


def test_edns(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path, plan({"example.com": ZONE})) as server:
            at = server.bound[0]
            with_edns = await ask(at, "www.example.com", use_edns=0, payload=4096, want_dnssec=True)
            assert with_edns.edns == 0
            assert with_edns.payload == 1232
            assert with_edns.ednsflags & dns.flags.DO
            without = await ask(at, "www.example.com", use_edns=False)
            assert without.edns == -1
            future = await ask(at, "www.example.com", use_edns=1)
            assert future.rcode() == dns.rcode.BADVERS

    asyncio.run(scenario())


def test_dig_and_kdig_agree(tmp_path: Path) -> None:
    dig, kdig = binary("dig"), binary("kdig")

    async def scenario() -> None:
        async with serving(tmp_path, plan({"example.com": ZONE})) as server:
            at = server.bound[0]
            for program, extra in ((dig, ["+cookie"]), (dig, ["+tcp"]), (kdig, ["+edns"]), (kdig, ["+tcp"])):
                command = [program, f"@{at.address}", "-p", str(at.port), "www.example.com", "AAAA", "+short", *extra]
                found = await asyncio.to_thread(
                    subprocess.run, command, capture_output=True, text=True, timeout=SECONDS
                )
                assert found.stdout.strip() == "2001:db8::2", found

    asyncio.run(scenario())


@pytest.mark.parametrize("address", ["::1", "::", "0.0.0.0"])
def test_other_addresses(address: str, tmp_path: Path) -> None:
    if ":" in address and not has_ipv6():
        pytest.skip("no IPv6 loopback address here")

    async def scenario() -> None:
        async with serving(tmp_path, plan({"example.com": ZONE}), (Listen(address, 0),)) as server:
            port = server.bound[0].port
            for target in ("::1",) if ":" in address else ("127.0.0.1", "127.0.0.77"):
                for tcp in (False, True):  # dnspython takes an answer only from the address that it asked
                    assert values(await ask(Listen(target, port), "www.example.com", tcp=tcp)) == ["192.0.2.2"]

    asyncio.run(scenario())


VIEWS = (
    ViewConfig("lan", ("127.0.1.0/24", "10.0.0.0/8")),
    ViewConfig("vpn", (), listen=("127.0.0.2",)),
    ViewConfig("public", ("127.0.0.0/8",), client_subnet=True),
    ViewConfig("cdn", ("198.51.100.0/24",), client_subnet=True),
)
BY_VIEW = {f"example.com/{view}": f"www A 192.0.2.{n}" for n, view in enumerate(("lan", "vpn", "public", "cdn"), 1)}


def test_views_by_client_listener_and_client_subnet(tmp_path: Path) -> None:
    listens = (Listen("127.0.0.1", 0), Listen("127.0.0.2", 0), Listen("127.0.0.3", 0, "lan"))

    async def scenario() -> None:
        async with serving(tmp_path, plan(BY_VIEW, VIEWS), listens) as server:
            by_client, by_listen, fixed = server.bound
            for tcp in (False, True):
                assert values(await ask(by_client, "www.example.com", tcp=tcp, source="127.0.1.5")) == ["192.0.2.1"]
                assert values(await ask(by_client, "www.example.com", tcp=tcp, source="127.0.0.9")) == ["192.0.2.3"]
                assert values(await ask(by_listen, "www.example.com", tcp=tcp, source="127.0.1.5")) == ["192.0.2.2"]
                assert values(await ask(fixed, "www.example.com", tcp=tcp, source="127.0.0.9")) == ["192.0.2.1"]
            told = dns.edns.ECSOption("198.51.100.0", 24, 0)
            found = await ask(by_client, "www.example.com", use_edns=0, options=[told])
            assert values(found) == ["192.0.2.4"]
            assert found.options[0].scopelen == 24
            # A view that reads no client subnets is not given away by claiming to come from it.
            lie = dns.edns.ECSOption("10.1.2.0", 24, 0)
            assert values(await ask(by_client, "www.example.com", use_edns=0, options=[lie])) == ["192.0.2.3"]

    asyncio.run(scenario())


@pytest.mark.parametrize("tcp", [False, True])
def test_on_all_addresses_the_one_that_was_asked_decides(tmp_path: Path, tcp: bool) -> None:
    async def scenario() -> None:
        async with serving(tmp_path, plan(BY_VIEW, VIEWS), (Listen("0.0.0.0", 0),)) as server:
            port = server.bound[0].port
            for address, answer in (("127.0.0.1", "192.0.2.1"), ("127.0.0.2", "192.0.2.2"), ("127.0.0.3", "192.0.2.1")):
                found = await ask(Listen(address, port), "www.example.com", tcp=tcp, source="127.0.1.5")
                assert values(found) == [answer]

    asyncio.run(scenario())


def test_clients_without_a_view_are_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path, plan({"example.com/lan": ZONE}, (ViewConfig("lan", ("10.0.0.0/8",)),))) as server:
            assert (await ask(server.bound[0], "www.example.com")).rcode() == dns.rcode.REFUSED

    asyncio.run(scenario())


def test_a_change_is_answered_when_settled(tmp_path: Path) -> None:
    async def scenario() -> None:
        first = plan({"example.com": ZONE})
        async with serving(tmp_path, first, workers=2) as server:
            at = server.bound[0]
            before = (await ask(at, "example.com", "SOA")).answer[0][0].serial
            for number in range(20):
                server.apply(changed(first, f"www A 198.51.100.{number}\nnew{number} A 192.0.2.7"))
                await server.settled()
                for _ in range(4):  # whichever worker it is
                    assert values(await ask(at, "www.example.com")) == [f"198.51.100.{number}"]
                    assert values(await ask(at, f"new{number}.example.com")) == ["192.0.2.7"]
            assert (await ask(at, "example.com", "SOA")).answer[0][0].serial > before
            server.put("example.com/lan", wire("_acme-challenge.example.com"), 16, b"\5token", 30)
            await server.settled()
            assert values(await ask(at, "_acme-challenge.example.com", "TXT")) == ['"token"']
            server.take_away("example.com/lan", wire("_acme-challenge.example.com"), 16, b"\5token")
            server.apply(Plan(first.views, (), {}))
            await server.settled()
            assert (await ask(at, "www.example.com")).rcode() == dns.rcode.REFUSED

    asyncio.run(scenario())


def test_pipelined_queries_and_limits_of_a_connection(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path, plan({"example.com": ZONE})) as server:
            at = server.bound[0]
            reader, writer = await asyncio.open_connection(at.address, at.port)
            queries = [dns.message.make_query(f"n{i}.wild.example.com", "A") for i in range(500)]
            for query in queries:
                body = query.to_wire()
                writer.write(struct.pack("!H", len(body)) + body)
            for query in queries:
                size = int.from_bytes(await asyncio.wait_for(reader.readexactly(2), SECONDS))
                answer = dns.message.from_wire(await reader.readexactly(size))
                assert query.is_response(answer)
            writer.write(b"\0\5short")
            assert await asyncio.wait_for(reader.read(), SECONDS) == b""
            writer.close()

    asyncio.run(scenario())


def test_a_taken_address_is_named(tmp_path: Path) -> None:
    async def scenario() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            server = DnsServer(tmp_path, (Listen("127.0.0.1", port),), 1)
            with pytest.raises(EngineError, match=f"127.0.0.1 port {port}"):
                await server.start()
        with socket.socket(type=socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            server = DnsServer(tmp_path, (Listen("127.0.0.1", port),), 1)
            with pytest.raises(EngineError, match=f"127.0.0.1 port {port}"):
                await server.start()

    asyncio.run(scenario())


def test_a_crashed_worker_is_started_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        first = plan({"example.com": ZONE})
        async with serving(tmp_path, first) as server:
            (crashed,) = server.pids()
            os.kill(crashed, signal.SIGKILL)
            server.apply(changed(first, "www A 198.51.100.9"))
            async with asyncio.timeout(SECONDS):
                while not server.pids() or crashed in server.pids():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                await server.settled()
            assert values(await ask(server.bound[0], "www.example.com")) == ["198.51.100.9"]

    asyncio.run(scenario())


CONTROL = """
import asyncio, sys
from pathlib import Path
from support.dnszones import plan
from gatewright.engines.dns.content import Listen
from gatewright.engines.dns.server import DnsServer
from gatewright.system.processes import start_time_of

async def main():
    server = DnsServer(Path(sys.argv[1]), (Listen("127.0.0.1", int(sys.argv[2])),), 2)
    await server.start()
    server.apply(plan({"example.com": sys.argv[3]}))
    await server.settled()
    print(server.bound[0].port, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


class Asking:
    """Queries in a thread's time, each with its own socket, so that every worker has its share."""

    def __init__(self, port: int) -> None:
        self.at = Listen("127.0.0.1", port)
        self.lost = self.asked = 0
        self.seen: set[str] = set()
        self.ended = False

    async def run(self) -> None:
        while not self.ended:
            try:
                message = dns.message.make_query("www.example.com", "A")
                answer = await dns.asyncquery.udp(message, "127.0.0.1", timeout=2.0, port=self.at.port)
                self.seen.update(values(answer))
            except dns.exception.Timeout:
                self.lost += 1
            self.asked += 1

    async def ask_more(self, count: int) -> None:
        wanted = self.asked + count
        async with asyncio.timeout(SECONDS):
            while self.asked < wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


def test_workers_outlive_the_control_plane_and_are_taken_over(tmp_path: Path) -> None:
    async def control(port: int, text: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CONTROL, str(tmp_path / "state"), str(port), text),
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": f"{REPOSITORY}/tests"},
        )

    async def scenario() -> None:
        first = await control(0, "www A 192.0.2.1")
        assert first.stdout is not None
        port = int(await asyncio.wait_for(first.stdout.readline(), SECONDS))
        asking = Asking(port)
        tasks = [asyncio.create_task(asking.run()) for _ in range(4)]
        await asking.ask_more(100)
        first.kill()
        await first.wait()
        await asking.ask_more(500)
        assert asking.seen == {"192.0.2.1"}
        record = tmp_path / "state" / "workers.json"
        old = {each["pid"] for each in msgspec.json.decode(record.read_bytes())}
        server = DnsServer(tmp_path / "state", (Listen("127.0.0.1", port),), 2)
        await server.start()
        try:
            server.apply(plan({"example.com": "www A 192.0.2.2"}))
            await server.settled()
            async with asyncio.timeout(SECONDS):
                while any(start_time_of(pid) is not None for pid in old):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await asking.ask_more(500)
            assert asking.seen == {"192.0.2.1", "192.0.2.2"}
            assert asking.lost == 0, f"{asking.lost} of {asking.asked}"
        finally:
            asking.ended = True
            await asyncio.gather(*tasks)
            await server.stop()
        with contextlib.closing(socket.socket(type=socket.SOCK_DGRAM)) as probe:
            probe.bind(("127.0.0.1", port))  # nobody is left on it

    asyncio.run(scenario())


def test_detached_workers_answer_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        server = DnsServer(tmp_path, (Listen("127.0.0.1", 0),), 1)
        await server.start()
        server.apply(plan({"example.com": ZONE}))
        await server.settled()
        at = server.bound[0]
        await server.detach()
        assert values(await ask(at, "www.example.com")) == ["192.0.2.2"]
        again = DnsServer(tmp_path, (at,), 1)
        await again.start()
        await again.stop()
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                await dns.asyncquery.udp(dns.message.make_query("www.example.com", "A"), at.address, 0.2, at.port)
            except (dns.exception.Timeout, OSError):
                break
            assert time.monotonic() < deadline

    asyncio.run(scenario())


def test_counts(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path, plan({"example.com": ZONE}, (ViewConfig("lan", EVERYBODY),))) as server:
            for _ in range(3):
                await ask(server.bound[0], "www.example.com")
            await ask(server.bound[0], "absent.example.com")
            await ask(server.bound[0], "big.example.com", "TXT")
            async with asyncio.timeout(SECONDS):
                while server.stats().get("lan") is None or server.stats()["lan"].queries < 5:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            counts = server.stats()["lan"]
            assert counts.rcodes == {0: 4, 3: 1}
            assert counts.truncated == 1

    asyncio.run(scenario())
