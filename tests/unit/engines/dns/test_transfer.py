"""AXFR and IXFR: who gets them, and that a copy that follows them is the zone."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.xfr
import dns.zone
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.engines.dns.content import SecondaryConfig
from gatewright.engines.dns.serials import after
from support.zonal import (
    BASIC,
    DOMAIN,
    Office,
    key,
    plan,
    rrset,
    signed,
    view,
    wire,
    zone_config,
)

COPYIST = key("secondary", secret=b"s" * 32)
SECONDARY = SecondaryConfig("192.0.2.2", 53, COPYIST.name)
ZONE = "example.com/public"


def office(folder: Path, **fields: object) -> Office:
    settings: dict[str, object] = {"keys": (key(), COPYIST), "secondaries": (SECONDARY,), **fields}
    return Office(folder, plan(views=[view(**settings)]))


def follow(copy: dns.zone.Zone, messages: list[dns.message.Message], type: str, serial: int | None = None) -> None:
    """Apply a transfer to a copy, as dnspython does it; it raises what is wrong."""
    with dns.xfr.Inbound(copy, dns.rdatatype.from_text(type), serial) as inbound:
        done = False
        for message in messages:
            assert not done, "something follows the end"
            done = inbound.process_message(message)
        assert done, "the end is missing"


def content(copy: dns.zone.Zone) -> dict[bytes, set[tuple[int, int, bytes]]]:
    """A copy without its SOA, comparable with a zone of ours."""
    found: dict[bytes, set[tuple[int, int, bytes]]] = {}
    for name, ttl, rdata in copy.iterate_rdatas():
        if rdata.rdtype != dns.rdatatype.SOA:
            owner = name.canonicalize().to_wire()
            found.setdefault(owner, set()).add((int(rdata.rdtype), ttl, rdata.to_wire()))
    return found


def served(office: Office) -> dict[bytes, set[tuple[int, int, bytes]]]:
    zone = office.primary.zones[ZONE]
    return {
        name: {(rrset.type, rrset.ttl, value) for rrset in sets for value in rrset.rdata}
        for name, sets in zone.names.items()
    }


def blank() -> dns.zone.Zone:
    return dns.zone.Zone(DOMAIN, relativize=False)


def rcode(messages: list[dns.message.Message]) -> int:
    (message,) = messages
    assert not message.answer
    return int(message.rcode())


# --- who ------------------------------------------------------------------------------------------


def test_strangers_are_refused(tmp_path: Path) -> None:
    assert rcode(office(tmp_path).copy("AXFR")) == dns.rcode.REFUSED
    assert rcode(office(tmp_path).copy("IXFR", serial=1)) == dns.rcode.REFUSED


def test_a_key_for_updates_is_none_for_copies(tmp_path: Path) -> None:
    assert rcode(office(tmp_path).copy("AXFR", key())) == dns.rcode.REFUSED


def test_the_secondary_needs_its_key(tmp_path: Path) -> None:
    assert rcode(office(tmp_path).copy("AXFR", client="192.0.2.2")) == dns.rcode.REFUSED


@pytest.mark.parametrize("client", ["192.0.2.2", "::ffff:192.0.2.2"])
def test_a_secondary_without_key_is_known_by_its_address(tmp_path: Path, client: str) -> None:
    held = office(tmp_path, secondaries=(SecondaryConfig("192.0.2.2", 53),))
    assert len(held.copy("AXFR", client=client)) == 1
    assert rcode(held.copy("AXFR", client="192.0.2.3")) == dns.rcode.REFUSED


@pytest.mark.parametrize(
    ("client", "allowed"), [("10.1.2.3", True), ("10.2.2.3", False), ("fd00::1", True), ("fd01::1", False)]
)
def test_networks_that_may_copy(tmp_path: Path, client: str, allowed: bool) -> None:
    held = office(tmp_path, transfer_to=("10.1.0.0/16", "fd00::/64"))
    (message,) = held.copy("AXFR", client=client)
    assert message.rcode() == (dns.rcode.NOERROR if allowed else dns.rcode.REFUSED)


def test_only_zones_themselves_are_copied(tmp_path: Path) -> None:
    request = dns.message.make_query("www.example.com", "AXFR")
    (reply,) = office(tmp_path).ask(signed(request, COPYIST))
    assert reply[3] & 0xF == dns.rcode.NOTAUTH


def test_each_view_has_its_own_zone(tmp_path: Path) -> None:
    """As BIND does: the key that signs the request tells which one is copied."""
    inner = key("inner", secret=b"i" * 32)
    views = [
        view(keys=(COPYIST,), secondaries=(SECONDARY,)),
        view("home", keys=(inner,), secondaries=(SecondaryConfig("192.0.2.2", 53, inner.name),)),
    ]
    held = Office(tmp_path, plan(views=views, zones=[zone_config()]))
    held.primary.take(plan({"@": BASIC["@"], "only-at-home": BASIC["www"]}, views, [zone_config("home")]))
    copy = blank()
    follow(copy, held.copy("AXFR", inner, seen="public"), "AXFR")
    assert set(content(copy)) == {wire(DOMAIN), wire("only-at-home.example.com")}


# --- what -----------------------------------------------------------------------------------------


def test_a_copy_is_the_zone(tmp_path: Path) -> None:
    held, copy = office(tmp_path), blank()
    follow(copy, held.copy("AXFR", COPYIST), "AXFR")
    assert content(copy) == served(held)


def test_a_large_zone_takes_several_messages_each_signed(tmp_path: Path) -> None:
    held, copy = office(tmp_path), blank()
    many = {f"host-{number}": (rrset("A", f"10.0.{number // 256}.{number % 256}"),) for number in range(3000)}
    held.primary.take(plan(many))
    messages = held.copy("AXFR", COPYIST)
    assert len(messages) > 2
    follow(copy, messages, "AXFR")
    assert content(copy) == served(held)


def test_no_message_is_larger_than_it_has_to_be(tmp_path: Path) -> None:
    held = office(tmp_path)
    texts = {f"t{number}": (rrset("TXT", *(f'"{part}{"x" * 240}"' for part in range(9))),) for number in range(100)}
    held.primary.take(plan(texts))
    request = dns.message.make_query(DOMAIN, "AXFR")
    parts = held.ask(signed(request, COPYIST))
    assert len(parts) > 5
    assert max(map(len, parts)) < 33_000


def test_a_transfer_is_of_one_state(tmp_path: Path) -> None:
    """The zone changes while its first message is on the way."""
    held, copy = office(tmp_path, transfer_to=("0.0.0.0/0",)), blank()
    many = {f"host-{number}": (rrset("A", f"10.0.{number // 256}.{number % 256}"),) for number in range(3000)}
    held.primary.take(plan(many))
    before = served(held)

    async def ask() -> list[bytes]:
        parts = []
        request = dns.message.make_query(DOMAIN, "AXFR").to_wire()
        async for part in held.front.answer(request, "192.0.2.9", held.views["public"], True, lambda *_: b""):
            parts.append(part)
            held.primary.take(plan({f"host-{2999 - len(parts)}": (), f"new-{len(parts)}": BASIC["www"]}))
        return parts

    follow(copy, [dns.message.from_wire(part, xfr=True, one_rr_per_rrset=True) for part in asyncio.run(ask())], "AXFR")
    assert content(copy) == before


def test_no_zone_goes_over_udp(tmp_path: Path) -> None:
    held = office(tmp_path)
    assert rcode(held.copy("AXFR", COPYIST, tcp=False)) == dns.rcode.FORMERR
    (message,) = held.copy("IXFR", COPYIST, 1, tcp=False)
    (rrset,) = message.answer
    assert (rrset.rdtype, rrset[0].serial) == (dns.rdatatype.SOA, held.primary.zones[ZONE].serial)


@pytest.mark.parametrize("ahead", [0, 1, 1000])
def test_who_is_up_to_date_gets_the_soa(tmp_path: Path, ahead: int) -> None:
    held = office(tmp_path)
    (message,) = held.copy("IXFR", COPYIST, after(held.primary.zones[ZONE].serial, ahead))
    assert [rrset.rdtype for rrset in message.answer] == [dns.rdatatype.SOA]
    assert len(message.answer[0]) == 1


def test_one_change_is_transferred_alone(tmp_path: Path) -> None:
    held, copy = office(tmp_path), blank()
    follow(copy, held.copy("AXFR", COPYIST), "AXFR")
    serial = held.primary.zones[ZONE].serial
    held.primary.take(plan({"www": (rrset("A", "192.0.2.81"), rrset("AAAA", "2001:db8::80"))}))
    messages = held.copy("IXFR", COPYIST, serial)
    assert sum(len(rrset) for message in messages for rrset in message.answer) == 6, "4 SOAs, what was, what came"
    follow(copy, messages, "IXFR", serial)
    assert content(copy) == served(held)


def test_a_serial_that_is_not_known_gets_everything(tmp_path: Path) -> None:
    held, copy = office(tmp_path), blank()
    follow(copy, held.copy("IXFR", COPYIST, held.primary.zones[ZONE].serial - 5), "IXFR", 1)
    assert content(copy) == served(held)


def test_after_a_restart_there_are_no_differences_to_be_wrong(tmp_path: Path) -> None:
    held = office(tmp_path)
    serial = held.primary.zones[ZONE].serial
    again, copy = office(tmp_path), blank()
    follow(copy, again.copy("IXFR", COPYIST, serial), "IXFR", serial)
    assert content(copy) == served(again)


def test_another_soa_is_no_difference(tmp_path: Path) -> None:
    held, copy = office(tmp_path), blank()
    follow(copy, held.copy("AXFR", COPYIST), "AXFR")
    serial = held.primary.zones[ZONE].serial
    held.primary.take(plan({}, zones=[zone_config(refresh=99)]))
    follow(copy, held.copy("IXFR", COPYIST, serial), "IXFR", serial)
    assert copy.get_soa().refresh == 99


def test_when_the_differences_are_more_than_the_zone(tmp_path: Path) -> None:
    held, copy = office(tmp_path), blank()
    follow(copy, held.copy("AXFR", COPYIST), "AXFR")
    serial = held.primary.zones[ZONE].serial
    for number in range(20):
        held.primary.take(plan({"www": (rrset("A", f"192.0.2.{number}"),)}))
    messages = held.copy("IXFR", COPYIST, serial)
    assert messages[0].answer[1].rdtype != dns.rdatatype.SOA, "it is the form of an AXFR"
    follow(copy, messages, "IXFR", serial)
    assert content(copy) == served(held)


@pytest.mark.parametrize("authority", [b"", b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4abcd", b"\xc0\x0c\0\6\0\1\0\0\0\0\0\2\0\0"])
def test_an_ixfr_without_serial_is_malformed(tmp_path: Path, authority: bytes) -> None:
    held = office(tmp_path, transfer_to=("0.0.0.0/0",))
    request = b"\0\1\0\0\0\1\0\0" + bytes((0, bool(authority))) + b"\0\0" + wire(DOMAIN) + b"\0\xfb\0\1" + authority
    (reply,) = held.ask(request)
    assert reply[3] & 0xF == dns.rcode.FORMERR


# --- the property ---------------------------------------------------------------------------------

NAMES = ["@", "a", "b", "c.a", "*", "*.a"]
SETS = {
    "A": ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
    "TXT": ['"one"', '"two"'],
    "MX": ["10 a.example.com.", "10 elsewhere.example.net."],
}


@st.composite
def changes(draw: st.DrawFn) -> dict[str, list[object]]:
    """Some names with any record sets."""
    found: dict[str, list[object]] = {}
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)):
        found[name] = [
            rrset(
                type,
                *draw(st.lists(st.sampled_from(SETS[type]), min_size=1, unique=True)),
                ttl=draw(st.sampled_from([60, 300])),
            )
            for type in draw(st.lists(st.sampled_from(sorted(SETS)), unique=True))
        ]
    found.setdefault("@", []).append(rrset("NS", "ns.example.com."))
    return found


@given(st.lists(st.tuples(changes(), st.booleans()), min_size=1, max_size=8))
def test_a_copy_that_follows_any_changes_is_the_zone(edits: list[tuple[dict[str, list[object]], bool]]) -> None:
    """After some of the changes the copy is brought up to date, and at the end."""
    with tempfile.TemporaryDirectory() as folder:
        held, copy = office(Path(folder)), blank()
        padding = {f"padding-{number}": (rrset("A", "192.0.2.9"),) for number in range(30)}
        held.primary.take(plan(padding))
        follow(copy, held.copy("AXFR", COPYIST), "AXFR")
        for edit, is_followed in [*edits, ({}, True)]:
            held.primary.take(plan(edit))
            if is_followed:
                serial = copy.get_soa().serial
                follow(copy, held.copy("IXFR", COPYIST, serial), "IXFR", serial)
                assert content(copy) == served(held)
                assert copy.get_soa().serial == held.primary.zones[ZONE].serial
