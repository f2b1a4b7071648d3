"""What is no plain query: the rest of the opcodes, and bytes of any kind."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.zonal import Office, key, plan, signed


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    return Office(tmp_path_factory.mktemp("state"), plan())


def request(name: str, opcode: dns.opcode.Opcode) -> dns.message.Message:
    message = dns.message.make_query(name, "SOA", use_edns=0)
    message.set_opcode(opcode)
    return message


@pytest.mark.parametrize(
    ("name", "seen", "code"),
    [
        ("example.com", "public", dns.rcode.REFUSED),
        ("example.org", "public", dns.rcode.NOTAUTH),
        ("example.com", None, dns.rcode.NOTAUTH),
    ],
)
def test_we_copy_from_nobody(office: Office, name: str, seen: str | None, code: int) -> None:
    message = request(name, dns.opcode.NOTIFY)
    (reply,) = office.ask(message.to_wire(), seen=seen)
    answer = dns.message.from_wire(reply)
    assert message.is_response(answer)
    assert answer.rcode() == code
    assert answer.edns == 0


@pytest.mark.parametrize("opcode", [dns.opcode.IQUERY, dns.opcode.STATUS, 3, 6, 15])
def test_other_opcodes_are_not_implemented(office: Office, opcode: int) -> None:
    wire = bytearray(request("example.com", dns.opcode.QUERY).to_wire())
    wire[2] = opcode << 3
    (reply,) = office.ask(bytes(wire))
    assert reply[3] & 0xF == dns.rcode.NOTIMP
    assert (reply[2] >> 3) & 0xF == opcode


def test_who_sees_nothing_is_refused(office: Office) -> None:
    for type in ("AXFR", "IXFR", "A"):
        (reply,) = office.ask(dns.message.make_query("example.com", type).to_wire(), seen=None)
        assert reply[3] & 0xF == dns.rcode.REFUSED


def test_responses_are_not_answered(office: Office) -> None:
    message = request("example.com", dns.opcode.NOTIFY)
    message.flags |= dns.flags.QR
    assert office.ask(message.to_wire()) == []
    assert office.ask(b"short") == []


def test_no_question_is_none_of_ours(office: Office) -> None:
    (reply,) = office.ask(b"\0\1\x20\0" + b"\0" * 8)
    assert reply[3] & 0xF == dns.rcode.NOTAUTH


@given(st.binary(min_size=12, max_size=200), st.booleans())
def test_any_bytes_have_one_answer_at_most(office: Office, message: bytes, tcp: bool) -> None:
    replies = office.ask(message, tcp=tcp) if not _is_plain(message) else []
    assert len(replies) == (0 if message[2] & 0x80 or _is_plain(message) else 1)


def _is_plain(message: bytes) -> bool:
    """Those never come here, and what stands in for their answers in these tests is strict."""
    return message[2] & 0x78 == 0


@given(st.data())
def test_any_change_of_a_signed_query_is_seen(office: Office, choose: st.DataObject) -> None:
    wire = bytearray(signed(dns.message.make_query("www.example.com", "A"), key()))
    at = choose.draw(st.integers(3, len(wire) - 1))
    old = wire[at]
    wire[at] = choose.draw(st.integers(0, 255).filter(lambda value: value != old))
    (reply,) = office.ask(bytes(wire))
    assert reply[3] & 0xF in (dns.rcode.NOTAUTH, dns.rcode.FORMERR) or _names_differ_in_case(wire, at, old)


def _names_differ_in_case(wire: bytearray, at: int, old: int) -> bool:
    """The names of the key and its algorithm count without case, and the original id stands for the present one."""
    return bytes([wire[at]]).lower() == bytes([old]).lower()
