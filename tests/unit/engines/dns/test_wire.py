"""Queries off the wire: what is read, what is refused with which code, what is dropped."""

import struct

import dns.edns
import dns.message
import dns.tsigkeyring
import pytest

from gatewright.engines.dns.wire import FORMERR, NOTIMP, Query, Subnet, limit, opt_record, parse, refusal

QUESTION = b"\3www\7example\3com\0\0\1\0\1"


def packed(
    question: bytes = QUESTION, flags: int = 0x0100, counts: tuple[int, ...] = (1, 0, 0, 0), rest: bytes = b""
) -> bytes:
    return struct.pack("!HHHHHH", 7, flags, *counts) + question + rest


def opt(payload: int = 1232, ttl: int = 0, options: bytes = b"") -> bytes:
    return b"\0" + struct.pack("!HHIH", 41, payload, ttl, len(options)) + options


def subnet(data: bytes) -> bytes:
    return opt(options=struct.pack("!HH", 8, len(data)) + data)


def test_a_plain_query() -> None:
    query = parse(packed(b"\3WwW\7eXample\3com\0\0\1\0\1"))
    assert query == Query(b"\3www\7example\3com\0", 1, 1, 12 + len(QUESTION), None, True)


@pytest.mark.parametrize("message", [b"", b"\0" * 11, packed(flags=0x8100)])
def test_dropped(message: bytes) -> None:
    assert parse(message) is None


@pytest.mark.parametrize(
    "message",
    [
        packed(counts=(0, 0, 0, 0), question=b""),
        packed(counts=(2, 0, 0, 0), rest=QUESTION),
        packed(counts=(1, 1, 0, 0)),
        packed(counts=(1, 0, 1, 0)),
        packed(b"\xc0\x0c\0\1\0\1"),
        packed(b"\x40" + b"a" * 64 + b"\0\0\1\0\1"),
        packed(b"\x3f" + b"a" * 63 + b"\x3f" + b"b" * 63 + b"\x3f" + b"c" * 63 + b"\x3f" + b"d" * 63 + b"\0\0\1\0\1"),
        packed(b"\3www\7exam"),
        packed(b"\3www\0\0\1"),
        packed(rest=b"trailing"),
        packed(counts=(1, 0, 0, 1)),
        packed(counts=(1, 0, 0, 2), rest=opt() + opt()),
        packed(counts=(1, 0, 0, 1), rest=b"\1a" + opt()),
        packed(counts=(1, 0, 0, 1), rest=opt()[:-1]),
        packed(counts=(1, 0, 0, 3), rest=opt() * 3),
    ],
)
def test_format_errors(message: bytes) -> None:
    assert parse(message) == FORMERR
    assert refusal(message, FORMERR)[:2] == message[:2]


def test_the_longest_name_is_read() -> None:
    name = b"".join(bytes([63]) + bytes([97 + i]) * 63 for i in range(3)) + b"\x3d" + b"d" * 61 + b"\0"
    assert len(name) == 255
    query = parse(packed(name + b"\0\1\0\1"))
    assert isinstance(query, Query)
    assert query.name == name


@pytest.mark.parametrize("opcode", [1, 2, 4, 5, 15])
def test_other_opcodes(opcode: int) -> None:
    assert parse(packed(flags=opcode << 11)) == NOTIMP


def test_edns() -> None:
    query = parse(packed(counts=(1, 0, 0, 1), rest=opt(4096, 0x8000)))
    assert isinstance(query, Query)
    assert query.edns is not None
    assert (query.edns.payload, query.edns.version, query.edns.wants_dnssec) == (4096, 0, True)
    assert [limit(None), limit(query.edns)] == [512, 1232]
    small = parse(packed(counts=(1, 0, 0, 1), rest=opt(100, 0x00010000)))
    assert isinstance(small, Query)
    assert small.edns is not None
    assert (limit(small.edns), small.edns.version) == (512, 1)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        struct.pack("!HBB", 1, 24, 0) + b"\xc0\0",
        struct.pack("!HBB", 1, 24, 0) + b"\xc0\0\2\1",
        struct.pack("!HBB", 1, 24, 24) + b"\xc0\0\2",
        struct.pack("!HBB", 1, 33, 0) + b"\xc0\0\2\1\1",
        struct.pack("!HBB", 3, 8, 0) + b"\1",
        struct.pack("!HBB", 1, 20, 0) + b"\xc0\0\x2f",
    ],
)
def test_client_subnets_that_break_the_rules(data: bytes) -> None:
    query = parse(packed(counts=(1, 0, 0, 1), rest=subnet(data)))
    assert isinstance(query, Query)
    assert query.edns is not None
    assert query.edns.is_bad


def test_client_subnet_as_dnspython_writes_it_and_our_answer_as_it_reads_it() -> None:
    told = dns.edns.ECSOption("2001:db8:1234::", 48, 0)
    query = parse(dns.message.make_query("www.example.com", "A", use_edns=0, options=[told]).to_wire())
    assert isinstance(query, Query)
    assert query.edns is not None
    assert query.edns.subnet == Subnet(2, 48, bytes.fromhex("20010db81234"))
    reply = packed(flags=0x8000, counts=(1, 0, 0, 1), rest=opt_record(query.edns, 0, 32))
    (echo,) = dns.message.from_wire(reply).options
    assert (echo.srclen, echo.scopelen, echo.address) == (48, 32, "2001:db8:1234::")


def test_signed_queries_and_transfers_are_not_plain() -> None:
    signed = dns.message.make_query("www.example.com", "A")
    signed.use_tsig(dns.tsigkeyring.from_text({"key.": "c2VjcmV0"}))
    for message in (signed.to_wire(), dns.message.make_query("example.com", "AXFR").to_wire()):
        query = parse(message)
        assert isinstance(query, Query)
        assert not query.is_plain
