"""The compatibility page promises what the code does: every feature of every dialect is tried with its example."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright import kinds
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.kinds import compatibility
from gatewright.kinds.annotations import readers
from gatewright.kinds.annotations.names import NAMES
from gatewright.kinds.annotations.notes import Notes
from gatewright.kinds.features import Compatibility, Feature, Support
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import RouteIntent
from support.lowering import document
from support.needs import REPOSITORY

FEATURES = [(dialect, feature) for dialect in compatibility.DIALECTS for feature in dialect.features]
TOLD = (Support.DIFFERENT, Support.REPORTED)


def test_the_page_is_that_of_the_code() -> None:
    page = (REPOSITORY / "docs" / "compatibility.md").read_text(encoding="utf-8")
    assert page == compatibility.page(), "scripts/compatibility writes it"


@pytest.mark.parametrize("dialect", compatibility.DIALECTS, ids=lambda dialect: dialect.title)
def test_features_are_listed_once(dialect: Compatibility) -> None:
    names = [feature.name for feature in dialect.features]
    assert sorted(set(names)) == sorted(names)
    assert not [f.name for f in dialect.features if f.support in (*TOLD, Support.SLIGHT) and not f.note], (
        "say what differs"
    )


@pytest.mark.parametrize("reader", readers.READERS, ids=lambda reader: reader.prefix)
def test_every_annotation_is_listed(reader: readers.Reader) -> None:
    listed = {f.name.removeprefix(reader.prefix) for one in reader.compatibility for f in one.features}
    assert not set(NAMES[reader.prefix]) - listed


@pytest.mark.parametrize(
    ("dialect", "feature"), FEATURES, ids=lambda value: value.name if isinstance(value, Feature) else value.title
)
def test_an_example_does_what_is_said(dialect: Compatibility, feature: Feature) -> None:
    assert feature.example, "every feature has an example"
    result, without, problems = _TRIED[dialect.shape](dialect, feature)
    told = [f"{problem.id}: {problem.message}" for problem in problems]
    if feature.support in TOLD:
        assert len(told) == 1, told
    else:
        assert not told
    if feature.support in (Support.HONOURED, Support.DIFFERENT, Support.SLIGHT):
        assert result != without, "no effect"


def _annotation(dialect: Compatibility, feature: Feature) -> tuple[Any, Any, tuple[Problem, ...]]:
    """An Ingress with the annotation (and what else its example says, a line each), and one without any."""
    first, *others = feature.example.split("\n")
    notes = {feature.name: first} | dict(line.split(": ", 1) for line in others if line)
    lowered, without = _ingress(notes), _ingress({name: value for name, value in notes.items() if name != feature.name})
    return _meaning(lowered.intent), _meaning(without.intent), lowered.problems


def _ingress(annotations: dict[str, str]) -> kinds.Lowered:
    backend = {"service": {"name": "app", "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    data = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "app", "namespace": "apps", "annotations": annotations},
        "spec": {
            "ingressClassName": "any",
            "rules": [{"host": "app.test", "http": {"paths": [path]}}],
            "tls": [{"hosts": ["app.test"], "secretName": "app"}],
        },
    }
    lowered = kinds.lower(document(data))
    assert lowered is not None
    return lowered


def _meaning(intent: Any) -> Any:
    assert isinstance(intent, RouteIntent)
    return intent.protocol, intent.attach, intent.rules, intent.tls, intent.options


def _configmap(dialect: Compatibility, feature: Feature) -> tuple[Any, Any, tuple[Problem, ...]]:
    reader = next(one for one in readers.READERS if dialect in one.compatibility)
    assert reader.class_wide is not None
    first, *others = feature.example.split("\n")
    data = {feature.name: first} | dict(line.split(": ", 1) for line in others if line)
    notes, empty = (Notes(values, Key("ConfigMap", "apps", "settings"), Origin("c.yaml")) for values in (data, {}))
    return reader.class_wide(notes), reader.class_wide(empty), tuple(notes.problems)


def _documents(dialect: Compatibility, feature: Feature) -> tuple[Any, Any, tuple[Problem, ...]]:
    """Documents that lower to something; what they mean is for the tests of their kinds to say."""
    found = [kinds.lower(document(data)) for data in yaml.safe_load_all(feature.example)]
    assert found
    assert all(one is not None for one in found)
    intents = [one.intent for one in found if one]
    return intents, [], tuple(problem for one in found if one for problem in one.problems)


_TRIED = {"annotation": _annotation, "configmap": _configmap, "document": _documents}
