"""Accepting findings in the manifest: what counts, what does not, and what of it stays when documents change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gatewright.kinds import lower
from gatewright.pipeline import Model
from support.lowering import document

CONFIG_MAP: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap"}


def annotated(text: Any) -> dict[str, Any]:
    return {**CONFIG_MAP, "metadata": {"name": "a", "annotations": {"gatewright.dev/ignore": text}}}


def test_lines_with_and_without_a_date() -> None:
    text = "\n  policy-blocks until 2027-01-31: the new policy is coming: soon\n\ndns-aaaa-leak:known\n"
    lowered = lower(document(annotated(text)))
    assert lowered is not None
    assert lowered.intent is not None
    assert [(s.rule, s.until, s.reason) for s in lowered.suppressions] == [
        ("policy-blocks", "2027-01-31", "the new policy is coming: soon"),
        ("dns-aaaa-leak", "", "known"),
    ]
    assert lowered.suppressions[0].origin.path == ("metadata", "annotations", "gatewright.dev/ignore")
    assert lowered.problems == ()


@pytest.mark.parametrize(
    "text",
    [
        "policy-blocks",
        "policy-blocks:",
        "policy-blocks until 2027-01-31:  ",
        "policy-blocks until 2027-02-30: a reason",
        "policy-blocks until 20270131: a reason",
        "policy-blocks until: a reason",
        "policy blocks: a reason",
        "*: all of them",
        7,
        ["policy-blocks: a reason"],
        "x" * 100_000,
    ],
)
def test_what_is_malformed_suppresses_nothing(text: Any) -> None:
    lowered = lower(document(annotated(text)))
    assert lowered is not None
    assert lowered.suppressions == ()
    assert "suppression-invalid" in [problem.id for problem in lowered.problems]
    assert all(len(problem.message) < 200 for problem in lowered.problems)


def test_the_model_keeps_them_with_their_documents(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    manifest = "apiVersion: v1\nkind: {}\nmetadata:\n  name: a\n  annotations: {{gatewright.dev/ignore: '{}'}}\n"
    file.write_text(manifest.format("ConfigMap", "one: because"))
    model = Model()
    model.read([str(tmp_path)])
    assert [s.rule for s in model.suppressions()] == ["one"]
    file.write_text(manifest.format("ConfigMap", "two: because"))
    model.refresh([str(tmp_path)])
    assert [s.rule for s in model.suppressions()] == ["two"]
    file.unlink()
    model.refresh([str(tmp_path)])
    assert model.suppressions() == ()
