"""What annotations, middlewares and policies make of a graph does not depend on order or on what came before.

Counterpart: `test_graph`, the same of routes; ConfigMaps, Secrets, doors and policies come and go here.
"""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from support.keys import NOW, pair
from support.modelled import Manifest, Modelled, graph_of, intents
from support.random_dialects import dialects
from support.random_tls import NAMES, secrets
from support.rendered import rendered

SEEDS = 6
PAIRS = {("infra", "tls"): pair(*NAMES["tls"], now=NOW), ("apps", "wide"): pair(*NAMES["wide"], now=NOW)}
ROUTES = frozenset({"Ingress", "IngressRoute", "HTTPRoute"})


def _documents(seed: int) -> list[Manifest]:
    return [*dialects(seed), *secrets(PAIRS)]


VERSIONS = [version for seed in range(SEEDS) for version in intents(_documents(seed)).items()]
"""Every object of several installations: most identities occur in several versions."""
FOUNDATIONS = [version for version in VERSIONS if version[0].kind not in ROUTES]
Step = list[tuple[Key, Intent | None]]


@st.composite
def _steps(draw: st.DrawFn) -> list[Step]:
    """Edits and, more rarely, removals; half of them of what routes refer to."""
    version = st.one_of(st.sampled_from(VERSIONS), st.sampled_from(FOUNDATIONS))
    change = version.flatmap(lambda one: st.sampled_from([one, one, (one[0], None)]))
    return draw(st.lists(st.lists(change, min_size=1, max_size=6), min_size=1, max_size=4))


@given(st.integers(0, 500), st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_the_order_of_documents_does_not_show(seed: int, random: Random) -> None:
    documents = _documents(seed)
    expected = rendered(graph_of(documents))
    random.shuffle(documents)
    assert rendered(graph_of(documents)) == expected


@given(st.integers(0, SEEDS - 1), _steps())
@settings(max_examples=25)
def test_incremental_equals_cold(seed: int, steps: list[Step]) -> None:
    current: dict[Key, Intent] = intents(_documents(seed))
    model = Modelled()
    model.apply(dict(current))
    for step in steps:
        before, changes = model.graph, dict(step)
        change = model.apply(changes)
        for key, intent in changes.items():
            if intent is None:
                current.pop(key, None)
            else:
                current[key] = intent
        cold = Modelled()
        cold.apply(dict(current))
        assert rendered(model.graph) == rendered(cold.graph)
        hosts = {*before.virtual_hosts, *model.graph.virtual_hosts}
        differing = {key for key in hosts if before.virtual_hosts.get(key) != model.graph.virtual_hosts.get(key)}
        assert change.virtual_hosts == differing


@given(st.integers(0, SEEDS - 1))
@settings(max_examples=SEEDS)
def test_removing_everything_leaves_nothing(seed: int) -> None:
    objects = intents(_documents(seed))
    model = Modelled()
    model.apply(dict(objects))
    model.remove(*objects)
    assert rendered(model.graph) == ""
