"""Two reports side by side: what is the same, and what came and went of several that look alike."""

from __future__ import annotations

from gatewright.base.origin import Origin
from gatewright.base.problem import Severity
from gatewright.check.compare import compare
from gatewright.check.finding import Finding
from gatewright.check.matrix import Cell, Row
from gatewright.check.run import Report


def finding(message: str, file: str = "a.yaml", document: str = "one", rule: str = "some-rule") -> Finding:
    return Finding(rule, Severity.ERROR, message, "", "", (Origin(file, document, ("spec",)),))


def report(*findings: Finding, cells: tuple[Cell, ...] = ()) -> Report:
    return Report(findings, (Row("app.example.com", "", cells),) if cells else ())


def cell(family: str, outcome: str, kind: str = "delivered") -> Cell:
    return Cell("laptop", family, outcome, kind, ())


def test_a_report_and_itself() -> None:
    same = report(finding("x"), finding("y"), cells=(cell("4", "well"),))
    compared = compare(same, same)
    assert (compared.turns, compared.introduced, compared.fixed) == ((), (), ())
    assert compared.unchanged == same.findings


def test_one_more_of_the_same_is_introduced() -> None:
    first, second = finding("x", document="one"), finding("x", document="two")
    compared = compare(report(first), report(first, second))
    assert (compared.introduced, compared.fixed, compared.unchanged) == ((second,), (), (first,))
    compared = compare(report(first, second), report(second))
    assert (compared.introduced, compared.fixed, compared.unchanged) == ((), (first,), (second,))


def test_another_rule_in_the_same_place_is_another_finding() -> None:
    compared = compare(report(finding("x")), report(finding("x", rule="other-rule")))
    assert len(compared.introduced) == len(compared.fixed) == 1


def test_another_fault_elsewhere_is_another_finding() -> None:
    compared = compare(report(finding("x")), report(finding("y", document="two")))
    assert len(compared.introduced) == len(compared.fixed) == 1


def test_files_are_called_as_both_sides_call_them() -> None:
    old, new = report(finding("x", "old/a.yaml")), report(finding("x", "new/a.yaml"), finding("x", "new/b.yaml"))
    compared = compare(old, new, lambda file: file.removeprefix("old/"), lambda file: file.removeprefix("new/"))
    assert [item.origins[0].file for item in compared.unchanged] == ["new/a.yaml"]
    assert [item.origins[0].file for item in compared.introduced] == ["new/b.yaml"]


def test_fates_that_change_come_and_go() -> None:
    before = report(cells=(cell("4", "well"), cell("6", "nowhere", "absent")))
    after = report(cells=(cell("4", "fails at tls: no", "refused"),))
    turns = compare(before, after).turns
    assert [(turn.family, turn.before, turn.after) for turn in turns] == [
        ("4", "well", "fails at tls: no"),
        ("6", "nowhere", ""),
    ]
    assert (turns[0].kind_before, turns[0].kind_after) == ("delivered", "refused")
