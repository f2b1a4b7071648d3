"""Short ways to lower one manifest in a test."""

from __future__ import annotations

from typing import Any, TypeVar

import yaml

from gatewright.base.document import Document
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem
from gatewright.kinds import lower
from gatewright.kinds.intents import Lowered

FILE = "manifest.yaml"
T = TypeVar("T")


def document(data: dict[str, Any]) -> Document:
    """A Document as the sources make it."""
    metadata = data.get("metadata") or {}
    return Document(
        Origin(FILE, "1"),
        data["apiVersion"],
        data["kind"],
        metadata.get("namespace") or "",
        metadata.get("name") or "",
        data,
    )


def lowered(text: str) -> Lowered:
    """What a manifest of a known kind lowers to."""
    result = lower(document(yaml.safe_load(text)))
    assert result is not None, "the kind is not known"
    return result


def good(text: str, kind: type[T]) -> T:
    """The intent of a manifest without any fault."""
    result = lowered(text)
    assert result.problems == ()
    assert isinstance(result.intent, kind)
    return result.intent


def bad(text: str) -> tuple[Problem, ...]:
    """The Problems of a manifest that cannot be used."""
    result = lowered(text)
    assert result.intent is None
    assert result.problems
    return result.problems


def told(problems: tuple[Problem, ...]) -> list[tuple[str, str]]:
    """Each Problem as (id, field)."""
    return [(p.id, ".".join(map(str, p.origin.path)) if p.origin else "") for p in problems]
