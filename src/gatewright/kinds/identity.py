"""How objects are named and chosen: the words that all intents share."""

from __future__ import annotations

from msgspec import Struct


class Key(Struct, frozen=True, order=True, gc=False):
    """The identity of an object: kind (without group: kinds are unique here), namespace ("" if none), name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {where}"


class Selector(Struct, frozen=True, gc=False):
    """A Kubernetes label selector; empty matches everything.  Expressions: (key, operator, values)."""

    labels: tuple[tuple[str, str], ...] = ()
    expressions: tuple[tuple[str, str, tuple[str, ...]], ...] = ()

    def matches(self, labels: dict[str, str]) -> bool:
        """Does it select these labels?  Operators In, NotIn, Exists, DoesNotExist; others select nothing."""
        return all(labels.get(key) == value for key, value in self.labels) and all(
            _holds(labels.get(key), operator, values) for key, operator, values in self.expressions
        )


def _holds(value: str | None, operator: str, values: tuple[str, ...]) -> bool:
    """One expression of a selector (labels.Requirement of apimachinery: NotIn holds for an absent key)."""
    match operator:
        case "In":
            return value is not None and value in values
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    return False
