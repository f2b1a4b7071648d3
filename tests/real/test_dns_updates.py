"""Others' clients of RFC 2136 and of transfers: nsupdate, knsupdate, dig, kdig, and cert-manager's exchange."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import random
import struct
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from gatewright.engines.dns.content import GrantConfig, KeyConfig, Listen, SecondaryConfig
from gatewright.engines.dns.server import DnsServer
from support.dnsserver import SECONDS, ask, serving, values
from support.needs import binary
from support.secondaries import name_of, secret_of
from support.zonal import DOMAIN, key, plan, view, wire

pytestmark = pytest.mark.real

MANAGER = key("cert-manager", secret=b"m" * 32)
COPYIST = key("copyist", secret=b"c" * 32)
CHALLENGE = f"_acme-challenge.{DOMAIN}"
GRANT = GrantConfig(MANAGER.name, (wire(CHALLENGE), wire(f"*.{DOMAIN}")), (16,))
VIEW = view(
    keys=(key(), MANAGER, COPYIST),
    grants=(GrantConfig(key().name), GRANT),
    secondaries=(SecondaryConfig("127.0.0.1", 9, COPYIST.name),),
)
Story = Callable[[DnsServer, Listen], Awaitable[None]]


def run(folder: Path, story: Story) -> None:
    """The story with a server of two workers."""

    async def told() -> None:
        async with serving(folder, plan(views=[VIEW]), workers=2) as server:
            await story(server, server.bound[0])

    asyncio.run(told())


async def command(program: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [binary(program), *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


async def texts(at: Listen, name: str = CHALLENGE) -> set[str]:
    return {value.strip('"') for value in values(await ask(at, name, "TXT"))}


def key_file(folder: Path, each: KeyConfig, program: str) -> str:
    """The key where no process list shows it, as BIND's tools and Knot's read it."""
    path = folder / f"{name_of(each)}.key"
    path.write_text(
        f"{each.algorithm}:{name_of(each)}:{secret_of(each)}\n"
        if program == "kdig"
        else f'key "{name_of(each)}" {{ algorithm {each.algorithm}; secret "{secret_of(each)}"; }};\n'
    )
    path.chmod(0o600)
    return str(path)


@pytest.mark.parametrize("program", ["nsupdate", "knsupdate"])
@pytest.mark.parametrize("tcp", [False, True])
def test_update_clients(tmp_path: Path, program: str, tcp: bool) -> None:
    async def story(server: DnsServer, at: Listen) -> None:
        async def send(*lines: str, each: KeyConfig = MANAGER) -> str:
            """The response code in words; "" for NOERROR."""
            script = [f"server {at.address} {at.port}", f"zone {DOMAIN}.", *lines, "send"]
            if program == "nsupdate":
                arguments = ["-k", key_file(tmp_path, each, program)]
            else:
                script.insert(0, f"key {each.algorithm}:{name_of(each)} {secret_of(each)}")
                arguments = []
            if tcp:
                arguments.append("-v")
            done = await command(program, *arguments, text="\n".join(script) + "\n")
            said = done.stdout + done.stderr
            return next((code for code in ("REFUSED", "NXRRSET", "NOTAUTH", "NOTZONE") if code in said), said.strip())

        assert await send(f'update add {CHALLENGE}. 60 TXT "one"', f'update add {CHALLENGE}. 60 TXT "two"') == ""
        await server.settled()
        assert await texts(at) == {"one", "two"}
        assert await send(f'update delete {CHALLENGE}. TXT "one"') == ""
        await server.settled()
        assert await texts(at) == {"two"}
        assert await send(f"prereq yxrrset {CHALLENGE}. A", f"update delete {CHALLENGE}. TXT") == "NXRRSET"
        assert await send(f"prereq yxrrset {CHALLENGE}. TXT", f"update delete {CHALLENGE}. TXT") == ""
        await server.settled()
        assert await texts(at) == set()
        assert await send(f"update add www.{DOMAIN}. 60 A 192.0.2.66") == "REFUSED"
        assert await send(f"update delete www.{DOMAIN}. A", each=key()) == "REFUSED"
        said = await send(f'update add {CHALLENGE}. 60 TXT "x"', each=key("cert-manager"))  # of another secret
        assert "NOTAUTH" in said or "BADSIG" in said

    run(tmp_path, story)


@pytest.mark.parametrize("program", ["dig", "kdig"])
def test_transfer_clients(tmp_path: Path, program: str) -> None:
    async def story(server: DnsServer, at: Listen) -> None:
        async def copy(kind: str, each: KeyConfig | None) -> list[str]:
            signature = ["-k", key_file(tmp_path, each, program)] if each is not None else []
            done = await command(program, f"@{at.address}", "-p", str(at.port), *signature, DOMAIN, kind)
            return [
                line
                for line in done.stdout.splitlines()
                if line and not line.startswith(";") and "\tTSIG\t" not in line
            ]

        records = await copy("AXFR", COPYIST)
        assert len(records) == 2 + 6
        assert [record.split()[3] for record in (records[0], records[-1])] == ["SOA", "SOA"]
        assert await copy("AXFR", None) == []
        assert await copy("AXFR", MANAGER) == []
        serial = server.primary.zones[f"{DOMAIN}/public"].serial
        server.put(f"{DOMAIN}/public", wire(CHALLENGE), 16, b"\3one", 60)
        await server.settled()
        assert len(await copy(f"IXFR={serial}", COPYIST)) == 5
        assert len(await copy(f"IXFR={serial + 1}", COPYIST)) == 1

    run(tmp_path, story)


# --- cert-manager's rfc2136 solver ----------------------------------------------------------------
#
# As it goes over the wire from its Go library: names uncompressed in the zone section and compressed nowhere, no EDNS,
# fudge 300.  To present a challenge it asks for the SOA of the name and of each parent until one has it, then deletes
# the set and adds the record in one update; to clean up it deletes that very record.


def solver_query(name: str, id: int) -> bytes:
    return struct.pack("!HHHHHH", id, 0x0100, 1, 0, 0, 0) + wire(name) + struct.pack("!HH", 6, 1)


def solver_update(zone: str, changes: list[bytes], id: int) -> bytes:
    head = struct.pack("!HHHHHH", id, 5 << 11, 1, 0, len(changes), 0)
    return head + wire(zone) + struct.pack("!HH", 6, 1) + b"".join(changes)


def solver_record(name: str, rclass: int, ttl: int, value: str = "") -> bytes:
    """A TXT of one string; a whole set without."""
    data = bytes([len(value)]) + value.encode() if value else b""
    return wire(name) + struct.pack("!HHIH", 16, rclass, ttl, len(data)) + data


ALGORITHM = b"\x0bhmac-sha256\0"


def solver_sign(message: bytes, each: KeyConfig, now: int) -> bytes:
    """RFC 8945, 4.3, by hand."""
    timers = now.to_bytes(6) + struct.pack("!H", 300)
    variables = each.name + struct.pack("!HI", 255, 0) + ALGORITHM + timers + struct.pack("!HH", 0, 0)
    mac = hmac.digest(each.secret.reveal(), message + variables, hashlib.sha256)
    data = ALGORITHM + timers + struct.pack("!H", len(mac)) + mac + message[:2] + struct.pack("!HH", 0, 0)
    record = each.name + struct.pack("!HHIH", 250, 255, 0, len(data)) + data
    return message[:10] + struct.pack("!H", 1) + message[12:] + record


def solver_checked(reply: bytes, request: bytes, each: KeyConfig) -> int:
    """The response code, after the check of the signature that the library makes: over the request's MAC, the answer
    without its TSIG, and the variables."""
    mac_size = 32
    request_mac = request[-mac_size - 6 : -6]
    size = len(each.name) + 10 + len(ALGORITHM) + 10 + mac_size + 6
    at = len(reply) - size
    assert reply[at : at + len(each.name)] == each.name
    data = reply[at + len(each.name) + 10 :]
    timers, mac = data[len(ALGORITHM) : len(ALGORITHM) + 8], data[-mac_size - 6 : -6]
    bare = reply[:10] + struct.pack("!H", int.from_bytes(reply[10:12]) - 1) + reply[12:at]
    variables = each.name + struct.pack("!HI", 255, 0) + ALGORITHM + timers + data[-4:]
    digested = struct.pack("!H", mac_size) + request_mac + bare + variables
    assert hmac.compare_digest(mac, hmac.digest(each.secret.reveal(), digested, hashlib.sha256))
    assert abs(int.from_bytes(timers[:6]) - time.time()) < 300
    return reply[3] & 0xF


async def exchange(at: Listen, message: bytes, tcp: bool) -> bytes:
    """One message there and one back."""
    async with asyncio.timeout(SECONDS):
        if tcp:
            reader, writer = await asyncio.open_connection(at.address, at.port)
            writer.write(len(message).to_bytes(2) + message)
            reply = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
            writer.close()
            await writer.wait_closed()
            return reply
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[bytes] = loop.create_future()

        class Client(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, _: object) -> None:
                answered.set_result(data)

        transport, _ = await loop.create_datagram_endpoint(Client, remote_addr=(at.address, at.port))
        try:
            transport.sendto(message)
            return await answered
        finally:
            transport.close()


class Solver:
    """The solver's side."""

    def __init__(self, at: Listen, tcp: bool) -> None:
        self.at = at
        self.tcp = tcp

    async def zone(self, name: str) -> str:
        """The first of the name and its parents that an SOA is answered for."""
        labels = name.split(".")
        for start in range(len(labels)):
            parent = ".".join(labels[start:])
            reply = dns.message.from_wire(
                await exchange(self.at, solver_query(parent, random.randrange(65536)), self.tcp)
            )
            assert reply.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
            if any(rrset.rdtype == 6 and rrset.name.to_text() == f"{parent}." for rrset in reply.answer):
                return parent
        pytest.fail(f"no zone for {name}")

    async def send(self, name: str, *changes: bytes, each: KeyConfig = MANAGER, skew: int = 0) -> int:
        message = solver_update(await self.zone(name), list(changes), random.randrange(65536))
        request = solver_sign(message, each, int(time.time()) + skew)
        return solver_checked(await exchange(self.at, request, self.tcp), request, each)

    async def present(self, name: str, value: str, *, replacing: bool = True) -> int:
        first = [solver_record(name, 255, 0)] if replacing else []
        return await self.send(name, *first, solver_record(name, 1, 60, value))

    async def clean_up(self, name: str, value: str) -> int:
        return await self.send(name, solver_record(name, 254, 0, value))


