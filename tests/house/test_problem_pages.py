"""Every Problem has a page: the ids that the source gives out are read from it, and some rule lifts each of them."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import gatewright
from gatewright.check.rules import RULES
from gatewright.check.run import SEVERITIES as ORDER
from support import checked

SEVERITIES = tuple(f"{severity} " for severity in ORDER)
SOURCE = Path(gatewright.__file__).parent
ELSEWHERE = {"check", "cli"}
"""What reports Problems, and does not make any."""
RUNNING = {
    *("envoy-replaced", "more", "not-live", "refused", "status-unwritable", "users-unchecked"),
    *("view-empty", "view-unknown"),
}
"""What `gatewright run` says of itself, in the form in which it reports Problems."""

# Whom an id is told, and as which argument.  `add` and the like are told a severity first.
TELLERS = {
    "Problem": (0,),
    "Failure": (0,),
    "Fault": (0,),
    "Unreadable": (0,),
    "error": (0,),
    "warning": (0,),
    "warn": (0,),
    "info": (0,),
    "add": (0, 1),
    "contradiction": (0,),
    "_refused": (0,),
    "_say": (1,),
    "_info": (1,),
    "refuse": (2,),
    "tell": (1,),
}
OF_NOTES = {"contradiction", "refuse"}
"""Methods of Notes that are called like a teller, and are told the name of an annotation instead of an id."""
KEYWORDS = {"id", "problem_id"}
VARIABLES = {"identity", "id_"}
"""Names of variables that hold an id until it is told."""


def trees() -> Iterator[ast.Module]:
    for path in sorted(SOURCE.rglob("*.py")):
        if path.relative_to(SOURCE).parts[0] not in ELSEWHERE:
            yield ast.parse(path.read_text(encoding="utf-8"))


def is_id(text: object) -> bool:
    """Ids are kebab-case; what is told beside them are sentences."""
    return isinstance(text, str) and text.replace("-", "").isalnum() and text.islower() and text[0].isalpha()


def constants(node: ast.AST) -> Iterator[str]:
    found = (node.body, node.orelse) if isinstance(node, ast.IfExp) else (node,)
    for item in found:
        if isinstance(item, ast.Constant) and is_id(item.value):
            yield str(item.value)


def told(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in OF_NOTES and "notes" in ast.unparse(node.func).lower():
                continue
            for position in TELLERS.get(name, ()):
                if position < len(node.args):
                    yield from constants(node.args[position])
            if name in TELLERS:
                yield from (text for one in node.keywords if one.arg in KEYWORDS for text in constants(one.value))
        elif isinstance(node, ast.Assign):
            yield from assigned(node)


def assigned(node: ast.Assign) -> Iterator[str]:
    for target in node.targets:
        pairs = [(target, node.value)]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(target.elts, node.value.elts, strict=False))
        for name, value in pairs:
            if isinstance(name, ast.Name) and name.id in VARIABLES:
                yield from constants(value)


def ids() -> set[str]:
    return {text for tree in trees() for text in told(tree)} - RUNNING


def test_the_source_is_understood() -> None:
    """Those that are told in every way there is."""
    some = {"not-attached", "backend-missing", "backend-cycle", "invalid-value", "annotation-unknown", "yaml-syntax"}
    assert some <= ids()


def test_every_problem_has_a_page() -> None:
    lifted = {problem for rule in RULES for problem in (rule.id, *rule.lifts)}
    assert sorted(ids() - lifted) == [], "lift them in a rule: its page is what `gatewright explain` prints"


def test_no_problem_has_two_pages() -> None:
    counted = Counter(problem for rule in RULES for problem in rule.lifts)
    assert [problem for problem, count in counted.items() if count > 1] == []


def test_a_rule_that_lifts_says_what_it_leads_to_and_what_to_do() -> None:
    assert [rule.id for rule in RULES if rule.lifts and not (rule.consequence and rule.fix)] == []


def test_every_finding_that_is_shown_is_whole() -> None:
    """What is wrong, what it leads to and what to do, in each finding of the feature cases."""
    told = [part for case in checked.cases() for part in (case / checked.EXPECTED).read_text().split("\n\n") if part]
    findings = [part for part in told if part.startswith(SEVERITIES)]
    assert len(findings) > 50
    assert [part for part in findings if "\n    leads to: " not in part or "\n    fix: " not in part] == []
