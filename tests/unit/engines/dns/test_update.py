"""Dynamic updates (RFC 2136) from the signed message to the zone: prerequisites, changes, grants, what stays."""

from __future__ import annotations

import time
from pathlib import Path

import dns.message
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset
import dns.update
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.engines.dns import overlay, tsig
from gatewright.engines.dns.content import GrantConfig
from gatewright.engines.dns.overlay import Overlay
from support.zonal import BASIC, DOMAIN, Office, key, names, plan, view, wire, zone_config

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, REFUSED = 0, 1, 2, 3, 5
YXDOMAIN, YXRRSET, NXRRSET, NOTAUTH, NOTZONE = 6, 7, 8, 9, 10
ZONE = "example.com/public"
AT = "_acme-challenge"
NAME = f"{AT}.{DOMAIN}"


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path, plan())


def update(zone: str = DOMAIN) -> dns.update.UpdateMessage:
    return dns.update.UpdateMessage(zone)


def with_text(text: str = "one", name: str = AT) -> dns.update.UpdateMessage:
    message = update()
    message.add(name, 60, "TXT", f'"{text}"')
    return message


# --- changes --------------------------------------------------------------------------------------


def test_records_are_added_and_deleted_one_by_one(office: Office) -> None:
    assert office.update(with_text("one")) == NOERROR
    assert office.update(with_text("two")) == NOERROR
    assert office.served(NAME) == {"TXT": {'"one"', '"two"'}}
    message = update()
    message.delete(AT, "TXT", '"one"')
    assert office.update(message) == NOERROR
    assert office.served(NAME) == {"TXT": {'"two"'}}


def test_the_order_of_changes_counts(office: Office) -> None:
    message = with_text("before")
    message.delete(AT, "TXT")
    message.add(AT, 60, "TXT", '"after"')
    assert office.update(message) == NOERROR
    assert office.served(NAME) == {"TXT": {'"after"'}}


def test_a_name_is_deleted_as_a_whole(office: Office) -> None:
    message = with_text()
    message.add(AT, 60, "A", "192.0.2.7")
    office.update(message)
    message = update()
    message.delete(AT)
    assert office.update(message) == NOERROR
    assert office.served(NAME) == {}


def test_duplicates_are_one(office: Office) -> None:
    serial = office.primary.zones[ZONE].serial
    message = with_text()
    message.add(AT, 60, "TXT", '"one"')
    assert office.update(message) == NOERROR
    assert office.update(with_text()) == NOERROR
    assert office.served(NAME) == {"TXT": {'"one"'}}
    assert office.primary.zones[ZONE].serial == serial + 1, "the second changed nothing"


def test_a_new_ttl_is_that_of_the_set(office: Office) -> None:
    office.update(with_text("one"))
    message = update()
    message.add(AT, 5, "TXT", '"two"')
    office.update(message)
    assert office.primary.zones[ZONE].names[wire(NAME)][0].ttl == 5


def test_what_is_not_there_is_deleted_in_silence(office: Office) -> None:
    message = update()
    message.delete("nothing")
    message.delete("nothing", "TXT")
    message.delete("nothing", "TXT", '"x"')
    assert office.update(message) == NOERROR


def test_a_cname_stands_alone(office: Office) -> None:
    """RFC 2136, 3.4.2.2: what would stand beside it is left out in silence."""
    office.update(with_text())
    message = update()
    message.add(AT, 60, "CNAME", "there.example.net.")
    assert office.update(message) == NOERROR
    assert office.served(NAME) == {"TXT": {'"one"'}}
    message = update()
    message.add("other", 60, "CNAME", "there.example.net.")
    message.add("other", 60, "A", "192.0.2.1")
    message.add("other", 60, "CNAME", "elsewhere.example.net.")
    assert office.update(message) == NOERROR
    assert office.served(f"other.{DOMAIN}") == {"CNAME": {"elsewhere.example.net."}}


def test_case_does_not_matter(office: Office) -> None:
    assert office.update(with_text(name="_ACME-Challenge")) == NOERROR
    message = update("EXAMPLE.com")
    message.delete(AT, "TXT")
    assert office.update(message) == NOERROR
    assert office.served(NAME) == {}


# --- what the manifests say stays -----------------------------------------------------------------


