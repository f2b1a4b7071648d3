"""Which names a change may give other certificates, so that only those are looked up again.

`Concerned` says it as hostname patterns, from graph to graph; `AskedNames` knows which of the names that Envoy asked
for they cover.  Both may say too much, never too little.  Pure.  Counterparts: `secrets`, whose answers these are
about; `xds`, which keeps the names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gatewright.base import hostnames
from gatewright.engines.envoy.tls import NO_SNI
from gatewright.graph.builder import empty_graph
from gatewright.graph.nodes import Change, Family, Gateway, Graph, Listener, VirtualHostKey
from gatewright.kinds.identity import Key

_TERMINATING = (Family.HTTPS, Family.TERMINATED)
_MOST_LABELS = 8
"""Strangers may ask for names of a hundred labels; those of more than this are not told apart."""


class AskedNames:
    """Names as clients wrote them, by every pattern that covers them."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names: set[str] = set()
        self._under: dict[str, set[str]] = {}
        self._deep: set[str] = set()
        for name in names:
            self.add(name)

    def __len__(self) -> int:
        return len(self._names)

    def add(self, name: str) -> None:
        """Somebody asks for it now."""
        if name in self._names:
            return
        self._names.add(name)
        patterns = _patterns(name)
        if patterns is None:
            self._deep.add(name)
        for pattern in patterns or ():
            self._under.setdefault(pattern, set()).add(name)

    def discard(self, name: str) -> None:
        """Nobody asks for it any more."""
        if name not in self._names:
            return
        self._names.discard(name)
        self._deep.discard(name)
        for pattern in _patterns(name) or ():
            names = self._under[pattern]
            names.discard(name)
            if not names:
                del self._under[pattern]

    def under(self, patterns: Iterable[str]) -> set[str]:
        """The names that these patterns cover: exact ones, "*.x" however deep, "*" for all."""
        wanted = set(patterns)
        if hostnames.ANY in wanted:
            return set(self._names)
        found = set().union(*(self._under.get(pattern, ()) for pattern in wanted))
        return found | self._deep if wanted else found


def _patterns(name: str) -> list[str] | None:
    """All that cover a name but the catch-all; None for more of them than are kept."""
    if name == NO_SNI:
        return []
    host = hostnames.normalize(name)
    if host.count(".") >= _MOST_LABELS:
        return None
    return [pattern for pattern in hostnames.parents(host, hostnames.Depth.MANY) if pattern != hostnames.ANY]


class Concerned:
    """Keeps what it takes to say whom a certificate concerns beyond the names that it is made out to.

    Those are names without a certificate of their own, which are shown a listener's first, or a gateway's default.
    """

    def __init__(self) -> None:
        self._graph = empty_graph()
        self._listeners: dict[str, dict[Key, list[Listener]]] = {}
        self._pools: dict[Key, set[tuple[str, str]]] = {}

    def take(self, graph: Graph, change: Change) -> set[str]:
        """The patterns of the names that may be shown another certificate than before; O(change)."""
        before, self._graph = self._graph, graph
        patterns = {name for _, name in change.pooled}
        for gateway_id in change.gateways:
            gateway = graph.gateways.get(gateway_id)
            if _front(before.gateways.get(gateway_id)) != _front(gateway):
                patterns.add(hostnames.ANY)
            self._note_listeners(gateway_id, gateway)
        for pool in change.pooled:
            self._note_pool(pool, before)
        for key in change.virtual_hosts:
            if key.family in _TERMINATING and _candidates(before, key) != _candidates(graph, key):
                patterns.add(key.hostname)
        for certificate in change.certificates:
            patterns.update(self._of(certificate, before))
        return patterns

    def _note_listeners(self, gateway_id: str, gateway: Gateway | None) -> None:
        found: dict[Key, list[Listener]] = {}
        for listener in gateway.listeners if gateway else ():
            for key in listener.certificates:
                found.setdefault(key, []).append(listener)
        if found:
            self._listeners[gateway_id] = found
        else:
            self._listeners.pop(gateway_id, None)

    def _note_pool(self, pool: tuple[str, str], before: Graph) -> None:
        old, new = (set(graph.certificate_names.get(pool, ())) for graph in (before, self._graph))
        for key in new - old:
            self._pools.setdefault(key, set()).add(pool)
        for key in old - new:
            pools = self._pools[key]
            pools.discard(pool)
            if not pools:
                del self._pools[key]

    def _of(self, key: Key, before: Graph) -> Iterator[str]:
        """Whom a certificate concerns that came, went or was renewed."""
        for graph in (before, self._graph):
            certificate = graph.certificates.get(key)
            if certificate is not None:
                yield from certificate.facts.names
                yield from certificate.facts.addresses
        yield from (name for _, name in self._pools.get(key, ()))
        for listeners in self._listeners.values():
            for listener in listeners.get(key, ()):
                if key in (_first(listener, before), _first(listener, self._graph)):
                    yield listener.hostname
        if any(gateway.default_certificate == key for gateway in self._graph.gateways.values()):
            yield hostnames.ANY


def _front(gateway: Gateway | None) -> object:
    """What of a gateway decides which certificates its names are shown, besides its VirtualHosts."""
    if gateway is None:
        return None
    ports = tuple((port.number, port.tls, port.settings.sni_strict) for port in gateway.ports if not port.udp)
    return gateway.pools_certificates, gateway.default_certificate, gateway.depth, ports


def _candidates(graph: Graph, key: VirtualHostKey) -> tuple[tuple[Key, ...], bool | None] | None:
    host = graph.virtual_hosts.get(key)
    return None if host is None else (host.certificates, host.tls.sni_strict if host.tls is not None else None)


def _first(listener: Listener, graph: Graph) -> Key | None:
    """What a listener shows to names that none of its certificates covers."""
    return next((key for key in listener.certificates if key in graph.certificates), None)
