"""The annotation `gatewright.dev/ignore`: findings about a document that its owner knows and accepts.

One line each, `rule-id until 2027-01-31: reason`.  The date may be left out, the reason may not: whoever reads the
manifest next has to know why.  A line that is malformed suppresses nothing and is said.  Counterpart: `check`, which
knows the rules and the date.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.kinds.intents import Suppression

ANNOTATION = "gatewright.dev/ignore"
_ENTRY = re.compile(r"([a-z0-9]+(?:-[a-z0-9]+)*)(?:\s+until\s+([^\s:]+))?\s*:(.*)")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def suppressions(document: Document) -> tuple[tuple[Suppression, ...], tuple[Problem, ...]]:
    """What the document's annotation suppresses, and what is wrong with it."""
    data: Any = document.data  # as the input has it
    metadata = data.get("metadata") if isinstance(data, Mapping) else None
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    if not isinstance(annotations, Mapping) or ANNOTATION not in annotations:
        return (), ()
    origin = document.origin.at("metadata", "annotations", ANNOTATION)
    text = annotations[ANNOTATION]
    if not isinstance(text, str):
        return (), (_invalid("expected text", origin),)
    found: list[Suppression] = []
    problems: list[Problem] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        entry = _suppression(line, origin)
        if isinstance(entry, Problem):
            problems.append(entry)
        else:
            found.append(entry)
    return tuple(found), tuple(problems)


def _suppression(line: str, origin: Origin) -> Suppression | Problem:
    entry = _ENTRY.fullmatch(line)
    if entry is None:
        return _invalid(f"{line[:60]!r} is not `rule-id until 2027-01-31: reason`", origin)
    rule, until, reason = entry[1], entry[2] or "", entry[3].strip()
    if until and not _is_date(until):
        return _invalid(f"{until[:20]!r} is not a date, so {rule} is not suppressed", origin)
    if not reason:
        return _invalid(f"{rule} is not suppressed: there is no reason", origin)
    return Suppression(rule, reason, until, origin)


def _is_date(text: str) -> bool:
    if _DATE.fullmatch(text) is None:
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _invalid(message: str, origin: Origin) -> Problem:
    hint = "one line for each rule: rule-id until 2027-01-31: reason (the date may be left out)"
    return Problem("suppression-invalid", f"{ANNOTATION}: {message}", origin, Severity.WARNING, hint)