def owned() -> list[dns.update.UpdateMessage]:
    found = [update() for _ in range(12)]
    found[0].delete("www")
    found[1].delete("www", "A")
    found[2].delete("www", "A", "192.0.2.80")
    found[3].add("www", 60, "A", "192.0.2.66")
    found[4].replace("www", 60, "A", "192.0.2.66")
    found[5].add("www", 60, "CNAME", "x.example.net.")
    found[6].add("alias", 60, "A", "192.0.2.66")
    found[7].add("alias", 60, "CNAME", "x.example.net.")
    found[8].delete("@")
    found[9].delete("@", "NS")
    found[10].add("@", 60, "NS", "ns.example.net.")
    found[11].add("@", 60, "SOA", "ns.example.com. h.example.com. 4000000000 1 1 1 1")
    return found


@pytest.mark.parametrize("number", range(12))
def test_names_of_the_manifests_are_not_changed(office: Office, number: int) -> None:
    """Nothing of such an update is applied, not even what comes before."""
    message = owned()[number]
    mixed = with_text()
    mixed.authority.extend(message.authority)
    assert office.update(mixed) == REFUSED
    assert office.primary.zones[ZONE].names == names(BASIC)


def test_beside_them_there_is_room(office: Office) -> None:
    assert office.update(with_text(name="www")) == NOERROR
    assert office.served(f"www.{DOMAIN}") == {"A": {"192.0.2.80"}, "AAAA": {"2001:db8::80"}, "TXT": {'"one"'}}
    message = update()
    message.delete("www", "TXT")
    message.add("www", 60, "A", "192.0.2.80")  # it is there
    message.delete("www", "A", "192.0.2.99")  # it is not
    assert office.update(message) == NOERROR
    assert office.primary.zones[ZONE].names == names(BASIC)


# --- prerequisites --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "arguments", "failure"),
    [
        ("present", ("www",), 0),
        ("present", ("nothing",), NXDOMAIN),
        ("absent", ("nothing",), 0),
        ("absent", ("www",), YXDOMAIN),
        ("absent", ("@",), YXDOMAIN),
        ("present", ("www", "A"), 0),
        ("present", ("www", "MX"), NXRRSET),
        ("present", ("@", "SOA"), 0),
        ("absent", ("www", "MX"), 0),
        ("absent", ("www", "A"), YXRRSET),
        ("present", ("www", "A", "192.0.2.80"), 0),
        ("present", ("www", "A", "192.0.2.81"), NXRRSET),
        ("present", ("www", "A", "192.0.2.80", "192.0.2.81"), NXRRSET),
        ("present", ("nothing", "A", "192.0.2.80"), NXRRSET),
    ],
)
def test_prerequisites(office: Office, form: str, arguments: tuple[str, ...], failure: int) -> None:
    message = with_text()
    getattr(message, form)(*arguments)
    assert office.update(message) == failure
    assert (office.served(NAME) == {}) == bool(failure)


def test_an_update_without_changes_asks_only(office: Office) -> None:
    message = update()
    message.present("www", "A")
    assert office.update(message) == NOERROR


# --- who may --------------------------------------------------------------------------------------


@pytest.mark.parametrize("tcp", [True, False])
def test_unsigned_updates_are_refused(office: Office, tcp: bool) -> None:
    (reply,) = office.ask(with_text().to_wire(), tcp=tcp)
    assert dns.message.from_wire(reply).rcode() == REFUSED
    assert office.served(NAME) == {}


GRANT = GrantConfig(key().name, (wire("_acme-challenge.example.com"), wire("*.dyn.example.com")), (16,))


@pytest.mark.parametrize(
    ("name", "type", "text", "code"),
    [
        (AT, "TXT", '"x"', NOERROR),
        (AT, "A", "192.0.2.1", REFUSED),
        ("other", "TXT", '"x"', REFUSED),
        (f"x.{AT}", "TXT", '"x"', REFUSED),
        ("a.dyn", "TXT", '"x"', NOERROR),
        ("a.b.dyn", "TXT", '"x"', NOERROR),
        ("dyn", "TXT", '"x"', REFUSED),
        ("a.notdyn", "TXT", '"x"', REFUSED),
    ],
)
def test_grants(tmp_path: Path, name: str, type: str, text: str, code: int) -> None:
    office = Office(tmp_path, plan(views=[view(grants=(GRANT,))]))
    message = update()
    message.add(name, 60, type, text)
    assert office.update(message) == code
    message = update()
    message.delete(name, type)
    assert office.update(message) == code


@pytest.mark.parametrize(
    ("names", "code"),
    [(("a.example.com",), REFUSED), (("a.example.com", "*.a.example.com"), NOERROR), (("*.example.com",), NOERROR)],
)
@pytest.mark.parametrize(("type", "text"), [("NS", "ns.evil.test."), ("DNAME", "evil.test.")])
def test_a_name_alone_decides_nothing_about_those_below(
    tmp_path: Path, names: tuple[str, ...], code: int, type: str, text: str
) -> None:
    office = Office(tmp_path, plan(views=[view(grants=(GrantConfig(key().name, tuple(map(wire, names))),))]))
    message = update()
    message.add("a", 60, type, text)
    assert office.update(message) == code


