"""Whole messages: what is read, and that nothing hostile gets further than MalformedError."""

from __future__ import annotations

import struct

import dns.message
import dns.name
import dns.rdata
import dns.update
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.engines.dns import records
from gatewright.engines.dns.records import MalformedError
from support.zonal import key, signed, wire


def test_names_are_uncompressed_and_lower_case() -> None:
    update = dns.update.UpdateMessage("Example.COM")
    update.add("WWW", 60, "A", "192.0.2.1")
    update.add("mail.WWW", 60, "MX", "10 Relay.example.com.")
    message = records.read(update.to_wire())
    assert message.question == (wire("example.com"), 6, 1)
    assert [record.name for record in message.authorities] == [wire("www.example.com"), wire("mail.www.example.com")]
    assert records.rdata(message.wire, message.authorities[1]) == b"\0\x0a" + wire("relay.example.com")


def test_what_is_within() -> None:
    assert records.is_within(wire("a.example.com"), wire("example.com"))
    assert records.is_within(wire("example.com"), wire("example.com"))
    assert not records.is_within(wire("example.com"), wire("a.example.com"))
    assert not records.is_within(wire("notexample.com"), wire("example.com"))
    assert not records.is_within(b"\x0bx\x07example\x03co" + wire("com"), wire("example.com"))
    assert records.is_within(wire("com"), b"\0")


HEAD = struct.pack("!HHHHHH", 1, 0x2800, 1, 0, 1, 0) + wire("example.com") + b"\0\6\0\1"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        HEAD[:11],
        HEAD,
        struct.pack("!HHHHHH", 1, 0, 2, 0, 0, 0) + 2 * (b"\0" + b"\0\6\0\1"),
        struct.pack("!HHHHHH", 1, 0, 1, 0, 0, 0) + b"\xc0\x0c\0\6\0\1",
        struct.pack("!HHHHHH", 1, 0, 1, 0, 0, 0) + b"\0\0\6\0\1trailing",
        HEAD + b"\x40" + b"a" * 64 + b"\0" + b"\0\1\0\1\0\0\0\0\0\0",
        HEAD + (b"\x3f" + b"a" * 63) * 4 + b"\0" + b"\0\1\0\1\0\0\0\0\0\0",
        HEAD + b"\xc0\x1d" + b"\0\1\0\1\0\0\0\0\0\0",
        HEAD + b"\xc0\xff" + b"\0\1\0\1\0\0\0\0\0\0",
        HEAD + b"\xc0\x0c" + b"\0\1\0\1\0\0\0\0\0\4abc",
    ],
    ids=[
        "empty",
        "short",
        "no record",
        "two questions",
        "compressed question",
        "trailing",
        "label of 64",
        "name of 257",
        "pointer to itself",
        "pointer beyond",
        "data cut off",
    ],
)
def test_malformed(message: bytes) -> None:
    with pytest.raises(MalformedError):
        records.read(message)


def test_the_longest_name() -> None:
    name = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"b" * 61 + b"\0"
    assert len(name) == 255
    assert records.read_name(name, 0) == (name, 255)


def test_a_long_chain_of_pointers_is_an_end_in_itself() -> None:
    chain = b"\0" + b"".join(struct.pack("!H", 0xC000 | max(0, index * 2 - 1)) for index in range(1000))
    with pytest.raises(MalformedError):
        records.read_name(chain, len(chain) - 2)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_malformed(message: bytes) -> None:
    for look in (records.survey, records.read):
        try:
            look(message)
        except MalformedError:
            continue


@given(st.data())
def test_any_mutation_is_read_or_malformed(choose: st.DataObject) -> None:
    update = dns.update.UpdateMessage("example.com")
    update.add("www", 60, "A", "192.0.2.1")
    update.replace("mail", 60, "MX", "10 relay.example.com.")
    message = bytearray(signed(update, key()))
    for _ in range(choose.draw(st.integers(1, 4))):
        message[choose.draw(st.integers(2, len(message) - 1))] = choose.draw(st.integers(0, 255))
    try:
        records.survey(bytes(message))
        for record in records.read(bytes(message)).authorities:
            records.rdata(bytes(message), record)
    except MalformedError:
        return
