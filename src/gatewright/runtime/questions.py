"""Which backends are asked whether requests may pass, or with which keys their tokens are signed.

For these nobody stands in: an echo answers 200 to anything, so everybody would pass.  A backend counts as asked until
Envoy has taken routes that no longer ask it.  Counterpart: `standins`, who answers for the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gatewright.graph.nodes import AskAuth, BackendKey, Change, Graph, TokenCheck, VirtualHost, VirtualHostKey


class Questions:
    """The backends that the rules of the graph ask, kept in step with it."""

    def __init__(self) -> None:
        self._by_host: dict[VirtualHostKey, frozenset[BackendKey]] = {}
        self._count: Counter[BackendKey] = Counter()
        self._asked: set[BackendKey] = set()

    def apply(self, graph: Graph, change: Change) -> frozenset[BackendKey]:
        """Follow the graph; O(change).  The backends that are asked from now on and were not before."""
        for key in change.virtual_hosts:
            host = graph.virtual_hosts.get(key)
            before, now = self._by_host.pop(key, frozenset()), frozenset(_asked(host) if host is not None else ())
            if now:
                self._by_host[key] = now
            self._count.update(now)
            self._count.subtract(before)
        self._count = +self._count
        new = frozenset(self._count.keys() - self._asked)
        self._asked |= new
        return new

    def forget(self) -> frozenset[BackendKey]:
        """Envoy has taken all routes: the backends that are asked no more."""
        gone = frozenset(self._asked - self._count.keys())
        self._asked -= gone
        return gone

    def __contains__(self, key: object) -> bool:
        return key in self._asked


def _asked(host: VirtualHost) -> Iterator[BackendKey]:
    for entry in host.entries:
        for step in entry.rule.steps:
            match step:
                case AskAuth():
                    yield step.backend
                case TokenCheck():
                    yield from (keys[0] for _, keys in step.keys if not isinstance(keys, str))
                case _:
                    pass
