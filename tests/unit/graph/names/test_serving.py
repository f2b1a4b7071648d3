"""What is served: names of routes by view, who sees which view, what cannot be served."""

from __future__ import annotations

from typing import Any

import pytest

from gatewright.graph.names import serving, table, views, zones
from gatewright.graph.names.nodes import Status
from gatewright.graph.names.zones import Kind
from gatewright.graph.network.nodes import Place
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import ALL_GATEWAYS, Record, ViewIntent, ZoneIntent
from gatewright.kinds.intents.places import NetworkSpec, NodeSpec, SiteIntent, Spot
from support.mapped import AT, World, forward, record, resolver, zone

SITE = SiteIntent(
    Key("Site", "", "home"),
    AT,
    networks=(
        NetworkSpec("lan", AT, ("192.168.178.0/24", "fd00:1::/64")),
        NetworkSpec("guests", AT, ("192.168.180.0/24",)),
    ),
    nodes=(NodeSpec("dns", AT, ("192.168.178.2",)),),
)
LAN, GUESTS, INTERNET = (Place("network", name) for name in ("home/lan", "home/guests", "internet"))


def gateway(name: str, *addresses: str) -> dict[str, Any]:
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": "infra"},
        "spec": {
            "gatewayClassName": "x",
            "addresses": [
                {"value": address, **({"type": "Hostname"} if address[-1].isalpha() else {})} for address in addresses
            ],
            "listeners": [listener],
        },
    }


def route(name: str, host: str, *gateways: str) -> dict[str, Any]:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": "infra"},
        "spec": {
            "parentRefs": [{"name": gateway} for gateway in gateways],
            "hostnames": [host],
            "rules": [{"backendRefs": [{"name": "s", "port": 80}]}],
        },
    }


INSIDE = gateway("inside", "192.168.178.10", "2001:db8:1::10")
OUTSIDE = gateway("outside", "203.0.113.9", "2001:db8::9")
CLOUD = gateway("cloud", "lb.example.net")
ROUTES = (
    route("both", "both.example.com", "inside", "outside"),
    route("in", "in.example.com", "inside"),
    route("out", "out.example.com", "outside"),
    route("cloud", "cloud.example.com", "cloud"),
    route("wild", "*.wild.example.com", "inside"),
    route("deep", "a.deep.example.com", "inside"),
)


def ours(
    *records: Record, view: str = "public", gateways: tuple[str, ...] = (ALL_GATEWAYS,), **more: Any
) -> ZoneIntent:
    return zone("example.com", *records, name=view, view=view, provider="gatewright", gateways=gateways, **more)


def world(*given: Any) -> World:
    return World(SITE, *given, manifests=[INSIDE, OUTSIDE, CLOUD, *ROUTES])


def sets(where: World, key: Key, name: str) -> dict[str, tuple[str, ...]]:
    found: tuple[Record, ...] = where.answer(serving.record_sets, key, name)
    return {one.type: one.values for one in found}


# --- names of routes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "view", "expected"),
    [
        ("both.example.com", "public", {"A": ("203.0.113.9",), "AAAA": ("2001:db8:1::10", "2001:db8::9")}),
        ("both.example.com", "house", {"A": ("192.168.178.10",), "AAAA": ("2001:db8:1::10",)}),
        ("in.example.com", "public", {"AAAA": ("2001:db8:1::10",)}),
        ("out.example.com", "house", {"A": ("203.0.113.9",), "AAAA": ("2001:db8::9",)}),
        ("cloud.example.com", "public", {"CNAME": ("lb.example.net",)}),
        ("*.wild.example.com", "house", {"A": ("192.168.178.10",), "AAAA": ("2001:db8:1::10",)}),
        ("none.example.com", "house", {}),
    ],
)
def test_all_gateways_as_a_view_may_see_them(name: str, view: str, expected: dict[str, Any]) -> None:
    intent = ours(view=view)
    assert sets(world(intent), intent.key, name) == expected


@pytest.mark.parametrize(
    ("gateways", "expected"),
    [
        (("infra/outside", "infra/inside"), ("203.0.113.9",)),
        (("inside", "outside"), ("192.168.178.10",)),
        (("cloud", "outside"), ("203.0.113.9",)),
        (("cloud",), None),
    ],
)
def test_the_first_gateway_that_serves_the_name(gateways: tuple[str, ...], expected: Any) -> None:
    intent = ours(gateways=gateways)
    assert sets(world(intent), intent.key, "both.example.com").get("A") == expected


