"""JUnit XML: one test case per rule, failed where it found something that counts."""

from __future__ import annotations

import re
from collections import defaultdict
from xml.sax.saxutils import escape, quoteattr

from gatewright.base.problem import Severity
from gatewright.cli.reports.shown import Located, Shown

# XML 1.0 has no way to write these, not even escaped.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def render(shown: Shown) -> str:
    """The findings as a test suite; info does not fail."""
    known = shown.by_id()
    by_rule: dict[str, list[Located]] = defaultdict(list)
    for item in shown.findings:
        if item.finding.severity is not Severity.INFO:
            rule = known.get(item.finding.id)
            by_rule[rule.id if rule is not None else item.finding.id].append(item)
    names = sorted({rule.id for rule in shown.rules} | by_rule.keys())
    cases = "".join(case("check", name, [_text(item) for item in by_rule.get(name, ())]) for name in names)
    return suite("gatewright check", cases, len(names), len(by_rule))


def suite(name: str, cases: str, tests: int, failures: int) -> str:
    """The document around test cases."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n'
        f'<testsuite name={quoteattr(name)} tests="{tests}" failures="{failures}">\n{cases}</testsuite>\n</testsuites>'
    )


def case(group: str, name: str, failures: list[str]) -> str:
    """One test case; failed when there is a text to say why."""
    head = f"  <testcase classname={quoteattr(group)} name={quoteattr(_clean(name))}"
    if not failures:
        return head + "/>\n"
    first = _clean(failures[0].partition("\n")[0])
    body = escape(_clean("\n\n".join(failures)))
    return f"{head}>\n    <failure message={quoteattr(first)}>{body}</failure>\n  </testcase>\n"


def _text(item: Located) -> str:
    finding = item.finding
    where = ", ".join(map(str, item.places))
    told = [f"{where}: {finding.id}: {finding.message}", finding.consequence, finding.fix and f"Fix: {finding.fix}"]
    return "\n".join(filter(None, told))


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
