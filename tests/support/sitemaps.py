"""Short ways to write one document of the site map in a test."""

from __future__ import annotations

from typing import Any

import yaml

from support.lowering import bad, lowered


def written(kind: str, spec: dict[str, Any]) -> str:
    """A document of the site map, named `x`."""
    return yaml.safe_dump(
        {"apiVersion": "gatewright.dev/v1alpha1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    )


def changed(spec: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with the value at a dotted path (`nodes.0.name`) replaced, None to remove it."""
    result: dict[str, Any] = yaml.safe_load(yaml.safe_dump(spec))
    *front, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    inner: Any = result
    for part in front:
        inner = inner[part]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return result


def refused(kind: str, spec: dict[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with a document that cannot be used: (field below spec, message after the field)."""
    return [
        _told(problem.origin.path if problem.origin else (), problem.message) for problem in bad(written(kind, spec))
    ]


def warned(kind: str, spec: dict[str, Any]) -> list[tuple[str, str]]:
    """What is said of a document that is used all the same."""
    result = lowered(written(kind, spec))
    assert result.intent is not None
    return [_told(p.origin.path if p.origin else (), p.message) for p in result.problems]


def _told(path: tuple[str | int, ...], message: str) -> tuple[str, str]:
    return ".".join(map(str, path[1:])), message.partition(": ")[2]