def test_records_go_before_routes() -> None:
    intent = ours(record("both.example.com", "A", "192.0.2.7"), record("cloud.example.com", "TXT", "hello"))
    where = world(intent)
    assert sets(where, intent.key, "both.example.com") == {"A": ("192.0.2.7",)}
    # Beside other records there is no CNAME.
    assert sets(where, intent.key, "cloud.example.com") == {"ALIAS": ("lb.example.net",), "TXT": ("hello",)}


def test_names_of_routes_are_traced_too() -> None:
    where = world(ours(view="house"))
    for name, kind in (
        ("both.example.com", Kind.RECORDS),
        ("x.y.wild.example.com", Kind.RECORDS),
        ("wild.example.com", Kind.NODATA),
        ("deep.example.com", Kind.NODATA),
        ("none.example.com", Kind.NXDOMAIN),
    ):
        assert where.answer(zones.lookup, "house", name, "A").kind is kind, name


def test_a_name_exists_for_as_long_as_there_are_names_below_it() -> None:
    where = world(ours(view="house"))
    where.analysis.keep(zones.lookup, "house", "deep.example.com", "A")
    concerned = where.remove(Key("HTTPRoute", "infra", "deep"))
    assert (zones.lookup, ("house", "deep.example.com", "A")) in concerned
    assert where.answer(zones.lookup, "house", "deep.example.com", "A").kind is Kind.NXDOMAIN


def test_a_longer_domain_has_the_say() -> None:
    intent = ours(view="house")
    below = zone("deep.example.com", view="house", provider="gatewright", gateways=(ALL_GATEWAYS,))
    where = world(intent, below)
    assert "a.deep.example.com" not in where.answer(serving.contents, intent.key)
    assert "a.deep.example.com" in where.answer(serving.contents, below.key)


def test_a_change_of_one_name_concerns_no_other() -> None:
    intent = ours(view="house")
    where = world(intent)
    for name in ("in.example.com", "out.example.com"):
        where.analysis.keep(serving.flattened, intent.key, name, False)
    assert where.remove(Key("HTTPRoute", "infra", "in")) == {(serving.flattened, (intent.key, "in.example.com", False))}


# --- the zone itself ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("intent", "servers"),
    [
        (ours(), ("localhost",)),
        (ours(record("ns.example.com", "A", "192.0.2.1")), ("ns.example.com",)),
        (ours(record("example.com", "NS", "a.example.net", "b.example.net")), ("a.example.net", "b.example.net")),
        (ours(record("example.com", "NS", "a.example.net"), nameservers=("c.example.net",)), ("c.example.net",)),
    ],
)
def test_name_servers(intent: ZoneIntent, servers: tuple[str, ...]) -> None:
    where = world(intent)
    (described,) = where.answer(serving.zones)
    assert (described.nameservers, described.soa.primary) == (servers, servers[0])
    assert described.soa.mailbox == "hostmaster.example.com"
    assert sets(where, intent.key, "example.com")["NS"] == servers


def test_ttls_are_filled_in() -> None:
    intent = ours(record("a.example.com", "A", "192.0.2.1", ttl=7), record("b.example.com", "A", "192.0.2.1"), ttl=60)
    found = world(intent).answer(serving.contents, intent.key)
    assert [found[name][0].ttl for name in ("a.example.com", "b.example.com", "in.example.com")] == [7, 60, 60]


def test_an_alias_is_flattened_where_its_target_is_known() -> None:
    intent = ours(
        record("example.com", "CNAME", "www.example.com"),
        record("www.example.com", "CNAME", "out.example.com"),
        record("far.example.com", "ALIAS", "lb.example.net"),
    )
    where = world(intent)
    assert sets(where, intent.key, "example.com")["ALIAS"] == ("www.example.com",)
    flat = {one.type: one.values for one in where.answer(serving.flattened, intent.key, "example.com", False)}
    assert flat == {"A": ("203.0.113.9",), "AAAA": ("2001:db8::9",), "NS": ("localhost",)}
    (kept,) = where.answer(serving.flattened, intent.key, "far.example.com", False)
    assert kept.type == "ALIAS"


