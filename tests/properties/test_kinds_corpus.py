"""Real manifests lower without a fault that is not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from gatewright.base.problem import Severity
from gatewright.kinds import KINDS, lower
from support.lowering import document
from support.needs import corpus

# The one document of the corpus that the API server refuses too: it replaces the prefix of an Exact match.
FAULTY = {("HTTPRoute", "istio-ingress", "github")}


def objects(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.rglob("*.y*ml")):
        for data in yaml.safe_load_all(path.read_text()):
            if isinstance(data, dict) and "kind" in data and "apiVersion" in data:
                yield data


SILENT = ("EnvoyProxy",)
"""Kinds of which most objects ask for nothing that concerns us."""


def test_every_known_document_lowers_and_only_the_faulty_one_is_refused() -> None:
    known = {kind.name for kind in KINDS}
    refused, seen = set(), 0
    for data in objects(corpus()):
        made = document(data)
        result = lower(made)
        if result is None:
            continue
        seen += 1
        assert made.kind in known
        errors = [problem for problem in result.problems if problem.severity is Severity.ERROR]
        if made.kind in SILENT:
            assert not errors
            continue
        assert (result.intent is None) == bool(errors), errors
        if errors:
            refused.add((made.kind, made.namespace, made.name))
        elif {p.severity for p in result.problems if p.id != "unsupported-field"} - {Severity.INFO}:
            raise AssertionError(f"a fault that is not there: {result.problems}")
    assert seen > 250
    assert refused == FAULTY
