"""`gatewright explain`: the list, one page, by a Problem's name, and no such rule."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from gatewright.base.errors import UsageError
from gatewright.check.rules import RULES
from gatewright.cli.explain import command


def explain(*words: str) -> str:
    return CliRunner().invoke(command, words, catch_exceptions=False).stdout


def test_the_list_has_every_rule_on_a_line() -> None:
    told = explain().splitlines()
    assert [line.split()[0] for line in told] == sorted(rule.id for rule in RULES)


def test_a_page_by_its_rule_or_by_a_problem() -> None:
    page = explain("backend-unusable")
    assert page.startswith("backend-unusable (")
    assert explain("backend-missing") == page


def test_a_page_is_as_wide_as_the_terminal_but_for_manifests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    told = explain("cidr-overlap").splitlines()
    assert all(len(line) <= 50 for line in told if not line.startswith(" "))
    assert any(line.startswith("    kind: Link") for line in told)


def test_for_programs() -> None:
    assert json.loads(explain("cidr-overlap", "-o", "json"))["id"] == "cidr-overlap"
    assert len(json.loads(explain("-o", "json"))["rules"]) == len(RULES)


def test_no_such_rule() -> None:
    with pytest.raises(UsageError, match="no rule cidr-overlaps, did you mean cidr-overlap"):
        explain("cidr-overlaps")