def test_aliases_in_a_circle_end() -> None:
    intent = ours(record("a.example.com", "ALIAS", "b.example.com"), record("b.example.com", "ALIAS", "a.example.com"))
    (left,) = world(intent).answer(serving.flattened, intent.key, "a.example.com", False)
    assert (left.type, left.values) == ("A", ())  # the name is there, though it leads nowhere


def test_of_an_alias_that_others_know_in_part_the_rest_is_known() -> None:
    intent = ours(
        record("a.example.com", "ALIAS", "b.example.com"),
        record("b.example.com", "AAAA", "2001:db8::9"),
        record("b.example.com", "ALIAS", "lb.example.net"),
    )
    found = world(intent).answer(serving.flattened, intent.key, "a.example.com", False)
    assert {one.type: one.values for one in found} == {"AAAA": ("2001:db8::9",), "ALIAS": ("b.example.com",)}


def test_what_cannot_be_served_is_left_out_and_said() -> None:
    intent = ours(
        record("x" * 64 + ".example.com", "A", "192.0.2.1"),
        record(".".join(["abcdefghi"] * 26) + ".example.com", "A", "192.0.2.1"),
        record("mx.example.com", "MX", "mail.example.com", "10 good.example.com"),
        record("both.example.com", "CNAME", "a.example.net"),
        record("both.example.com", "TXT", "beside"),
        record("many.example.com", "CNAME", "a.example.net", "b.example.net"),
        record("fine.example.com", "TXT", "y" * 600),
    )
    where = world(intent)
    found = where.answer(serving.contents, intent.key)
    assert sets(where, intent.key, "mx.example.com") == {"MX": ("10 good.example.com",)}
    assert sets(where, intent.key, "both.example.com") == {"CNAME": ("a.example.net",)}
    assert {"fine.example.com", "in.example.com"} <= found.keys()
    assert "many.example.com" not in found
    problems = where.answer(serving.problems)
    assert len(problems) == 5
    assert {problem.id for problem in problems} == {"record-not-served"}


# --- views ----------------------------------------------------------------------------------------


def described(name: str, **more: Any) -> ViewIntent:
    return ViewIntent(Key("View", "", name), AT, **more)


def clients(*given: Any) -> dict[str, tuple[str, ...]]:
    return {view.name: view.clients for view in World(SITE, *given).answer(serving.views)}


def test_views_without_a_description() -> None:
    assert clients(ours(), ours(view="house")) == {"house": serving.PRIVATE, "public": serving.EVERYBODY}


def test_a_view_of_which_nobody_can_tell_whom_it_is_for_is_for_nobody() -> None:
    given = (ours(), ours(view="house"))
    assert clients(*given, described("house", unusable=True), described("public", unusable=True)) == {
        "house": (),
        "public": (),
    }


def test_of_several_private_views_none_is_shown() -> None:
    given = (ours(view="house"), ours(view="lab"))
    assert clients(*given) == {"house": (), "lab": ()}
    assert [problem.id for problem in World(*given).answer(serving.problems)] == ["view-undescribed"] * 2
    assert clients(*given, described("lab", clients=("10.0.0.0/8",)))["house"] == serving.PRIVATE


def test_views_of_others_are_in_nobodys_way() -> None:
    given = (ours(view="house"), zone("example.net", view="lab", provider="technitium"))
    assert clients(*given) == {"house": serving.PRIVATE, "lab": ()}
    assert World(*given).answer(serving.problems) == ()


def test_clients_of_places() -> None:
    spots = (Spot(network="home/lan"), Spot(node="home/dns"), Spot(site="home"), Spot(network="internet"))
    found = clients(described("house", clients=("10.8.0.0/24",), spots=spots))["house"]
    lan = ("192.168.178.0/24", "fd00:1::/64")
    assert found == ("10.8.0.0/24", *lan, "192.168.178.2", "192.168.180.0/24", *serving.EVERYBODY)


# --- our resolver ---------------------------------------------------------------------------------

HOUSE = described("house", spots=(Spot(network="home/lan"),))
GUEST = described("guests", clients=("192.168.180.0/24",))
SERVER = resolver("dns", address="192.168.178.2", implementation="gatewright")


