"""What a builder keeps between changes: the nodes of each kind with what they read, and who contributes what to whom.

Tokens stand for what can change, see `objects`.  Nothing is resolved here.  Counterparts: `builder`, which decides what
is resolved anew; `memo`, which does the same for questions, in no fixed stages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from immutables import Map

from gatewright.graph.objects import Token

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Stage(Generic[K, V]):
    """The nodes of one kind: values, who read what, and a persistent map of them for the Graph."""

    def __init__(self) -> None:
        self.values: Map[K, V] = Map()
        self.changed: set[K] = set()
        self._taken = self.values
        self.abandoned: set[Token] = set()
        # Most tokens have one reader and most nodes a handful of tokens: a set for each would be most of our memory.
        self._reads: dict[K, tuple[Token, ...]] = {}
        self._reader: dict[Token, K] = {}
        self._more_readers: dict[Token, set[K]] = {}

    def concerned(self, touched: Iterable[Token]) -> set[K]:
        """The nodes that read any of these tokens."""
        found: set[K] = set()
        for token in touched:
            if token in self._reader:
                found.add(self._reader[token])
                found |= self._more_readers.get(token, set())
        return found

    def without_value(self) -> set[K]:
        """The nodes that were resolved to nothing."""
        return {key for key in self._reads if key not in self.values}

    def knows(self, key: K) -> bool:
        """Was this node resolved (perhaps to nothing)?"""
        return key in self._reads

    def is_read(self, token: Token) -> bool:
        return token in self._reader

    def put(self, key: K, value: V | None, reads: set[Token]) -> bool:
        """Store a node (None: it does not exist) and what it read; True when its value changed."""
        self._record(key, reads)
        old = self.values.get(key)
        if old == value:
            return False
        self.values = self.values.delete(key) if value is None else self.values.set(key, value)
        self.changed.add(key)
        return True

    def forget(self, key: K) -> bool:
        """Remove a node that nothing asks for any more."""
        self._record(key, set())
        self._reads.pop(key, None)
        if key not in self.values:
            return False
        self.values = self.values.delete(key)
        self.changed.add(key)
        return True

    def _record(self, key: K, reads: set[Token]) -> None:
        before = self._reads.get(key, ())
        for token in before:
            if token not in reads:
                self._stops_reading(key, token)
        for token in reads.difference(before):
            if self._reader.setdefault(token, key) != key:
                self._more_readers.setdefault(token, set()).add(key)
        self._reads[key] = tuple(reads)

    def _stops_reading(self, key: K, token: Token) -> None:
        others = self._more_readers.get(token)
        if self._reader[token] != key:
            assert others is not None
            others.discard(key)
        elif others:
            self._reader[token] = others.pop()
        else:
            del self._reader[token]
            self.abandoned.add(token)
        if others is not None and not others:
            del self._more_readers[token]

    def take_changed(self) -> frozenset[K]:
        """What differs since it was asked last; not what came and went in between."""
        taken = frozenset(key for key in self.changed if key in self.values or key in self._taken)
        self.changed, self._taken = set(), self.values
        return taken


class Relation(Generic[K, V]):
    """Who contributes what to a key: a multi-map whose changes are tokens."""

    def __init__(self) -> None:
        self.members: dict[K, dict[V, int]] = defaultdict(dict)

    def replace(self, before: set[tuple[K, V]], after: set[tuple[K, V]]) -> set[K]:
        """Swap one contributor's pairs; returns the keys whose members changed."""
        changed: set[K] = set()
        for key, value in before - after:
            members = self.members[key]
            members[value] -= 1
            if not members[value]:
                del members[value]
                changed.add(key)
            if not members:
                del self.members[key]
        for key, value in after - before:
            members = self.members[key]
            members[value] = members.get(value, 0) + 1
            if members[value] == 1:
                changed.add(key)
        return changed

    def of(self, key: K) -> tuple[V, ...]:
        """The members of a key, sorted."""
        return tuple(sorted(self.members.get(key, {})))  # type: ignore[type-var]
