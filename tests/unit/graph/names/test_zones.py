"""What zones say of a name."""

from __future__ import annotations

import pytest

from gatewright.graph.names import zones
from gatewright.graph.names.zones import Found, Kind
from gatewright.graph.sight import Sight
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import RecordsIntent, ResolverConfig, ResolverFileIntent
from support.mapped import AT, World, record, zone

RECORDS = (
    record("example.com", "A", "192.0.2.1"),
    record("*.example.com", "A", "192.0.2.2"),
    record("www.example.com", "CNAME", "example.com"),
    record("*.k8s.example.com", "A", "10.0.0.50"),
    record("deep.inner.example.com", "A", "192.0.2.3"),
    record("sub.example.com", "NS", "ns1.elsewhere.net"),
)


def said(world: World, name: str, type_: str = "A", view: str = "public") -> Found | None:
    found: Found | None = world.answer(zones.lookup, view, name, type_)
    return found


@pytest.mark.parametrize(
    ("name", "kind", "owner"),
    [
        ("example.com", Kind.RECORDS, "example.com"),
        ("a.example.com", Kind.RECORDS, "*.example.com"),
        ("b.a.example.com", Kind.RECORDS, "*.example.com"),  # several labels, unlike a certificate
        ("www.example.com", Kind.CNAME, "www.example.com"),
        ("x.www.example.com", Kind.NXDOMAIN, "x.www.example.com"),  # nothing below what exists
        ("x.k8s.example.com", Kind.RECORDS, "*.k8s.example.com"),
        ("k8s.example.com", Kind.NODATA, "k8s.example.com"),  # it exists by its wildcard
        ("inner.example.com", Kind.NODATA, "inner.example.com"),
        ("other.inner.example.com", Kind.NXDOMAIN, "other.inner.example.com"),
        ("sub.example.com", Kind.DELEGATED, "sub.example.com"),
        ("x.sub.example.com", Kind.DELEGATED, "sub.example.com"),
    ],
)
def test_wildcards_and_what_exists(name: str, kind: Kind, owner: str) -> None:
    found = said(World(zone("example.com", *RECORDS)), name)
    assert found is not None
    assert (found.kind, found.owner) == (kind, owner)


def test_no_data_is_not_absence() -> None:
    world = World(zone("example.com", record("a.example.com", "A", "192.0.2.1")))
    assert [said(world, name, "AAAA").kind for name in ("a.example.com", "b.example.com")] == [  # type: ignore[union-attr]
        Kind.NODATA,
        Kind.NXDOMAIN,
    ]


def test_the_longest_domain_of_the_view_answers() -> None:
    inner = zone("k8s.example.com", record("a.k8s.example.com", "A", "192.0.2.9"))
    private = zone("example.com", record("a.k8s.example.com", "A", "10.0.0.1"), name="home", view="home")
    world = World(zone("example.com", *RECORDS), inner, private)
    assert said(world, "a.k8s.example.com").zone == inner.key  # type: ignore[union-attr]
    assert said(world, "b.k8s.example.com").kind is Kind.NXDOMAIN  # type: ignore[union-attr]
    assert said(world, "a.k8s.example.com", view="home").zone == private.key  # type: ignore[union-attr]
    assert said(world, "example.org") is None
    assert said(world, "notexample.com") is None


def test_a_cname_at_the_apex_is_flattened_and_a_proxied_name_is_the_edges() -> None:
    world = World(
        zone(
            "example.com",
            record("example.com", "CNAME", "door.example.net"),
            record("app.example.com", "A", "192.0.2.1", proxied=True),
            record("app.example.com", "TXT", "hello"),
        )
    )
    assert said(world, "example.com").kind is Kind.ALIAS  # type: ignore[union-attr]
    assert said(world, "app.example.com", "AAAA").kind is Kind.PROXIED  # type: ignore[union-attr]
    assert said(world, "app.example.com", "TXT").kind is Kind.RECORDS  # type: ignore[union-attr]


def test_names_are_those_that_lead_somewhere() -> None:
    world = World(zone("example.com", *RECORDS, record("_acme.example.com", "TXT", "x")))
    assert world.answer(zones.names) == {
        "example.com",
        "*.example.com",
        "www.example.com",
        "*.k8s.example.com",
        "deep.inner.example.com",
    }


def test_two_zones_of_one_domain_and_view_are_told() -> None:
    first, second = zone("example.com", name="a"), zone("example.com", name="b")
    other = zone("example.com", name="c", view="home")
    (problem,) = World(first, second, other).answer(zones.conflicts)
    assert (problem.id, problem.origin) == ("zone-twice", second.origin)
    assert "Zone a" in problem.message


def test_a_zone_file_and_dns_endpoints_add_to_a_zone() -> None:
    held = ResolverConfig(records=(record("file.example.com", "A", "192.0.2.5"),))
    file = ResolverFileIntent(Key("ZoneFile", "", "example.com.zone"), AT, "zone", held)
    endpoint = RecordsIntent(
        Key("DNSEndpoint", "apps", "more"),
        AT,
        (
            record("more.example.com", "A", "192.0.2.6"),
            record("own.example.com", "A", "192.0.2.7"),
            record("a.example.org", "A", "192.0.2.8"),
        ),
    )
    own = record("own.example.com", "A", "192.0.2.1")
    world = World(file, endpoint, zone("example.com", own, file=file.key, external_dns=True), zone("example.org"))
    values = {}
    for name in ("file.example.com", "more.example.com", "own.example.com"):
        found = said(world, name)
        assert found is not None
        values[name.partition(".")[0]] = found.records[0].values
    # What somebody wrote is not external-dns's to change, and it writes only where it is said to.
    assert values == {"file": ("192.0.2.5",), "more": ("192.0.2.6",), "own": ("192.0.2.1",)}
    assert said(world, "a.example.org").kind is Kind.NXDOMAIN  # type: ignore[union-attr]


def test_another_record_does_not_concern_a_name() -> None:
    """Of 1,000 names, all but those few that share a piece with the one that changes."""
    records = [record(f"h{n}.example.com", "A", "192.0.2.1") for n in range(1000)]
    world = World(zone("example.com", *records))
    computed: list[str] = []

    def says(sight: Sight, name: str) -> Found | None:
        computed.append(name)
        return zones.lookup(sight, "public", name, "A")

    asked = [f"h{n}.example.com" for n in range(1000)]
    for name in asked:
        world.answer(says, name)
    computed.clear()
    world.put(zone("example.com", *records[:-1], record("h999.example.com", "A", "192.0.2.7")))
    answers = [world.answer(says, name) for name in asked]
    assert answers[-1].records[0].values == ("192.0.2.7",)
    assert len(computed) < 200
