"""Exports of random zones, read back: a BIND zone is the contents; what our own readers understand resolves alike."""

from __future__ import annotations

import dns.rdatatype
import dns.zone
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gatewright.base.origin import Origin
from gatewright.engines.dns.export import FORMATS, records
from gatewright.graph.names.nodes import Status
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import Record, ResolverConfig, ResolverFileIntent, ResolverIntent
from gatewright.kinds.programs import adguard, cloudflared, corefile, dnsmasqconf, zonefile
from support.exported import DOMAIN, SETTINGS, contents, kinds, one_view, source, truth
from support.mapped import AT, World, record

READ = Origin("exported")

labels = st.lists(st.sampled_from(("a", "b")), max_size=3)
names = st.builds(lambda wild, inner: ".".join(["*"] * wild + inner + [DOMAIN]), st.booleans(), labels)
addresses4 = st.lists(st.sampled_from(("10.0.0.1", "10.0.0.2", "10.0.0.3")), min_size=1, max_size=2, unique=True)
addresses6 = st.lists(st.sampled_from(("fd00::1", "fd00::2")), min_size=1, max_size=2, unique=True)
texts = st.lists(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=300).filter(lambda text: not text.startswith('"')),
    min_size=1, max_size=2,
)  # fmt: skip
targets = st.builds(lambda inner: ".".join([*inner, DOMAIN]), labels)
values = st.one_of(
    st.tuples(st.just("A"), addresses4),
    st.tuples(st.just("AAAA"), addresses6),
    st.tuples(st.just("TXT"), texts),
    st.tuples(st.just("CNAME"), targets.map(lambda target: [target])),
    st.tuples(st.just("MX"), targets.map(lambda target: [f"10 {target}"])),
)
zones = st.dictionaries(st.tuples(names, st.sampled_from(("A", "AAAA", "TXT", "CNAME", "MX"))), values, max_size=10)


@st.composite
def worlds(draw: st.DrawFn, texts_too: bool = True) -> World:
    """A public zone with at most one record set for each name and type."""
    found: dict[tuple[str, str], Record] = {}
    for (name, _), (type_, data) in draw(zones).items():
        if texts_too or type_ in ("A", "AAAA", "CNAME"):
            found[name, type_] = record(name, type_, *data)
    return one_view(*found.values())


def asked(world: World) -> list[str]:
    """The names of the zone, those beside and those below them."""
    known = [name.removeprefix("*.") for name in contents(world, "public")]
    return sorted({DOMAIN, *known, *(f"x.{name}" for name in known), *(f"y.x.{name}" for name in known)})


def read_back(world: World, config: ResolverConfig, name: str, type_: str) -> tuple[str, ...]:
    """What a resolver with this configuration alone answers; nothing for what does not exist or is asked upstream."""
    resolver = World(
        ResolverIntent(Key("Resolver", "", "r"), AT, addresses=("10.0.0.53",), config=config),
    )
    (found,) = resolver.ask(name, type_, "r")
    return tuple(sorted(found.addresses)) if found.status is Status.ANSWER else ()


@given(worlds())
def test_a_bind_zone_is_the_contents(world: World) -> None:
    files = FORMATS["bind"].write(source(world), SETTINGS).files
    zone = dns.zone.from_text(files[f"zones/public/{DOMAIN}.zone"], f"{DOMAIN}.", relativize=False)
    got = {
        (name.to_text(omit_final_dot=True), dns.rdatatype.to_text(item.rdtype)): (item.ttl, set(item))
        for name, node in zone.nodes.items()
        for item in node
        if item.rdtype != dns.rdatatype.SOA
    }
    flattened = {
        (name, item.type): (item.ttl or 300, {records.rdata(item.type, value) for value in item.values})
        for name, items in contents(world, "public").items()
        for item in items
        if item.type != "ALIAS"
    }
    apex = {DOMAIN} if any(item.type == "ALIAS" for item in contents(world, "public")[DOMAIN]) else set()
    assert {key: data for key, data in got.items() if key[0] not in apex} == {
        key: data for key, data in flattened.items() if key[0] not in apex
    }
    for type_ in ("A", "AAAA"):
        held = got.get((DOMAIN, type_), (0, set()))[1]
        assert {data.to_text() for data in held} == set(truth(world, "public", DOMAIN, type_) or ())


@given(worlds())
def test_a_dnsmasq_configuration_resolves_alike(world: World) -> None:
    text = FORMATS["dnsmasq"].write(source(world), SETTINGS).files["dnsmasq/public.conf"]
    config, problems = dnsmasqconf.parse(f"no-resolv\n{text}", READ)
    assert problems == ()
    own = {name.removeprefix("*.") for name in contents(world, "public") if name.startswith("*.")}
    for name in asked(world):
        if name in own:  # that local= stops the wildcard above it, only dnsmasq itself knows
            continue
        for type_ in ("A", "AAAA"):
            assert read_back(world, config, name, type_) == (truth(world, "public", name, type_) or ()), (name, type_)


@given(worlds(texts_too=False))
def test_rewrites_of_adguard_resolve_alike(world: World) -> None:
    exported = FORMATS["adguard"].write(source(world), SETTINGS)
    config, problems = adguard.parse(yaml.safe_load(exported.files["adguard/public.yaml"]), READ)
    assert config is not None
    assert problems == ()
    beyond = kinds(exported).get("wildcard-reach", [])
    for name in asked(world):
        if any(name == other or name.endswith(f".{other}") for other in beyond):
            continue
        for type_ in ("A", "AAAA"):
            assert read_back(world, config, name, type_) == (truth(world, "public", name, type_) or ()), (name, type_)


@given(worlds())
def test_a_corefile_with_its_zone_resolves_alike(world: World) -> None:
    files = FORMATS["coredns"].write(source(world), SETTINGS).files
    config, problems = corefile.parse(files["Corefile"], READ)
    assert problems == ()
    ((domain, path),) = config.zone_files
    held, faults = zonefile.parse(files[path], READ, domain)
    assert faults == ()
    resolver = World(
        ResolverFileIntent(Key("ZoneFile", "", "z"), AT, "zone", held),
        ResolverIntent(
            Key("Resolver", "", "r"), AT, addresses=("10.0.0.53",), config=ResolverConfig(records=held.records)
        ),
    )
    for name in asked(world):
        for type_ in ("A", "AAAA"):
            (found,) = resolver.ask(name, type_, "r")
            got = tuple(sorted(found.addresses)) if found.status is Status.ANSWER else ()
            assert got == (truth(world, "public", name, type_) or ()), (name, type_)


@given(worlds())
def test_a_tunnel_takes_the_names_that_lead_somewhere(world: World) -> None:
    text = FORMATS["cloudflared"].write(source(world), SETTINGS).files["cloudflared/public.yml"]
    tunnel, problems = cloudflared.parse(yaml.safe_load(text), READ)
    assert problems == ()
    assert tunnel is not None
    assert {rule.service for rule in tunnel.rules[:-1]} <= {"https://10.0.0.1:443"}
    leading = {
        name
        for name, items in contents(world, "public").items()
        if any(item.type in ("A", "AAAA", "CNAME") for item in items) or (name == DOMAIN and truth_of_apex(world))
    }
    assert {rule.hostname for rule in tunnel.rules[:-1]} == leading


def truth_of_apex(world: World) -> bool:
    """Has the domain an address, be it by an alias?"""
    return any(truth(world, "public", DOMAIN, type_) for type_ in ("A", "AAAA"))