def test_a_key_without_grant(tmp_path: Path) -> None:
    other = key("other", secret=b"o" * 32)
    office = Office(tmp_path, plan(views=[view(keys=(key(), other), grants=(GRANT,))]))
    assert office.update(with_text(), other) == REFUSED


def test_deleting_a_name_needs_a_grant_for_each_type_there(tmp_path: Path) -> None:
    all_types = key("all", secret=b"a" * 32)
    grants = (GRANT, GrantConfig(all_types.name))
    office = Office(tmp_path, plan(views=[view(keys=(key(), all_types), grants=grants)]))
    office.update(with_text())
    message = update()
    message.delete(AT)
    assert office.update(message) == NOERROR
    assert office.served(NAME) == {}
    office.update(with_text())
    message = update()
    message.add(AT, 60, "A", "192.0.2.1")
    office.update(message, all_types)
    message = update()
    message.delete(AT)
    assert office.update(message) == REFUSED
    assert set(office.served(NAME)) == {"TXT", "A"}


@pytest.mark.parametrize("type", ["RRSIG", "NSEC", "NSEC3"])
def test_signatures_are_not_updated(office: Office, type: str) -> None:
    message = update()
    message.delete(AT, type)
    assert office.update(message) == REFUSED


def test_a_view_is_updated_by_its_key(tmp_path: Path) -> None:
    inner = key("inner", secret=b"i" * 32)
    views = [view(), view("home", keys=(inner,), grants=(GrantConfig(inner.name),))]
    office = Office(tmp_path, plan(views=views, zones=[zone_config(), zone_config("home")]))
    assert office.update(with_text(), inner) == NOERROR
    assert office.served(NAME) == {}
    assert office.served(NAME, "example.com/home") == {"TXT": {'"one"'}}


# --- what cannot be -------------------------------------------------------------------------------


def test_zones_that_are_not_ours(office: Office) -> None:
    for zone in ("example.org", "www.example.com", "com"):
        message = update(zone)
        message.add("x", 60, "TXT", '"x"')
        assert office.update(message) == NOTAUTH


@pytest.mark.parametrize("section", ["authority", "answer"])
def test_names_outside_the_zone(office: Office, section: str) -> None:
    message = with_text()
    getattr(message, section).append(dns.rrset.from_text("x.example.org.", 0, "IN", "TXT", '"x"'))
    assert office.update(message) == NOTZONE
    assert office.served(NAME) == {}


def raw(records: bytes, *, prerequisites: int = 0, updates: int = 0, zone: bytes = b"\0\6\0\1") -> bytes:
    head = b"\0\7\x28\0\0\1" + prerequisites.to_bytes(2) + updates.to_bytes(2) + b"\0\0"
    return head + wire(DOMAIN) + zone + records


def sign_raw(message: bytes) -> bytes:
    """Signed by hand, since no library writes such a message."""
    return tsig.sign_request(message, key(), time.time)[0]


A_RECORD = b"\1x\xc0\x0c\0\1\0\1\0\0\0\0\0\4\1\2\3\4"


@pytest.mark.parametrize(
    "message",
    [
        raw(b"", zone=b"\0\1\0\1"),
        raw(b"\1x\xc0\x0c\0\1\0\1\0\0\0\1\0\4\1\2\3\4", prerequisites=1),
        raw(b"\1x\xc0\x0c\0\1\0\xff\0\0\0\0\0\4\1\2\3\4", prerequisites=1),
        raw(b"\1x\xc0\x0c\0\1\0\xfe\0\0\0\0\0\4\1\2\3\4", prerequisites=1),
        raw(b"\1x\xc0\x0c\0\1\0\3\0\0\0\0\0\0", prerequisites=1),
        raw(b"\1x\xc0\x0c\0\xff\0\1\0\0\0\0\0\0", prerequisites=1),
        raw(b"\1x\xc0\x0c\0\1\0\1\0\0\0\0\0\3\1\2\3", updates=1),
        raw(b"\1x\xc0\x0c\0\x0f\0\1\0\0\0\0\0\2\0\1", updates=1),
        raw(b"\1x\xc0\x0c\0\2\0\1\0\0\0\0\0\2\xc0\xff", updates=1),
        raw(b"\1x\xc0\x0c\0\1\0\xff\0\0\0\1\0\0", updates=1),
        raw(b"\1x\xc0\x0c\0\1\0\xff\0\0\0\0\0\4\1\2\3\4", updates=1),
        raw(b"\1x\xc0\x0c\0\1\0\xfe\0\0\0\1\0\4\1\2\3\4", updates=1),
        raw(b"\1x\xc0\x0c\0\xff\0\xfe\0\0\0\0\0\0", updates=1),
        raw(b"\1x\xc0\x0c\0\xff\0\1\0\0\0\0\0\0", updates=1),
        raw(b"\1x\xc0\x0c\0\xfc\0\xff\0\0\0\0\0\0", updates=1),
        raw(b"\1x\xc0\x0c\0\x29\0\xff\0\0\0\0\0\0", updates=1)[:0]
        or raw(b"\1x\xc0\x0c\0\xfb\0\xff\0\0\0\0\0\0", updates=1),
        raw(b"\1x\xc0\x0c\0\1\0\4\0\0\0\0\0\4\1\2\3\4", updates=1),
        raw(A_RECORD, updates=1).replace(b"\0\1\0\0", b"\0\2\0\0", 1),
    ],
)
def test_malformed_updates(office: Office, message: bytes) -> None:
    (reply,) = office.ask(sign_raw(message))
    assert reply[3] & 0xF == FORMERR
    assert office.primary.zones[ZONE].names == names(BASIC)


