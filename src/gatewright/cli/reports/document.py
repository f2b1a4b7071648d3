"""The JSON and YAML documents: a stable interface, described in docs/check.md."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from gatewright.check.matrix import Cell, Row
from gatewright.cli import output
from gatewright.cli.reports.shown import VERSION, Shown, finding_document
from gatewright.trace.journey import Limit, Limits


def document(shown: Shown) -> dict[str, Any]:
    """The whole report."""
    return {**_frame(shown), "matrix": [_cell(row, cell) for row in shown.matrix for cell in row.cells]}


def _frame(shown: Shown) -> dict[str, Any]:
    """The report with an empty matrix in its place."""
    return {
        "version": VERSION,
        "broken": list(shown.broken),
        "findings": [finding_document(item) for item in shown.findings],
        "suppressed": [
            {**finding_document(item), "reason": word.reason, "until": word.until or None}
            for item, word in shown.suppressed
        ],
        "matrix": [],
        "documents": {
            "read": shown.documents.read,
            "unknown": sum(shown.documents.unknown.values()),
            "unknownKinds": dict(shown.documents.unknown),
            "problems": shown.documents.problems,
        },
    }


CELLS = 1000
"""How many cells of the matrix are written at a time: there may be a hundred thousand."""


def as_json(shown: Shown) -> Iterator[str]:
    """The document piece by piece, with each cell of the matrix on a line of its own."""
    frame = output.machine(_frame(shown), "json")
    cells = (_cell(row, cell) for row in shown.matrix for cell in row.cells)
    # No string of the document can hold this: quotes in strings are escaped.
    head, _, tail = frame.partition('"matrix": []')
    encode = msgspec.json.Encoder().encode
    yield head + '"matrix": ['
    between = "\n    "
    while some := list(islice(cells, CELLS)):
        yield between + ",\n    ".join(encode(cell).decode() for cell in some)
        between = ",\n    "
    yield ("\n  ]" if shown.matrix else "]") + tail


def as_yaml(shown: Shown) -> str:
    return output.machine(document(shown), "yaml")


def _cell(row: Row, cell: Cell) -> dict[str, Any]:
    return {
        "host": row.host,
        "url": row.url,
        "vantage": cell.vantage or None,
        "family": int(cell.family),
        "outcome": cell.outcome,
        "kind": cell.kind,
        "asksForCredentials": cell.asks,
        "branches": [
            {
                "kind": fate.kind,
                "outcome": fate.words,
                "status": fate.status or None,
                "resolver": fate.resolver or None,
                "address": fate.address or None,
                "gateway": fate.gateway or None,
                "backend": fate.backend or None,
                "links": list(fate.links),
                "limits": limits_document(fate.limits),
            }
            for fate in cell.fates
        ],
    }


def limits_document(limits: Limits) -> dict[str, Any]:
    """The smallest timeout, body and packet of a branch; None where nobody says."""
    return {
        "idleTimeout": _limit(limits.idle_timeout),
        "body": _limit(limits.body),
        "mtu": _limit(limits.mtu),
    }


def _limit(limit: Limit | None) -> dict[str, Any] | None:
    return {"value": limit.value, "hop": limit.hop} if limit is not None else None