@pytest.mark.parametrize(
    ("place", "status", "addresses"),
    [
        (LAN, Status.ANSWER, ("192.168.178.10",)),
        (GUESTS, Status.REFUSED, ()),  # their view has no zone
        (INTERNET, Status.ANSWER, ("203.0.113.9",)),
        (None, Status.ANSWER, ("203.0.113.9",)),
        (Place("network", "home/guests", ("192.168.178.77",)), Status.ANSWER, ("192.168.178.10",)),
    ],
)
def test_the_view_is_the_askers(place: Place | None, status: Status, addresses: tuple[str, ...]) -> None:
    where = world(ours(), ours(view="house"), HOUSE, GUEST, SERVER)
    (found,) = set(where.ask("both.example.com", "A", "dns", place))
    assert (found.status, found.addresses) == (status, addresses)


def test_who_forwards_is_the_asker() -> None:
    router = resolver("router", address="192.168.178.1", forwards=(forward("example.com", "192.168.178.2"),))
    where = world(ours(), ours(view="house"), HOUSE, SERVER, router)
    (found,) = where.ask("both.example.com", "A", "router", INTERNET)
    assert (found.addresses, found.asked) == (("192.168.178.10",), ("router", "dns"))


def test_what_is_not_ours_is_refused() -> None:
    where = world(ours(), zone("example.org", record("a.example.org", "A", "192.0.2.1"), provider="cloudflare"), SERVER)
    (found,) = where.ask("a.example.org", "A", "dns", INTERNET)
    assert found.status is Status.REFUSED


def test_the_view_that_listens_there() -> None:
    lab = described("lab", listen=("192.168.178.4",))
    server = resolver("dns", address="192.168.178.4", implementation="gatewright")
    where = world(ours(), ours(record("lab.example.com", "A", "10.0.0.1"), view="lab"), lab, server)
    assert where.answer(views.seen, server.key, "192.168.178.4", INTERNET) == ("lab",)
    (found,) = where.ask("lab.example.com", "A", "dns", INTERNET)
    assert found.addresses == ("10.0.0.1",)


def test_names_that_only_the_zone_has_a_say_on() -> None:
    """Everything else is asked for name by name."""
    world = World(
        zone(
            "example.com",
            record("example.com", "A", "192.0.2.1"),
            record("a.example.com", "AAAA", "2001:db8::1"),
            record("a.example.com", "A", "192.0.2.1", "192.0.2.2", ttl=60),
            record("b.example.com", "CNAME", "a.example.com"),
            record("b.example.com", "TXT", "beside"),
            record("c.d.example.com", "TXT", "text"),
            record("e.example.com", "ALIAS", "lb.example.net"),
            record("*.f.example.com", "A", "192.0.2.3"),
            record("g.example.com", "DNAME", "example.net"),
            record("sub.example.com", "NS", "ns.example.net"),
            record("x.sub.example.com", "CNAME", "example.net"),
            gateways=(ALL_GATEWAYS,),
        )
    )
    key = Key("Zone", "", "example.com")
    pieces = [world.answer(serving.settled, key, number) for number in range(table.PIECES)]
    assert pieces[table.WILDCARDS] == {"*.f.example.com": (("A", 300, ("192.0.2.3",)),)}
    assert {name: data for piece in pieces[: table.WILDCARDS] for name, data in piece.items()} == {
        "a.example.com": (("A", 60, ("192.0.2.1", "192.0.2.2")), ("AAAA", 300, ("2001:db8::1",))),
        "b.example.com": (("CNAME", 300, ("a.example.com",)),),
    }
    others = {
        "example.com",
        "c.d.example.com",
        "e.example.com",
        "g.example.com",
        "sub.example.com",
        "x.sub.example.com",
    }
    assert world.answer(serving.unsettled, key) == others


def test_without_gateways_the_zone_alone_has_the_say() -> None:
    world = World(zone("example.com", record("t.example.com", "TXT", "text")))
    key = Key("Zone", "", "example.com")
    assert world.answer(serving.unsettled, key) == {"example.com"}
    assert world.answer(serving.settled, key, table.piece_of("t.example.com")) == {
        "t.example.com": (("TXT", 300, ("text",)),)
    }
    assert world.answer(serving.unsettled, Key("Zone", "", "none")) == frozenset()
    assert world.answer(serving.settled, Key("Zone", "", "none"), 0) == {}
