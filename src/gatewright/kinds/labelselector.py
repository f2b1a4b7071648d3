"""LabelSelector as Kubernetes objects write it, and its lowering.  Not a kind; gateways, pools and policies use it.

Counterpart: `identity.Selector`, which says what such a selector matches.
"""

from __future__ import annotations

from typing import Literal

from msgspec import field

from gatewright.kinds.decode import Path, Report, Schema
from gatewright.kinds.identity import Selector


class Expression(Schema, frozen=True):
    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] | None = ()


class LabelSelector(Schema, frozen=True):
    match_labels: dict[str, str] | None = field(default_factory=dict)
    match_expressions: tuple[Expression, ...] | None = ()


def lower(wanted: LabelSelector) -> Selector:
    """The selector without a look at whether the API server would take it."""
    return Selector(
        tuple(sorted((wanted.match_labels or {}).items())),
        tuple((e.key, e.operator, e.values or ()) for e in wanted.match_expressions or ()),
    )


def checked(wanted: LabelSelector, report: Report, path: Path) -> Selector:
    """The selector; operators with too few or too many values reject the document, as the API server does."""
    for index, expression in enumerate(wanted.match_expressions or ()):
        needs = expression.operator in ("In", "NotIn")
        if needs and not expression.values:
            report.invalid(f"{expression.operator} needs values", *path, "matchExpressions", index)
        elif not needs and expression.values:
            where = (*path, "matchExpressions", index, "values")
            report.invalid(f"{expression.operator} takes no values", *where)
    return lower(wanted)
