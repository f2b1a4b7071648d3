"""Check cases: `features/check/<rule>/<case>/` holds input (any files) and `findings.txt`, what that rule says of it.

A case whose name starts with `fires` must find something, one that starts with `near-miss` nothing.  The text is made
here, by no code of the product's reports.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from gatewright.base.origin import Locator
from gatewright.check.finding import Finding
from gatewright.check.rules import RULES
from gatewright.check.run import Checker, Report
from gatewright.pipeline import Model
from support.keys import NOW

CHECKS = Path(__file__).resolve().parents[1] / "features" / "check"
EXPECTED = "findings.txt"


def cases() -> list[Path]:
    """Every case, sorted."""
    return sorted(path for path in CHECKS.glob("*/*") if path.is_dir())


def examined(*paths: Path) -> tuple[Report, Model]:
    """What check says of these paths, on the day that all tests agree on."""
    model = Model(lambda: NOW)
    model.read([str(path) for path in paths])
    checker = Checker(model.analysis, RULES)
    checker.run()
    return checker.report(model.problems(), model.suppressions(), NOW.date()), model


def produce(case: Path, folder: Path) -> str:
    """What the rule that the case is for says of it; `folder` is an empty one for its input."""
    shutil.copytree(case, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(EXPECTED))
    report, model = examined(folder)
    wanted = ids(case.parent.name)
    found = [text(item, model.locator) for item in report.findings if item.id in wanted]
    return "\n".join(found).replace(f"{folder}/", "")


def ids(rule: str) -> set[str]:
    """The ids under which a rule's findings appear.  LookupError for a folder that is named after no rule."""
    (found,) = (item for item in RULES if item.id == rule)
    return {found.id, *found.lifts}


def text(finding: Finding, locator: Locator) -> str:
    """One finding as a block of text."""
    where = ", ".join(dict.fromkeys(str(locator.locate(origin)) for origin in finding.origins))
    lines = [f"{finding.severity} {finding.id} {where}", f"    {finding.message}"]
    for label, said in (
        ("leads to", finding.consequence),
        ("fix", finding.fix),
        ("hosts", ", ".join(finding.hosts)),
        ("from", ", ".join(finding.vantages)),
    ):
        if said:
            lines.append(f"    {label}: {said}")
    if finding.patch is not None:
        lines.append(f"    patch: {'.'.join(map(str, finding.patch.origin.path))}: {finding.patch.value}")
    lines += [f"    | {line}" for line in finding.snippet.splitlines()]
    return "\n".join(lines) + "\n"
