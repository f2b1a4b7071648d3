"""Questions about a graph and the world around it, kept current with them.

An Analysis is fed each State of the model; `ask` answers a question (see `sight`), `settle` brings all kept questions
up to date and says which of them may have changed.  Nothing here knows what the questions are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from datetime import date
from typing import Any, Concatenate, ParamSpec, TypeVar

from gatewright.base import hostnames
from gatewright.graph.memo import Answer, Asked, Memo
from gatewright.graph.nodes import Change, Family, Graph, VirtualHostKey
from gatewright.graph.objects import Objects, Token
from gatewright.graph.sight import Sight

T = TypeVar("T")
P = ParamSpec("P")


class Analysis:
    """The remembered answers about one model."""

    def __init__(self, objects: Objects, graph: Graph, today: date) -> None:
        self.objects = objects
        self.graph = graph
        self.today = today
        self.memo = Memo(self._compute)
        self._serving: dict[str, set[VirtualHostKey]] = defaultdict(set)
        for key in graph.virtual_hosts:
            self._serving[key.hostname].add(key)
        self._hosted: dict[tuple[str, str], dict[VirtualHostKey, None]] = {}
        self._domains: dict[str, dict[str, None]] = {}
        for key in graph.virtual_hosts:
            for _ in self._secure(key, there=True):
                pass
        self._below: dict[str, dict[str, None]] = {}
        for name in self._serving:
            for domain in _above(name):
                self._below.setdefault(domain, {})[name] = None

    def answer(self, question: Callable[Concatenate[Sight, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The answer to a question, typed."""
        assert not kwargs, "questions take positional arguments"
        found: T = self.memo.ask((question, args))
        return found

    def keep(self, question: Callable[..., Any], *args: Hashable) -> None:
        """Ask now and remember, so that `update` tells of it."""
        self.memo.keep((question, args))

    def drop(self, question: Callable[..., Any], *args: Hashable) -> None:
        """Forget a kept question."""
        self.memo.drop((question, args))

    def serving(self, name: str) -> Iterable[VirtualHostKey]:
        """The VirtualHosts of this very hostname or wildcard."""
        return self._serving.get(name, ())

    @property
    def names(self) -> Iterable[str]:
        """All hostnames and wildcards that some VirtualHost has."""
        return self._serving.keys()

    def names_below(self, domain: str) -> Iterable[str]:
        """The hostnames and wildcards below a domain of two labels or more that some VirtualHost has."""
        return self._below.get(domain, ())

    def hosted(self, gateway_id: str, domain: str) -> Iterable[VirtualHostKey]:
        """The VirtualHosts of a gateway that end TLS, with names directly below a domain."""
        return self._hosted.get((gateway_id, domain), ())

    def domains(self, gateway_id: str) -> Iterable[str]:
        """The domains directly below which a gateway has such names."""
        return self._domains.get(gateway_id, ())

    def update(self, graph: Graph, change: Change) -> set[Asked]:
        """Take the next State; returns the kept questions whose answers may differ now."""
        tokens: set[Token] = set(change.objects)
        tokens.update(("gateway", gateway_id) for gateway_id in change.gateways)
        if any((gateway_id in graph.gateways) != (gateway_id in self.graph.gateways) for gateway_id in change.gateways):
            tokens.add(("gateways",))
        for key in change.virtual_hosts:
            tokens.add(("virtual-host", key))
            tokens.add(("name", key.hostname))
            tokens.update(self._place(key, there=key in graph.virtual_hosts))
            tokens.update(self._secure(key, there=key in graph.virtual_hosts))
        tokens.update(("tls-socket", *socket) for socket in graph.tls_sockets ^ self.graph.tls_sockets)
        tokens.update(("backend", key) for key in change.backends)
        tokens.update(("certificate", key) for key in change.certificates)
        tokens.update(("attachment", key) for key in change.attachments)
        tokens.update(("pool", *pool) for pool in change.pooled)
        self.graph = graph
        return self.memo.touch(tokens)

    def _place(self, key: VirtualHostKey, *, there: bool) -> Iterator[Token]:
        """Note a VirtualHost that is there now, or no longer; what differs when a name comes or goes by it."""
        name = key.hostname
        serving = self._serving.get(name)
        if there and serving is not None:
            serving.add(key)
        elif there:
            self._serving[name].add(key)
            yield ("names",)
            for domain in _above(name):
                self._below.setdefault(domain, {})[name] = None
                yield "below", domain
        elif serving is not None:
            serving.discard(key)
            if not serving:
                del self._serving[name]
                yield ("names",)
                for domain in _above(name):
                    del self._below[domain][name]
                    if not self._below[domain]:
                        del self._below[domain]
                    yield "below", domain

    def _secure(self, key: VirtualHostKey, *, there: bool) -> Iterator[Token]:
        """Note a VirtualHost that ends TLS and is there now, or no longer; what differs by it."""
        if key.family not in (Family.HTTPS, Family.TERMINATED) or key.hostname == hostnames.ANY:
            return
        domain = key.hostname.partition(".")[2]
        place = key.gateway, domain
        hosted = self._hosted.get(place, {})
        if there == (key in hosted):
            return
        yield "hosted", *place
        if there:
            if not hosted:
                self._hosted[place] = hosted
                self._domains.setdefault(key.gateway, {})[domain] = None
                yield "domains", key.gateway
            hosted[key] = None
            return
        del hosted[key]
        if not hosted:
            del self._hosted[place]
            del self._domains[key.gateway][domain]
            yield "domains", key.gateway

    def sweep(self) -> None:
        """Forget what no kept question needs any more."""
        self.memo.sweep()

    def _compute(self, asked: Asked) -> tuple[Any, Iterable[Token], Iterable[Answer]]:
        question, args = asked
        sight = Sight(self)
        return question(sight, *args), sight.reads, sight.below


def _above(name: str) -> Iterator[str]:
    """The domains that a hostname is below, without top-level domains."""
    domain = name.partition(".")[2]
    while "." in domain:
        yield domain
        domain = domain.partition(".")[2]
