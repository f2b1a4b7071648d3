"""The JSON and YAML documents: a stable interface, described in docs/check.md."""

from __future__ import annotations

from typing import Any

from gatewright.check.matrix import Cell, Row
from gatewright.cli import output
from gatewright.cli.reports.shown import VERSION, Shown, finding_document
from gatewright.trace.journey import Limit, Limits


def document(shown: Shown) -> dict[str, Any]:
    """The whole report."""
    return {
        "version": VERSION,
        "findings": [finding_document(item) for item in shown.findings],
        "suppressed": [
            {**finding_document(item), "reason": word.reason, "until": word.until or None}
            for item, word in shown.suppressed
        ],
        "matrix": [_cell(row, cell) for row in shown.matrix for cell in row.cells],
        "documents": {
            "read": shown.documents.read,
            "unknown": dict(shown.documents.unknown),
            "problems": shown.documents.problems,
        },
    }


def as_json(shown: Shown) -> str:
    return output.machine(document(shown), "json")


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
