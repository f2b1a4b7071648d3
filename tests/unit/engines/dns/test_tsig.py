"""Signed requests (RFC 8945): who is let in, and what the others are told."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import dns.tsig
import pytest

from gatewright.engines.dns import tsig
from gatewright.engines.dns.content import ViewConfig
from support.zonal import Office, checked, client_key, key, plan, signed, view, zone_config

ALGORITHMS = ["hmac-md5", "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512", "hmac-sha256-128"]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path, plan())


def query() -> dns.message.QueryMessage:
    return dns.message.make_query("www.example.com", "A")


def last_record(reply: bytes) -> dns.message.Message:
    """The answer with its TSIG unverified."""
    return dns.message.from_wire(reply, keyring=False)


def error(reply: bytes) -> int:
    return int(last_record(reply).tsig_error)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signed_query_gets_a_signed_answer(tmp_path: Path, algorithm: str) -> None:
    mine = key(algorithm=algorithm)
    office = Office(tmp_path, plan(views=[view(keys=(mine,))]))
    request = query()
    (reply,) = office.ask(signed(request, mine))
    answer = checked(reply, request)
    assert answer.had_tsig
    assert answer.answer[0][0].to_text() == '"public"'


def test_the_key_decides_the_view(tmp_path: Path) -> None:
    inner = key("inner", secret=b"i" * 32)
    office = Office(
        tmp_path,
        plan(views=[view(), view("home", keys=(inner,))], zones=[zone_config(), zone_config("home")]),
    )
    request = query()
    (reply,) = office.ask(signed(request, inner), seen="public")
    assert checked(reply, request).answer[0][0].to_text() == '"home"'
    request = query()
    (reply,) = office.ask(signed(request, inner), seen=None)
    assert checked(reply, request).answer[0][0].to_text() == '"home"'


def test_keys_of_one_name_in_two_views(tmp_path: Path) -> None:
    """The client's own view counts first; a secret that only the other one has leads there."""
    other = key(secret=b"o" * 32)
    office = Office(tmp_path, plan(views=[view(), view("home", keys=(other,))]))
    for mine, expected in [(key(), "public"), (other, "home")]:
        request = query()
        (reply,) = office.ask(signed(request, mine), seen="public")
        assert checked(reply, request).answer[0][0].to_text() == f'"{expected}"'


def test_an_unknown_key(office: Office) -> None:
    (reply,) = office.ask(signed(query(), key("nobody")))
    assert last_record(reply).rcode() == dns.rcode.NOTAUTH
    assert error(reply) == tsig.BADKEY
    assert last_record(reply).mac == b""


def test_a_key_without_secret_lets_nobody_in(tmp_path: Path) -> None:
    empty = key(secret=b"")
    (reply,) = Office(tmp_path, plan(views=[view(keys=(empty,))])).ask(signed(query(), empty))
    assert error(reply) == tsig.BADKEY


def test_another_algorithm_is_another_key(office: Office) -> None:
    (reply,) = office.ask(signed(query(), key(algorithm="hmac-sha512")))
    assert error(reply) == tsig.BADKEY


def test_a_wrong_secret(office: Office) -> None:
    (reply,) = office.ask(signed(query(), key(secret=b"x" * 32)))
    assert last_record(reply).rcode() == dns.rcode.NOTAUTH
    assert error(reply) == tsig.BADSIG
    assert last_record(reply).mac == b""


def test_a_changed_message(office: Office) -> None:
    wire = bytearray(signed(query(), key()))
    wire[13] ^= 1
    (reply,) = office.ask(bytes(wire))
    assert error(reply) == tsig.BADSIG


@pytest.mark.parametrize("skew", [600, -600, 301.5, -302])
def test_a_clock_that_is_wrong_is_told_so_under_signature(tmp_path: Path, skew: float) -> None:
    office = Office(tmp_path, plan(), skew)
    request = query()
    (reply,) = office.ask(signed(request, key()))
    with pytest.raises(dns.tsig.PeerBadTime):
        checked(reply, request)
    answer = last_record(reply)
    assert answer.rcode() == dns.rcode.NOTAUTH
    assert len(answer.mac) == 32
    (record,) = answer.tsig
    assert abs(int.from_bytes(record.other) - record.time_signed - skew) <= 1


