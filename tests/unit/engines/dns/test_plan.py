"""Plans: which zones, where names lead on this machine, keys, and one change after the other."""

from __future__ import annotations

import base64
from typing import Any

from msgspec import Struct, structs

from gatewright.base.sensitive import Sensitive
from gatewright.engines.dns.content import GrantConfig, KeyConfig, Plan, SecondaryConfig
from gatewright.engines.dns.encoding import rrset, wire_name
from gatewright.engines.dns.plan import Planner
from gatewright.graph.memo import Asked
from gatewright.graph.nodes import Change
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import SecretIntent
from gatewright.kinds.intents.naming import Record, Secondary, TsigKey, UpdateGrant, ViewIntent, ZoneIntent
from support.mapped import AT, World, record, zone

Sets = dict[str, list[tuple[int, tuple[bytes, ...]]]]


class Told(Struct, frozen=True):
    """A State of a model, as far as a Planner reads it."""

    concerned: frozenset[Asked]
    change: Change = Change()


def ours(*records: Record, **more: Any) -> ZoneIntent:
    return zone("example.com", *records, provider="gatewright", **more)


def planner(world: World, *, every: bool = False, local: dict[str, tuple[str, ...]] | None = None) -> Planner:
    return Planner(world.analysis, every_zone=every, local=local or {})


def at(plan: Plan | None, name: str, zone_id: str = "example.com/public") -> dict[int, tuple[bytes, ...]] | None:
    """The record sets that a plan gives a name, by type; None when it says nothing of it."""
    assert plan is not None
    found = plan.changes.get(zone_id, {}).get(wire_name(name))
    return None if found is None else {one.type: one.rdata for one in found}


def addresses(*values: str) -> dict[int, tuple[bytes, ...]]:
    """Record sets of these addresses."""
    found = {}
    for kind in ("A", "AAAA"):
        mine = [value for value in values if (":" in value) == (kind == "AAAA")]
        if mine:
            made = rrset(kind, 300, mine)
            found[made.type] = made.rdata
    return found


A = record("a.example.com", "A", "203.0.113.9")
SIX = record("a.example.com", "AAAA", "2001:db8::9")


def test_only_our_zones_unless_we_stand_in() -> None:
    world = World(ours(A), zone("example.org", record("b.example.org", "A", "192.0.2.1"), provider="cloudflare"))
    assert [one.id for one in planner(world).whole().zones] == ["example.com/public"]
    plan = planner(world, every=True).whole()
    assert [one.id for one in plan.zones] == ["example.com/public", "example.org/public"]
    assert at(plan, "b.example.org", "example.org/public") == addresses("192.0.2.1")


def test_names_lead_to_where_gateways_listen_here() -> None:
    world = World(
        ours(A, SIX, record("b.example.com", "A", "192.0.2.1"), record("c.example.com", "CNAME", "lb.example.net"))
    )
    made = planner(world, local={"203.0.113.9": ("127.0.0.2",), "2001:db8::9": ("127.0.0.2",)})
    plan = made.whole()
    assert at(plan, "a.example.com") == addresses("127.0.0.2")
    assert at(plan, "b.example.com") == addresses("192.0.2.1")
    moved = made.relocated({"203.0.113.9": ("127.0.0.3", "::1"), "lb.example.net": ("127.0.0.4",)})
    assert at(moved, "a.example.com") == addresses("127.0.0.3", "2001:db8::9", "::1")
    assert at(moved, "c.example.com") == addresses("127.0.0.4")
    assert at(moved, "b.example.com") is None
    assert made.relocated({"203.0.113.9": ("127.0.0.3", "::1"), "lb.example.net": ("127.0.0.4",)}) is None


def test_proxied_records_are_served_as_their_origin() -> None:
    records = (record("a.example.com", "A", "203.0.113.9", proxied=True),)
    world = World(zone("example.com", *records, provider="cloudflare"))
    assert at(planner(world, every=True).whole(), "a.example.com") == addresses("203.0.113.9")


