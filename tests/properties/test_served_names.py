"""What is served of a zone is what was traced of it, and a plan kept current is the plan made anew.

The zones of random worlds get gateways, providers and sub-zones by chance.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.engines.dns.content import Plan, RRsets
from gatewright.engines.dns.plan import Planner
from gatewright.graph.names import serving, table, zones
from gatewright.graph.names.zones import Kind
from gatewright.kinds.intents.naming import Record
from gatewright.pipeline import Model
from support.random_routes import Manifest
from support.random_worlds import EDGE, HOME, VIP, file_of, text, world, write

SEEDS = 400
GATEWAYS = (True, ["gw"], ["infra/tr", "infra/ng"], ["infra/gw", "tr"])
PLACES = {EDGE: ("127.0.0.2",), VIP: ("127.0.0.3", "::1"), "elsewhere.example.net": ("127.0.0.4",)}
LEADING = ("A", "AAAA", "CNAME", "ALIAS")

Contents = Mapping[str, tuple[Record, ...]]


def files_of(seed: int) -> dict[str, Manifest]:
    """A world whose zones are served in one way or the other."""
    random = Random(seed)
    files = world(seed)
    for data in [*files.values()]:
        if data["kind"] != "Zone":
            continue
        spec = data["spec"]
        if random.random() < 0.8:
            spec["gateways"] = random.choice(GATEWAYS)
        if random.random() < 0.6 and "sslMode" not in spec:
            spec["provider"] = "Gatewright"
        if random.random() < 0.3:
            spec["records"].append({"name": "sub", "type": "NS", "values": ["ns.example.net"]})
    if random.random() < 0.3:
        below = {"domain": "a.example.com", "view": "public", "provider": "Gatewright", "gateways": True}
        made: Manifest = {
            "apiVersion": "gatewright.dev/v1alpha1", "kind": "Zone", "metadata": {"name": "below"}, "spec": below,
        }  # fmt: skip
        files[file_of(made)] = made
    return files


@contextmanager
def folder(files: dict[str, Manifest]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as made:
        write(Path(made), files)
        yield Path(made)


def read(at: Path) -> Model:
    model = Model()
    model.read([str(at)])
    return model


# --- the zone is what was traced ------------------------------------------------------------------


def looked_up(contents: Contents, domain: str, name: str) -> tuple[Record, ...] | None:
    """What a server has for a name (RFC 4592), None for no such name; the records of a delegation for what is below."""
    cut = name
    while cut != domain:
        found = [record for record in contents.get(cut, ()) if record.type == "NS"]
        if found and not cut.startswith("*."):
            return tuple(found)
        cut = cut.partition(".")[2]
    exists = {domain}
    for owner in contents:
        exists |= {owner[start:] for start in range(len(owner) - len(domain)) if not start or owner[start - 1] == "."}
    if name in exists:
        return contents.get(name, ())
    encloser = name
    while encloser not in exists:
        encloser = encloser.partition(".")[2]
    return contents.get("*." + encloser)


def said(found: zones.Found) -> dict[str, tuple[str, ...]] | None:
    """What a look-up says of a name, by type of record."""
    if found.kind is Kind.NXDOMAIN:
        return None
    return {"ALIAS" if found.kind is Kind.ALIAS else record.type: record.values for record in found.records}


def expected(records: tuple[Record, ...] | None, domain: str, kind: str) -> dict[str, tuple[str, ...]] | None:
    """What a server answers of the records of a name when it is asked for a type."""
    if records is None:
        return None
    by_type = {record.type: record for record in records}
    if "NS" in by_type and by_type["NS"].name != domain:
        return {"NS": by_type["NS"].values}
    leading = [record for record in records if record.type in LEADING]
    if any(record.proxied for record in leading):
        return {record.type: record.values for record in leading}
    found = next((by_type[one] for one in (kind, "CNAME", "ALIAS") if one in by_type), None)
    return {} if found is None else {found.type: found.values}


@given(seed=st.integers(0, SEEDS))
@settings(max_examples=40, deadline=None)
def test_a_zone_has_what_is_looked_up_in_it(seed: int) -> None:
    with folder(files_of(seed)) as at:
        analysis = read(at).analysis
        for zone in analysis.answer(serving.zones):
            contents = analysis.answer(serving.contents, zone.key)
            assert zone.domain in contents
            for name, records in contents.items():
                assert records == analysis.answer(serving.record_sets, zone.key, name)
                assert [record.name for record in records] == [name] * len(records)
            names = {*contents, *(f"q.{name}" for name in contents if not name.startswith("*."))}
            names |= {name.partition(".")[2] for name in contents if name != zone.domain}
            for name in sorted(names):
                if analysis.answer(zones.zone_of, zone.view, name) != zone.key:
                    continue
                for kind in ("A", "AAAA"):
                    found = analysis.answer(zones.look, zone.key, name, kind)
                    records = looked_up(contents, zone.domain, name)
                    assert said(found) == expected(records, zone.domain, kind), (name, kind)


@given(seed=st.integers(0, SEEDS), standing_in=st.booleans())
@settings(max_examples=40, deadline=None)
def test_what_is_settled_by_the_zone_is_what_is_asked_name_by_name(seed: int, standing_in: bool) -> None:
    with folder(files_of(seed)) as at:
        analysis = read(at).analysis
        for zone in analysis.answer(serving.zones):
            settled = {
                name: data
                for number in range(table.PIECES)
                for name, data in analysis.answer(serving.settled, zone.key, number).items()
            }
            unsettled = analysis.answer(serving.unsettled, zone.key)
            assert unsettled.isdisjoint(settled)
            assert {*settled, *unsettled} == analysis.answer(serving.owners, zone.key)
            for name, data in settled.items():
                records = analysis.answer(serving.flattened, zone.key, name, standing_in)
                assert data == tuple((record.type, record.ttl, record.values) for record in records)


# --- a plan that is kept current ------------------------------------------------------------------


class Served:
    """What a server has after it took plans."""

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.zones: dict[str, dict[bytes, RRsets]] = {}

    def take(self, plan: Plan | None) -> None:
        if plan is None:
            return
        self.plan = plan
        listed = {zone.id for zone in plan.zones}
        assert listed.issuperset(plan.changes)
        self.zones = {} if plan.whole else {id_: names for id_, names in self.zones.items() if id_ in listed}
        for id_ in listed:
            names = self.zones.setdefault(id_, {})
            for name, sets in plan.changes.get(id_, {}).items():
                assert names.get(name, ()) != sets, "nothing is said twice"
                names[name] = sets
                if not sets:
                    del names[name]

    def equals(self, other: Served) -> bool:
        assert self.plan is not None
        assert other.plan is not None
        same = (self.plan.views, self.plan.zones) == (other.plan.views, other.plan.zones)
        return same and self.zones == other.zones


@given(seed=st.integers(0, SEEDS), every_zone=st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_plan_kept_current_is_the_plan_made_anew(seed: int, every_zone: bool) -> None:
    random = Random(seed)
    files = files_of(seed)
    with folder(files) as at:
        model = read(at)
        planner = Planner(model.analysis, every_zone=every_zone, local={})
        served = Served()
        served.take(planner.whole())
        for step in range(6):
            other = files_of(random.randint(0, SEEDS))
            changed = random.sample(sorted({*files, *other}), 4)
            for name in changed:
                new = other.get(name)
                if new is not None:
                    files[name] = new
                    (at / name).write_text(text(new))
                else:
                    files.pop(name, None)
                    (at / name).unlink(missing_ok=True)
            state = model.refresh([str(at / name) for name in changed])
            if state is not None:
                served.take(planner.changed(state))
            local = dict(random.sample(sorted(PLACES.items()), random.randint(0, 2)))
            served.take(planner.relocated(local))
            for target in random.sample(sorted(planner.aliases), min(1, len(planner.aliases))):
                served.take(planner.resolved(target, ("192.0.2.1",) if step % 2 else (HOME,)))
            fresh = Served()
            anew = Planner(read(at).analysis, every_zone=every_zone, local=local)
            fresh.take(anew.whole())
            assert planner.aliases == anew.aliases
            for target in sorted(planner.aliases):
                fresh.take(anew.resolved(target, planner.known(target)))
            assert served.equals(fresh)


# --- who has the say on a name ----------------------------------------------------------------------

RECORDS: tuple[tuple[tuple[str, str], ...], ...] = (
    (), (("A", "192.0.2.1"),), (("A", "192.0.2.2"),), (("TXT", "text"),), (("TXT", "text"), ("AAAA", "2001:db8::1")),
    (("CNAME", "b.example.com"),), (("ALIAS", "b.example.com"),), (("ALIAS", "lb.example.net"),),
    (("NS", "ns.example.net"),),
)  # fmt: skip
STEPS = st.fixed_dictionaries(
    {
        "gateways": st.booleans(),
        "externalDNS": st.booleans(),
        "ttl": st.sampled_from((300, 60)),
        "records": st.fixed_dictionaries({name: st.sampled_from(RECORDS) for name in ("a", "b", "x.a", "*.b", "@")}),
        "routes": st.sets(st.sampled_from(("a.example.com", "b.example.com", "x.a.example.com", "*.b.example.com"))),
    }
)


def of_step(step: dict[str, Any]) -> dict[str, Manifest]:
    """A gateway, a Zone, and routes."""
    records = [
        {"name": name, "type": kind, "values": [value]}
        for name, sets in step["records"].items()
        for kind, value in sets
    ]
    spec = {name: step[name] for name in ("gateways", "externalDNS", "ttl")}
    spec |= {"domain": "example.com", "provider": "Gatewright", "records": records}
    gateway = {
        "gatewayClassName": "x",
        "addresses": [{"value": "203.0.113.5"}],
        "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}],
    }
    version = "gateway.networking.k8s.io/v1"
    routes = [
        (
            "gateway.networking.k8s.io/v1",
            "HTTPRoute",
            f"r{index}",
            {"parentRefs": [{"name": "gw"}], "hostnames": [host]},
        )
        for index, host in enumerate(sorted(step["routes"]))
    ]
    wanted = [
        ("gatewright.dev/v1alpha1", "Zone", "z", spec),
        (version, "Gateway", "gw", gateway),
        *routes,
    ]
    made: list[Manifest] = [
        {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "infra"}, "spec": said}
        for version, kind, name, said in wanted
    ]
    return {file_of(one): one for one in made}


@given(steps=st.lists(STEPS, min_size=2, max_size=5))
@settings(max_examples=60, deadline=None)
def test_names_pass_from_the_zone_to_routes_and_back(steps: list[dict[str, Any]]) -> None:
    files = of_step(steps[0])
    with folder(files) as at:
        model = read(at)
        planner = Planner(model.analysis, every_zone=False, local={})
        served = Served()
        served.take(planner.whole())
        for step in steps[1:]:
            before, files = files, of_step(step)
            for name in before.keys() - files.keys():
                (at / name).unlink()
            write(at, files)
            state = model.refresh([str(at / name) for name in {*before, *files}])
            if state is not None:
                served.take(planner.changed(state))
            fresh = Served()
            fresh.take(Planner(read(at).analysis, every_zone=False, local={}).whole())
            assert served.equals(fresh)