@pytest.mark.parametrize("tcp", [False, True])
def test_cert_manager_solves_its_challenges(tmp_path: Path, tcp: bool) -> None:
    apex, wildcard = (base64.urlsafe_b64encode(bytes([n]) * 32).rstrip(b"=").decode() for n in (1, 2))

    async def story(server: DnsServer, at: Listen) -> None:
        solver = Solver(at, tcp)
        deep = f"_acme-challenge.www.{DOMAIN}"
        assert await solver.zone(deep) == DOMAIN
        # It has one challenge of a name going at a time, and each replaces what was left there.
        for value in (apex, wildcard):
            assert await solver.present(deep, value) == dns.rcode.NOERROR
            await server.settled()
            assert await texts(at, deep) == {value}
            assert await solver.clean_up(deep, value) == dns.rcode.NOERROR
            await server.settled()
            assert (await ask(at, deep, "TXT")).rcode() == dns.rcode.NXDOMAIN
        # Apex and wildcard share a name: two values, added and removed one by one.
        assert await solver.present(CHALLENGE, apex, replacing=False) == dns.rcode.NOERROR
        assert await solver.present(CHALLENGE, wildcard, replacing=False) == dns.rcode.NOERROR
        await server.settled()
        assert await texts(at) == {apex, wildcard}
        assert await solver.clean_up(CHALLENGE, apex) == dns.rcode.NOERROR
        await server.settled()
        assert await texts(at) == {wildcard}
        assert await solver.clean_up(CHALLENGE, wildcard) == dns.rcode.NOERROR
        assert await solver.clean_up(CHALLENGE, wildcard) == dns.rcode.NOERROR, "again: its first answer may get lost"
        await server.settled()
        assert await texts(at) == set()

    run(tmp_path, story)


def test_cert_manager_with_a_wrong_clock(tmp_path: Path) -> None:
    async def story(_: DnsServer, at: Listen) -> None:
        solver = Solver(at, tcp=False)
        change = solver_record(CHALLENGE, 1, 60, "x")
        for skew in (-600, 600):
            request = solver_sign(solver_update(DOMAIN, [change], 7), MANAGER, int(time.time()) + skew)
            reply = await exchange(at, request, tcp=False)
            assert reply[3] & 0xF == dns.rcode.NOTAUTH
            assert dns.message.from_wire(reply, keyring=False).tsig_error == dns.rcode.BADTIME
        assert await texts(at) == set()
        assert await solver.send(CHALLENGE, change, skew=200) == dns.rcode.NOERROR

    run(tmp_path, story)


def test_updates_survive_a_restart(tmp_path: Path) -> None:
    async def before(_: DnsServer, at: Listen) -> None:
        assert await Solver(at, tcp=False).present(CHALLENGE, "kept") == dns.rcode.NOERROR

    async def after(_: DnsServer, at: Listen) -> None:
        assert await texts(at) == {"kept"}

    run(tmp_path, before)
    run(tmp_path, after)
