"""Documents to a graph without files: kinds and graph only, for tests that change objects one by one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gatewright import kinds
from gatewright.graph.builder import Builder, empty_graph
from gatewright.graph.nodes import Change, Graph
from gatewright.kinds.identity import Key
from gatewright.kinds.intents import Intent
from support.keys import NOW
from support.lowering import document

Manifest = dict[str, Any]


def intents(documents: Iterable[Manifest]) -> dict[Key, Intent]:
    """What the documents lower to; the first of several with one identity counts."""
    found: dict[Key, Intent] = {}
    for data in documents:
        lowered = kinds.lower(document(data))
        if lowered is not None and lowered.intent is not None:
            found.setdefault(lowered.intent.key, lowered.intent)
    return found


class Modelled:
    """A graph that is kept current: `put` and `remove` change objects, `graph` is what stands then."""

    def __init__(self, documents: Iterable[Manifest] = ()) -> None:
        self._builder = Builder(lambda: NOW)
        self.graph: Graph = empty_graph()
        self.change = Change()
        self.apply(dict(intents(documents)))

    def apply(self, changes: dict[Key, Intent | None]) -> Change:
        self.graph, self.change = self._builder.apply(changes)
        return self.change

    def put(self, *documents: Manifest) -> Change:
        return self.apply(dict(intents(documents)))

    def remove(self, *keys: Key) -> Change:
        return self.apply(dict.fromkeys(keys))


def graph_of(documents: Iterable[Manifest]) -> Graph:
    """The graph of these documents, built at once."""
    return Modelled(documents).graph