def test_the_hand_written_form_is_understood(office: Office) -> None:
    """The control of the test above: this one is well-formed."""
    (reply,) = office.ask(sign_raw(raw(A_RECORD, updates=1)))
    assert reply[3] & 0xF == NOERROR
    assert office.served(f"x.{DOMAIN}") == {"A": {"1.2.3.4"}}


def mutated(choose: st.DataObject) -> bytes:
    """An update of every form with some octets changed."""
    message = update()
    message.present("www", "A", "192.0.2.80")
    message.absent("nothing")
    message.add(AT, 60, "TXT", '"one"')
    message.add("m", 60, "MX", "10 a.example.com.")
    message.delete("m", "MX", "10 b.example.com.")
    message.delete("x")
    wire_form = bytearray(message.to_wire())
    for _ in range(choose.draw(st.integers(1, 6))):
        wire_form[choose.draw(st.integers(12, len(wire_form) - 1))] = choose.draw(st.integers(0, 255))
    return bytes(wire_form)


def survives(office: Office, message: bytes) -> None:
    """Signed rubbish has one answer, and the manifests' names stay: whoever has a key gets as far as the parser."""
    replies = office.ask(sign_raw(message))
    assert [reply[:2] for reply in replies] == [message[:2]]
    served = office.primary.zones[ZONE].names
    for name, sets in names(BASIC).items():
        assert set(sets) <= set(served[name])


@settings(max_examples=300)
@given(st.data())
def test_rubbish_under_signature(tmp_path_factory: pytest.TempPathFactory, choose: st.DataObject) -> None:
    survives(Office(tmp_path_factory.mktemp("rubbish"), plan()), mutated(choose))


@pytest.fixture(scope="module")
def old_office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """One that has seen much already."""
    return Office(tmp_path_factory.mktemp("state"), plan())


@pytest.mark.fuzz
@given(st.data())
def test_much_rubbish_under_signature(old_office: Office, choose: st.DataObject) -> None:
    survives(old_office, mutated(choose))


@pytest.mark.fuzz
@given(st.binary(max_size=400))
def test_any_sections_under_signature(old_office: Office, sections: bytes) -> None:
    counts = b"".join(bytes((0, octet % 4)) for octet in sections[:2].ljust(2, b"\0"))
    survives(old_office, b"\0\7\x28\0\0\1" + counts + b"\0\0" + wire(DOMAIN) + b"\0\6\0\1" + sections[2:])


# --- disk -----------------------------------------------------------------------------------------


def test_a_full_disk_is_a_failure_and_loses_nothing(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.update(with_text("one"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(overlay.state, "save", full)
    assert office.update(with_text("two")) == SERVFAIL
    assert office.served(NAME) == {"TXT": {'"one"'}}
    monkeypatch.undo()
    assert office.update(with_text("two")) == NOERROR
    assert Office(tmp_path, plan()).served(NAME) == {"TXT": {'"one"', '"two"'}}


def test_noerror_means_that_it_is_on_the_disk(office: Office, tmp_path: Path) -> None:
    office.update(with_text("one"))
    assert set(Overlay(tmp_path / "dynamic.json").names(ZONE)) == {wire(NAME)}


def test_without_the_control_plane_it_is_a_failure(office: Office) -> None:
    async def gone(_: object) -> int:
        raise ConnectionError

    office.front._send_update = gone
    assert office.update(with_text()) == SERVFAIL