@pytest.mark.parametrize("skew", [-298, 298])
def test_clocks_may_differ_a_little(tmp_path: Path, skew: float) -> None:
    office = Office(tmp_path, plan(), skew)
    (reply,) = office.ask(signed(query(), key()))
    assert last_record(reply).rcode() == dns.rcode.NOERROR


def test_a_replay_after_the_fudge(office: Office) -> None:
    request = query()
    wire = signed(request, key(), fudge=30)
    assert last_record(office.ask(wire)[0]).rcode() == dns.rcode.NOERROR
    office.skew = 32
    assert error(office.ask(wire)[0]) == tsig.BADTIME


def mac_of(wire: bytes) -> bytes:
    return dns.message.from_wire(wire, keyring=False).mac


def truncated(wire: bytes, octets: int) -> bytes:
    """The request with so much of its MAC."""
    mac = mac_of(wire)
    at = wire.rindex(mac)
    shorter = wire[: at - 2] + struct.pack("!H", octets) + mac[:octets] + wire[at + len(mac) :]
    length_at = at - 2 - 8 - len(client_key(key()).algorithm.to_wire()) - 2
    length = struct.unpack_from("!H", wire, length_at)[0] - len(mac) + octets
    return shorter[:length_at] + struct.pack("!H", length) + shorter[length_at + 2 :]


def test_a_truncated_mac_is_less_than_we_ask_for(office: Office) -> None:
    (reply,) = office.ask(truncated(signed(query(), key()), 16))
    assert error(reply) == tsig.BADTRUNC


@pytest.mark.parametrize("octets", [0, 9, 15])
def test_a_mac_that_is_too_short_is_malformed(office: Office, octets: int) -> None:
    (reply,) = office.ask(truncated(signed(query(), key()), octets))
    assert dns.message.from_wire(reply).rcode() == dns.rcode.FORMERR


def test_a_signature_before_another_record_is_malformed(office: Office) -> None:
    wire = signed(query(), key())
    more = wire[:10] + struct.pack("!H", 2) + wire[12:] + b"\0\0\x10\0\1\0\0\0\0\0\1\0"
    (reply,) = office.ask(more)
    assert reply[3] & 0xF == dns.rcode.FORMERR


def test_an_original_id_is_what_was_signed(office: Office) -> None:
    """A forwarder may have given the message another id (RFC 8945, 5.5)."""
    wire = signed(query(), key())
    (reply,) = office.ask(struct.pack("!H", (int.from_bytes(wire[:2]) + 1) % 65536) + wire[2:])
    assert last_record(reply).rcode() == dns.rcode.NOERROR


@pytest.mark.parametrize(("tcp", "truncated"), [(True, False), (False, True)])
def test_over_udp_a_signature_that_finds_no_room_truncates(tmp_path: Path, tcp: bool, truncated: bool) -> None:
    """The plain answer fits 512 octets just so (RFC 8945, 5.3)."""
    office = Office(tmp_path, plan())
    request = query()
    wire = signed(request, key())

    async def ask() -> list[bytes]:
        def plain(message: bytes, _: ViewConfig) -> bytes:
            answer = dns.message.make_response(dns.message.from_wire(message))
            answer.answer.append(dns.rrset.from_text(answer.question[0].name, 5, "IN", "TXT", f'"{"x" * 200}"'))
            answer.answer.append(dns.rrset.from_text(answer.question[0].name, 5, "IN", "TXT", f'"{"y" * 190}"'))
            return answer.to_wire()

        return [part async for part in office.front.answer(wire, "192.0.2.7", office.views["public"], tcp, plain)]

    (reply,) = asyncio.run(ask())
    answer = checked(reply, request)
    assert bool(answer.flags & dns.flags.TC) == truncated
    assert bool(answer.answer) != truncated
    assert tcp or len(reply) <= 512


def test_a_secret_is_in_no_representation() -> None:
    mine = key(secret=b"the very secret")
    shown = f"{mine!r} {tsig.Signer(mine, b'', lambda: 0.0)!r} {view(keys=(mine,))!r}"
    assert "the very secret" not in shown
    assert "dGhlIHZlcnkgc2VjcmV0" not in shown
