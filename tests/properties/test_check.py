"""What `check` says of random worlds does not depend on what is beside the point.

Not on objects that have nothing to do with a name, not on the order of documents and files, not on what was there
before an edit.  Whatever goes in a circle, nothing raises and everything ends.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gatewright.check.compare import compare
from gatewright.check.matrix import AT_GATEWAY, Row, fate
from gatewright.check.rules import RULES
from gatewright.check.run import Checker, Report
from gatewright.pipeline import Model
from gatewright.trace.journey import journey
from gatewright.trace.request import request
from support.checked import examined
from support.keys import NOW, pair
from support.random_routes import API, TRAEFIK, Manifest
from support.random_worlds import MAP, file_of, text, world, write

SERVED = ("example.com", "*.example.com", "x.a.example.com", "*.a.example.com", "*.test", "elsewhere.example.net")
AUTHORITY = pair(now=NOW, ca=True, subject="the authority")
PAIR = pair(*SERVED, now=NOW, issuer=AUTHORITY)
SEEDS = 400


def files_of(seed: int) -> dict[str, Manifest]:
    return world(seed, PAIR.cert_pem, PAIR.key_pem, AUTHORITY.cert_pem)


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def fresh(at: Path) -> Report:
    """What check says of a folder that it has never seen."""
    return examined(at)[0]


def fill(at: Path, files: dict[str, Manifest]) -> None:
    """The folder holds these files and no others."""
    for old in at.iterdir():
        old.unlink()
    write(at, files)


# --- what has nothing to do with a name ---------------------------------------------------------

ELSEWHERE, LONELY = "elsewhere", "lonely.example.org"


def _about(name: str) -> dict[str, str]:
    return {"name": name, "namespace": ELSEWHERE}


POD = {"metadata": {"labels": {"app": "lonely"}}, "spec": {"containers": [{"name": "c", "image": "c"}]}}
ROUTE = {"hostnames": [LONELY], "rules": [{"backendRefs": [{"name": "lonely", "port": 80}]}]}
TO_GATEWAY = {"parentRefs": [{"name": "gw", "namespace": "infra"}]}
BACKEND = {"service": {"name": "lonely", "port": {"number": 80}}}
PATHS = {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND}]}
MATCH = {"match": f"Host(`{LONELY}`)", "kind": "Rule", "services": [{"name": "lonely", "port": 80}]}
UNRELATED: tuple[Manifest, ...] = (
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _about("lonely"), "data": {"a": "b"}},
    {"apiVersion": "v1", "kind": "Secret", "metadata": _about("lonely"), "stringData": {"a": "b"}},
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ELSEWHERE}},
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _about("lonely"),
        "spec": {"ports": [{"port": 80}], "selector": {"app": "lonely"}},
    },
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _about("lonely"),
        "spec": {"selector": {"matchLabels": {"app": "lonely"}}, "template": POD},
    },
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _about("lonely"),
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    },
    {"apiVersion": API, "kind": "HTTPRoute", "metadata": _about("lonely"), "spec": {**ROUTE, **TO_GATEWAY}},
    {"apiVersion": API, "kind": "HTTPRoute", "metadata": _about("lost"), "spec": ROUTE},
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": _about("lonely"),
        "spec": {"ingressClassName": "nginx", "rules": [{"host": LONELY, "http": PATHS}]},
    },
    {"apiVersion": TRAEFIK, "kind": "IngressRoute", "metadata": _about("lonely"), "spec": {"routes": [MATCH]}},
    {
        "apiVersion": TRAEFIK,
        "kind": "Middleware",
        "metadata": _about("lonely"),
        "spec": {"stripPrefix": {"prefixes": ["/x"]}},
    },
    {
        "apiVersion": MAP,
        "kind": "Zone",
        "metadata": {"name": "lonely"},
        "spec": {"domain": "example.org", "records": [{"name": "lonely", "values": ["203.0.113.200"]}]},
    },
    {
        "apiVersion": MAP,
        "kind": "Site",
        "metadata": {"name": "lonely"},
        "spec": {"networks": [{"name": "lan", "cidrs": ["10.200.0.0/24"]}]},
    },
    {"apiVersion": "example.org/v1", "kind": "Lonely", "metadata": _about("lonely")},
)


INGRESS = next(data for data in UNRELATED if data["kind"] == "Ingress")


@given(st.integers(0, SEEDS), st.sampled_from(UNRELATED))
@example(17331, INGRESS)  # the first object of a class beside one of a class that nobody serves
@settings(max_examples=60, deadline=None)
def test_an_unrelated_object_changes_nobody_s_verdict(seed: int, more: Manifest) -> None:
    with folder() as at:
        files = files_of(seed)
        write(at, files)
        before = fresh(at)
        name = file_of(more)
        assert name not in files
        (at / name).write_text(text(more))
        after = fresh(at)
        rows = {row.host: row for row in after.matrix}
        assert {row.host: rows.get(row.host) for row in before.matrix} == {row.host: row for row in before.matrix}
        assert told(before) == told(after, without=str(at / name))


def told(report: Report, without: str = "") -> list[tuple[object, ...]]:
    """The findings that name neither a file nor, alone, the host that it brings."""
    found = []
    for item in report.findings:
        hosts = tuple(host for host in item.hosts if host != LONELY)
        if (hosts or not item.hosts) and all(origin.file != without for origin in item.origins):
            found.append((item.id, item.severity, item.message, item.origins, hosts))
    return found


# --- edits --------------------------------------------------------------------------------------

Edit = tuple[str, Manifest | None]


@st.composite
def _edits(draw: st.DrawFn) -> list[list[Edit]]:
    """Documents put in the place of others of their identity, and documents taken away."""
    steps = draw(st.lists(st.lists(st.integers(0, SEEDS), min_size=1, max_size=3), min_size=1, max_size=4))
    random = draw(st.randoms(use_true_random=False))
    return [[_edit(seed, random) for seed in step] for step in steps]


def _edit(seed: int, random: Random) -> Edit:
    files = files_of(seed)
    name = random.choice(sorted(files))
    return name, None if random.random() < 0.25 else files[name]


@given(st.integers(0, SEEDS), _edits())
@settings(max_examples=60, deadline=None)
def test_an_edited_world_is_judged_as_one_that_was_always_so(seed: int, steps: list[list[Edit]]) -> None:
    with folder() as at:
        write(at, files_of(seed))
        model = Model(lambda: NOW)
        model.read([str(at)])
        checker = Checker(model.analysis, RULES)
        checker.run()
        for step in steps:
            for name, data in step:
                if data is None:
                    (at / name).unlink(missing_ok=True)
                else:
                    (at / name).write_text(text(data))
            state = model.refresh([str(at / name) for name, _ in step])
            if state is not None:
                checker.update(state.change, state.concerned)
            kept = checker.report(model.problems(), model.suppressions(), NOW.date())
            cold = fresh(at)
            assert kept.findings == cold.findings
            assert kept.matrix == cold.matrix


# --- order --------------------------------------------------------------------------------------


@given(st.integers(0, SEEDS), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_of_documents_and_files_does_not_show(seed: int, random: Random) -> None:
    documents = list(files_of(seed).values())
    with folder() as at:
        said = []
        for count in (1, 3):
            random.shuffle(documents)
            fill(at, {})
            for number in range(count):
                (at / f"{number}.yaml").write_text("---\n".join(map(text, documents[number::count])))
            said.append(fresh(at))
        assert placeless(said[0]) == placeless(said[1])


FILE = re.compile(r"\S+/[0-9]\.yaml(:[0-9]+)?")


def placeless(report: Report) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """A report without the places where things stand, which some messages name, too."""
    findings = sorted(
        (item.id, item.severity, FILE.sub("", item.message), item.consequence, item.fix, item.hosts, item.vantages)
        for item in report.findings
    )
    rows = [(row.host, row.url, [(c.vantage, c.family, c.outcome) for c in row.cells]) for row in report.matrix]
    return findings, rows


# --- one thing said twice -----------------------------------------------------------------------


@given(st.integers(0, SEEDS))
@settings(max_examples=30, deadline=None)
def test_a_report_differs_from_itself_in_nothing(seed: int) -> None:
    with folder() as at:
        write(at, files_of(seed))
        report = fresh(at)
    found = compare(report, report, str, str)
    assert (found.turns, found.introduced, found.fixed) == ((), (), ())
    assert sorted(map(repr, found.unchanged)) == sorted(map(repr, report.findings))


@given(st.integers(0, SEEDS))
@settings(max_examples=30, deadline=None)
def test_the_matrix_is_what_journeys_say(seed: int) -> None:
    with folder() as at:
        write(at, files_of(seed))
        report, model = examined(at)
        for row in report.matrix:
            if is_plain(model, row):
                for cell in row.cells:
                    families = (cell.family,)
                    found = model.analysis.answer(journey, cell.vantage, request(row.url), families)
                    assert {fate(branch) for branch in found.branches} == {*cell.fates} or not found.branches
                    assert cell.vantage != AT_GATEWAY


def is_plain(model: Model, row: Row) -> bool:
    """Is its URL all that was asked?  Rules of some names want headers or methods."""
    hosts = [host for key, host in model.graph.virtual_hosts.items() if key.hostname == row.host]
    matches = [entry.match for host in hosts for entry in host.entries]
    return not any(match.headers or match.methods for match in matches)


# --- worlds that go in circles ------------------------------------------------------------------


@given(st.lists(st.integers(0, SEEDS), min_size=2, max_size=5))
@settings(max_examples=60, deadline=None)
def test_worlds_mixed_at_random_are_judged_and_end(seeds: list[int]) -> None:
    """Documents of several worlds side by side: contradictions and circles of every kind."""
    mixed: dict[str, Manifest] = {}
    for number, seed in enumerate(seeds):
        files = files_of(seed)
        mixed |= {name: files[name] for name in sorted(files)[number :: len(seeds)]}
    with folder() as at:
        write(at, mixed)
        report = fresh(at)
    assert all(finding.origins for finding in report.findings)
    assert all(cell.fates for row in report.matrix for cell in row.cells)
