"""SARIF 2.1.0 (OASIS), as code scanning services read it."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gatewright.base.origin import Place
from gatewright.base.problem import Severity
from gatewright.check.rule import Rule
from gatewright.cli import output
from gatewright.cli.reports.shown import Located, Shown, relative

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
ROOT = "%SRCROOT%"
"""What relative addresses are relative to: the checkout, as code scanning services call it."""


def render(shown: Shown) -> str:
    """The findings as one run; suppressed ones are in it, marked so (§3.35)."""
    known = shown.by_id()
    ids = sorted({item.finding.id for item in shown.findings} | {item.finding.id for item, _ in shown.suppressed})
    results = [_result(item) for item in shown.findings]
    for item, word in shown.suppressed:
        reason = {"kind": "inSource", "justification": word.reason}
        results.append({**_result(item), "suppressions": [reason]})
    driver = {
        "name": "gatewright",
        "version": version("gatewright"),
        "rules": [_rule(name, known.get(name)) for name in ids],
    }
    run = {
        "tool": {"driver": driver},
        "originalUriBaseIds": {ROOT: {"description": {"text": "the folder that gatewright was started in"}}},
        "results": results,
    }
    return output.machine({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, "json")


def _rule(name: str, rule: Rule | None) -> dict[str, Any]:
    if rule is None:
        return {"id": name}
    return {
        "id": name,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.page.strip().partition("\n")[0]},
        "help": {"text": rule.page.strip()},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(item: Located) -> dict[str, Any]:
    finding = item.finding
    text = "\n".join(filter(None, (finding.message, finding.consequence, finding.fix and f"Fix: {finding.fix}")))
    first, *others = item.places
    # What stays the same when lines move: id, message and file.
    mark = hashlib.sha256("\0".join((finding.id, finding.message, relative(first.file))).encode()).hexdigest()
    return {
        "ruleId": finding.id,
        "level": _LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [_location(first)],
        "relatedLocations": [{"id": number, **_location(place)} for number, place in enumerate(others)],
        "partialFingerprints": {"gatewright/v1": mark},
    }


def _location(place: Place) -> dict[str, Any]:
    file = relative(place.file)
    where: dict[str, Any] = {"artifactLocation": {"uri": quote(file), "uriBaseId": ROOT}}
    if file.startswith("/"):
        where = {"artifactLocation": {"uri": Path(file).as_uri()}}
    if place.line:
        where["region"] = {"startLine": place.line}
    return {"physicalLocation": where}
