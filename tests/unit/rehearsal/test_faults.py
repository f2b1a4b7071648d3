"""Faults as users write them, what is aimed at, and what is told on segments."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest

from gatewright.base.errors import UsageError
from gatewright.graph.breaking import Things
from gatewright.rehearsal.faults import parse
from gatewright.rehearsal.faults.announcing import advertisement, announcement

THINGS = Things(
    links=frozenset({"wg"}),
    networks=frozenset({"home/lan"}),
    machines=frozenset({"home/n1", "cloud/n1", "home/n2"}),
    resolvers=frozenset({"dns"}),
    gateways=frozenset({"infra/edge"}),
    certificates=frozenset({"apps/tls"}),
)
MAC = bytes.fromhex("020000000001")


@pytest.mark.parametrize(
    "text",
    ["link:wg", "node:home/n1", "node:n2", "resolver:dns", "gateway:infra/edge", "gateway:edge", "certificate:expire"],
)
def test_what_there_is_can_be_broken(text: str) -> None:
    parse(text).aim(THINGS)


@pytest.mark.parametrize("text", ["", "link", "link:", "wg", "meteor:home", "LINK:wg", ":wg"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="say link:"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("link:home", "there is no link home"),
        ("node:n1", "the node n1 may be cloud/n1 or home/n1"),
        ("resolver:nope", "there are: dns"),
        ("certificate:apps/other", "there are: apps/tls"),
        ("rate:wg", "say rate:WHERE=1mbit"),
        ("rate:wg=1", "say rate:WHERE=1mbit"),
        ("latency:wg=soon", "say latency:WHERE=50ms"),
        ("latency:nope=1ms", "there is no link, network or node nope"),
    ],
)
def test_what_there_is_not_is_told_with_what_there_is(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse(text).aim(THINGS)


def test_a_gratuitous_arp_asks_for_one_s_own_address() -> None:
    packet = announcement(MAC, bytes((192, 0, 2, 1)))
    assert packet == bytes.fromhex("0001080006040001 020000000001 c0000201 000000000000 c0000201")


def test_a_neighbour_advertisement_overrides_and_its_checksum_is_right() -> None:
    address = IPv6Address("2001:db8::1")
    packet = advertisement(MAC, address)
    header, message = packet[:40], packet[40:]
    assert header[4:8] == bytes((0, 32, 58, 255))
    assert header[8:24] == address.packed
    assert message[0] == 136
    assert message[4] == 0x20
    assert message[8:24] == address.packed
    assert message[24:] == b"\x02\x01" + MAC
    pseudo = header[8:40] + (32).to_bytes(4, "big") + (58).to_bytes(4, "big") + message
    total = sum(int.from_bytes(pseudo[at : at + 2], "big") for at in range(0, len(pseudo), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF
