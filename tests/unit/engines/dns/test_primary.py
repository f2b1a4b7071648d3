"""The control plane's zones: what is pushed, what is kept, what wins."""

from pathlib import Path

import pytest

from gatewright.base.errors import EngineError
from gatewright.engines.dns import overlay
from gatewright.engines.dns.content import Plan, Push
from gatewright.engines.dns.primary import Primary
from gatewright.engines.dns.serials import is_later
from support.zonal import BASIC, data, names, plan, rrset, texts, view, wire, zone_config

ZONE = "example.com/public"
TXT = 16
NAME = wire("_acme-challenge.www.example.com")


def clock() -> float:
    return 1_700_000_000.0


def start(folder: Path, wanted: Plan | None = None) -> tuple[Primary, list[Push]]:
    primary = Primary(folder, clock)
    return primary, primary.take(wanted or plan())


def test_a_new_zone_begins_with_all_its_names(tmp_path: Path) -> None:
    primary, pushes = start(tmp_path)
    assert pushes == [Push(ZONE, 1_700_000_000, names(BASIC))]
    assert primary.zones[ZONE].names == names(BASIC)
    assert not primary.zones[ZONE].journal


def test_only_names_that_differ_are_pushed(tmp_path: Path) -> None:
    primary, (first,) = start(tmp_path)
    assert primary.take(plan()) == []
    (push,) = primary.take(plan({**BASIC, "www": (rrset("A", "192.0.2.81"),)}))
    assert push == Push(ZONE, first.serial + 1, names({"www": (rrset("A", "192.0.2.81"),)}))


def test_a_name_that_is_not_mentioned_stays_unless_the_plan_is_whole(tmp_path: Path) -> None:
    primary, _ = start(tmp_path)
    some = {"www": BASIC["www"]}
    assert primary.take(plan(some)) == []
    (push,) = primary.take(plan(some, whole=True))
    assert push.changes == names({"@": (), "ns": (), "alias": ()})


def test_a_changed_frame_is_a_change_of_its_own(tmp_path: Path) -> None:
    primary, (first,) = start(tmp_path)
    primary.take(plan({"new": (rrset("A", "192.0.2.9"),)}))
    (push,) = primary.take(plan({}, zones=[zone_config(refresh=60)]))
    assert push == Push(ZONE, first.serial + 2, {})
    for old in (first.serial, first.serial + 1):
        assert primary.zones[ZONE].since(old) is None, "the old SOA cannot be told any more"
    primary.take(plan({"new": ()}, zones=[zone_config(refresh=60)]))
    assert primary.zones[ZONE].since(push.serial) is not None


def test_a_zone_that_comes_back_does_not_begin_anew(tmp_path: Path) -> None:
    primary, (first,) = start(tmp_path)
    assert primary.take(plan(zones=[])) == []
    assert not primary.zones
    (push,) = primary.take(plan())
    assert is_later(push.serial, first.serial)


def test_serials_rise_over_a_crash(tmp_path: Path) -> None:
    primary, _ = start(tmp_path)
    for number in range(50):
        (push,) = primary.take(plan({"n": (rrset("A", f"192.0.2.{number}"),)}))
    _, (again,) = start(tmp_path)
    assert is_later(again.serial, push.serial)


def test_zones_have_serials_of_their_own(tmp_path: Path) -> None:
    configs = [zone_config(), zone_config("home")]
    primary, (first, second) = start(tmp_path, plan(views=[view(), view("home")], zones=configs))
    (push,) = primary.take(Plan((), tuple(configs), {ZONE: names({"x": (rrset("A", "192.0.2.3"),)})}))
    assert push.zone == ZONE
    assert primary.zones["example.com/home"].serial == second.serial
    assert primary.zones[ZONE].serial == first.serial + 1


# --- dynamic records ------------------------------------------------------------------------------


def test_two_values_come_and_go_one_by_one(tmp_path: Path) -> None:
    primary, _ = start(tmp_path)
    one, two = data("TXT", '"one"'), data("TXT", '"two"')
    primary.add(ZONE, NAME, TXT, 60, one)
    (push,) = primary.add(ZONE, NAME, TXT, 60, two)
    assert texts(push.changes[NAME]) == {"TXT": {'"one"', '"two"'}}
    assert primary.add(ZONE, NAME, TXT, 60, two) == [], "it is there already"
    (push,) = primary.remove(ZONE, NAME, TXT, one)
    assert texts(push.changes[NAME]) == {"TXT": {'"two"'}}
    (push,) = primary.remove(ZONE, NAME, TXT, two)
    assert push.changes == {NAME: ()}
    assert primary.remove(ZONE, NAME, TXT, two) == []


def test_dynamic_records_survive_a_restart(tmp_path: Path) -> None:
    primary, _ = start(tmp_path)
    primary.add(ZONE, NAME, TXT, 60, data("TXT", '"one"'))
    _, (push,) = start(tmp_path)
    assert texts(push.changes[NAME]) == {"TXT": {'"one"'}}


def test_beside_the_manifests_they_are_united_with_the_ttl_of_those(tmp_path: Path) -> None:
    primary, _ = start(tmp_path)
    at = wire("www.example.com")
    (push,) = primary.add(ZONE, at, 1, 5, data("A", "192.0.2.200"))
    assert push.changes[at] == (rrset("A", "192.0.2.200", "192.0.2.80"), rrset("AAAA", "2001:db8::80"))
    assert primary.take(plan()) == []
    (push,) = primary.take(plan({"www": (rrset("A", "192.0.2.81"),)}))
    assert push.changes[at] == (rrset("A", "192.0.2.200", "192.0.2.81"),)
    (push,) = primary.take(plan({"www": ()}))
    assert push.changes[at] == (rrset("A", "192.0.2.200", ttl=5),)
    (push,) = primary.remove(ZONE, at, 1, None)
    assert push.changes[at] == ()


def test_a_whole_plan_leaves_dynamic_names(tmp_path: Path) -> None:
    primary, _ = start(tmp_path)
    primary.add(ZONE, NAME, TXT, 60, data("TXT", '"one"'))
    primary.add(ZONE, wire("www.example.com"), TXT, 60, data("TXT", '"two"'))
    (push,) = primary.take(plan({"ns": BASIC["ns"]}, whole=True))
    assert set(push.changes) == {wire("example.com"), wire("www.example.com"), wire("alias.example.com")}
    assert texts(primary.zones[ZONE].names[wire("www.example.com")]) == {"TXT": {'"two"'}}
    assert NAME in primary.zones[ZONE].names


@pytest.mark.parametrize(
    ("name", "type", "text"),
    [
        ("www.example.com", "CNAME", "other.example.com."),
        ("alias.example.com", "TXT", '"x"'),
        ("elsewhere.example.org", "TXT", '"x"'),
        ("notexample.com", "TXT", '"x"'),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, name: str, type: str, text: str) -> None:
    primary, _ = start(tmp_path)
    with pytest.raises(EngineError):
        primary.add(ZONE, wire(name), int(rrset(type, text).type), 60, data(type, text))
    assert primary.zones[ZONE].names == names(BASIC)


def test_a_cname_of_the_manifests_hides_what_was_there(tmp_path: Path) -> None:
    primary, _ = start(tmp_path)
    primary.add(ZONE, NAME, TXT, 60, data("TXT", '"one"'))
    alias = (rrset("CNAME", "there.example.net."),)
    (push,) = primary.take(plan({"_acme-challenge.www": alias}))
    assert push.changes == {NAME: alias}
    (push,) = primary.take(plan({"_acme-challenge.www": ()}))
    assert texts(push.changes[NAME]) == {"TXT": {'"one"'}}


def test_a_full_disk_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    primary, _ = start(tmp_path)
    primary.add(ZONE, NAME, TXT, 60, data("TXT", '"one"'))
    before = primary.zones[ZONE].serial

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(overlay.state, "save", full)
    with pytest.raises(EngineError, match="No space left"):
        primary.add(ZONE, NAME, TXT, 60, data("TXT", '"two"'))
    assert texts(primary.zones[ZONE].names[NAME]) == {"TXT": {'"one"'}}
    assert primary.zones[ZONE].serial == before
    monkeypatch.undo()
    _, (push,) = start(tmp_path)
    assert texts(push.changes[NAME]) == {"TXT": {'"one"'}}


def test_a_zone_that_is_not_served(tmp_path: Path) -> None:
    primary, _ = start(tmp_path)
    primary.add(ZONE, NAME, TXT, 60, data("TXT", '"one"'))
    primary.take(plan(zones=[]))
    with pytest.raises(EngineError, match="not served"):
        primary.add(ZONE, NAME, TXT, 60, data("TXT", '"two"'))
    assert primary.remove(ZONE, NAME, TXT, data("TXT", '"one"')) == [], "cleaning up needs no zone"
    (push,) = primary.take(plan())
    assert NAME not in push.changes