def test_aliases_are_asked_for_and_answered() -> None:
    world = World(
        ours(record("example.com", "ALIAS", "lb.example.net"), record("x.example.com", "ALIAS", "lb.example.net"))
    )
    made = planner(world)
    plan = made.whole()
    key = Key("Zone", "", "example.com")
    assert {target: set(spots) for target, spots in made.aliases.items()} == {
        "lb.example.net": {(key, "example.com"), (key, "x.example.com")}
    }
    assert at(plan, "x.example.com") == {1: ()}, "the name exists, so that no wildcard answers for it"
    found = made.resolved("lb.example.net", ("192.0.2.1", "2001:db8::1"))
    assert at(found, "x.example.com") == addresses("192.0.2.1", "2001:db8::1")
    assert made.resolved("lb.example.net", ("192.0.2.1", "2001:db8::1")) is None
    changed = made.changed(Told(frozenset(world.put(ours()))))
    assert at(changed, "x.example.com") == {}
    assert made.aliases == {}


def test_one_change_says_one_name() -> None:
    world = World(ours(A, record("b.example.com", "A", "192.0.2.1")))
    made = planner(world)
    made.whole()
    told = Told(frozenset(world.put(ours(A, record("b.example.com", "A", "192.0.2.2")))))
    plan = made.changed(told)
    assert plan is not None
    assert {id_: list(names) for id_, names in plan.changes.items()} == {
        "example.com/public": [wire_name("b.example.com")]
    }
    assert made.changed(Told(frozenset())) is None


def test_another_zone_in_the_place_of_one() -> None:
    world = World(ours(A, record("b.example.com", "A", "192.0.2.1")))
    made = planner(world)
    made.whole()
    concerned = world.put(zone("example.com", A, name="another", provider="gatewright"))
    concerned |= world.remove(Key("Zone", "", "example.com"))
    plan = made.changed(Told(frozenset(concerned)))
    assert at(plan, "b.example.com") == {}
    assert at(plan, "a.example.com") is None, "it has what it had"


SECRET = Key("Secret", "dns", "tsig")
VIEW = ViewIntent(
    Key("View", "", "public"),
    AT,
    keys=(TsigKey("xfr", "hmac-sha256", SECRET, "key", AT), TsigKey("lost", "hmac-sha256", SECRET, "no", AT)),
    secondaries=(Secondary("192.0.2.3", AT, 53, "xfr"), Secondary("192.0.2.4", AT, 53, "lost"), Secondary("::1", AT)),
    updates=(UpdateGrant("xfr", AT, ("*.example.com",), ("TXT",)), UpdateGrant("lost", AT)),
)


def test_who_would_sign_with_a_lost_key_is_left_out() -> None:
    held = SecretIntent(SECRET, AT, data=(("key", Sensitive(base64.b64encode(b"shared"))),))
    world = World(ours(A), VIEW, held)
    made = planner(world)
    (view,) = made.whole().views
    assert view.keys == (KeyConfig(b"\x03xfr\0", "hmac-sha256", Sensitive(b"shared")),)
    assert view.secondaries == (SecondaryConfig("192.0.2.3", 53, b"\x03xfr\0"), SecondaryConfig("::1", 53))
    assert view.grants == (GrantConfig(b"\x03xfr\0", (wire_name("*.example.com"),), (16,)),)
    assert [problem.id for problem in made.problems] == ["tsig-secret-missing"]
    new = SecretIntent(SECRET, AT, data=(("key", Sensitive(base64.b64encode(b"newer"))),))
    plan = made.changed(Told(frozenset(world.put(new))))
    assert plan is not None
    assert plan.views[0].keys[0].secret == Sensitive(b"newer")
    assert not plan.changes


def test_only_views_that_are_needed() -> None:
    guests = ViewIntent(Key("View", "", "guests"), AT, clients=("192.168.180.0/24",))
    world = World(ours(A), zone("example.org", view="lab", provider="technitium"), guests)
    assert [view.name for view in planner(world).whole().views] == ["guests", "public"]


def test_records_that_only_moved_are_not_said_again() -> None:
    names = [record(f"h{number}.example.com", "A", f"192.0.2.{number}") for number in range(100)]
    world = World(ours(*names))
    made = planner(world)
    made.whole()
    moved = [structs.replace(one, origin=one.origin.at("moved")) for one in reversed(names)]
    concerned = world.put(ours(*moved))
    assert made.changed(Told(frozenset(concerned))) is None
    concerned = world.put(ours(*moved[1:]))
    plan = made.changed(Told(frozenset(concerned)))
    assert plan is not None
    assert plan.changes == {"example.com/public": {wire_name("h99.example.com"): ()}}
